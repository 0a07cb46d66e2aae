//! The server: tables, driver's face, and the way of each message.

use alloc::{boxed::Box, collections::VecDeque, string::String};

use lwm2m_coap::{
    Access, Action, Draft, Endpoint, Engine, Identity, Incoming, Input, Instant, PeerId, Responder,
    Transmit,
};
use lwm2m_codec::coap::{Code, Message};

use crate::{
    Config, Counters, Event, IdentityOwned, Registration, RegistrationId,
    answer::Answers,
    decision::Decisions,
    identity::{Directory, Owner},
    journal::Journal,
    profile::Profiles,
    registry::{Peer, Registry},
};

/// An LwM2M server engine: drive it as [`Engine`] says.
#[derive(Debug)]
pub struct Server {
    pub(crate) config: Config,
    pub(crate) now: Instant,
    /// Wall time: a moment and its seconds since 1970.
    pub(crate) unix: Option<(Instant, u64)>,
    pub(crate) endpoint: Endpoint,
    pub(crate) directory: Directory,
    pub(crate) profiles: Profiles,
    pub(crate) registry: Registry,
    pub(crate) decisions: Decisions,
    pub(crate) answers: Answers,
    pub(crate) journal: Journal,
    pub(crate) events: VecDeque<Event>,
    pub(crate) closing: VecDeque<PeerId>,
    pub(crate) serial: u64,
    pub(crate) counters: Counters,
    access: Access,
}

impl Server {
    /// Makes a server. The seed decides all its random choices; take it from the system's
    /// randomness, because locations and tokens come from it.
    pub fn new(config: Config, seed: u64) -> Self {
        let mut coap = config.coap.clone();
        coap.token_prefix = config.shard;
        let mut endpoint = Endpoint::new(coap, seed);
        let registry = Registry::new(endpoint.rng().next_u64());
        Self {
            config,
            now: Instant::ZERO,
            unix: None,
            endpoint,
            directory: Directory::default(),
            profiles: Profiles::default(),
            registry,
            decisions: Decisions::default(),
            answers: Answers::default(),
            journal: Journal::default(),
            events: VecDeque::new(),
            closing: VecDeque::new(),
            serial: 0,
            counters: Counters::default(),
            access: Access::default(),
        }
    }

    /// Lets the network tell whose the addresses of devices without security are. Such a device
    /// registers under the names of its subscriber only, which [`allow`](Self::allow) states, and
    /// these names are not for others.
    pub fn set_access(&mut self, access: Access) {
        self.access = access;
    }

    /// Tells the wall time in seconds since 1970; without it registrations have no calendar
    /// dates, and a restart gives each its whole lifetime again.
    pub fn set_unix_time(&mut self, now: Instant, seconds: u64) {
        self.clock(now);
        self.unix = Some((self.now, seconds));
    }

    /// Lets an endpoint name register with this identity and no other.
    pub fn allow(&mut self, endpoint: &str, identity: IdentityOwned) {
        self.directory.allow(endpoint, identity);
    }

    /// Lets an endpoint name register with this identity, too: a device that gets a new key may
    /// have the old one still.
    pub fn allow_also(&mut self, endpoint: &str, identity: IdentityOwned) {
        self.directory.allow_also(endpoint, identity);
    }

    /// Takes all identities of an endpoint name back; false if there is none. A registration
    /// that exists stays.
    pub fn disallow(&mut self, endpoint: &str) -> bool {
        self.directory.disallow(endpoint)
    }

    /// Takes one identity of an endpoint name back; false if it is not there. A registration
    /// that exists stays.
    pub fn disallow_identity(&mut self, endpoint: &str, identity: &IdentityOwned) -> bool {
        self.directory.disallow_identity(endpoint, identity)
    }

    /// A registration.
    pub fn registration(&self, id: RegistrationId) -> Option<&Registration> {
        self.registry.get(id).map(|device| &device.registration)
    }

    /// The registration of an endpoint.
    pub fn find(&self, endpoint: &str) -> Option<&Registration> {
        self.registration(self.registry.by_endpoint(endpoint)?)
    }

    /// All registrations, in no particular order.
    pub fn registrations(&self) -> impl Iterator<Item = &Registration> {
        self.registry.iter().map(|device| &device.registration)
    }

    /// Number of registrations.
    pub fn len(&self) -> usize {
        self.registry.len()
    }

    /// True if no device is registered.
    pub fn is_empty(&self) -> bool {
        self.registry.len() == 0
    }

    /// What was counted since the server was made.
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// What the CoAP layer counted.
    pub const fn coap_counters(&self) -> &lwm2m_coap::Counters {
        self.endpoint.counters()
    }

    /// The configuration.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// Time never goes back.
    pub(crate) fn clock(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    pub(crate) fn unix_now(&self) -> Option<u64> {
        let (at, seconds) = self.unix?;
        Some(seconds.saturating_add(self.now.since(at).as_secs()))
    }

    /// A number for a request or an observation; never used twice.
    pub(crate) fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    fn on_peer_up(&mut self, peer: PeerId, address: core::net::SocketAddr, id: Identity<'_>) {
        let owner = self.owner(IdentityOwned::from(id), address);
        self.endpoint.peer_up(self.now, peer);
        self.registry.insert_peer(Peer {
            id: peer,
            owner,
            address,
        });
    }

    fn owner(&self, identity: IdentityOwned, address: core::net::SocketAddr) -> Owner {
        let subscriber = match identity {
            IdentityOwned::NoSec => self.access.resolve(address),
            _ => None,
        };
        let identity = subscriber.map_or(identity, IdentityOwned::Subscriber);
        Owner::new(&identity, address)
    }

    /// Asks again whose an address is: the network may have given it to another subscriber.
    fn check_owner(&mut self, peer: PeerId) {
        let known = self.registry.peer(peer).filter(|_| self.access.is_some());
        let Some(known) = known.filter(|known| !known.owner.identity().is_secure()) else {
            return;
        };
        let address = known.address;
        let owner = self.owner(IdentityOwned::NoSec, address);
        if owner != known.owner {
            self.registry.insert_peer(Peer {
                id: peer,
                owner,
                address,
            });
        }
    }

    fn on_peer_down(&mut self, peer: PeerId) {
        self.registry.remove_peer(peer);
        self.endpoint.peer_down(self.now, peer);
    }

    fn on_message(&mut self, peer: PeerId, data: &[u8]) {
        match self.endpoint.receive(self.now, peer, data) {
            Some(Incoming::Request {
                responder,
                message,
                body,
            }) => self.on_request(responder, &message, &body),
            Some(Incoming::Response {
                exchange,
                observe,
                message,
                body,
                ..
            }) => self.on_response(exchange, observe, &message, &body),
            Some(Incoming::Unsolicited { peer, message }) => self.on_notification(peer, &message),
            _ => {}
        }
    }

    /// The resources of a server: `/rd`, `/rd/{location}` and `/dp` (TS-Transport §6.4).
    fn on_request(&mut self, responder: Responder, message: &Message<'_>, body: &[u8]) {
        let mut path = message.uri_path();
        let segments = [path.next(), path.next(), path.next()];
        let segments = segments.map(|s| s.map(|text| text.unwrap_or("\u{fffd}")));
        self.check_owner(responder.peer());
        match (message.code(), segments) {
            (Code::POST, [Some("rd"), None | Some(""), None]) => {
                self.on_register(responder, message, body);
            }
            (Code::POST, [Some("rd"), Some(location), None]) => {
                self.on_update(responder, location, message, body);
            }
            (Code::DELETE, [Some("rd"), Some(location), None]) => {
                self.on_deregister(responder, location);
            }
            (Code::POST, [Some("dp"), None, None]) => self.on_send(responder, message, body),
            (_, [Some("rd"), _, None] | [Some("dp"), None, None]) => {
                self.counters.unknown_request += 1;
                self.respond(responder, Draft::new(Code::METHOD_NOT_ALLOWED));
            }
            _ => {
                self.counters.unknown_request += 1;
                self.respond(responder, Draft::new(Code::NOT_FOUND));
            }
        }
    }

    pub(crate) fn respond(&mut self, responder: Responder, draft: Draft) {
        self.endpoint.respond(self.now, responder, draft);
    }

    fn on_timers(&mut self) {
        self.endpoint.handle_timeout(self.now);
        while let Some(id) = self.registry.take_due(self.now) {
            self.on_device_timer(id);
            self.registry.arm(id);
        }
        self.expire_decisions();
        self.expire_answers();
    }

    /// Deals with what the CoAP layer noticed by itself.
    fn on_endpoint_events(&mut self) {
        while let Some(event) = self.endpoint.poll_event() {
            if let lwm2m_coap::EndpointEvent::ExchangeFailed { exchange, reason } = event {
                self.on_exchange_failed(exchange, reason);
            }
        }
    }

    pub(crate) fn emit(&mut self, event: Event) {
        self.events.push_back(event);
    }

    /// Ends a session that nothing uses any more.
    pub(crate) fn close(&mut self, peer: PeerId) {
        self.on_peer_down(peer);
        self.closing.push_back(peer);
        self.on_endpoint_events();
    }
}

impl Engine for Server {
    type Event<'e> = Event;

    fn handle_input(&mut self, now: Instant, input: Input<'_>) {
        self.clock(now);
        match input {
            Input::PeerUp {
                peer,
                remote,
                identity,
                ..
            } => self.on_peer_up(peer, remote, identity),
            Input::PeerDown { peer, .. } => self.on_peer_down(peer),
            Input::Message { peer, data } => self.on_message(peer, data),
            Input::Timeout => self.on_timers(),
            // A server asks for no connections.
            _ => {}
        }
        self.on_endpoint_events();
    }

    fn poll_transmit(&mut self, now: Instant, buf: &mut [u8]) -> Option<Transmit> {
        self.clock(now);
        self.endpoint.poll_transmit(self.now, buf)
    }

    fn poll_action(&mut self) -> Option<Action<'_>> {
        self.closing.pop_front().map(|peer| Action::Close { peer })
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let timers = [
            self.endpoint.poll_timeout(),
            self.registry.next_timer(),
            self.decisions.next_timer(),
            self.answers.next_timer(),
        ];
        timers.into_iter().flatten().min()
    }
}

/// What a Register would make of a device, before it is accepted.
pub(crate) type Candidate = Box<Registration>;

/// Text of a refusal for the device.
pub(crate) fn refusal(reason: &crate::RefuseReason) -> Draft {
    let text: String = alloc::format!("{reason}");
    Draft::new(reason.code()).diagnostic(&text)
}
