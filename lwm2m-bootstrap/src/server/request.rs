//! Requests of devices, from their arrival to the sequence or the pack.

use alloc::{
    collections::BTreeMap,
    string::{String, ToString},
    sync::Arc,
    vec::Vec,
};

use core::net::SocketAddr;

use lwm2m_coap::{Draft, Duration, Instant, PeerId, Responder};
use lwm2m_codec::{
    ContentFormat, Path,
    coap::{Code, Message},
};

use super::{
    BootstrapServer, Event, RefusedReason,
    plan::{self, Discovered},
    provision,
    query::{PACKS, Query},
    session::Session,
};
use crate::one_time::OneTimeKey;

/// A device asks to be provisioned: the right and duty to decide, by
/// [`BootstrapServer::accept`] or [`BootstrapServer::reject`].
///
/// Dropped, the device gets 5.03 when [`Config::decision_timeout`](super::Config) ends.
#[derive(Debug, PartialEq)]
#[must_use]
#[non_exhaustive]
pub struct BootstrapRequest {
    serial: u64,
    /// The device.
    pub peer: PeerId,
    /// Its address.
    pub remote: SocketAddr,
    /// Its endpoint name.
    pub endpoint: String,
    /// The PSK identity that it proved.
    pub identity: Option<Vec<u8>>,
    /// True if it wants a pack.
    pub pack: bool,
    /// The keys to make for it.
    pub keys: Vec<WantedKey>,
}

/// A one-time key to make for a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct WantedKey {
    /// Short Server ID of the server that it is for.
    pub ssid: u16,
    /// How long it may stay unused.
    pub unused_for: Duration,
}

/// Says why a decision came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecisionError {
    /// It came too late: the device is gone, has asked again, or was refused. No device gets
    /// the keys.
    #[error("the decision came too late")]
    Late,
    /// There is no key for a server that needs one; the device was refused.
    #[error("there is no one-time key for server {0}")]
    KeyMissing(u16),
}

/// What a device wants.
#[derive(Debug, Clone)]
enum Wish {
    Sequence(Option<ContentFormat>),
    Pack {
        format: ContentFormat,
        /// Instances of its bootstrap account.
        accounts: Vec<Path>,
    },
}

/// A device that waits for the application.
#[derive(Debug)]
struct Waiting {
    responder: Responder,
    wish: Wish,
    session: Session,
    deadline: Instant,
}

/// Requests without decision by serial number, which is also the order of their deadlines.
#[derive(Debug, Default)]
pub(super) struct Decisions {
    waiting: BTreeMap<u64, Waiting>,
    serial: u64,
}

impl Decisions {
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn next_timer(&self) -> Option<Instant> {
        self.waiting.values().next().map(|waiting| waiting.deadline)
    }

    /// Forgets what a peer asked; its answer, if it still waits for one, is the next one's.
    pub(super) fn forget_peer(&mut self, peer: PeerId) {
        self.waiting
            .retain(|_, waiting| waiting.responder.peer() != peer);
    }

    fn forget_endpoint(&mut self, endpoint: &str) {
        self.waiting
            .retain(|_, waiting| waiting.session.endpoint != endpoint);
    }
}

impl BootstrapServer {
    pub(super) fn on_request(&mut self, responder: Responder, message: &Message<'_>) {
        let mut path = message.uri_path();
        let path = [path.next(), path.next()];
        let code = match (message.code(), path) {
            (Code::POST, [Some(Some("bs")), None]) => {
                return self.on_bootstrap_request(responder, message, false);
            }
            (_, [Some(Some("bs")), None]) => Code::METHOD_NOT_ALLOWED,
            (Code::GET, [Some(Some("bspack")), None]) => {
                return self.on_bootstrap_request(responder, message, true);
            }
            (_, [Some(Some("bspack")), None]) => Code::METHOD_NOT_ALLOWED,
            _ => Code::NOT_FOUND,
        };
        self.endpoint.respond(self.now, responder, Draft::new(code));
    }

    /// Takes a Bootstrap-Request or a Bootstrap-Pack-Request (TS-Core §6.1.7.1, §6.1.7.7).
    fn on_bootstrap_request(&mut self, responder: Responder, message: &Message<'_>, pack: bool) {
        let peer = responder.peer();
        let mut query = Query::default();
        let admitted = query
            .read(message)
            .and_then(|()| self.admit(peer, &mut query))
            .and_then(|session| {
                let wish = match pack {
                    false => Wish::Sequence(query.format),
                    true if !self.config.packs => return Err(RefusedReason::NoPacks),
                    true => pack_wish(&session, message, &query)?,
                };
                Ok((session, wish))
            });
        match admitted {
            Ok((session, wish)) => {
                self.decisions.forget_peer(peer);
                self.decisions.forget_endpoint(&session.endpoint);
                if self.config.decide || session.provision.wants_keys() {
                    self.ask(responder, wish, session);
                } else {
                    self.give(responder, wish, session);
                }
            }
            Err(reason) => self.refuse(responder, query.endpoint, reason),
        }
    }

    /// Decides whether a device may be provisioned, and with what (TS-Core §6.1.7.1).
    fn admit(&self, peer: PeerId, query: &mut Query) -> Result<Session, RefusedReason> {
        let known = self.peers.get(&peer);
        let identity = known.and_then(|(_, identity)| identity.as_deref());
        if query.endpoint.is_none() {
            // TS-Core §6.1.7.1: the identity stands in for the name.
            let name = identity.and_then(|identity| core::str::from_utf8(identity).ok());
            query.endpoint = name.map(ToString::to_string);
        }
        let name = query.endpoint.clone();
        let name = name.ok_or(RefusedReason::MissingEndpoint)?;
        let entry =
            provision::find(&self.config.entries, &name).ok_or(RefusedReason::UnknownEndpoint)?;
        let proved = match (identity, &entry.psk) {
            (identity, Some(psk)) => identity == Some(&psk.identity),
            (Some(identity), None) => identity == name.as_bytes(),
            (None, None) => true,
        };
        if !proved {
            return Err(RefusedReason::WrongIdentity);
        }
        let running = self.sessions.contains_key(&peer) || self.names.contains_key(&name);
        if !running && self.sessions.len() + self.decisions.len() >= self.config.max_sessions {
            return Err(RefusedReason::TooManySessions);
        }
        let formats = match query.format {
            Some(format) => Vec::from([format]),
            None => self.config.formats.clone(),
        };
        let deadline = self.now + self.config.session_timeout;
        let provision = entry.provision.clone();
        Ok(Session::new(name, provision, formats, deadline))
    }

    pub(super) fn refuse(
        &mut self,
        responder: Responder,
        endpoint: Option<String>,
        reason: RefusedReason,
    ) {
        let peer = responder.peer();
        let draft = Draft::new(reason.code()).diagnostic(&reason.to_string());
        self.endpoint.respond(self.now, responder, draft);
        self.counters.refused += 1;
        tracing::info!(?peer, %reason, "bootstrap refused");
        self.push_event(Event::Refused {
            peer,
            endpoint,
            reason,
        });
    }

    /// Starts the sequence, or answers by a pack.
    fn give(&mut self, responder: Responder, wish: Wish, session: Session) {
        match wish {
            Wish::Sequence(format) => {
                let peer = responder.peer();
                let draft = Draft::new(Code::CHANGED);
                self.endpoint.respond(self.now, responder, draft);
                self.start(peer, session, format);
            }
            Wish::Pack { format, accounts } => {
                self.give_pack(responder, &session, format, &accounts);
            }
        }
    }

    fn give_pack(
        &mut self,
        responder: Responder,
        session: &Session,
        format: ContentFormat,
        accounts: &[Path],
    ) {
        let peer = responder.peer();
        let endpoint = session.endpoint.clone();
        let max_body = self.config.coap.max_body;
        let pack = plan::pack(&session.provision, accounts, format, max_body);
        let Some(Ok(pack)) = pack else {
            self.tell_unused(session);
            return self.refuse(responder, Some(endpoint), RefusedReason::NotPackable);
        };
        self.counters.packed += 1;
        let sent = pack.len();
        let draft = Draft::new(Code::CONTENT).content(format, pack);
        self.endpoint.respond(self.now, responder, draft);
        tracing::info!(?peer, endpoint, sent, "bootstrap pack");
        self.push_event(Event::Packed {
            peer,
            endpoint,
            format,
            sent,
        });
    }

    // Decisions of the application.

    fn ask(&mut self, responder: Responder, wish: Wish, session: Session) {
        let peer = responder.peer();
        let Some((remote, identity)) = self.peers.get(&peer).cloned() else {
            return;
        };
        self.decisions.serial += 1;
        let serial = self.decisions.serial;
        let request = BootstrapRequest {
            serial,
            peer,
            remote,
            endpoint: session.endpoint.clone(),
            identity,
            pack: matches!(wish, Wish::Pack { .. }),
            keys: session.provision.wanted_keys().collect(),
        };
        let waiting = Waiting {
            responder,
            wish,
            session,
            deadline: self.now + self.config.decision_timeout,
        };
        self.decisions.waiting.insert(serial, waiting);
        if self.requested.len() >= self.config.max_sessions {
            // As many wait at most; the others have asked again meanwhile.
            let waiting = &self.decisions.waiting;
            self.requested.retain(|r| waiting.contains_key(&r.serial));
        }
        self.requested.push_back(request);
    }

    /// Lets a device be provisioned, with the keys that were made for it and are stored.
    ///
    /// # Errors
    /// [`DecisionError`]: no device gets the keys.
    pub fn accept(
        &mut self,
        now: Instant,
        request: BootstrapRequest,
        keys: &[OneTimeKey],
    ) -> Result<(), DecisionError> {
        self.now = self.now.max(now);
        let waiting = self.decisions.waiting.remove(&request.serial);
        let waiting = waiting.ok_or(DecisionError::Late)?;
        let (responder, mut session) = (waiting.responder, waiting.session);
        if session.provision.wants_keys() {
            match session.provision.with_keys(keys) {
                Ok(provision) => session.set_keys(Arc::new(provision), keys),
                Err(ssid) => {
                    let reason = RefusedReason::KeysUnavailable;
                    self.refuse(responder, Some(session.endpoint), reason);
                    return Err(DecisionError::KeyMissing(ssid));
                }
            }
        }
        session.deadline = self.now + self.config.session_timeout;
        self.give(responder, waiting.wish, session);
        Ok(())
    }

    /// Refuses a device.
    ///
    /// # Errors
    /// [`DecisionError::Late`]: the device has an answer already.
    pub fn reject(
        &mut self,
        now: Instant,
        request: BootstrapRequest,
        reason: RefusedReason,
    ) -> Result<(), DecisionError> {
        self.now = self.now.max(now);
        let waiting = self.decisions.waiting.remove(&request.serial);
        let waiting = waiting.ok_or(DecisionError::Late)?;
        self.refuse(waiting.responder, Some(waiting.session.endpoint), reason);
        Ok(())
    }

    pub(super) fn expire_decisions(&mut self) {
        while let Some(first) = self.decisions.waiting.first_entry() {
            if first.get().deadline > self.now {
                break;
            }
            let waiting = first.remove();
            let endpoint = Some(waiting.session.endpoint);
            self.refuse(waiting.responder, endpoint, RefusedReason::NoDecision);
        }
    }

    /// Tells which keys no device can have taken.
    pub(super) fn tell_unused(&mut self, session: &Session) {
        if session.keys.is_empty() {
            return;
        }
        self.push_event(Event::KeysNotTaken {
            endpoint: session.endpoint.clone(),
            identities: session.keys.clone(),
        });
    }
}

/// A pack that can be written, before any key is made for it. A device that can't be given its
/// provision that way hears so by 4.05, and goes on with a Bootstrap-Request.
fn pack_wish(
    session: &Session,
    message: &Message<'_>,
    query: &Query,
) -> Result<Wish, RefusedReason> {
    let format = message.accept().unwrap_or(ContentFormat::SENML_CBOR);
    if !PACKS.contains(&format) {
        return Err(RefusedReason::UnacceptableFormat(format));
    }
    let discovered = Discovered::of_account(&query.accounts);
    if !plan::is_packable(&session.provision, &query.accounts, &discovered) {
        return Err(RefusedReason::NotPackable);
    }
    Ok(Wish::Pack {
        format,
        accounts: query.accounts.clone(),
    })
}
