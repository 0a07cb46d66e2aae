//! `coap://`: peers without security.

mod common;

use common::{Event, Node, Toy, soon, v4, v4_and_v6};
use lwm2m_coap::{ConnectError, DownReason, Duration};
use lwm2m_net::{BindError, Closed, Driver, Limits, PostError};
use tokio::net::UdpSocket;

async fn echo_at(address: std::net::SocketAddr) -> Node {
    Node::spawn(Driver::new(Toy::echo()).udp(address)).await
}

#[tokio::test]
async fn a_message_is_echoed_over_ipv4_and_over_ipv6() {
    for address in v4_and_v6() {
        let mut server = echo_at(address).await;
        let mut client = Node::client().await;
        let uri = format!("coap://{}", server.addresses.udp[0]);
        let peer = client.connected(uri, None).await;
        client.echoed(peer, b"hello").await;
        let Event::Up(of_client, _, None, None) = server.next().await else {
            panic!("no peer")
        };
        assert_eq!(
            server.next().await,
            Event::Message(of_client, b"hello".to_vec())
        );
        assert_eq!(client.handle.counts().sent, 1);
    }
}

#[tokio::test]
async fn a_name_is_resolved() {
    let server = echo_at(v4()).await;
    let mut client = Node::client().await;
    let port = server.addresses.udp[0].port();
    // localhost may be ::1 first, where nobody listens: only the connection is sure.
    client
        .connected(format!("coap://localhost:{port}"), None)
        .await;
    let mut other = Node::client().await;
    other
        .connect("coap://no-such-host.invalid".into(), None)
        .await;
    assert_eq!(other.next().await, Event::Failed(1, ConnectError::Resolve));
}

#[tokio::test]
async fn a_strangers_datagram_does_not_reach_a_client() {
    let mut server = echo_at(v4()).await;
    let mut client = Node::client().await;
    let uri = format!("coap://{}", server.addresses.udp[0]);
    let peer = client.connected(uri, None).await;
    client.echoed(peer, b"where am I").await;
    let Event::Up(_, client_address, ..) = server.next().await else {
        panic!("no peer")
    };

    let stranger = UdpSocket::bind(v4()).await.expect("bound");
    stranger
        .send_to(b"gotcha", client_address)
        .await
        .expect("sent");
    // The client's socket keeps the order of arrival, so the stranger's comes before the echo.
    client.echoed(peer, b"still there").await;
    assert_eq!(client.pending().await, []);
    assert_eq!(client.handle.counts().foreign, 1);
}

#[tokio::test]
async fn the_silent_peer_makes_room_for_a_new_one() {
    let mut limits = Limits::default();
    limits.nosec_peers = 2;
    let mut server = Node::spawn(Driver::new(Toy::echo()).udp(v4()).limits(limits)).await;
    let address = server.addresses.udp[0];
    let mut peers = Vec::new();
    let sockets = [
        UdpSocket::bind(v4()).await.expect("bound"),
        UdpSocket::bind(v4()).await.expect("bound"),
        UdpSocket::bind(v4()).await.expect("bound"),
    ];
    for socket in &sockets[..2] {
        socket.send_to(b"one", address).await.expect("sent");
        let Event::Up(peer, ..) = server.next().await else {
            panic!("no peer")
        };
        peers.push(peer);
        server.next().await;
    }
    sockets[0].send_to(b"two", address).await.expect("sent");
    assert_eq!(
        server.next().await,
        Event::Message(peers[0], b"two".to_vec())
    );
    sockets[2].send_to(b"one", address).await.expect("sent");
    assert_eq!(
        server.next().await,
        Event::Down(peers[1], DownReason::Evicted)
    );
    let Event::Up(third, ..) = server.next().await else {
        panic!("no peer")
    };
    assert_eq!(third.index, peers[1].index);
    assert_ne!(third.generation, peers[1].generation);
    assert_eq!(server.handle.counts().peers_evicted, 1);
}

#[tokio::test]
async fn a_large_datagram_passes_and_a_larger_one_is_counted() {
    let mut server = echo_at(v4()).await;
    let address = server.addresses.udp[0];
    let socket = UdpSocket::bind(v4()).await.expect("bound");
    socket.send_to(&[7; 4000], address).await.expect("sent");
    socket.send_to(&[8; 2000], address).await.expect("sent");
    let Event::Up(peer, ..) = server.next().await else {
        panic!("no peer")
    };
    assert_eq!(server.next().await, Event::Message(peer, vec![8; 2000]));
    assert_eq!(server.handle.counts().oversized, 1);
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let server = echo_at(v4()).await;
    let address = server.addresses.udp[0];
    let error = Driver::new(Toy::echo())
        .udp(address)
        .spawn(|_| Some(()))
        .await
        .map(drop);
    assert_eq!(error, Err(BindError::InUse { address }));
    assert_eq!(
        format!("{}", BindError::InUse { address }),
        format!("{address} is in use")
    );
}

#[tokio::test]
async fn a_uri_or_credentials_that_do_not_fit_fail() {
    let mut client = Node::client().await;
    for (uri, psk, reason) in [
        ("http://127.0.0.1", None, ConnectError::Uri),
        ("coaps://127.0.0.1", None, ConnectError::Credentials),
        (
            "coap://127.0.0.1",
            Some((&b"id"[..], &b"key"[..])),
            ConnectError::Credentials,
        ),
    ] {
        client.connect(uri.into(), psk).await;
        assert_eq!(client.next().await, Event::Failed(1, reason));
    }
    assert_eq!(client.handle.counts().connects_failed, 3);
}

#[tokio::test]
async fn connections_are_bounded_and_a_closed_one_makes_room() {
    let server = echo_at(v4()).await;
    let mut limits = Limits::default();
    limits.connections = 1;
    let mut client = Node::spawn(Driver::new(Toy::default()).limits(limits)).await;
    let uri = format!("coap://{}", server.addresses.udp[0]);
    let peer = client.connected(uri.clone(), None).await;
    client.connect(uri.clone(), None).await;
    assert_eq!(
        client.next().await,
        Event::Failed(1, ConnectError::Unreachable)
    );
    client
        .handle
        .call(move |toy, _| toy.close(peer))
        .await
        .expect("called");
    let again = client.connected(uri, None).await;
    assert_ne!(again, peer);
    client.send(peer, b"to nobody").await;
    client.echoed(again, b"to somebody").await;
    assert_eq!(client.handle.counts().undeliverable, 1);
}

#[tokio::test]
async fn messages_go_on_while_nobody_takes_events() {
    let mut limits = Limits::default();
    limits.events = 1;
    let mut toy = Toy::echo();
    toy.chatter = 3;
    let mut server = Node::spawn(Driver::new(toy).udp(v4()).limits(limits)).await;
    let socket = UdpSocket::bind(v4()).await.expect("bound");
    let mut buf = [0; 16];
    for _ in 0..5 {
        socket
            .send_to(b"ping", server.addresses.udp[0])
            .await
            .expect("sent");
        let (len, _) = soon(socket.recv_from(&mut buf)).await.expect("received");
        assert_eq!(&buf[..len], b"ping");
    }
    for _ in 0..3 {
        assert_eq!(server.next().await, Event::Chatter);
    }
    let Event::Up(peer, ..) = server.next().await else {
        panic!("no peer")
    };
    for _ in 0..5 {
        assert_eq!(server.next().await, Event::Message(peer, b"ping".to_vec()));
    }
}

#[tokio::test(start_paused = true)]
async fn the_engine_is_woken_at_its_time() {
    let mut node = Node::client().await;
    let start = tokio::time::Instant::now();
    node.handle
        .call(|toy, now| toy.wake_at(now + Duration::from_secs(3600)))
        .await
        .expect("called");
    assert_eq!(node.events.recv().await, Some(Event::Timer));
    assert!(start.elapsed() >= Duration::from_secs(3600));
}

#[tokio::test]
async fn a_posted_call_is_done_later_or_refused_at_once() {
    let mut server = echo_at(v4()).await;
    let mut limits = Limits::default();
    limits.calls = 1;
    let mut client = Node::spawn(Driver::new(Toy::default()).limits(limits)).await;
    let uri = format!("coap://{}", server.addresses.udp[0]);
    let peer = client.connected(uri, None).await;
    assert_eq!(
        client.handle.post(move |toy, _| toy.send(peer, b"posted")),
        Ok(())
    );
    assert_eq!(client.handle.post(|_, _| ()), Err(PostError::Full));
    assert_eq!(
        client.next().await,
        Event::Message(peer, b"posted".to_vec())
    );
    let Event::Up(..) = server.next().await else {
        panic!("no peer")
    };
    client.handle.shutdown().await;
    assert_eq!(client.handle.post(|_, _| ()), Err(PostError::Closed));
}

#[tokio::test]
async fn a_driver_ends_when_asked_and_when_its_last_handle_goes() {
    let node = echo_at(v4()).await;
    node.handle.shutdown().await;
    assert_eq!(node.handle.call(|_, _| ()).await, Err(Closed));
    let Node {
        handle, mut events, ..
    } = echo_at(v4()).await;
    drop(handle);
    assert_eq!(soon(events.recv()).await, None);
}
