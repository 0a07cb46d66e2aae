//! DTLS servers that look keys up.

mod common;

use std::sync::Arc;

use common::{
    Event, Node, Toy,
    dtls::{DEVICE, KEY, device_up, keys, server, uri},
    soon, v4,
};
use lwm2m_coap::ConnectError;
use lwm2m_net::{Driver, Limits, Lookup, LookupFailed, Psk, PskStore, SharedPsks};
use tokio::sync::Semaphore;

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

#[tokio::test]
async fn datagrams_that_wait_for_a_key_are_bounded() {
    let permits = Arc::new(Semaphore::new(0));
    let store = SlowStore {
        keys: keys(),
        permits: Arc::clone(&permits),
    };
    let mut limits = Limits::default();
    limits.parked_datagrams = 1;
    let driver = Driver::new(Toy::echo()).dtls(v4(), store).limits(limits);
    let server = Node::spawn(driver).await;
    // This client repeats itself soon.
    let mut limits = Limits::default();
    limits.flight = std::time::Duration::from_millis(20);
    let mut client = Node::spawn(Driver::new(Toy::default()).limits(limits)).await;
    client.connect(uri(&server), Some((b"slow", KEY))).await;
    soon(async {
        while server.handle.counts().parked_dropped == 0 {
            server.handle.call(|_, _| ()).await.expect("called");
        }
    })
    .await;
    permits.add_permits(1);
    let Event::Up(peer, ..) = client.next().await else {
        panic!("no connection")
    };
    client.echoed(peer, b"hello").await;
}
