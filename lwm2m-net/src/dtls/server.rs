//! DTLS servers: from a ClientHello to a peer.
//!
//! ```text
//! ClientHello        -> Unnamed, unverified   HelloVerifyRequest
//! ClientHello+cookie -> Unnamed, verified     ServerHello, ServerHelloDone
//! ClientKeyExchange  -> Parked                identity read in clear, key looked up
//! (key)              -> Keyed                 parked datagrams are fed
//! Finished           -> a peer                Finished
//! ```

use std::{net::SocketAddr, sync::Arc, time::Instant};

use lwm2m_coap::DownReason;

use super::{
    handshakes::{Handshake, LookupTask, Side, Stage},
    record::{self, Found},
    session::{SessionError, alert},
};
use crate::{
    clock::Clock,
    net::{Done, Net},
    peers::{Peer, Route, SECURE},
    psk::{LookupFailed, Psk},
    slab::Key,
    socket::SocketId,
};

impl Net {
    /// Takes a datagram that reached a DTLS server's socket.
    pub(crate) fn dtls_server_datagram(
        &mut self,
        now: Instant,
        (socket, store): (SocketId, usize),
        from: SocketAddr,
        datagram: &[u8],
    ) {
        let Some(first) = record::records(datagram).next() else {
            self.counters.unusable.add();
            return;
        };
        let handshake = self.handshakes.at(socket, from);
        let peer = self.peers.at(socket, from);
        if let Some(random) = record::client_hello(datagram) {
            return self.client_hello(now, (socket, store), from, random, datagram);
        }
        // While a device that restarted shakes hands, its old session still lives beside.
        let in_handshake = first.epoch == 0
            || matches!(
                first.content_type,
                record::HANDSHAKE | record::CHANGE_CIPHER_SPEC
            );
        match (handshake, peer) {
            (Some(key), None) => self.handshake_datagram(now, key, datagram),
            (Some(key), Some(_)) if in_handshake => self.handshake_datagram(now, key, datagram),
            (_, Some(key)) => self.session_datagram(now, key, datagram),
            (None, None) => self.counters.unusable.add(),
        }
    }

    fn client_hello(
        &mut self,
        now: Instant,
        (socket, store): (SocketId, usize),
        from: SocketAddr,
        random: record::Random,
        datagram: &[u8],
    ) {
        let peer = self
            .peers
            .at(socket, from)
            .and_then(|key| self.peers.get(key));
        if let Some(Peer {
            route: Route::Secure {
                random: Some(old), ..
            },
            ..
        }) = peer
            && *old == random
        {
            // A late copy of the one that the session began with.
            self.counters.unusable.add();
            return;
        }
        let key = match self.handshakes.at(socket, from) {
            Some(key)
                if self
                    .handshakes
                    .get(key)
                    .is_some_and(|h| h.began_with(&random)) =>
            {
                key
            }
            other => {
                if let Some(old) = other {
                    self.counters.half_open_restarted.add();
                    self.handshakes.remove(old);
                }
                let side = Side::Server {
                    store,
                    random,
                    stage: Stage::Unnamed,
                };
                let Some(key) = self.accept(now, socket, from, side) else {
                    return;
                };
                key
            }
        };
        self.handshake_datagram(now, key, datagram);
    }

    /// Begins a server's handshake, for which others may have to go.
    fn accept(
        &mut self,
        now: Instant,
        socket: SocketId,
        from: SocketAddr,
        side: Side,
    ) -> Option<Key> {
        let (all, per_source) = (self.limits.half_open, self.limits.half_open_per_source);
        while let Some(key) = self.handshakes.to_evict(from, all, per_source) {
            self.counters.half_open_evicted.add();
            self.handshakes.remove(key);
        }
        let session = self.acceptor.as_ref()?.accept(now);
        let longest = self.limits.handshake.saturating_add(self.limits.key_lookup);
        let expires = Clock::after(now, longest);
        Some(
            self.handshakes
                .insert(Handshake::new(session, (socket, from), side, expires)),
        )
    }

    /// Parks a datagram of a server's handshake if it must wait for a key; false if it need not.
    pub(super) fn park(&mut self, now: Instant, key: Key, datagram: &[u8]) -> bool {
        let Some(handshake) = self.handshakes.get_mut(key) else {
            return false;
        };
        let Side::Server { stage, store, .. } = &mut handshake.side else {
            return false;
        };
        let store = *store;
        if matches!(stage, Stage::Unnamed) && record::has_key_exchange(datagram) {
            let until = Clock::after(now, self.limits.key_lookup);
            *stage = Stage::Parked {
                datagrams: Vec::new(),
                until,
                lookup: None,
            };
            self.handshakes.set_deadline(key, until);
        }
        let Some(Handshake {
            side: Side::Server { stage, .. },
            ..
        }) = self.handshakes.get_mut(key)
        else {
            return false;
        };
        let Stage::Parked {
            datagrams, lookup, ..
        } = stage
        else {
            return false;
        };
        if datagrams.len() >= self.limits.parked_datagrams {
            self.counters.parked_dropped.add();
            return true;
        }
        datagrams.push(datagram.into());
        if lookup.is_some() {
            return true;
        }
        match record::psk_identity(datagrams) {
            Found::Identity(identity) => self.look_up(key, store, identity),
            Found::Incomplete => {}
            Found::Unusable => {
                let error = SessionError::Failed(alert::ILLEGAL_PARAMETER);
                self.handshake_failed(key, error);
            }
        }
        true
    }

    fn look_up(&mut self, key: Key, store: usize, identity: Vec<u8>) {
        let Some(store) = self.stores.get(store).map(Arc::clone) else {
            return;
        };
        let task = self.tasks.spawn(async move {
            let result = store.lookup(&identity).await;
            Done::Key {
                handshake: key,
                identity: identity.into(),
                result,
            }
        });
        if let Some(Handshake {
            side: Side::Server { stage, .. },
            ..
        }) = self.handshakes.get_mut(key)
            && let Stage::Parked { lookup, .. } = stage
        {
            *lookup = Some(LookupTask(task));
        }
    }

    /// Takes the answer of a store of keys.
    pub(crate) fn key_found(
        &mut self,
        now: Instant,
        key: Key,
        identity: Arc<[u8]>,
        result: Result<Option<Psk>, LookupFailed>,
    ) {
        let Some(handshake) = self.handshakes.get_mut(key) else {
            return;
        };
        let Side::Server { stage, .. } = &mut handshake.side else {
            return;
        };
        let (remote, name) = (handshake.remote, identity.escape_ascii());
        let psk = match result {
            Ok(Some(psk)) => psk,
            Ok(None) => {
                tracing::warn!(%remote, identity = %name, "unknown psk identity");
                self.counters.unknown_identities.add();
                let error = SessionError::Failed(alert::UNKNOWN_PSK_IDENTITY);
                return self.handshake_failed(key, error);
            }
            Err(LookupFailed) => {
                tracing::warn!(%remote, identity = %name, "the store of keys could not answer");
                return self.key_missing(key);
            }
        };
        let old = std::mem::replace(stage, Stage::Keyed(Arc::clone(&identity)));
        handshake.session.set_key(&identity, &psk);
        if let Stage::Parked { datagrams, .. } = old {
            for datagram in datagrams {
                // Finished makes a peer of it; what follows belongs to that.
                match self.handshakes.get(key).map(|h| (h.socket, h.remote)) {
                    Some(_) => self.handshake_datagram(now, key, &datagram),
                    None => break,
                }
            }
        }
    }

    /// Ends a handshake whose key the store couldn't give.
    pub(super) fn key_missing(&mut self, key: Key) {
        self.counters.key_lookups_failed.add();
        self.handshake_failed(key, SessionError::Failed(alert::INTERNAL_ERROR));
    }

    /// Makes room for a new session and removes the old one of the same address.
    pub(super) fn admit(&mut self, socket: SocketId, remote: SocketAddr) {
        if let Some(old) = self.peers.at(socket, remote) {
            self.counters.sessions_replaced.add();
            self.forget(old, DownReason::Replaced);
        }
        self.make_room(SECURE, self.limits.secure_peers);
    }
}
