//! A device with a SIM: without DTLS over the operator's bearer only, and no connection without a
//! key.

use std::net::SocketAddr;

use lwm2m_bootstrap::{DerivedKey, cellular::Bearer};
use lwm2m_model::objects::{self, Security};
use lwm2m_net::{
    cellular::Cellular,
    device::{Device, Event, Events},
};
use tokio::net::UdpSocket;

/// Starts a device with the account of a bootstrap server.
async fn device(account: Security, cellular: Cellular) -> (Device, Events) {
    let account = Security {
        bootstrap_server: true,
        ..account
    };
    let device = Device::builder("dev1")
        .object(account)
        .object(objects::Device::default())
        .cellular(cellular);
    device.start().await.unwrap()
}

fn clear(server: SocketAddr) -> Security {
    Security {
        lwm2m_server_uri: format!("coap://{server}"),
        security_mode: 3,
        ..Security::default()
    }
}

async fn failure(events: &mut Events) -> String {
    loop {
        if let Event::BootstrapFailed { reason, .. } = events.next().await.unwrap() {
            return reason.to_string();
        }
    }
}

#[tokio::test]
async fn without_security_the_device_uses_the_operators_bearer_only() {
    let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = server.local_addr().unwrap();
    let cellular = Cellular::new();
    let (device, mut events) = device(clear(address), cellular.clone()).await;
    let reason = failure(&mut events).await;
    assert!(
        reason.contains("the operator's bearer is needed"),
        "{reason}"
    );
    let mut datagram = [0; 1500];
    assert!(
        server.try_recv_from(&mut datagram).is_err(),
        "nothing was sent"
    );

    cellular.set_bearer(Bearer::Operator);
    assert!(device.bootstrap().await.unwrap());
    let (len, _) = server.recv_from(&mut datagram).await.unwrap();
    assert!(datagram[..len].windows(4).any(|bytes| bytes == b"dev1"));
}

#[tokio::test]
async fn an_account_whose_key_nothing_makes_leads_to_no_connection() {
    let account = Security {
        lwm2m_server_uri: "coaps://127.0.0.1:9".into(),
        public_key_or_identity: DerivedKey::Gba.hint().into(),
        ..Security::default()
    };
    let (_device, mut events) = device(account, Cellular::new()).await;
    let reason = failure(&mut events).await;
    assert!(reason.contains("the key can't be made"), "{reason}");
}
