//! The peers of a driver.

use std::{collections::HashMap, fmt, net::SocketAddr};

use crate::{
    dtls::{Random, Session},
    slab::{Key, Slab},
    socket::SocketId,
};

/// Peers of a server socket without security.
pub(crate) const NOSEC: usize = 0;
/// Peers of a server socket with DTLS.
pub(crate) const SECURE: usize = 1;
/// Servers that the engine connected to; these are never evicted.
pub(crate) const CLIENT: usize = 2;

/// One peer.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) socket: SocketId,
    pub(crate) remote: SocketAddr,
    pub(crate) class: usize,
    pub(crate) route: Route,
}

/// What happens to a message on its way to a peer.
pub(crate) enum Route {
    /// Nothing.
    Clear,
    /// DTLS.
    Secure {
        session: Session,
        /// Of the ClientHello that a server's session began with: tells a repeated one from that
        /// of a device that restarted.
        random: Option<Random>,
    },
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Clear => "Clear",
            Self::Secure { .. } => "Secure",
        })
    }
}

/// The table of peers: by key, by address at a server's socket, by silence.
#[derive(Debug)]
pub(crate) struct Peers {
    slab: Slab<Peer, 3>,
    by_address: HashMap<(SocketId, SocketAddr), Key>,
}

impl Peers {
    pub(crate) fn new() -> Self {
        Self {
            slab: Slab::new(),
            by_address: HashMap::new(),
        }
    }

    /// Adds a peer; the caller has made room and removed a peer of the same address.
    pub(crate) fn insert(&mut self, peer: Peer) -> Key {
        let address = (peer.class != CLIENT).then_some((peer.socket, peer.remote));
        let key = self.slab.insert(peer.class, peer);
        if let Some(address) = address {
            self.by_address.insert(address, key);
        }
        key
    }

    pub(crate) fn remove(&mut self, key: Key) -> Option<Peer> {
        let peer = self.slab.remove(key)?;
        if peer.class != CLIENT {
            self.by_address.remove(&(peer.socket, peer.remote));
        }
        Some(peer)
    }

    pub(crate) fn get(&self, key: Key) -> Option<&Peer> {
        self.slab.get(key)
    }

    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut Peer> {
        self.slab.get_mut(key)
    }

    /// The peer behind an address at a server's socket.
    pub(crate) fn at(&self, socket: SocketId, remote: SocketAddr) -> Option<Key> {
        self.by_address.get(&(socket, remote)).copied()
    }

    /// Notes that a peer was heard.
    pub(crate) fn heard(&mut self, key: Key) {
        if let Some(class) = self.slab.get(key).map(|peer| peer.class) {
            self.slab.touch(key, class);
        }
    }

    pub(crate) fn len(&self, class: usize) -> usize {
        self.slab.len(class)
    }

    /// The peer of a class that was silent for longest.
    pub(crate) fn oldest(&self, class: usize) -> Option<Key> {
        self.slab.iter(class).next().map(|(key, _)| key)
    }
}
