//! The client: what its driver and its application call.

use alloc::{collections::VecDeque, string::String, vec::Vec};

use lwm2m_bootstrap::{AccountSecurity, ServerAccount, accounts};
use lwm2m_coap::{
    Action, ConnectError, ConnectId, Counters, Credentials, Endpoint, EndpointEvent, Engine,
    Incoming, Input, Instant, PeerId, Transmit,
};
use lwm2m_codec::{Path, coap::Code};
use lwm2m_model::{Failure, ObjectInstance, Ticket, Tree};

use crate::{
    Config, Event, Failed,
    bootstrap::{Boot, Urgency},
    deferred::Deferred,
    link::{Link, State, Then, Turn},
    observe::Observation,
    send::{PendingSend, Sample},
    sources::Sources,
    values::server,
};

/// A LwM2M client without IO: object tree, registrations, observations.
///
/// Drive it by the [`Engine`] contract. Everything a server may do happens inside; the application
/// changes objects through [`Client::update_object`] or [`Client::change`].
#[derive(Debug)]
pub struct Client {
    pub(crate) config: Config,
    pub(crate) endpoint: Endpoint,
    pub(crate) tree: Tree,
    pub(crate) now: Instant,
    /// Unix time in seconds at a moment.
    pub(crate) unix: Option<(Instant, u64)>,
    pub(crate) links: Vec<Link>,
    pub(crate) boot: Boot,
    pub(crate) sources: Sources,
    pub(crate) observations: Vec<Observation>,
    pub(crate) deferred: Vec<Deferred>,
    pub(crate) sends: Vec<PendingSend>,
    /// Values that wait for a Send, in the order of their numbers.
    pub(crate) samples: VecDeque<Sample>,
    pub(crate) next_sample: u64,
    pub(crate) next_ticket: u64,
    next_connect: u32,
    actions: VecDeque<Request>,
    current_action: Option<Request>,
    events: VecDeque<Event>,
    events_dropped: u64,
    running: bool,
}

/// What the driver has to do.
#[derive(Debug)]
enum Request {
    Connect {
        id: ConnectId,
        uri: String,
        security: AccountSecurity,
    },
    Close(PeerId),
}

impl Client {
    /// Makes a client that serves a tree. The tree holds its accounts in the objects 0 and 1.
    ///
    /// The same seed and inputs give the same bytes; seed it from the system's randomness.
    pub fn new(config: Config, tree: Tree, seed: u64) -> Self {
        Self {
            endpoint: Endpoint::new(config.coap.clone(), seed),
            config,
            tree,
            now: Instant::ZERO,
            unix: None,
            links: Vec::new(),
            boot: Boot::default(),
            sources: Sources::default(),
            observations: Vec::new(),
            deferred: Vec::new(),
            sends: Vec::new(),
            samples: VecDeque::new(),
            next_sample: 0,
            next_ticket: 0,
            next_connect: 0,
            actions: VecDeque::new(),
            current_action: None,
            events: VecDeque::new(),
            events_dropped: 0,
            running: false,
        }
    }

    /// Starts: registers to the servers that the tree has accounts of, or bootstraps if there are
    /// none (TS-Core §6.1.4); with [`Config::check_sources`] after a check of the sources.
    pub fn start(&mut self, now: Instant) {
        self.clock(now);
        self.running = true;
        self.tree.take_changes();
        if !self.starts_with_check() {
            self.begin_with_accounts();
        }
        self.advance();
    }

    /// De-registers from all servers and stays away.
    pub fn stop(&mut self, now: Instant) {
        self.clock(now);
        self.running = false;
        self.abandon_boot();
        self.abandon_check();
        for index in 0..self.links.len() {
            match &mut self.links[index].state {
                State::Registered(_) => self.deregister(index, Then::Stop),
                State::Leaving { then, .. } => *then = Then::Stop,
                state => {
                    *state = State::Idle { at: None };
                    self.close_link(index);
                }
            }
        }
        self.advance();
    }

    /// Lets the links that wait without a time go on at a moment; those that wait for their turn
    /// stay where they are.
    pub(crate) fn wake_links(&mut self, at: Instant) {
        for link in &mut self.links {
            if matches!(link.state, State::Idle { at: None }) && link.turn != Turn::Waiting {
                link.state = State::Idle { at: Some(at) };
            }
        }
    }

    /// True if no registration is left, nor one that is being ended.
    pub fn is_stopped(&self) -> bool {
        !self.running
            && self
                .links
                .iter()
                .all(|link| matches!(link.state, State::Idle { at: None }))
    }

    /// Tells the wall time, for timestamps.
    pub fn set_unix_time(&mut self, now: Instant, seconds: u64) {
        self.clock(now);
        self.unix = Some((self.now, seconds));
    }

    /// The object tree.
    pub const fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Changes the tree; observers and servers learn of what differs.
    pub fn change<R>(&mut self, now: Instant, change: impl FnOnce(&mut Tree) -> R) -> R {
        self.clock(now);
        let result = change(&mut self.tree);
        self.advance();
        result
    }

    /// Changes an instance of a typed object; `None` if there is no such instance.
    pub fn update_object<T: ObjectInstance, R>(
        &mut self,
        now: Instant,
        instance: u16,
        change: impl FnOnce(&mut T) -> R,
    ) -> Option<R> {
        self.change(now, |tree| tree.update(instance, change))
    }

    /// Sends an Update to all servers, or to the one of a Short Server ID.
    pub fn request_update(&mut self, now: Instant, server: Option<u16>) {
        self.clock(now);
        for link in &mut self.links {
            if server.is_none_or(|ssid| link.ssid == ssid) {
                if let Some(registered) = link.registered_mut() {
                    registered.update_wanted = true;
                }
            }
        }
        self.advance();
    }

    /// Starts a client-initiated bootstrap; false if there is no bootstrap account, or the client
    /// does not run.
    pub fn bootstrap(&mut self, now: Instant) -> bool {
        self.clock(now);
        let possible = self.running && self.has_bootstrap_account();
        if possible {
            self.request_bootstrap(Urgency::Asked);
            self.advance();
        }
        possible
    }

    pub(crate) const fn is_running(&self) -> bool {
        self.running
    }

    /// Gives a deferred answer; false if its deadline is over.
    pub fn answer(&mut self, now: Instant, ticket: Ticket, result: Result<(), Failure>) -> bool {
        self.clock(now);
        let known = self.answer_deferred(ticket, result);
        self.advance();
        known
    }

    /// Short Server IDs of the servers that have a registration now.
    pub fn registered_servers(&self) -> impl Iterator<Item = u16> + '_ {
        self.links
            .iter()
            .filter(|link| link.registered().is_some())
            .map(|link| link.ssid)
    }

    /// What the CoAP layer counted.
    pub const fn counters(&self) -> &Counters {
        self.endpoint.counters()
    }

    /// Observations of all servers.
    pub fn observation_count(&self) -> usize {
        self.observations.len()
    }

    /// Events that were dropped because nobody took them.
    pub const fn events_dropped(&self) -> u64 {
        self.events_dropped
    }

    /// Unix time in seconds, if the caller told it.
    pub(crate) fn unix_time(&self) -> Option<u64> {
        let (at, seconds) = self.unix?;
        Some(seconds + self.now.since(at).as_secs())
    }

    pub(crate) fn clock(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    pub(crate) fn push_event(&mut self, event: Event) {
        if self.events.len() >= self.config.max_events {
            self.events.pop_front();
            self.events_dropped += 1;
        }
        self.events.push_back(event);
    }

    /// Does all that follows from an input or a call.
    pub(crate) fn advance(&mut self) {
        while let Some(event) = self.endpoint.poll_event() {
            self.on_endpoint_event(event);
        }
        loop {
            // Changes wait for the end of a bootstrap, which may undo them.
            if !self.tree.in_transaction() {
                let changes = self.tree.take_changes();
                self.note_changes_for_observers(&changes);
            }
            self.drive_sources();
            self.drive_boot();
            self.drive_links();
            self.drive_observations();
            if self.links.iter().any(Link::needs_connection) {
                // A notification is due at a server that has no connection.
                self.drive_links();
            }
            self.drive_deferred();
            self.drive_queue_mode();
            // What was closed above may have ended exchanges.
            match self.endpoint.poll_event() {
                Some(event) => self.on_endpoint_event(event),
                None => break,
            }
        }
        self.sources.end_clearance();
    }

    fn on_endpoint_event(&mut self, event: EndpointEvent) {
        match event {
            EndpointEvent::ExchangeFailed { exchange, reason } => {
                let _ = self.registration_failed(exchange, reason)
                    || self.boot_exchange_failed(exchange, reason)
                    || self.send_failed(exchange, reason);
            }
            EndpointEvent::NotificationDelivered { peer, token } => self.delivered(peer, token),
            EndpointEvent::NotificationRefused { peer, token } => self.refused(peer, token),
            EndpointEvent::NotificationLost { peer, token } => self.lost(peer, token),
            _ => {}
        }
    }

    /// Makes a link for each account of the tree; registrations of accounts that stay are kept.
    pub(crate) fn load_accounts(&mut self) {
        let accounts = accounts(&self.tree).servers;
        let gone: Vec<PeerId> = self
            .links
            .iter()
            .filter(|link| !accounts.iter().any(|account| account.ssid == link.ssid))
            .filter_map(|link| link.peer)
            .collect();
        gone.into_iter().for_each(|peer| self.close_peer(peer));
        self.links
            .retain(|link| accounts.iter().any(|account| account.ssid == link.ssid));
        for account in accounts {
            if !self.links.iter().any(|link| link.ssid == account.ssid) {
                let policy = &account.registration;
                let at = self.now + policy.initial_delay;
                let link = Link::new(account.ssid, account.server_instance, at);
                self.links.push(link.in_order(policy.priority));
            }
        }
    }

    /// Asks the driver for a connection.
    pub(crate) fn connect(
        &mut self,
        uri: String,
        security: AccountSecurity,
    ) -> Result<ConnectId, ConnectError> {
        if security.credentials().is_none() {
            return Err(ConnectError::Credentials);
        }
        let id = ConnectId(self.next_connect);
        self.next_connect = self.next_connect.wrapping_add(1);
        self.actions
            .push_back(Request::Connect { id, uri, security });
        Ok(id)
    }

    pub(crate) fn connect_link(&mut self, index: usize) {
        if self.links[index].connect.is_some() {
            return;
        }
        let connected = match self.account(index) {
            Some(account) => self.connect(account.uri, account.security),
            None => Err(ConnectError::Credentials),
        };
        match connected {
            Ok(id) => self.links[index].connect = Some(id),
            Err(error) => self.attempt_failed(index, error.into()),
        }
    }

    /// The account of a link as the tree holds it now.
    pub(crate) fn account(&self, index: usize) -> Option<ServerAccount> {
        let ssid = self.links[index].ssid;
        accounts(&self.tree)
            .servers
            .into_iter()
            .find(|account| account.ssid == ssid)
    }

    pub(crate) fn close_link(&mut self, index: usize) {
        if let Some(peer) = self.links[index].peer.take() {
            self.close_peer(peer);
            self.hold_observations(index);
        }
        self.links[index].connect = None;
    }

    pub(crate) fn close_peer(&mut self, peer: PeerId) {
        self.endpoint.peer_down(self.now, peer);
        self.actions.push_back(Request::Close(peer));
    }

    pub(crate) fn link_of_peer(&self, peer: PeerId) -> Option<usize> {
        self.links.iter().position(|link| link.peer == Some(peer))
    }

    pub(crate) fn touch_link(&mut self, index: usize) {
        self.links[index].last_message = self.now;
        self.links[index].asleep = false;
    }

    fn on_peer_up(&mut self, peer: PeerId, connect: Option<ConnectId>) {
        self.endpoint.peer_up(self.now, peer);
        let index = self
            .links
            .iter()
            .position(|l| l.connect.is_some() && l.connect == connect);
        if let Some(index) = index {
            self.link_connected(index, peer);
        } else if !self.boot_connected(connect, peer) {
            // The connection is not wanted any more.
            self.close_peer(peer);
        }
    }

    fn on_connect_failed(&mut self, connect: ConnectId, reason: ConnectError) {
        match self
            .links
            .iter()
            .position(|link| link.connect == Some(connect))
        {
            Some(index) => {
                self.links[index].connect = None;
                if let ConnectError::Alert(alert) = reason {
                    self.note_alert(index, alert);
                }
                self.attempt_failed(index, reason.into());
            }
            None => self.boot_connect_failed(connect, reason),
        }
    }

    /// TS-Core §E.2: the last TLS alert is kept in /1/x/11.
    fn note_alert(&mut self, index: usize, alert: u8) {
        let path = self.links[index].resource(server::ALERT_CODE);
        // A Server object without the resource is fine.
        let _ = self
            .tree
            .write(path, lwm2m_codec::Value::Unsigned(u64::from(alert)));
    }

    fn on_peer_down(&mut self, peer: PeerId) {
        self.endpoint.peer_down(self.now, peer);
        if let Some(index) = self.link_of_peer(peer) {
            self.links[index].peer = None;
            self.hold_observations(index);
        }
        self.boot_peer_down(peer);
    }

    fn on_message(&mut self, peer: PeerId, data: &[u8]) {
        match self.endpoint.receive(self.now, peer, data) {
            Some(Incoming::Request {
                responder,
                message,
                body,
            }) => {
                self.on_request(responder, &message, &body);
            }
            Some(Incoming::Response {
                exchange,
                message,
                body,
                ..
            }) => {
                let _ = self.registration_response(exchange, &message)
                    || self.boot_response(exchange, &message, &body)
                    || self.send_answered(exchange, message.code(), &body);
            }
            Some(Incoming::Unsolicited { peer, message }) => {
                self.endpoint.reject(self.now, peer, &message);
            }
            _ => {}
        }
    }
}

impl Engine for Client {
    type Event<'e> = Event;

    fn handle_input(&mut self, now: Instant, input: Input<'_>) {
        self.clock(now);
        match input {
            Input::PeerUp { peer, connect, .. } => self.on_peer_up(peer, connect),
            Input::ConnectFailed { connect, reason } => self.on_connect_failed(connect, reason),
            Input::PeerDown { peer, .. } => self.on_peer_down(peer),
            Input::Message { peer, data } => self.on_message(peer, data),
            Input::Timeout => self.endpoint.handle_timeout(self.now),
            _ => {}
        }
        self.advance();
    }

    fn poll_transmit(&mut self, now: Instant, buf: &mut [u8]) -> Option<Transmit> {
        self.clock(now);
        self.endpoint.poll_transmit(self.now, buf)
    }

    fn poll_action(&mut self) -> Option<Action<'_>> {
        self.current_action = self.actions.pop_front();
        Some(match self.current_action.as_ref()? {
            Request::Connect { id, uri, security } => Action::Connect {
                id: *id,
                uri,
                security: security.credentials().unwrap_or(Credentials::NoSec),
            },
            Request::Close(peer) => Action::Close { peer: *peer },
        })
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        // Registrations stand still, and so does a bootstrap that has not begun.
        let asking = self.sources.is_busy();
        let provisioning = self.boot.is_provisioning() || asking;
        let links = self.links.iter().flat_map(|link| {
            let due = link.due().filter(|_| !provisioning);
            due.into_iter().chain(self.sleep_time(link))
        });
        let observations = self.observations.iter().filter_map(Observation::due);
        let observations = observations.filter(|_| !provisioning);
        let deferred = self.deferred.iter().map(|deferred| deferred.deadline);
        self.endpoint
            .poll_timeout()
            .into_iter()
            .chain(links)
            .chain(observations)
            .chain(deferred)
            .chain(self.boot.due().filter(|_| !asking))
            .chain(self.sources.due())
            .min()
    }
}

/// The failure that an error response stands for.
pub(crate) fn to_failed(code: Code, payload: &[u8]) -> Failed {
    let diagnostic = String::from_utf8_lossy(payload).chars().take(128).collect();
    Failed::Refused { code, diagnostic }
}

impl Client {
    /// Queue mode: when the device may stop listening to a server (TS-Transport §6.5).
    fn sleep_time(&self, link: &Link) -> Option<Instant> {
        let awake = self.config.queue_mode && !link.asleep && link.registered().is_some();
        awake.then(|| link.last_message + self.config.awake_window)
    }

    fn drive_queue_mode(&mut self) {
        for index in 0..self.links.len() {
            if self
                .sleep_time(&self.links[index])
                .is_some_and(|at| at <= self.now)
            {
                self.links[index].asleep = true;
                let server = self.links[index].ssid;
                self.push_event(Event::Asleep { server });
            }
        }
    }

    /// True while the device listens to a server: always, but for queue mode.
    pub fn is_awake(&self, server: u16) -> bool {
        self.links
            .iter()
            .any(|link| link.ssid == server && !link.asleep)
    }

    pub(crate) fn is_protected(path: Path) -> bool {
        // TS-Core §6.3: no operation of a server reaches these objects.
        matches!(path.object_id(), Some(0 | 21 | 23))
    }
}
