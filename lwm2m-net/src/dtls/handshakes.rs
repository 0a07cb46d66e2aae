//! The table of handshakes that have not ended.

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Instant,
};

use lwm2m_coap::ConnectId;
use tokio::task::AbortHandle;

use super::{
    record::{self, Random},
    session::Session,
};
use crate::{
    slab::{Key, Slab},
    socket::SocketId,
};

/// Handshakes of a server whose client has not shown yet that it receives at its address.
const UNVERIFIED: usize = 0;
/// Handshakes of a server whose client answered with the cookie.
const VERIFIED: usize = 1;
/// Handshakes of a client.
const CLIENT: usize = 2;

/// One handshake.
pub(crate) struct Handshake {
    pub(crate) session: Session,
    pub(crate) socket: SocketId,
    pub(crate) remote: SocketAddr,
    pub(crate) side: Side,
    /// The number of the next record in clear: an alert of ours must not repeat an old one.
    pub(super) next_record: u64,
    /// The peer has shown that it receives at its address; always true for a client.
    pub(super) verified: bool,
    /// When it ends whatever its session says: dimpl's own limit begins with a whole ClientHello.
    pub(super) expires: Instant,
    deadline: Option<Instant>,
}

/// Which side of a handshake this is.
pub(crate) enum Side {
    /// The client's.
    Client {
        /// Which connection.
        connect: ConnectId,
        /// As whom.
        identity: Arc<[u8]>,
    },
    /// The server's.
    Server {
        /// Which store has the key.
        store: usize,
        /// Of the ClientHello.
        random: Random,
        /// How far the key is.
        stage: Stage,
    },
}

/// How far a server is with a client's key.
pub(crate) enum Stage {
    /// The client has not said who it is.
    Unnamed,
    /// Datagrams from the client's identity on wait for its key.
    Parked {
        /// The datagrams.
        datagrams: Vec<Vec<u8>>,
        /// When waiting ends.
        until: Instant,
        /// The lookup, once the identity is whole.
        lookup: Option<LookupTask>,
    },
    /// The key of this identity is in use.
    Keyed(Arc<[u8]>),
}

/// A lookup that ends with its handshake.
pub(crate) struct LookupTask(pub(crate) AbortHandle);

impl Drop for LookupTask {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Handshake {
    pub(super) fn new(
        session: Session,
        (socket, remote): (SocketId, SocketAddr),
        side: Side,
        expires: Instant,
    ) -> Self {
        let verified = matches!(side, Side::Client { .. });
        Self {
            session,
            socket,
            remote,
            side,
            next_record: 0,
            verified,
            expires,
            deadline: None,
        }
    }

    /// True if this is a server's handshake that began with that ClientHello.
    pub(super) fn began_with(&self, hello: &Random) -> bool {
        matches!(&self.side, Side::Server { random, .. } if random == hello)
    }

    /// Takes note of a datagram that the session sends. A ServerHello means that the cookie came
    /// back, which proves the client's address (RFC 6347 §4.2.1).
    pub(super) fn note_sent(&mut self, datagram: &[u8]) {
        for record in record::records(datagram).filter(|record| record.epoch == 0) {
            self.next_record = self.next_record.max(record.sequence + 1);
            self.verified |= record
                .fragments()
                .any(|f| f.message == record::SERVER_HELLO);
        }
    }

    /// When the handshake wants to be woken, if its session does at `idle`; `None` for no change.
    pub(super) fn wake(&self, idle: Instant) -> Option<Instant> {
        match &self.side {
            // The client has spoken, so there is nothing to repeat: only waiting may end.
            Side::Server {
                stage: Stage::Parked { .. },
                ..
            } => None,
            // RFC 6347 §4.2.1: a HelloVerifyRequest is not repeated, the client may not exist.
            _ if !self.verified => Some(self.expires),
            _ => Some(idle.min(self.expires)),
        }
    }
}

impl fmt::Debug for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handshake")
            .field("remote", &self.remote)
            .finish_non_exhaustive()
    }
}

/// All handshakes: by key, by address at a server's socket, by age, by deadline.
#[derive(Debug)]
pub(crate) struct Handshakes {
    slab: Slab<Handshake, 3>,
    by_address: HashMap<(SocketId, SocketAddr), Key>,
    per_source: HashMap<IpAddr, usize>,
    deadlines: BTreeSet<(Instant, Key)>,
}

impl Handshakes {
    pub(crate) fn new() -> Self {
        Self {
            slab: Slab::new(),
            by_address: HashMap::new(),
            per_source: HashMap::new(),
            deadlines: BTreeSet::new(),
        }
    }

    /// Adds a handshake; the caller has made room and removed one of the same address.
    pub(super) fn insert(&mut self, handshake: Handshake) -> Key {
        if matches!(handshake.side, Side::Client { .. }) {
            return self.slab.insert(CLIENT, handshake);
        }
        let address = (handshake.socket, handshake.remote);
        *self.per_source.entry(source(handshake.remote)).or_default() += 1;
        let key = self.slab.insert(UNVERIFIED, handshake);
        self.by_address.insert(address, key);
        key
    }

    pub(super) fn remove(&mut self, key: Key) -> Option<Handshake> {
        let handshake = self.slab.remove(key)?;
        if let Some(deadline) = handshake.deadline {
            self.deadlines.remove(&(deadline, key));
        }
        if matches!(handshake.side, Side::Server { .. }) {
            self.by_address
                .remove(&(handshake.socket, handshake.remote));
            let source = source(handshake.remote);
            if let Some(count) = self.per_source.get_mut(&source) {
                *count -= 1;
                if *count == 0 {
                    self.per_source.remove(&source);
                }
            }
        }
        Some(handshake)
    }

    pub(super) fn get(&self, key: Key) -> Option<&Handshake> {
        self.slab.get(key)
    }

    pub(super) fn get_mut(&mut self, key: Key) -> Option<&mut Handshake> {
        self.slab.get_mut(key)
    }

    /// The handshake of an address at a server's socket.
    pub(super) fn at(&self, socket: SocketId, remote: SocketAddr) -> Option<Key> {
        self.by_address.get(&(socket, remote)).copied()
    }

    /// Notes that a client showed that it receives at its address.
    pub(super) fn verified(&mut self, key: Key) {
        self.slab.touch(key, VERIFIED);
    }

    /// Sets when a handshake wants to be woken.
    pub(super) fn set_deadline(&mut self, key: Key, deadline: Instant) {
        let Some(handshake) = self.slab.get_mut(key) else {
            return;
        };
        if let Some(old) = handshake.deadline.replace(deadline) {
            self.deadlines.remove(&(old, key));
        }
        self.deadlines.insert((deadline, key));
    }

    /// When the first handshake wants to be woken.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// A handshake that is to be woken now.
    pub(super) fn due(&self, now: Instant) -> Option<Key> {
        self.deadlines
            .first()
            .filter(|(deadline, _)| *deadline <= now)
            .map(|(_, key)| *key)
    }

    /// The number of a client's handshakes.
    pub(crate) fn clients(&self) -> usize {
        self.slab.len(CLIENT)
    }

    /// The handshake that must go before one from `remote` may begin.
    pub(super) fn to_evict(
        &self,
        remote: SocketAddr,
        limit: usize,
        limit_per_source: usize,
    ) -> Option<Key> {
        let servers = || self.slab.iter(UNVERIFIED).chain(self.slab.iter(VERIFIED));
        let from = source(remote);
        if self
            .per_source
            .get(&from)
            .is_some_and(|count| *count >= limit_per_source)
        {
            let same = servers().find(|(_, handshake)| source(handshake.remote) == from);
            return same.map(|(key, _)| key);
        }
        if self.slab.len(UNVERIFIED) + self.slab.len(VERIFIED) >= limit {
            return servers().next().map(|(key, _)| key);
        }
        None
    }
}

/// What counts as one source: whoever has one IPv6 address has a /64 of them.
fn source(remote: SocketAddr) -> IpAddr {
    match remote.ip() {
        IpAddr::V4(ip) => ip.into(),
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).into(),
    }
}
