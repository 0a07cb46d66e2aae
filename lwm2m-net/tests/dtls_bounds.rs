//! DTLS servers against strangers.

mod common;

use common::{
    Event, Node, Toy,
    dtls::{DEVICE, client_hello, device_up, hello_verify, keys, relay, server, uri},
    v4,
};
use lwm2m_coap::DownReason;
use lwm2m_net::{Driver, Limits};
use tokio::net::UdpSocket;

#[tokio::test]
async fn a_message_in_clear_never_passes_for_one_of_a_session() {
    let mut server = server(v4(), keys()).await;
    let address = server.addresses.dtls[0];
    let (uri, from) = relay(address, None).await;
    let forged = [23, 254, 253, 0, 0, 0, 0, 0, 0, 1, 0, 0, 3, 1, 2, 3];
    // Before the handshake, so that it could wait for the end of that, and after it.
    from.send_to(&client_hello(1), address).await.expect("sent");
    from.send_to(&forged, address).await.expect("sent");
    let mut client = Node::client().await;
    let peer = client.connected(format!("coaps://{uri}"), DEVICE).await;
    let device = device_up(&mut server).await;
    from.send_to(&forged, address).await.expect("sent");
    client.echoed(peer, b"genuine").await;
    assert_eq!(
        server.next().await,
        Event::Message(device, b"genuine".to_vec())
    );
    assert_eq!(server.pending().await, []);
}

#[tokio::test]
async fn half_open_handshakes_are_bounded_per_source_and_in_all() {
    let mut limits = Limits::default();
    limits.half_open = 3;
    limits.half_open_per_source = 2;
    let driver = Driver::new(Toy::echo()).dtls(v4(), keys()).limits(limits);
    let mut server = Node::spawn(driver).await;
    let address = server.addresses.dtls[0];
    for random in 0..5 {
        let socket = UdpSocket::bind(v4()).await.expect("bound");
        socket
            .send_to(&client_hello(random), address)
            .await
            .expect("sent");
        hello_verify(&socket).await;
    }
    assert_eq!(server.handle.counts().half_open_evicted, 3);
    // Other loopback addresses are other sources.
    for last in 2..5u8 {
        let socket = UdpSocket::bind((std::net::Ipv4Addr::new(127, 0, 0, last), 0)).await;
        let Ok(socket) = socket else {
            println!("this system has no 127.0.0.{last}: the bound for all sources is not tried");
            return;
        };
        socket
            .send_to(&client_hello(last), address)
            .await
            .expect("sent");
        hello_verify(&socket).await;
    }
    assert_eq!(server.handle.counts().half_open_evicted, 5);
    // A real device still gets in.
    let mut client = Node::client().await;
    client.connected(uri(&server), DEVICE).await;
    device_up(&mut server).await;
}

#[tokio::test(start_paused = true)]
async fn a_half_open_handshake_that_goes_silent_is_dropped() {
    let server = server(v4(), keys()).await;
    let socket = UdpSocket::bind(v4()).await.expect("bound");
    // The first piece of a ClientHello, and never the rest.
    let mut piece = client_hello(1);
    piece[16] += 1;
    for hello in [client_hello(2), piece] {
        socket
            .send_to(&hello, server.addresses.dtls[0])
            .await
            .expect("sent");
    }
    while server.handle.counts().handshakes_timed_out == 0 {
        tokio::time::advance(std::time::Duration::from_secs(1)).await;
        server.handle.call(|_, _| ()).await.expect("called");
    }
    assert_eq!(server.handle.counts().half_open_restarted, 1);
    // One HelloVerifyRequest for the whole ClientHello: who never answers is told nothing twice.
    assert_eq!(server.handle.counts().sent, 1);
}

#[tokio::test]
async fn a_new_client_hello_of_the_same_address_begins_again() {
    let server = server(v4(), keys()).await;
    let socket = UdpSocket::bind(v4()).await.expect("bound");
    for random in [1, 2] {
        socket
            .send_to(&client_hello(random), server.addresses.dtls[0])
            .await
            .expect("sent");
        hello_verify(&socket).await;
    }
    assert_eq!(server.handle.counts().half_open_restarted, 1);
}

#[tokio::test]
async fn garbage_at_a_dtls_socket_makes_no_peer() {
    let mut server = server(v4(), keys()).await;
    let socket = UdpSocket::bind(v4()).await.expect("bound");
    let stray = [23, 254, 253, 0, 1, 0, 0, 0, 0, 0, 1, 0, 3, 1, 2, 3];
    for garbage in [
        &b""[..],
        b"x",
        b"\x40\x01\0\0",
        &stray,
        &client_hello(1)[..20],
    ] {
        socket
            .send_to(garbage, server.addresses.dtls[0])
            .await
            .expect("sent");
    }
    let mut client = Node::client().await;
    client.connected(uri(&server), DEVICE).await;
    device_up(&mut server).await;
    assert_eq!(server.handle.counts().unusable, 5);
}

#[tokio::test]
async fn a_full_table_of_sessions_lets_the_silent_one_go() {
    let mut limits = Limits::default();
    limits.secure_peers = 1;
    let driver = Driver::new(Toy::echo()).dtls(v4(), keys()).limits(limits);
    let mut server = Node::spawn(driver).await;
    let mut first = Node::client().await;
    let peer = first.connected(uri(&server), DEVICE).await;
    let device = device_up(&mut server).await;
    let mut second = Node::client().await;
    second.connected(uri(&server), DEVICE).await;
    assert_eq!(
        server.next().await,
        Event::Down(device, DownReason::Evicted)
    );
    device_up(&mut server).await;
    assert_eq!(first.next().await, Event::Down(peer, DownReason::Remote));
}
