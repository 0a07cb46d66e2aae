//! A lossy network in virtual time that joins engines: for tests and simulations.
//!
//! The network is the driver of all its engines: it hands their messages over with loss,
//! duplication, delay and reordering, answers their [`Action`]s, and moves the time to the next
//! thing that happens. The same seed gives the same run.

use alloc::{
    boxed::Box,
    collections::{BTreeMap, BTreeSet, VecDeque},
    string::{String, ToString},
    vec,
    vec::Vec,
};
use core::{
    any::Any,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use crate::{
    Action, Binding, ConnectError, ConnectId, Credentials, DownReason, Duration, Engine, Identity,
    Input, Instant, MAX_DATAGRAM, PeerId, Rng,
};

/// Faults and delays of the network.
#[derive(Debug, Clone, PartialEq)]
pub struct LinkConfig {
    /// Chance that a datagram is lost, in percent.
    pub loss_percent: u8,
    /// Chance that a datagram arrives twice, in percent.
    pub duplicate_percent: u8,
    /// Shortest delay. Datagrams overtake each other when the delays differ.
    pub min_delay: Duration,
    /// Longest delay.
    pub max_delay: Duration,
}

impl Default for LinkConfig {
    /// A perfect link of 10 ms.
    fn default() -> Self {
        Self {
            loss_percent: 0,
            duplicate_percent: 0,
            min_delay: Duration::from_millis(10),
            max_delay: Duration::from_millis(10),
        }
    }
}

impl LinkConfig {
    /// 30 % loss each way, 10 % duplication, and delays that reorder.
    pub fn lossy() -> Self {
        Self {
            loss_percent: 30,
            duplicate_percent: 10,
            min_delay: Duration::from_millis(5),
            max_delay: Duration::from_millis(400),
        }
    }
}

/// Steps for each node without a move of the time, from which on a run counts as stuck.
const STANDSTILL: usize = 10_000;

/// Names an engine in the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(usize);

/// An engine behind a common face.
trait SimEngine: Any {
    fn input(&mut self, now: Instant, input: Input<'_>);
    fn transmit(&mut self, now: Instant, buf: &mut [u8]) -> Option<(PeerId, usize)>;
    fn action(&mut self) -> Option<OwnedAction>;
    fn timeout(&self) -> Option<Instant>;
    fn as_any(&self) -> &dyn Any;
    fn as_any_mut(&mut self) -> &mut dyn Any;
}

enum OwnedAction {
    Connect {
        id: ConnectId,
        uri: String,
        psk: Option<(Vec<u8>, Vec<u8>)>,
    },
    Close(PeerId),
}

impl<E: Engine + 'static> SimEngine for E {
    fn input(&mut self, now: Instant, input: Input<'_>) {
        self.handle_input(now, input);
    }

    fn transmit(&mut self, now: Instant, buf: &mut [u8]) -> Option<(PeerId, usize)> {
        self.poll_transmit(now, buf)
            .map(|transmit| (transmit.peer, transmit.len))
    }

    fn action(&mut self) -> Option<OwnedAction> {
        Some(match self.poll_action()? {
            Action::Connect { id, uri, security } => OwnedAction::Connect {
                id,
                uri: uri.to_string(),
                psk: match security {
                    // Nobody makes keys here: a server that wants one refuses.
                    Credentials::NoSec | Credentials::DerivedPsk { .. } => None,
                    Credentials::Psk { identity, key } => Some((identity.to_vec(), key.to_vec())),
                },
            },
            Action::Close { peer } => OwnedAction::Close(peer),
        })
    }

    fn timeout(&self) -> Option<Instant> {
        self.poll_timeout()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

/// One end of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct End {
    node: usize,
    peer: PeerId,
}

enum Delivery {
    Datagram {
        to: End,
        bytes: Vec<u8>,
    },
    Connected {
        client: usize,
        connect: ConnectId,
        server: usize,
        psk: Option<Vec<u8>>,
    },
    Refused {
        client: usize,
        connect: ConnectId,
        reason: ConnectError,
    },
    Down {
        to: End,
        reason: DownReason,
    },
}

struct Node {
    engine: Box<dyn SimEngine>,
    address: SocketAddr,
    keys: BTreeMap<Vec<u8>, Vec<u8>>,
    generations: Vec<u32>,
    free: Vec<u32>,
}

/// What passed over the network, for assertions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Datagrams sent.
    pub sent: u64,
    /// Datagrams lost.
    pub lost: u64,
    /// Datagrams that arrived twice.
    pub duplicated: u64,
}

/// The network and its engines.
pub struct Network {
    now: Instant,
    rng: Rng,
    link: LinkConfig,
    nodes: Vec<Node>,
    hosts: BTreeMap<String, usize>,
    sessions: BTreeMap<End, End>,
    queue: BTreeMap<(Instant, u64), Delivery>,
    /// When each node wants to be called, by time: a step must not ask all of them.
    timers: BTreeSet<(Instant, usize)>,
    /// The same by node.
    timeouts: Vec<Option<Instant>>,
    /// Nodes that were changed from outside, and are not drained yet.
    touched: BTreeSet<usize>,
    /// What engines write their datagrams to.
    buf: Vec<u8>,
    serial: u64,
    traffic: Traffic,
    capture: Option<VecDeque<(Instant, Vec<u8>)>>,
}

impl core::fmt::Debug for Network {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Network")
            .field("now", &self.now)
            .field("nodes", &self.nodes.len())
            .field("traffic", &self.traffic)
            .finish_non_exhaustive()
    }
}

impl Network {
    /// Makes a network without nodes.
    pub fn new(link: LinkConfig, seed: u64) -> Self {
        Self {
            now: Instant::ZERO,
            rng: Rng::new(seed),
            link,
            nodes: Vec::new(),
            hosts: BTreeMap::new(),
            sessions: BTreeMap::new(),
            queue: BTreeMap::new(),
            timers: BTreeSet::new(),
            timeouts: Vec::new(),
            touched: BTreeSet::new(),
            buf: vec![0; MAX_DATAGRAM],
            serial: 0,
            traffic: Traffic::default(),
            capture: None,
        }
    }

    /// Adds an engine that connects to others.
    pub fn add(&mut self, engine: impl Engine + 'static) -> NodeId {
        let index = self.nodes.len();
        let [high, low] = (index as u16 + 1).to_be_bytes();
        self.nodes.push(Node {
            engine: Box::new(engine),
            address: SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, high, low)), 5683),
            keys: BTreeMap::new(),
            generations: Vec::new(),
            free: Vec::new(),
        });
        self.timeouts.push(None);
        self.touched.insert(index);
        NodeId(index)
    }

    /// Adds an engine that others reach under a host name, as in `coap://name`.
    pub fn add_host(&mut self, name: &str, engine: impl Engine + 'static) -> NodeId {
        let node = self.add(engine);
        self.hosts.insert(name.to_string(), node.0);
        node
    }

    /// Lets a host accept a PSK identity.
    pub fn allow_psk(&mut self, host: NodeId, identity: &[u8], key: &[u8]) {
        self.nodes[host.0]
            .keys
            .insert(identity.to_vec(), key.to_vec());
    }

    /// The engine of a node.
    ///
    /// # Panics
    /// If the node holds an engine of another type.
    pub fn get<E: Engine + 'static>(&self, node: NodeId) -> &E {
        self.nodes[node.0]
            .engine
            .as_any()
            .downcast_ref()
            .expect("the node's engine type")
    }

    /// The engine of a node, to call; [`Network::settle`] afterwards.
    ///
    /// # Panics
    /// If the node holds an engine of another type.
    pub fn get_mut<E: Engine + 'static>(&mut self, node: NodeId) -> &mut E {
        self.touched.insert(node.0);
        self.nodes[node.0]
            .engine
            .as_any_mut()
            .downcast_mut()
            .expect("the node's engine type")
    }

    /// The time.
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// What passed so far.
    pub const fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// Changes faults and delays from now on.
    pub fn set_link(&mut self, link: LinkConfig) {
        self.link = link;
    }

    /// Keeps each datagram that is sent from now on.
    pub fn capture(&mut self) {
        self.capture = Some(VecDeque::new());
    }

    /// The datagrams kept so far, with their times.
    pub fn captured(&mut self) -> Vec<(Instant, Vec<u8>)> {
        self.capture
            .as_mut()
            .map(|capture| capture.drain(..).collect())
            .unwrap_or_default()
    }

    /// Ends all sessions of a node without telling it, as a NAT that forgets or a device that
    /// loses power; the other side keeps its dead peers.
    pub fn forget_sessions(&mut self, node: NodeId) {
        self.sessions
            .retain(|one, two| one.node != node.0 && two.node != node.0);
    }

    /// Number of sessions that a node has.
    pub fn session_count(&self, node: NodeId) -> usize {
        self.sessions
            .keys()
            .filter(|end| end.node == node.0)
            .count()
    }

    /// Gives a node another address; its sessions over DTLS-less UDP become new peers.
    pub fn rebind(&mut self, node: NodeId) {
        let address = &mut self.nodes[node.0].address;
        address.set_port(address.port() + 1);
        let ends: Vec<(End, End)> = self
            .sessions
            .iter()
            .filter(|(end, _)| end.node == node.0)
            .map(|(one, two)| (*one, *two))
            .collect();
        for (near, far) in ends {
            let peer = self.new_peer(far.node);
            let fresh = End {
                node: far.node,
                peer,
            };
            self.sessions.remove(&far);
            self.sessions.insert(near, fresh);
            self.sessions.insert(fresh, near);
            let remote = self.nodes[node.0].address;
            self.peer_up(fresh, remote, Identity::NoSec, None);
        }
        self.settle();
    }

    /// Replaces an engine by another, as a restart of its process does; its sessions are gone.
    pub fn restart(&mut self, node: NodeId, engine: impl Engine + 'static) {
        self.forget_sessions(node);
        self.nodes[node.0].engine = Box::new(engine);
        self.touched.insert(node.0);
        self.settle();
    }

    /// Hands over what the engines want to send and do now.
    pub fn settle(&mut self) {
        while let Some(node) = self.touched.pop_first() {
            self.drain(node);
        }
    }

    /// Runs until nothing is left to happen before `until`, and stops there.
    pub fn run_until(&mut self, until: Instant) {
        self.run_while(until, |_| true);
    }

    /// Runs for some time.
    pub fn run_for(&mut self, duration: Duration) {
        self.run_until(self.now + duration);
    }

    /// Runs as long as `go` holds, at most until `until`; true if `go` ended it.
    ///
    /// # Panics
    /// If the time stands still because an engine asks for a moment that is over again and again.
    pub fn run_while(&mut self, until: Instant, mut go: impl FnMut(&mut Self) -> bool) -> bool {
        self.settle();
        let mut standing = 0;
        loop {
            if !go(self) {
                return true;
            }
            self.settle();
            let Some(at) = self.next_time().filter(|at| *at <= until) else {
                self.now = self.now.max(until);
                return !go(self);
            };
            standing = if at > self.now { 0 } else { standing + 1 };
            assert!(
                standing < STANDSTILL * (1 + self.nodes.len()),
                "the time stands still at {:?}",
                self.now
            );
            self.now = self.now.max(at);
            self.step();
        }
    }

    fn next_time(&self) -> Option<Instant> {
        let delivery = self.queue.keys().next().map(|(at, _)| *at);
        let timer = self.timers.first().map(|(at, _)| *at);
        delivery.into_iter().chain(timer).min()
    }

    fn step(&mut self) {
        let now = self.now;
        let arrived = self
            .queue
            .first_entry()
            .filter(|entry| entry.key().0 <= now);
        if let Some(entry) = arrived {
            let delivery = entry.remove();
            self.deliver(delivery);
        } else {
            let due = self.timers.range(..=(now, usize::MAX));
            let due: BTreeSet<usize> = due.map(|(_, node)| *node).collect();
            for node in due {
                let engine = &mut self.nodes[node].engine;
                if engine.timeout().is_some_and(|at| at <= now) {
                    engine.input(now, Input::Timeout);
                    self.drain(node);
                }
            }
        }
    }

    fn deliver(&mut self, delivery: Delivery) {
        let now = self.now;
        match delivery {
            Delivery::Datagram { to, bytes } => {
                let input = Input::Message {
                    peer: to.peer,
                    data: &bytes,
                };
                self.nodes[to.node].engine.input(now, input);
                self.drain(to.node);
            }
            Delivery::Connected {
                client,
                connect,
                server,
                psk,
            } => {
                let near = End {
                    node: client,
                    peer: self.new_peer(client),
                };
                let far = End {
                    node: server,
                    peer: self.new_peer(server),
                };
                self.sessions.insert(near, far);
                self.sessions.insert(far, near);
                let identity = psk.as_deref().map_or(Identity::NoSec, Identity::Psk);
                let (client, server) = (self.nodes[client].address, self.nodes[server].address);
                self.peer_up(far, client, identity, None);
                self.peer_up(near, server, identity, Some(connect));
            }
            Delivery::Refused {
                client,
                connect,
                reason,
            } => {
                self.nodes[client]
                    .engine
                    .input(now, Input::ConnectFailed { connect, reason });
                self.drain(client);
            }
            Delivery::Down { to, reason } => {
                self.release(to);
                let input = Input::PeerDown {
                    peer: to.peer,
                    reason,
                };
                self.nodes[to.node].engine.input(now, input);
                self.drain(to.node);
            }
        }
    }

    fn peer_up(
        &mut self,
        end: End,
        remote: SocketAddr,
        identity: Identity<'_>,
        connect: Option<ConnectId>,
    ) {
        let input = Input::PeerUp {
            peer: end.peer,
            binding: Binding::Udp,
            remote,
            identity,
            connect,
        };
        self.nodes[end.node].engine.input(self.now, input);
        self.drain(end.node);
    }

    fn new_peer(&mut self, node: usize) -> PeerId {
        let node = &mut self.nodes[node];
        let index = node.free.pop().unwrap_or(node.generations.len() as u32);
        if node.generations.len() <= index as usize {
            node.generations.push(0);
        }
        node.generations[index as usize] += 1;
        PeerId {
            index,
            generation: node.generations[index as usize],
        }
    }

    fn drain(&mut self, node: usize) {
        let mut buf = core::mem::take(&mut self.buf);
        while let Some((peer, len)) = self.nodes[node].engine.transmit(self.now, &mut buf) {
            self.send(End { node, peer }, &buf[..len]);
        }
        self.buf = buf;
        while let Some(action) = self.nodes[node].engine.action() {
            match action {
                OwnedAction::Connect { id, uri, psk } => self.connect(node, id, &uri, psk),
                OwnedAction::Close(peer) => self.close(End { node, peer }),
            }
        }
        let timeout = self.nodes[node].engine.timeout();
        let before = core::mem::replace(&mut self.timeouts[node], timeout);
        if before != timeout {
            if let Some(at) = before {
                self.timers.remove(&(at, node));
            }
            self.timers.extend(timeout.map(|at| (at, node)));
        }
    }

    fn send(&mut self, from: End, bytes: &[u8]) {
        self.traffic.sent += 1;
        if let Some(capture) = &mut self.capture {
            capture.push_back((self.now, bytes.to_vec()));
        }
        let Some(to) = self.sessions.get(&from).copied() else {
            self.traffic.lost += 1;
            return;
        };
        let duplicate = self.chance(self.link.duplicate_percent);
        self.traffic.duplicated += u64::from(duplicate);
        for _ in 0..=u32::from(duplicate) {
            if self.chance(self.link.loss_percent) {
                self.traffic.lost += 1;
            } else {
                let delay = self.delay();
                self.enqueue(
                    delay,
                    Delivery::Datagram {
                        to,
                        bytes: bytes.to_vec(),
                    },
                );
            }
        }
    }

    fn connect(
        &mut self,
        client: usize,
        connect: ConnectId,
        uri: &str,
        psk: Option<(Vec<u8>, Vec<u8>)>,
    ) {
        let secure = uri.starts_with("coaps://");
        let authority = uri.split_once("://").map_or("", |(_, rest)| rest);
        let host = authority.split([':', '/']).next().unwrap_or_default();
        let refused = |reason| Delivery::Refused {
            client,
            connect,
            reason,
        };
        let server = self.hosts.get(host).copied();
        let delivery = match (server, psk) {
            (None, _) => refused(ConnectError::Resolve),
            (Some(server), None) if !secure => Delivery::Connected {
                client,
                connect,
                server,
                psk: None,
            },
            (Some(_), None) => refused(ConnectError::Credentials),
            (Some(server), Some((identity, key))) => match self.nodes[server].keys.get(&identity) {
                Some(known) if *known == key => Delivery::Connected {
                    client,
                    connect,
                    server,
                    psk: Some(identity),
                },
                // unknown_psk_identity and decrypt_error of TLS.
                Some(_) => refused(ConnectError::Alert(51)),
                None => refused(ConnectError::Alert(115)),
            },
        };
        let delay = self.delay() * 4;
        self.enqueue(delay, delivery);
    }

    fn close(&mut self, end: End) {
        if let Some(other) = self.sessions.remove(&end) {
            self.sessions.remove(&other);
            let delay = self.delay();
            self.enqueue(
                delay,
                Delivery::Down {
                    to: other,
                    reason: DownReason::Remote,
                },
            );
        }
        self.release(end);
    }

    /// Frees the slot of a session's end, unless it was freed or used again already.
    fn release(&mut self, end: End) {
        let node = &mut self.nodes[end.node];
        let PeerId { index, generation } = end.peer;
        let current = node.generations.get(index as usize) == Some(&generation);
        if current && !node.free.contains(&index) {
            node.free.push(index);
        }
    }

    fn enqueue(&mut self, delay: Duration, delivery: Delivery) {
        self.serial += 1;
        self.queue.insert((self.now + delay, self.serial), delivery);
    }

    fn chance(&mut self, percent: u8) -> bool {
        self.rng.below(100) < u64::from(percent)
    }

    fn delay(&mut self) -> Duration {
        let span = self
            .link
            .max_delay
            .saturating_sub(self.link.min_delay)
            .as_micros() as u64;
        self.link.min_delay + Duration::from_micros(self.rng.below(span + 1))
    }
}
