//! Sockets, peers and sessions, without an engine: what it is to be told waits in a queue.

use std::{
    collections::VecDeque,
    io,
    net::SocketAddr,
    ops::Range,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use lwm2m_coap::{Binding, ConnectError, ConnectId, DownReason, Identity, Input, PeerId};
use tokio::task::JoinSet;

use crate::{
    counters::Counters,
    dtls::{Acceptor, ClientKeys, Connectors, DtlsSession, Handshakes, Output},
    hooks::Hooks,
    limits::Limits,
    peers::{CLIENT, Peer, Peers, Route},
    psk::{LookupFailed, Psk, PskStore},
    slab::Key,
    socket::{self, Owner, Role, SocketId, Sockets},
    trace::{Direction, Trace},
};

/// Bytes that DTLS may add to a message, with room to spare.
const OVERHEAD: usize = 64;

/// All that a driver has below its engine.
pub(crate) struct Net {
    pub(crate) limits: Arc<Limits>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) hooks: Hooks,
    pub(crate) sockets: Sockets,
    pub(crate) peers: Peers,
    pub(crate) handshakes: Handshakes,
    /// Present if there is a DTLS server socket.
    pub(crate) acceptor: Option<Acceptor>,
    pub(crate) connectors: Connectors,
    pub(crate) stores: Vec<Arc<dyn PskStore>>,
    /// Names being resolved, keys being looked up.
    pub(crate) tasks: JoinSet<Done>,
    /// Connections of which the name is being resolved.
    pub(crate) resolving: usize,
    /// What the engine is to be told.
    pub(crate) events: VecDeque<NetEvent>,
    /// The datagram that was read last.
    datagram: Box<[u8]>,
    /// Messages that left DTLS, one after the other.
    pub(crate) inbox: Vec<u8>,
    /// Where sessions write.
    pub(crate) packet: Box<[u8]>,
    /// Shows all messages.
    pub(crate) trace: Option<Trace>,
}

/// Something that an engine is to be told.
#[derive(Debug)]
pub(crate) enum NetEvent {
    Up {
        peer: PeerId,
        remote: SocketAddr,
        identity: Option<Arc<[u8]>>,
        connect: Option<ConnectId>,
    },
    Failed {
        connect: ConnectId,
        reason: ConnectError,
    },
    Down {
        peer: PeerId,
        reason: DownReason,
    },
    Message {
        peer: PeerId,
        body: Body,
    },
}

/// Where a message is.
#[derive(Debug)]
pub(crate) enum Body {
    /// The first bytes of the datagram that was read last.
    Datagram(usize),
    /// Among those that left DTLS.
    Inbox(Range<usize>),
}

/// A task has ended.
#[derive(Debug)]
pub(crate) enum Done {
    /// A name was resolved and a socket opened.
    Resolved {
        connect: ConnectId,
        keys: Option<ClientKeys>,
        result: Result<(std::net::UdpSocket, SocketAddr), ConnectError>,
    },
    /// A store of keys has answered.
    Key {
        handshake: Key,
        identity: Arc<[u8]>,
        result: Result<Option<Psk>, LookupFailed>,
    },
}

/// What there is to do.
#[derive(Debug)]
pub(crate) enum Ready {
    Socket(socket::Ready),
    Task(Done),
}

impl Net {
    pub(crate) fn new(limits: Arc<Limits>, counters: Arc<Counters>) -> Self {
        let size = limits.max_datagram + OVERHEAD;
        Self {
            sockets: Sockets::new(Arc::clone(&counters)),
            peers: Peers::new(),
            handshakes: Handshakes::new(),
            acceptor: None,
            connectors: Connectors::default(),
            stores: Vec::new(),
            tasks: JoinSet::new(),
            resolving: 0,
            events: VecDeque::new(),
            datagram: vec![0; size].into(),
            inbox: Vec::new(),
            packet: vec![0; size].into(),
            limits,
            counters,
            hooks: Hooks::default(),
            trace: None,
        }
    }

    /// Waits for a socket or a task.
    pub(crate) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Ready> {
        // A task that was aborted or that panicked has nothing to say; a deadline covers it.
        while let Poll::Ready(Some(result)) = self.tasks.poll_join_next(cx) {
            match result {
                Ok(done) => return Poll::Ready(Ready::Task(done)),
                Err(error) if error.is_panic() => tracing::error!(%error, "a task panicked"),
                Err(_) => {}
            }
        }
        self.sockets.poll_ready(cx).map(Ready::Socket)
    }

    /// Reads one datagram from a socket and takes it where it belongs; false if there is none.
    pub(crate) fn receive(&mut self, now: Instant, socket: SocketId) -> bool {
        let Some(role) = self.sockets.role(socket) else {
            return false;
        };
        let Some((len, from)) = self.sockets.receive(socket, &mut self.datagram) else {
            return false;
        };
        let bytes = std::mem::take(&mut self.datagram);
        match bytes.get(..len) {
            Some([]) | None => self.counters.unusable.add(),
            // DTLS adds a little to the largest message.
            Some(_) if len >= bytes.len() => self.counters.oversized.add(),
            Some(datagram) => self.route(now, socket, role, from, datagram),
        }
        self.datagram = bytes;
        true
    }

    fn route(
        &mut self,
        now: Instant,
        socket: SocketId,
        role: Role,
        from: SocketAddr,
        datagram: &[u8],
    ) {
        match role {
            Role::Udp => self.udp_server_datagram(socket, from, datagram.len()),
            Role::Dtls(store) => self.dtls_server_datagram(now, (socket, store), from, datagram),
            // Scope and flow of an IPv6 address say nothing about who it is.
            Role::Client { remote, .. }
                if (remote.ip(), remote.port()) != (from.ip(), from.port()) =>
            {
                tracing::debug!(%from, %remote, "a stranger's datagram reached a client");
                self.counters.foreign.add();
            }
            Role::Client {
                owner: Owner::Handshake(key),
                ..
            } => {
                self.handshake_datagram(now, key, datagram);
            }
            Role::Client {
                owner: Owner::Peer(key),
                ..
            } => match self.peers.get(key).map(|peer| &peer.route) {
                Some(Route::Clear) => self.clear_message(key, datagram.len()),
                Some(Route::Secure { .. }) => self.session_datagram(now, key, datagram),
                None => {}
            },
        }
    }

    /// What an event means for an engine.
    pub(crate) fn input<'a>(&'a self, event: &'a NetEvent) -> Input<'a> {
        match event {
            NetEvent::Up {
                peer,
                remote,
                identity,
                connect,
            } => Input::PeerUp {
                peer: *peer,
                binding: Binding::Udp,
                remote: *remote,
                identity: identity.as_deref().map_or(Identity::NoSec, Identity::Psk),
                connect: *connect,
            },
            NetEvent::Failed { connect, reason } => Input::ConnectFailed {
                connect: *connect,
                reason: *reason,
            },
            NetEvent::Down { peer, reason } => Input::PeerDown {
                peer: *peer,
                reason: *reason,
            },
            NetEvent::Message { peer, body } => {
                let data = match body {
                    Body::Datagram(len) => self.datagram.get(..*len),
                    Body::Inbox(range) => self.inbox.get(range.clone()),
                };
                Input::Message {
                    peer: *peer,
                    data: data.unwrap_or_default(),
                }
            }
        }
    }

    /// Shows a message that has arrived.
    pub(crate) fn show(&mut self, event: &NetEvent) {
        let (Some(trace), NetEvent::Message { peer, body }) = (&mut self.trace, event) else {
            return;
        };
        let data = match body {
            Body::Datagram(len) => self.datagram.get(..*len),
            Body::Inbox(range) => self.inbox.get(range.clone()),
        };
        if let (Some(data), Some(from)) = (data, self.peers.get(Key::from(*peer))) {
            trace.message(Direction::Received, *peer, from.remote, data);
        }
    }

    /// Sends a message to a peer.
    pub(crate) fn send(&mut self, id: PeerId, message: &[u8]) {
        let key = Key::from(id);
        let Some(peer) = self.peers.get_mut(key) else {
            self.counters.undeliverable.add();
            return;
        };
        if let Some(trace) = &mut self.trace {
            trace.message(Direction::Sent, id, peer.remote, message);
        }
        match &mut peer.route {
            Route::Clear => {
                self.sockets.send(peer.socket, message, peer.remote);
            }
            Route::Secure { session, .. } => match session.send(message) {
                Ok(()) => self.pump_session(key),
                Err(error) => {
                    tracing::debug!(%error, "a session can't send");
                    self.forget(key, DownReason::Transport);
                }
            },
        }
    }

    /// Ends the session of a peer because the engine wants it: nothing of it is told any more.
    pub(crate) fn close(&mut self, peer: PeerId) {
        self.events.retain(|event| match event {
            NetEvent::Up { peer: p, .. }
            | NetEvent::Down { peer: p, .. }
            | NetEvent::Message { peer: p, .. } => *p != peer,
            NetEvent::Failed { .. } => true,
        });
        self.part(peer.into());
    }

    /// Ends all sessions.
    pub(crate) fn close_all(&mut self) {
        for class in [CLIENT, crate::peers::SECURE] {
            while let Some(key) = self.peers.oldest(class) {
                self.part(key);
            }
        }
    }

    /// Removes a peer without a word to it, and tells the engine.
    pub(crate) fn forget(&mut self, key: Key, reason: DownReason) {
        let Some(peer) = self.peers.remove(key) else {
            return;
        };
        if peer.class == CLIENT {
            self.sockets.remove(peer.socket);
        }
        self.events.push_back(NetEvent::Down {
            peer: key.into(),
            reason,
        });
    }

    /// Evicts the peer that was silent for longest if a class is full.
    pub(crate) fn make_room(&mut self, class: usize, limit: usize) {
        while self.peers.len(class) >= limit {
            let Some(oldest) = self.peers.oldest(class) else {
                return;
            };
            self.counters.peers_evicted.add();
            self.part(oldest);
            let down = NetEvent::Down {
                peer: oldest.into(),
                reason: DownReason::Evicted,
            };
            self.events.push_back(down);
        }
    }

    /// Adds a client's socket.
    pub(crate) fn add_client_socket(
        &mut self,
        io: std::net::UdpSocket,
        remote: SocketAddr,
        owner: Owner,
    ) -> Option<SocketId> {
        let added: io::Result<_> = self.sockets.add(io, Role::Client { remote, owner });
        added
            .inspect_err(|error| tracing::debug!(%error, "a socket can't be used"))
            .ok()
    }

    /// Sends what a session that ends still wants to say.
    fn last_words(&mut self, socket: SocketId, remote: SocketAddr, session: &mut dyn DtlsSession) {
        loop {
            match session.poll_output(&mut self.packet) {
                Output::Packet(packet) => {
                    self.sockets.send(socket, packet, remote);
                }
                Output::Closed | Output::Idle(_) => return,
                Output::Data(_) | Output::Connected | Output::Nothing => {}
            }
        }
    }

    /// Says farewell (RFC 5246 §7.2.1: close_notify) and removes a peer.
    fn part(&mut self, key: Key) {
        let Some(Peer {
            socket,
            remote,
            class,
            mut route,
        }) = self.peers.remove(key)
        else {
            return;
        };
        if let Route::Secure { session, .. } = &mut route {
            session.close();
            self.last_words(socket, remote, &mut **session);
        }
        if class == CLIENT {
            self.sockets.remove(socket);
        }
    }
}
