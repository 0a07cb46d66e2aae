//! Every bound of a driver, in one place.

use std::{ops::RangeInclusive, time::Duration};

use tokio::sync::Semaphore;

/// How much a driver keeps and how long it waits.
///
/// All tables and queues of a driver are bounded by these. What is turned away shows in
/// [`Counts`](crate::Counts). Where a table or a queue can't be empty, zero means one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Calls that wait for the driver's task; a full queue makes [`Handle::call`] wait.
    ///
    /// [`Handle::call`]: crate::Handle::call
    pub calls: usize,
    /// Events that wait for the application; when full, the engine keeps the rest.
    pub events: usize,
    /// Peers without security that reached a server socket; the one that was silent for longest
    /// makes room.
    pub nosec_peers: usize,
    /// Peers with a DTLS session that reached a server socket, about 8 KiB each; the one that was
    /// silent for longest makes room.
    pub secure_peers: usize,
    /// Connections that the engine asked for, whether up or on the way.
    pub connections: usize,
    /// Bytes of the largest datagram, in clear or not; larger ones are dropped.
    pub max_datagram: usize,
    /// DTLS handshakes of a server that have not ended; the oldest makes room, and one whose
    /// source address is not proved goes before one whose address is.
    pub half_open: usize,
    /// The same per source: an IPv4 address, or the /64 of an IPv6 address.
    pub half_open_per_source: usize,
    /// Datagrams of one handshake that wait for a key.
    pub parked_datagrams: usize,
    /// How long a handshake waits for a key.
    pub key_lookup: Duration,
    /// How long a DTLS handshake may take.
    pub handshake: Duration,
    /// When a DTLS flight is first repeated (RFC 6347 §4.2.4.1: 1 s; RFC 7925 §11: 9 s for
    /// constrained networks); doubles each time.
    pub flight: Duration,
    /// How long resolving a name may take.
    pub resolve: Duration,
}

/// Bytes of the largest UDP datagram there is, and of the smallest that DTLS gets along with.
const DATAGRAM: RangeInclusive<usize> = 256..=65_507;

impl Limits {
    /// Brings into range what would not even start.
    pub(crate) fn sane(mut self) -> Self {
        self.max_datagram = self.max_datagram.clamp(*DATAGRAM.start(), *DATAGRAM.end());
        for queue in [&mut self.calls, &mut self.events] {
            *queue = (*queue).clamp(1, Semaphore::MAX_PERMITS);
        }
        for table in [
            &mut self.nosec_peers,
            &mut self.secure_peers,
            &mut self.half_open,
            &mut self.half_open_per_source,
            &mut self.parked_datagrams,
        ] {
            *table = (*table).max(1);
        }
        self
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            calls: 256,
            events: 1024,
            nosec_peers: 65_536,
            secure_peers: 1 << 17,
            connections: 64,
            max_datagram: 2048,
            half_open: 1024,
            half_open_per_source: 16,
            parked_datagrams: 8,
            key_lookup: Duration::from_secs(5),
            handshake: Duration::from_secs(40),
            flight: Duration::from_secs(1),
            resolve: Duration::from_secs(10),
        }
    }
}
