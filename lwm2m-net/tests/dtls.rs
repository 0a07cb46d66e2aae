//! `coaps://`: DTLS with pre-shared keys.

mod common;

use std::{net::SocketAddr, sync::Arc};

use common::{Event, Node, Toy, soon, v4, v6};
use lwm2m_coap::{ConnectError, DownReason, PeerId};
use lwm2m_net::{Driver, Limits, Lookup, LookupFailed, Psk, PskStore, SharedPsks};
use tokio::{net::UdpSocket, sync::Semaphore};

const KEY: &[u8] = b"0123456789abcdef";
const DEVICE: Option<(&[u8], &[u8])> = Some((b"device", KEY));

fn keys() -> SharedPsks {
    [("device", Psk::new(KEY)), ("slow", Psk::new(KEY))]
        .into_iter()
        .collect()
}

async fn server(address: SocketAddr, store: impl PskStore) -> Node {
    Node::spawn(Driver::new(Toy::echo()).dtls(address, store)).await
}

fn uri(server: &Node) -> String {
    format!("coaps://{}", server.addresses.dtls[0])
}

/// Takes the next event, which must be a device that came up.
async fn device_up(server: &mut Node) -> PeerId {
    match server.next().await {
        Event::Up(peer, _, Some(identity), None) if identity == b"device" => peer,
        other => panic!("{other:?} instead of a device"),
    }
}

#[tokio::test]
async fn a_message_is_echoed_over_dtls_on_ipv4_and_ipv6() {
    for address in [v4(), v6()] {
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
async fn a_wrong_key_fails_with_an_alert_and_nothing_reaches_the_server() {
    let mut server = server(v4(), keys()).await;
    let mut client = Node::client().await;
    client
        .connect(uri(&server), Some((b"device", b"another key")))
        .await;
    // RFC 4279 §2: decrypt_error.
    assert_eq!(
        client.next().await,
        Event::Failed(1, ConnectError::Alert(51))
    );
    assert_eq!(server.pending().await, []);
    assert_eq!(server.handle.counts().handshakes_failed, 1);
    // The next try with the right key is not held up by the failed one.
    client.connected(uri(&server), DEVICE).await;
    device_up(&mut server).await;
}

#[tokio::test]
async fn an_unknown_identity_fails_until_it_is_added() {
    let keys = keys();
    let mut server = server(v4(), keys.clone()).await;
    let mut client = Node::client().await;
    let new: Option<(&[u8], &[u8])> = Some((b"new\n", KEY));
    client.connect(uri(&server), new).await;
    // RFC 4279 §6: unknown_psk_identity.
    assert_eq!(
        client.next().await,
        Event::Failed(1, ConnectError::Alert(115))
    );
    assert_eq!(server.pending().await, []);
    assert_eq!(server.handle.counts().unknown_identities, 1);
    keys.insert("new\n", Psk::new(KEY));
    client.connected(uri(&server), new).await;
    let Event::Up(_, _, identity, None) = server.next().await else {
        panic!("no device")
    };
    assert_eq!(identity.as_deref(), Some(&b"new\n"[..]));
}

/// Answers at once, except for `slow`, which needs a permit, and `broken`.
struct SlowStore {
    keys: SharedPsks,
    permits: Arc<Semaphore>,
}

impl PskStore for SlowStore {
    fn lookup<'a>(&'a self, identity: &'a [u8]) -> Lookup<'a> {
        Box::pin(async move {
            match identity {
                b"slow" => self
                    .permits
                    .acquire()
                    .await
                    .map_err(|_| LookupFailed)?
                    .forget(),
                b"broken" => return Err(LookupFailed),
                _ => {}
            }
            self.keys.lookup(identity).await
        })
    }
}

#[tokio::test]
async fn a_slow_key_holds_up_only_its_own_handshake() {
    let permits = Arc::new(Semaphore::new(0));
    let store = SlowStore {
        keys: keys(),
        permits: Arc::clone(&permits),
    };
    let mut server = server(v4(), store).await;
    let mut slow = Node::client().await;
    slow.connect(uri(&server), Some((b"slow", KEY))).await;
    let mut quick = Node::client().await;
    let peer = quick.connected(uri(&server), DEVICE).await;
    quick.echoed(peer, b"quick").await;
    let device = device_up(&mut server).await;
    assert_eq!(
        server.next().await,
        Event::Message(device, b"quick".to_vec())
    );
    assert_eq!(slow.pending().await, []);
    permits.add_permits(1);
    let Event::Up(peer, ..) = slow.next().await else {
        panic!("no connection")
    };
    slow.echoed(peer, b"slow").await;
}

#[tokio::test]
async fn a_store_that_fails_or_takes_too_long_is_an_internal_error() {
    let mut limits = Limits::default();
    limits.key_lookup = std::time::Duration::from_millis(50);
    let permits = Arc::new(Semaphore::new(0));
    let store = SlowStore {
        keys: keys(),
        permits,
    };
    let driver = Driver::new(Toy::echo()).dtls(v4(), store).limits(limits);
    let server = Node::spawn(driver).await;
    let mut client = Node::client().await;
    for (count, identity) in [(1, &b"broken"[..]), (2, b"slow")] {
        client.connect(uri(&server), Some((identity, KEY))).await;
        assert_eq!(
            client.next().await,
            Event::Failed(1, ConnectError::Alert(80))
        );
        assert_eq!(server.handle.counts().key_lookups_failed, count);
    }
}

/// Passes datagrams between a server and one client after the other, all from the same port.
async fn relay(server: SocketAddr) -> SocketAddr {
    let front = UdpSocket::bind(v4()).await.expect("bound");
    let back = UdpSocket::bind(v4()).await.expect("bound");
    let address = front.local_addr().expect("bound");
    tokio::spawn(async move {
        let (mut up, mut down) = ([0; 2048], [0; 2048]);
        let mut client = None;
        loop {
            tokio::select! {
                Ok((len, from)) = front.recv_from(&mut up) => {
                    client = Some(from);
                    back.send_to(&up[..len], server).await.expect("sent");
                }
                Ok((len, _)) = back.recv_from(&mut down) => {
                    if let Some(client) = client {
                        front.send_to(&down[..len], client).await.expect("sent");
                    }
                }
            }
        }
    });
    address
}

#[tokio::test]
async fn a_device_that_restarts_on_the_same_port_replaces_its_session() {
    let mut server = server(v4(), keys()).await;
    let address = relay(server.addresses.dtls[0]).await;
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

/// A ClientHello without a cookie, as a DTLS client begins.
fn client_hello(random: u8) -> Vec<u8> {
    let mut body = vec![254, 253];
    body.extend([random; 32]);
    // No session, no cookie, TLS_PSK_WITH_AES_128_CCM_8, no compression.
    body.extend([0, 0, 0, 2, 0xc0, 0xa8, 1, 0]);
    // Extended Master Secret.
    body.extend([0, 4, 0, 23, 0, 0]);
    let size = u8::try_from(body.len()).expect("short");
    let mut datagram = vec![22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, size + 12];
    datagram.extend([1, 0, 0, size, 0, 0, 0, 0, 0, 0, 0, size]);
    datagram.extend(body);
    datagram
}

/// Waits for a HelloVerifyRequest: handshake message 3.
async fn hello_verify(socket: &UdpSocket) {
    let mut buf = [0; 2048];
    let (len, _) = soon(socket.recv_from(&mut buf)).await.expect("received");
    assert_eq!((buf[0], buf[13]), (22, 3), "{:?}", &buf[..len]);
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
