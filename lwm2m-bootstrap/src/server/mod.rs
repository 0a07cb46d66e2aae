//! The bootstrap server: answers Bootstrap-Requests and provisions the devices behind them.

mod check;
mod event;
mod incremental;
mod plan;
mod provision;
mod query;
mod request;
mod session;

use alloc::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    string::String,
    vec::Vec,
};

use core::net::SocketAddr;

use lwm2m_coap::{
    Action, Duration, EXCHANGE_LIFETIME, Endpoint, EndpointEvent, Engine, ExchangeId, Identity,
    Incoming, Input, Instant, PeerId, RequestOptions, Transmit,
};
use lwm2m_codec::{ContentFormat, coap::Code};

pub use check::ProvisionError;
pub use event::{
    Event, FailedReason, MAX_ANSWER, MAX_DIAGNOSTIC, Operation, RefusedReason, StepInfo,
};
pub use plan::Planned;
pub use provision::find as find_entry;
pub use provision::{BootstrapEntry, EndpointPattern, Entry, Provision, Psk, ServerEntry, Write};
use request::Decisions;
pub use request::{BootstrapRequest, DecisionError, WantedKey};
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
    /// Asks the application about each device, by [`Event::Requested`]; false by default.
    pub decide: bool,
    /// How long a device waits for the application; 60 s by default.
    pub decision_timeout: Duration,
    /// Gives packs to devices that ask for them (TS-Core §6.1.7.7); true by default. They get 5.01
    /// otherwise.
    pub packs: bool,
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
            packs: true,
            decide: false,
            decision_timeout: Duration::from_secs(60),
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
    /// Peers with their addresses and the PSK identities that they proved.
    peers: BTreeMap<PeerId, (SocketAddr, Option<Vec<u8>>)>,
    sessions: BTreeMap<PeerId, Session>,
    /// Who provisions an endpoint name now.
    names: BTreeMap<String, PeerId>,
    exchanges: BTreeMap<ExchangeId, PeerId>,
    deadlines: BTreeSet<(Instant, PeerId)>,
    decisions: Decisions,
    /// Apart from the other events, so that no decision is lost among them.
    requested: VecDeque<BootstrapRequest>,
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
            decisions: Decisions::default(),
            requested: VecDeque::new(),
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

    fn on_response(
        &mut self,
        exchange: ExchangeId,
        code: Code,
        format: Option<ContentFormat>,
        body: &[u8],
    ) {
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
            // An error answer to a Read holds no values.
            session.advance(format, if code.is_success() { body } else { &[] });
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
            if !session.may_be_taken(&reason) {
                self.tell_unused(&session);
            }
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
        self.decisions.forget_peer(peer);
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
        self.expire_decisions();
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
            Input::PeerUp {
                peer,
                identity,
                remote,
                ..
            } => {
                self.end_slot(peer.index);
                self.endpoint.peer_up(self.now, peer);
                let identity = match identity {
                    Identity::Psk(identity) => Some(identity.to_vec()),
                    _ => None,
                };
                self.peers.insert(peer, (remote, identity));
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
                }) => {
                    let format = message.content_format();
                    self.on_response(exchange, message.code(), format, &body);
                }
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
        let request = self.requested.pop_front().map(Event::Requested);
        request.or_else(|| self.events.pop_front())
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let deadline = self.deadlines.first().map(|(at, _)| *at);
        let endpoint = self.endpoint.poll_timeout();
        let decision = self.decisions.next_timer();
        [deadline, endpoint, decision].into_iter().flatten().min()
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
