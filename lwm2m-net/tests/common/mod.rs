//! An engine that echoes, and what drives two of them.
#![allow(dead_code, unreachable_pub)] // Each test file uses its part.

pub mod dtls;

use std::{collections::VecDeque, fmt::Debug, net::SocketAddr, time::Duration};

use lwm2m_coap::{
    Action, ConnectError, ConnectId, Credentials, DownReason, Engine, Identity, Input, Instant,
    PeerId, Transmit,
};
use lwm2m_net::{Driver, Handle, LocalAddrs};
use tokio::{sync::mpsc, time::timeout};

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(30);

/// An engine that tells all that it is told and, if asked to, sends each message back.
#[derive(Debug, Default)]
pub struct Toy {
    pub echo: bool,
    /// An event that is always there, to fill the channel of events.
    pub chatter: usize,
    pub peers: Vec<PeerId>,
    out: VecDeque<(PeerId, Vec<u8>)>,
    actions: VecDeque<Want>,
    last: Option<Want>,
    events: VecDeque<Event>,
    lent: Option<Event>,
    timer: Option<Instant>,
}

#[derive(Debug)]
enum Want {
    Connect(u32, String, Option<(Vec<u8>, Vec<u8>)>),
    Close(PeerId),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Peer, address, PSK identity, connection.
    Up(PeerId, SocketAddr, Option<Vec<u8>>, Option<u32>),
    Failed(u32, ConnectError),
    Down(PeerId, DownReason),
    Message(PeerId, Vec<u8>),
    Timer,
    Chatter,
}

impl Toy {
    pub fn echo() -> Self {
        Self {
            echo: true,
            ..Self::default()
        }
    }

    pub fn send(&mut self, peer: PeerId, data: &[u8]) {
        self.out.push_back((peer, data.into()));
    }

    pub fn connect(&mut self, id: u32, uri: &str, psk: Option<(&[u8], &[u8])>) {
        let psk = psk.map(|(identity, key)| (identity.into(), key.into()));
        self.actions.push_back(Want::Connect(id, uri.into(), psk));
    }

    pub fn close(&mut self, peer: PeerId) {
        self.actions.push_back(Want::Close(peer));
    }

    pub fn wake_at(&mut self, at: Instant) {
        self.timer = Some(at);
    }
}

impl Engine for Toy {
    type Event<'e> = &'e Event;

    fn handle_input(&mut self, now: Instant, input: Input<'_>) {
        let event = match input {
            Input::PeerUp {
                peer,
                remote,
                identity,
                connect,
                ..
            } => {
                self.peers.push(peer);
                let identity = match identity {
                    Identity::Psk(identity) => Some(identity.to_vec()),
                    _ => None,
                };
                Event::Up(peer, remote, identity, connect.map(|id| id.0))
            }
            Input::ConnectFailed { connect, reason } => Event::Failed(connect.0, reason),
            Input::PeerDown { peer, reason } => {
                self.peers.retain(|p| *p != peer);
                Event::Down(peer, reason)
            }
            Input::Message { peer, data } => {
                if self.echo {
                    self.send(peer, data);
                }
                Event::Message(peer, data.into())
            }
            Input::Timeout if self.timer.is_some_and(|at| at <= now) => {
                self.timer = None;
                Event::Timer
            }
            _ => return,
        };
        self.events.push_back(event);
    }

    fn poll_transmit(&mut self, _now: Instant, buf: &mut [u8]) -> Option<Transmit> {
        let (peer, data) = self.out.pop_front()?;
        buf[..data.len()].copy_from_slice(&data);
        Some(Transmit {
            peer,
            len: data.len(),
        })
    }

    fn poll_action(&mut self) -> Option<Action<'_>> {
        self.last = self.actions.pop_front();
        Some(match self.last.as_ref()? {
            Want::Close(peer) => Action::Close { peer: *peer },
            Want::Connect(id, uri, psk) => Action::Connect {
                id: ConnectId(*id),
                uri,
                security: match psk {
                    Some((identity, key)) => Credentials::Psk { identity, key },
                    None => Credentials::NoSec,
                },
            },
        })
    }

    fn poll_event(&mut self) -> Option<Self::Event<'_>> {
        if self.chatter > 0 {
            self.chatter -= 1;
            return Some(&Event::Chatter);
        }
        self.lent = self.events.pop_front();
        self.lent.as_ref()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.timer
    }
}

/// A toy in its driver.
pub struct Node {
    pub handle: Handle<Toy>,
    pub events: mpsc::Receiver<Event>,
    pub addresses: LocalAddrs,
}

impl Node {
    pub async fn spawn(driver: Driver<Toy>) -> Self {
        let (handle, events, addresses) = driver
            .spawn(|event: &Event| Some(event.clone()))
            .await
            .expect("spawned");
        Self {
            handle,
            events,
            addresses,
        }
    }

    /// A node without server sockets.
    pub async fn client() -> Self {
        Self::spawn(Driver::new(Toy::default())).await
    }

    pub async fn next(&mut self) -> Event {
        soon(self.events.recv()).await.expect("the driver lives")
    }

    pub async fn connect(&self, uri: String, psk: Option<(&'static [u8], &'static [u8])>) {
        self.handle
            .call(move |toy, _| toy.connect(1, &uri, psk))
            .await
            .expect("called");
    }

    /// Connects and waits until the peer is up.
    pub async fn connected(
        &mut self,
        uri: String,
        psk: Option<(&'static [u8], &'static [u8])>,
    ) -> PeerId {
        self.connect(uri, psk).await;
        match self.next().await {
            Event::Up(peer, _, _, Some(1)) => peer,
            other => panic!("{other:?} instead of a connection"),
        }
    }

    pub async fn send(&self, peer: PeerId, data: &[u8]) {
        let data = data.to_vec();
        self.handle
            .call(move |toy, _| toy.send(peer, &data))
            .await
            .expect("called");
    }

    /// Sends a message and waits for the same as the answer.
    pub async fn echoed(&mut self, peer: PeerId, data: &[u8]) {
        self.send(peer, data).await;
        assert_eq!(self.next().await, Event::Message(peer, data.into()));
    }

    /// What came so far, after everything that was asked before has been done.
    pub async fn pending(&mut self) -> Vec<Event> {
        self.handle.call(|_, _| ()).await.expect("called");
        std::iter::from_fn(|| self.events.try_recv().ok()).collect()
    }
}

/// Waits for what must come.
pub async fn soon<T: Debug>(what: impl Future<Output = T>) -> T {
    timeout(PATIENCE, what).await.expect("it comes in time")
}

/// Any free port of the loopback address.
pub fn v4() -> SocketAddr {
    ([127, 0, 0, 1], 0).into()
}

/// The same for IPv4 and, where the system has it, IPv6.
pub fn v4_and_v6() -> Vec<SocketAddr> {
    let v6 = "[::1]:0".parse().expect("an address");
    match std::net::UdpSocket::bind(v6) {
        Ok(_) => vec![v4(), v6],
        Err(error) => {
            println!("no IPv6 here ({error}): only IPv4 is tried");
            vec![v4()]
        }
    }
}
