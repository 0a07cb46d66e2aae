//! `coaps://`: DTLS with pre-shared keys.

mod common;

use common::{
    Event, Node, Toy,
    dtls::{DEVICE, device_up, keys, relay, server, uri},
    v4, v4_and_v6,
};
use lwm2m_coap::{ConnectError, DownReason};
use lwm2m_net::{Driver, Limits};
use tokio::net::UdpSocket;

#[tokio::test]
async fn a_message_is_echoed_over_dtls_on_ipv4_and_ipv6() {
    for address in v4_and_v6() {
        let mut server = server(address, keys()).await;
        let mut client = Node::client().await;
        let peer = client.connected(uri(&server), DEVICE).await;
        let device = device_up(&mut server).await;
        for size in [1, 100, 1280, 1900] {
            let message = vec![5; size];
            client.echoed(peer, &message).await;
            assert_eq!(server.next().await, Event::Message(device, message));
        }
        assert_eq!(server.handle.counts().handshakes_done, 1);
        assert_eq!(client.handle.counts().handshakes_done, 1);
    }
}

#[tokio::test]
async fn a_burst_of_messages_passes_in_order() {
    let mut server = server(v4(), keys()).await;
    let mut client = Node::client().await;
    let peer = client.connected(uri(&server), DEVICE).await;
    client
        .handle
        .call(move |toy, _| (0..50).for_each(|n| toy.send(peer, &[n; 900])))
        .await
        .expect("called");
    device_up(&mut server).await;
    for n in 0..50 {
        assert_eq!(client.next().await, Event::Message(peer, vec![n; 900]));
    }
}

#[tokio::test]
async fn any_flight_of_a_handshake_may_get_lost() {
    let mut limits = Limits::default();
    limits.flight = std::time::Duration::from_millis(100);
    // HelloVerifyRequest, ServerHello, Finished.
    for lost in 1..=3 {
        let driver = Driver::new(Toy::echo())
            .dtls(v4(), keys())
            .limits(limits.clone());
        let mut server = Node::spawn(driver).await;
        let (address, _) = relay(server.addresses.dtls[0], Some(lost)).await;
        let mut client = Node::spawn(Driver::new(Toy::default()).limits(limits.clone())).await;
        let peer = client.connected(format!("coaps://{address}"), DEVICE).await;
        client.echoed(peer, b"hello").await;
        let device = device_up(&mut server).await;
        assert_eq!(
            server.next().await,
            Event::Message(device, b"hello".to_vec())
        );
        assert_eq!(server.handle.counts().handshakes_done, 1);
    }
}

#[tokio::test]
async fn a_device_that_restarts_on_the_same_port_replaces_its_session() {
    let mut server = server(v4(), keys()).await;
    let (address, _) = relay(server.addresses.dtls[0], None).await;
    let uri = format!("coaps://{address}");
    let mut before = Node::client().await;
    let peer = before.connected(uri.clone(), DEVICE).await;
    before.echoed(peer, b"before").await;
    let old = device_up(&mut server).await;
    server.next().await;

    // A restart that does not get through leaves the old session alone.
    let mut wrong = Node::client().await;
    wrong
        .connect(uri.clone(), Some((b"device", b"wrong")))
        .await;
    assert_eq!(
        wrong.next().await,
        Event::Failed(1, ConnectError::Alert(51))
    );
    before.echoed(peer, b"still there").await;
    assert_eq!(
        server.next().await,
        Event::Message(old, b"still there".to_vec())
    );

    let mut after = Node::client().await;
    let peer = after.connected(uri, DEVICE).await;
    after.echoed(peer, b"after").await;
    assert_eq!(server.next().await, Event::Down(old, DownReason::Replaced));
    let new = device_up(&mut server).await;
    assert_ne!(new, old);
    assert_eq!(server.next().await, Event::Message(new, b"after".to_vec()));
    assert_eq!(server.handle.counts().sessions_replaced, 1);
}

#[tokio::test]
async fn a_close_notify_ends_the_session_of_the_other_side() {
    let mut server = server(v4(), keys()).await;
    let mut client = Node::client().await;
    let peer = client.connected(uri(&server), DEVICE).await;
    let device = device_up(&mut server).await;
    client
        .handle
        .call(move |toy, _| toy.close(peer))
        .await
        .expect("called");
    assert_eq!(server.next().await, Event::Down(device, DownReason::Remote));

    let peer = client.connected(uri(&server), DEVICE).await;
    let device = device_up(&mut server).await;
    server
        .handle
        .call(move |toy, _| toy.close(device))
        .await
        .expect("called");
    assert_eq!(client.next().await, Event::Down(peer, DownReason::Remote));

    let peer = client.connected(uri(&server), DEVICE).await;
    device_up(&mut server).await;
    server.handle.shutdown().await;
    assert_eq!(client.next().await, Event::Down(peer, DownReason::Remote));
    assert_eq!(server.events.recv().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_nobody_answers_times_out() {
    let silent = UdpSocket::bind(v4()).await.expect("bound");
    let mut client = Node::client().await;
    let uri = format!("coaps://{}", silent.local_addr().expect("bound"));
    client.connect(uri, DEVICE).await;
    assert_eq!(
        client.events.recv().await,
        Some(Event::Failed(1, ConnectError::Timeout))
    );
    assert_eq!(client.handle.counts().handshakes_timed_out, 1);
    assert_eq!(client.handle.counts().sent, 5);
}
