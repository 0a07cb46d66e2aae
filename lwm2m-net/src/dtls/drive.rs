//! Handshakes in progress and sessions: what both sides do alike.

use std::time::{Duration, Instant};

use lwm2m_coap::{ConnectError, DownReason};

use super::{
    handshakes::{Handshake, Side, Stage},
    record,
    session::{Output, SessionError},
};
use crate::{
    net::{Body, Net, NetEvent},
    peers::{CLIENT, Peer, Route, SECURE},
    slab::Key,
    socket::{Owner, Sent},
};

/// The least time until a session is woken again, so that none can keep the driver busy.
const TICK: Duration = Duration::from_millis(1);

impl Net {
    /// Takes a datagram of a handshake.
    pub(crate) fn handshake_datagram(&mut self, now: Instant, key: Key, datagram: &[u8]) {
        if self.park(now, key, datagram) {
            return;
        }
        let Some(handshake) = self.handshakes.get_mut(key) else {
            return;
        };
        match handshake.session.handle_datagram(now, datagram) {
            Ok(()) => self.pump_handshake(now, key),
            Err(error) => self.handshake_failed(key, error),
        }
    }

    /// Wakes every handshake whose time has come.
    pub(crate) fn handshake_timeouts(&mut self, now: Instant) {
        while let Some(key) = self.handshakes.due(now) {
            self.handshake_timeout(now, key);
        }
    }

    pub(super) fn handshake_timeout(&mut self, now: Instant, key: Key) {
        let Some(handshake) = self.handshakes.get_mut(key) else {
            return;
        };
        if let Side::Server {
            stage: Stage::Parked { until, .. },
            ..
        } = &handshake.side
            && *until <= now
        {
            tracing::warn!(remote = %handshake.remote, "the store of keys took too long");
            return self.key_missing(key);
        }
        if handshake.expires <= now {
            return self.handshake_failed(key, SessionError::TimedOut);
        }
        match handshake.session.handle_timeout(now) {
            Ok(()) => self.pump_handshake(now, key),
            Err(error) => self.handshake_failed(key, error),
        }
    }

    /// Does what a handshake's session wants.
    fn pump_handshake(&mut self, now: Instant, key: Key) {
        loop {
            let Some(handshake) = self.handshakes.get_mut(key) else {
                return;
            };
            match handshake.session.poll_output(&mut self.packet) {
                Output::Packet(packet) => {
                    let was = handshake.verified;
                    handshake.note_sent(packet);
                    let newly = handshake.verified && !was;
                    let client = matches!(handshake.side, Side::Client { .. });
                    let sent = self
                        .sockets
                        .send(handshake.socket, packet, handshake.remote);
                    if newly {
                        self.handshakes.verified(key);
                    }
                    if client && sent == Sent::Unreachable {
                        return self.end_handshake(key, ConnectError::Unreachable);
                    }
                }
                Output::Connected => return self.establish(key),
                Output::Closed => {
                    return self.handshake_failed(key, SessionError::Received(0));
                }
                Output::Data(_) | Output::Nothing => {}
                Output::Idle(at) => {
                    if let Some(at) = handshake.wake(at.max(now + TICK)) {
                        self.handshakes.set_deadline(key, at);
                    }
                    return;
                }
            }
        }
    }

    /// Makes a peer of a handshake that has ended well.
    fn establish(&mut self, key: Key) {
        let Some(handshake) = self.handshakes.remove(key) else {
            return;
        };
        let Handshake {
            session,
            socket,
            remote,
            side,
            ..
        } = handshake;
        let (class, identity, random, connect) = match side {
            Side::Client { connect, identity } => (CLIENT, identity, None, Some(connect)),
            Side::Server {
                random,
                stage: Stage::Keyed(identity),
                ..
            } => {
                self.admit(socket, remote);
                (SECURE, identity, Some(random), None)
            }
            // No key, no session: the engine has nothing that it could have finished with.
            Side::Server { .. } => return,
        };
        self.counters.handshakes_done.add();
        tracing::debug!(%remote, identity = %identity.escape_ascii(), "handshake done");
        let route = Route::Secure { session, random };
        let peer = self.peers.insert(Peer {
            socket,
            remote,
            class,
            route,
        });
        self.sockets.set_owner(socket, Owner::Peer(peer));
        self.events.push_back(NetEvent::Up {
            peer: peer.into(),
            remote,
            identity: Some(identity),
            connect,
        });
        self.pump_session(peer);
    }

    /// Ends a handshake that failed, with an alert if it is this side that gives up.
    pub(super) fn handshake_failed(&mut self, key: Key, error: SessionError) {
        let Some(handshake) = self.handshakes.get(key) else {
            return;
        };
        tracing::debug!(remote = %handshake.remote, %error, "handshake failed");
        let reason = match error {
            SessionError::Received(number) => ConnectError::Alert(number),
            SessionError::Failed(number) => {
                let alert = record::alert(handshake.next_record, number);
                self.sockets
                    .send(handshake.socket, &alert, handshake.remote);
                ConnectError::Alert(number)
            }
            SessionError::TimedOut => ConnectError::Timeout,
        };
        match error {
            SessionError::TimedOut => self.counters.handshakes_timed_out.add(),
            _ => self.counters.handshakes_failed.add(),
        }
        self.end_handshake(key, reason);
    }

    fn end_handshake(&mut self, key: Key, reason: ConnectError) {
        let Some(handshake) = self.handshakes.remove(key) else {
            return;
        };
        if let Side::Client { connect, .. } = handshake.side {
            self.sockets.remove(handshake.socket);
            self.connect_failed(connect, reason);
        }
    }

    /// Takes a datagram of an established session.
    pub(crate) fn session_datagram(&mut self, now: Instant, key: Key, datagram: &[u8]) {
        let Some(Peer {
            route: Route::Secure { session, .. },
            ..
        }) = self.peers.get_mut(key)
        else {
            return;
        };
        match session.handle_datagram(now, datagram) {
            Ok(()) => self.pump_session(key),
            Err(SessionError::Received(_)) => self.forget(key, DownReason::Remote),
            Err(error) => {
                tracing::debug!(%error, "a session broke");
                self.forget(key, DownReason::Transport);
            }
        }
    }

    /// Does what an established session wants.
    pub(crate) fn pump_session(&mut self, key: Key) {
        let (mut heard, mut closed) = (false, false);
        loop {
            let Some(peer) = self.peers.get_mut(key) else {
                return;
            };
            let Route::Secure { session, .. } = &mut peer.route else {
                return;
            };
            match session.poll_output(&mut self.packet) {
                Output::Packet(packet) => {
                    self.sockets.send(peer.socket, packet, peer.remote);
                }
                Output::Data(data) => {
                    heard = true;
                    let start = self.inbox.len();
                    self.inbox.extend_from_slice(data);
                    let body = Body::Inbox(start..self.inbox.len());
                    self.events.push_back(NetEvent::Message {
                        peer: key.into(),
                        body,
                    });
                }
                Output::Connected | Output::Nothing => {}
                Output::Closed => closed = true,
                Output::Idle(_) => break,
            }
            if closed {
                break;
            }
        }
        if heard {
            self.peers.heard(key);
        }
        if closed {
            self.forget(key, DownReason::Remote);
        }
    }
}
