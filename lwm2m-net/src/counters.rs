//! What a driver counts.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// The numbers of a driver, written by its task and read by anyone.
        #[derive(Debug, Default)]
        pub(crate) struct Counters {
            $(pub(crate) $name: Counter,)*
        }

        /// What a driver has counted since it started.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        #[non_exhaustive]
        pub struct Counts {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl Counters {
            /// Reads all counters.
            pub(crate) fn read(&self) -> Counts {
                Counts { $($name: self.$name.read(),)* }
            }
        }
    };
}

counters! {
    /// Datagrams received, whatever became of them.
    received,
    /// Datagrams handed to a socket.
    sent,
    /// Bytes in the datagrams received.
    bytes_received,
    /// Bytes in the datagrams handed to a socket.
    bytes_sent,
    /// Datagrams that a socket refused to take, or that met a full socket while none could be kept.
    send_failed,
    /// Errors that reading a socket gave, such as an ICMP error.
    receive_failed,
    /// Datagrams larger than the limit.
    oversized,
    /// Datagrams at a client's socket that came from somebody else than its server.
    foreign,
    /// Datagrams that are empty, or that a DTLS socket can't use.
    unusable,
    /// Messages to a peer that is gone.
    undeliverable,
    /// Peers that made room for others.
    peers_evicted,
    /// Sessions that a new one of the same address replaced.
    sessions_replaced,
    /// Connections that failed, or that the limit forbade.
    connects_failed,
    /// DTLS handshakes that ended well, both roles.
    handshakes_done,
    /// DTLS handshakes that ended with an alert or an error, both roles.
    handshakes_failed,
    /// DTLS handshakes that took too long, both roles.
    handshakes_timed_out,
    /// Half-open handshakes that made room for others.
    half_open_evicted,
    /// Half-open handshakes that a new ClientHello of the same address ended.
    half_open_restarted,
    /// Handshakes with a PSK identity that the store doesn't know.
    unknown_identities,
    /// Handshakes whose key the store couldn't give, or not in time.
    key_lookups_failed,
    /// Datagrams that came while too many others waited for a key.
    parked_dropped,
}

/// One number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// Adds one.
    pub(crate) fn add(&self) {
        self.add_many(1);
    }

    /// Adds the length of something.
    pub(crate) fn add_many(&self, count: usize) {
        self.0.fetch_add(count as u64, Ordering::Relaxed);
    }

    fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
