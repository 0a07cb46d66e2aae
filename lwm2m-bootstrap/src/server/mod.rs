//! The bootstrap server: answers Bootstrap-Requests and provisions the devices behind them.

mod check;
mod event;
mod plan;
mod provision;
mod session;

use alloc::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    string::{String, ToString},
    vec::Vec,
};

use lwm2m_coap::{
    Action, Draft, Duration, EXCHANGE_LIFETIME, Endpoint, EndpointEvent, Engine, ExchangeId,
    Identity, Incoming, Input, Instant, PeerId, RequestOptions, Responder, Transmit,
};
use lwm2m_codec::{
    ContentFormat, Path,
    coap::{Code, Message},
    link::Links,
};

pub use check::ProvisionError;
pub use event::{
    Event, FailedReason, MAX_ANSWER, MAX_DIAGNOSTIC, Operation, RefusedReason, StepInfo,
};
pub use plan::Planned;
pub use provision::find as find_entry;
pub use provision::{BootstrapEntry, EndpointPattern, Entry, Provision, Psk, ServerEntry, Write};
use session::Session;

/// Most events that wait for the application; older ones are dropped and counted.
pub const MAX_EVENTS: usize = 4096;

/// Bounds and entries of a [`BootstrapServer`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Config {
    /// Which devices get which provision.
    pub entries: Vec<Entry>,
    /// Formats of Writes to devices that state none, the next one if a device refuses the first.
    pub formats: Vec<ContentFormat>,
    /// Most devices that are provisioned at the same time.
    pub max_sessions: usize,
    /// How long a sequence may make no progress; EXCHANGE_LIFETIME, as a device waits
    /// (TS-Core §6.1.4).
    pub session_timeout: Duration,
    /// The CoAP endpoint.
    pub coap: lwm2m_coap::Config,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            formats: Vec::from([ContentFormat::TLV, ContentFormat::SENML_CBOR]),
            max_sessions: 1024,
            session_timeout: EXCHANGE_LIFETIME,
            coap: lwm2m_coap::Config::default(),
        }
    }
}

impl Config {
    /// The key of a PSK identity, for the driver's handshakes.
    pub fn key(&self, identity: &[u8]) -> Option<&[u8]> {
        key(&self.entries, identity)
    }
}

fn key<'e>(entries: &'e [Entry], identity: &[u8]) -> Option<&'e [u8]> {
    entries
        .iter()
        .filter_map(|entry| entry.psk.as_ref())
        .find(|psk| psk.identity == identity)
        .map(|psk| psk.key.expose())
}

/// What a bootstrap server counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Sequences that began.
    pub started: u64,
    /// Bootstrap-Requests that were refused.
    pub refused: u64,
    /// Sequences that ended with a Finish.
    pub finished: u64,
    /// Sequences that ended otherwise.
    pub failed: u64,
    /// Packs that were given out.
    pub packed: u64,
    /// Events that nobody fetched.
    pub events_dropped: u64,
}

/// A bootstrap server without IO.
///
/// A device sends `POST /bs?ep=…&pct=…` and gets 2.04; then come Discover, Reads, Deletes, Writes
/// and Finish of its [`Provision`], each when the one before was answered. The first one that
/// fails ends the sequence, and the device undoes it (TS-Core §6.1.4). A device of LwM2M 1.2 may
/// ask `GET /bspack?ep=…&acc=…` instead and get all Writes in one answer.
#[derive(Debug)]
pub struct BootstrapServer {
    config: Config,
    endpoint: Endpoint,
    now: Instant,
    /// Peers and the PSK identities that they proved.
    peers: BTreeMap<PeerId, Option<Vec<u8>>>,
    sessions: BTreeMap<PeerId, Session>,
    /// Who provisions an endpoint name now.
    names: BTreeMap<String, PeerId>,
    exchanges: BTreeMap<ExchangeId, PeerId>,
    deadlines: BTreeSet<(Instant, PeerId)>,
    events: VecDeque<Event>,
    counters: Counters,
}

impl BootstrapServer {
    /// Makes a server; the same seed and inputs give the same bytes.
    pub fn new(config: Config, seed: u64) -> Self {
        Self {
            endpoint: Endpoint::new(config.coap.clone(), seed),
            config,
            now: Instant::ZERO,
            peers: BTreeMap::new(),
            sessions: BTreeMap::new(),
            names: BTreeMap::new(),
            exchanges: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            events: VecDeque::new(),
            counters: Counters::default(),
        }
    }

    /// What was counted since the server was made.
    pub const fn counters(&self) -> Counters {
        self.counters
    }

    /// What its CoAP endpoint counted.
    pub const fn coap_counters(&self) -> &lwm2m_coap::Counters {
        self.endpoint.counters()
    }

    /// Number of devices that are being provisioned.
    pub fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// The key of a PSK identity, for the driver's handshakes.
    pub fn key(&self, identity: &[u8]) -> Option<&[u8]> {
        key(&self.config.entries, identity)
    }

    /// Replaces the entries; sequences under way go on with what they began.
    pub fn set_entries(&mut self, entries: Vec<Entry>) {
        self.config.entries = entries;
    }

    // Requests of devices.

    fn on_request(&mut self, responder: Responder, message: &Message<'_>) {
        let mut path = message.uri_path();
        let path = [path.next(), path.next()];
        let code = match (message.code(), path) {
            (Code::POST, [Some(Some("bs")), None]) => {
                return self.on_bootstrap_request(responder, message);
            }
            (_, [Some(Some("bs")), None]) => Code::METHOD_NOT_ALLOWED,
            (Code::GET, [Some(Some("bspack")), None]) => {
                return self.on_pack_request(responder, message);
            }
            (_, [Some(Some("bspack")), None]) => Code::METHOD_NOT_ALLOWED,
            _ => Code::NOT_FOUND,
        };
        self.endpoint.respond(self.now, responder, Draft::new(code));
    }

    fn on_bootstrap_request(&mut self, responder: Responder, message: &Message<'_>) {
        let peer = responder.peer();
        let mut query = Query::default();
        let result = query
            .read(message)
            .and_then(|()| self.admit(peer, &mut query));
        match result {
            Ok(session) => {
                self.endpoint
                    .respond(self.now, responder, Draft::new(Code::CHANGED));
                self.start(peer, session, query.format);
            }
            Err(reason) => self.refuse(responder, query, reason),
        }
    }

    fn refuse(&mut self, responder: Responder, query: Query, reason: RefusedReason) {
        let peer = responder.peer();
        let draft = Draft::new(reason.code()).diagnostic(&reason.to_string());
        self.endpoint.respond(self.now, responder, draft);
        self.counters.refused += 1;
        tracing::info!(?peer, %reason, "bootstrap refused");
        self.push_event(Event::Refused {
            peer,
            endpoint: query.endpoint,
            reason,
        });
    }

    /// Answers a Bootstrap-Pack-Request (TS-Core §6.1.7.7). A device that can't be given its
    /// provision that way hears so by 4.05, and goes on with a Bootstrap-Request.
    fn on_pack_request(&mut self, responder: Responder, message: &Message<'_>) {
        let peer = responder.peer();
        let mut query = Query::default();
        let packed = query
            .read(message)
            .and_then(|()| self.admit(peer, &mut query))
            .and_then(|session| {
                let format = message.accept().unwrap_or(ContentFormat::SENML_CBOR);
                if !PACKS.contains(&format) {
                    return Err(RefusedReason::UnacceptableFormat(format));
                }
                let max_body = self.config.coap.max_body;
                let pack = plan::pack(&session.provision, &query.accounts, format, max_body);
                match pack {
                    Some(Ok(pack)) => Ok((session.endpoint, format, pack)),
                    Some(Err(_)) | None => Err(RefusedReason::NotPackable),
                }
            });
        match packed {
            Ok((endpoint, format, pack)) => {
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
            Err(reason) => self.refuse(responder, query, reason),
        }
    }

    /// Decides whether a device may be provisioned, and with what (TS-Core §6.1.7.1).
    fn admit(&self, peer: PeerId, query: &mut Query) -> Result<Session, RefusedReason> {
        let identity = self.peers.get(&peer).and_then(Option::as_deref);
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
        if !running && self.sessions.len() >= self.config.max_sessions {
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

    // The sequence.

    fn start(&mut self, peer: PeerId, session: Session, format: Option<ContentFormat>) {
        let other = self.names.get(&session.endpoint).copied();
        for old in [Some(peer), other].into_iter().flatten() {
            self.fail(old, FailedReason::Superseded);
        }
        self.counters.started += 1;
        tracing::info!(?peer, endpoint = session.endpoint, "bootstrap started");
        self.push_event(Event::SessionStarted {
            peer,
            endpoint: session.endpoint.clone(),
            format,
        });
        self.names.insert(session.endpoint.clone(), peer);
        self.deadlines.insert((session.deadline, peer));
        self.sessions.insert(peer, session);
        self.send_step(peer);
    }

    /// Sends the request of the step under way.
    fn send_step(&mut self, peer: PeerId) {
        let max_body = self.config.coap.max_body;
        let Some(session) = self.sessions.get_mut(&peer) else {
            return;
        };
        let Some(step) = session.step() else { return };
        session.sent = 0;
        let draft = match step.draft(&session.provision, session.format(), max_body) {
            Ok(draft) => draft,
            Err(error) => return self.fail(peer, error.into()),
        };
        session.sent = draft.payload.len();
        let options = RequestOptions::default();
        match self.endpoint.request(self.now, peer, draft, options) {
            Ok(exchange) => {
                session.exchange = Some(exchange);
                self.exchanges.insert(exchange, peer);
            }
            Err(error) => self.fail(peer, error.into()),
        }
    }

    fn on_response(&mut self, exchange: ExchangeId, code: Code, body: &[u8]) {
        let Some(peer) = self.exchanges.remove(&exchange) else {
            return;
        };
        let Some(session) = self.sessions.get_mut(&peer) else {
            return;
        };
        session.exchange = None;
        let step = session.info();
        self.deadlines.remove(&(session.deadline, peer));
        session.deadline = self.now + self.config.session_timeout;
        self.deadlines.insert((session.deadline, peer));
        let shown = matches!(step.operation, Operation::Discover | Operation::Read);
        let answer = match shown && code.is_success() {
            true => body.get(..body.len().min(MAX_ANSWER)).unwrap_or_default(),
            false => &[],
        };
        let event = Event::Step {
            peer,
            endpoint: session.endpoint.clone(),
            step,
            code,
            received: body.len(),
            answer: answer.to_vec(),
        };
        tracing::debug!(?peer, %step, ?code, "bootstrap step");
        let outcome = outcome(step.operation, code);
        let retry = code == Code::UNSUPPORTED_CONTENT_FORMAT
            && step.operation == Operation::Write
            && session.next_format();
        if outcome.is_some() {
            session.advance(body);
        }
        self.push_event(event);
        match outcome {
            Some(Outcome::Finished) => self.finish(peer),
            Some(Outcome::Next) => self.send_step(peer),
            None if retry => self.send_step(peer),
            None => {
                let diagnostic = diagnostic(body);
                self.fail(peer, FailedReason::Answer { code, diagnostic });
            }
        }
    }

    fn finish(&mut self, peer: PeerId) {
        if let Some(session) = self.remove(peer) {
            self.counters.finished += 1;
            tracing::info!(?peer, endpoint = session.endpoint, "bootstrap finished");
            let endpoint = session.endpoint;
            self.push_event(Event::Finished { peer, endpoint });
        }
    }

    fn fail(&mut self, peer: PeerId, reason: FailedReason) {
        if let Some(session) = self.remove(peer) {
            self.counters.failed += 1;
            let step = session.info();
            tracing::info!(?peer, endpoint = session.endpoint, %step, %reason, "bootstrap failed");
            self.push_event(Event::Failed {
                peer,
                endpoint: session.endpoint,
                step,
                reason,
            });
        }
    }

    fn remove(&mut self, peer: PeerId) -> Option<Session> {
        let session = self.sessions.remove(&peer)?;
        self.names.remove(&session.endpoint);
        self.deadlines.remove(&(session.deadline, peer));
        if let Some(exchange) = session.exchange {
            self.exchanges.remove(&exchange);
            self.endpoint.cancel(self.now, exchange);
        }
        Some(session)
    }

    fn peer_down(&mut self, peer: PeerId) {
        self.fail(peer, FailedReason::PeerDown);
        self.endpoint.peer_down(self.now, peer);
        self.peers.remove(&peer);
    }

    /// Ends whoever had a slot that is used again.
    fn end_slot(&mut self, index: u32) {
        let slot = |generation| PeerId { index, generation };
        let old = self.peers.range(slot(0)..=slot(u32::MAX)).next();
        if let Some(old) = old.map(|(peer, _)| *peer) {
            self.peer_down(old);
        }
    }

    // Time and events.

    fn on_timeout(&mut self) {
        self.endpoint.handle_timeout(self.now);
        while let Some((_, peer)) = self.deadlines.first().filter(|(at, _)| *at <= self.now) {
            let peer = *peer;
            self.fail(peer, FailedReason::Timeout);
        }
    }

    fn drain_endpoint(&mut self) {
        while let Some(event) = self.endpoint.poll_event() {
            let EndpointEvent::ExchangeFailed { exchange, reason } = event else {
                continue;
            };
            if let Some(peer) = self.exchanges.remove(&exchange) {
                if let Some(session) = self.sessions.get_mut(&peer) {
                    session.exchange = None;
                }
                self.fail(peer, reason.into());
            }
        }
    }

    fn push_event(&mut self, event: Event) {
        if self.events.len() >= MAX_EVENTS {
            self.events.pop_front();
            self.counters.events_dropped += 1;
        }
        self.events.push_back(event);
    }
}

impl Engine for BootstrapServer {
    type Event<'e> = Event;

    fn handle_input(&mut self, now: Instant, input: Input<'_>) {
        self.now = self.now.max(now);
        match input {
            Input::PeerUp { peer, identity, .. } => {
                self.end_slot(peer.index);
                self.endpoint.peer_up(self.now, peer);
                let identity = match identity {
                    Identity::Psk(identity) => Some(identity.to_vec()),
                    _ => None,
                };
                self.peers.insert(peer, identity);
            }
            Input::PeerDown { peer, .. } => self.peer_down(peer),
            Input::Message { peer, data } => match self.endpoint.receive(self.now, peer, data) {
                Some(Incoming::Request {
                    responder, message, ..
                }) => self.on_request(responder, &message),
                Some(Incoming::Response {
                    exchange,
                    message,
                    body,
                    ..
                }) => self.on_response(exchange, message.code(), &body),
                Some(Incoming::Unsolicited { peer, message }) => {
                    self.endpoint.reject(self.now, peer, &message);
                }
                _ => {}
            },
            Input::Timeout => self.on_timeout(),
            _ => {}
        }
        self.drain_endpoint();
    }

    fn poll_transmit(&mut self, now: Instant, buf: &mut [u8]) -> Option<Transmit> {
        self.now = self.now.max(now);
        self.endpoint.poll_transmit(self.now, buf)
    }

    fn poll_action(&mut self) -> Option<Action<'_>> {
        None
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let deadline = self.deadlines.first().map(|(at, _)| *at);
        let endpoint = self.endpoint.poll_timeout();
        deadline.into_iter().chain(endpoint).min()
    }
}

/// Where a sequence goes after an answer.
enum Outcome {
    Next,
    Finished,
}

/// What an answer means; `None` if the step failed.
fn outcome(operation: Operation, code: Code) -> Option<Outcome> {
    match (operation, code) {
        (Operation::Finish, Code::CHANGED) => Some(Outcome::Finished),
        (Operation::Discover, Code::CONTENT)
        | (Operation::Read, Code::CONTENT | Code::NOT_FOUND)
        | (Operation::Delete, Code::DELETED)
        | (Operation::Write, Code::CHANGED) => Some(Outcome::Next),
        _ => None,
    }
}

/// The text of an error answer, cut.
fn diagnostic(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body.get(..MAX_DIAGNOSTIC).unwrap_or(body));
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// The query of a Bootstrap-Request.
#[derive(Debug, Default)]
struct Query {
    endpoint: Option<String>,
    format: Option<ContentFormat>,
    /// Instances of the bootstrap account, in a Bootstrap-Pack-Request.
    accounts: Vec<Path>,
}

impl Query {
    fn read(&mut self, message: &Message<'_>) -> Result<(), RefusedReason> {
        for parameter in message.uri_query() {
            let parameter = parameter.ok_or(RefusedReason::MalformedQuery)?;
            match parameter.split_once('=') {
                Some(("ep", name)) if !name.is_empty() => self.endpoint = Some(name.to_string()),
                Some(("pct", number)) => {
                    let number = number.parse().ok();
                    let format = ContentFormat(number.ok_or(RefusedReason::MalformedQuery)?);
                    // TS-Core §6.1.7.1.
                    if !PREFERRED.contains(&format) {
                        return Err(RefusedReason::UnsupportedFormat(format));
                    }
                    self.format = Some(format);
                }
                Some(("acc", list)) => {
                    for link in Links::new(list.as_bytes()) {
                        let link = link.map_err(|_| RefusedReason::MalformedQuery)?;
                        self.accounts.extend(link.path());
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Formats that a device may prefer.
const PREFERRED: [ContentFormat; 4] = [
    ContentFormat::SENML_JSON,
    ContentFormat::SENML_CBOR,
    ContentFormat::TLV,
    ContentFormat::LWM2M_CBOR,
];

/// Formats of packs.
const PACKS: [ContentFormat; 3] = [
    ContentFormat::SENML_JSON,
    ContentFormat::SENML_CBOR,
    ContentFormat::LWM2M_CBOR,
];
