//! Register, Update and De-register (TS-Core §6.2).

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};

use lwm2m_bootstrap::RegistrationPolicy;
use lwm2m_coap::{Draft, Duration, ExchangeId, PeerId, RequestError, RequestOptions};
use lwm2m_codec::{
    ContentFormat, Version,
    coap::{Code, Message, OptionNumber},
};

use crate::{
    Client, Event, Failed,
    bootstrap::Urgency,
    client::to_failed,
    link::{BackOff, Link, Registered, Sent, State, Then, Turn},
    links,
};

/// An Update goes out this long before the lifetime ends, if the lifetime allows it: time for
/// all retransmissions (RFC 7252 §4.8.2, MAX_TRANSMIT_WAIT).
const UPDATE_MARGIN: Duration = Duration::from_secs(93);

impl Client {
    /// Lets each account do what is due.
    pub(crate) fn drive_links(&mut self) {
        if self.boot.is_provisioning() || self.sources.is_busy() {
            return;
        }
        self.next_turn();
        for index in 0..self.links.len() {
            self.note_changes(index);
            let due = self.links[index].due().is_some_and(|at| at <= self.now);
            if self.links[index].is_due(due) && !self.sources_are_checked() {
                return;
            }
            match &mut self.links[index].state {
                State::Idle { .. } if due => self.connect_or_register(index),
                State::Registered(registered)
                    if (due || registered.update_wanted) && registered.update.is_none() =>
                {
                    registered.update_wanted = true;
                    self.connect_or_update(index);
                }
                _ => {}
            }
        }
    }

    /// Lets the next of the ordered servers begin when the one before is done (TS-Core §6.2.1.1).
    fn next_turn(&mut self) {
        let waits = |link: &Link| (link.turn == Turn::Waiting).then_some(link.priority);
        let busy = self.links.iter().any(|link| link.turn == Turn::Running);
        if busy || !self.is_running() {
            return;
        }
        let next = self
            .links
            .iter()
            .enumerate()
            .filter_map(|(index, link)| Some((waits(link)?, index)))
            .min();
        if let Some((_, index)) = next {
            let delay = self
                .account(index)
                .map(|account| account.registration.initial_delay);
            let link = &mut self.links[index];
            link.turn = Turn::Running;
            let at = self.now + delay.unwrap_or_default();
            link.state = State::Idle { at: Some(at) };
        }
    }

    /// Asks for an Update when what the server knows is no longer true.
    fn note_changes(&mut self, index: usize) {
        let link = &mut self.links[index];
        let server = link.server;
        if let Some(registered) = link.registered_mut() {
            if registered.update.is_none() && registered.sent != Sent::of(&self.tree, server) {
                registered.update_wanted = true;
            }
        }
    }

    fn connect_or_register(&mut self, index: usize) {
        match self.links[index].peer {
            Some(peer) => self.register(index, peer),
            None => {
                self.links[index].state = State::Connecting;
                self.connect_link(index);
            }
        }
    }

    fn connect_or_update(&mut self, index: usize) {
        match self.links[index].peer {
            Some(peer) => self.update(index, peer),
            None => self.connect_link(index),
        }
    }

    /// The connection of an account is there.
    pub(crate) fn link_connected(&mut self, index: usize, peer: PeerId) {
        let new_context = self.version(index) < Version::V1_2;
        let link = &mut self.links[index];
        link.connect = None;
        link.peer = Some(peer);
        match link.state {
            State::Connecting | State::Idle { .. } => self.register(index, peer),
            // TS-Transport §6.4.3 of 1.1: a new security context needs a new registration.
            State::Registered(_) if new_context => self.register(index, peer),
            State::Registered(_) => {
                self.update(index, peer);
                self.resume_observations(index);
            }
            _ => {}
        }
    }

    fn version(&self, index: usize) -> Version {
        let versions = &self.config.versions;
        versions
            .get(self.links[index].version)
            .copied()
            .unwrap_or(Version::V1_0)
    }

    fn register(&mut self, index: usize, peer: PeerId) {
        let version = self.version(index);
        let link = &mut self.links[index];
        let sent = Sent::of(&self.tree, link.server);
        let mut draft = Draft::new(Code::POST)
            .path_segment("rd")
            .query(&format!("ep={}", self.config.endpoint))
            .query(&format!("lt={}", sent.lifetime))
            .query(&format!("lwm2m={version}"));
        for query in binding_queries(version, &sent.binding, self.config.queue_mode) {
            draft = draft.query(&query);
        }
        match links::registration(&self.tree, version, self.config.coap.max_body) {
            Ok(list) => draft = draft.content(ContentFormat::LINK, list),
            Err(failure) => {
                tracing::error!(%failure, "the object list can't be written");
                return self.attempt_failed(index, Failed::Request(TOO_LARGE));
            }
        }
        match self
            .endpoint
            .request(self.now, peer, draft, RequestOptions::default())
        {
            Ok(exchange) => {
                self.forget_observations(index);
                let link = &mut self.links[index];
                link.state = State::Registering { exchange, sent };
            }
            Err(error) => self.attempt_failed(index, error.into()),
        }
    }

    fn update(&mut self, index: usize, peer: PeerId) {
        let version = self.version(index);
        let queue_mode = self.config.queue_mode;
        let link = &mut self.links[index];
        let now_true = Sent::of(&self.tree, link.server);
        let State::Registered(registered) = &mut link.state else {
            return;
        };
        let mut draft = Draft::new(Code::POST);
        for segment in &registered.location {
            draft = draft.path_segment(segment);
        }
        if registered.sent.lifetime != now_true.lifetime {
            draft = draft.query(&format!("lt={}", now_true.lifetime));
        }
        if registered.sent.binding != now_true.binding {
            for query in binding_queries(version, &now_true.binding, queue_mode) {
                draft = draft.query(&query);
            }
        }
        if registered.sent.structure != now_true.structure {
            match links::registration(&self.tree, version, self.config.coap.max_body) {
                Ok(list) => draft = draft.content(ContentFormat::LINK, list),
                Err(failure) => tracing::error!(%failure, "the object list can't be written"),
            }
        }
        registered.update_wanted = false;
        registered.blocked = false;
        match self
            .endpoint
            .request(self.now, peer, draft, RequestOptions::default())
        {
            Ok(exchange) => {
                registered.update = Some((exchange, now_true));
                self.touch_link(index);
            }
            Err(RequestError::QueueFull) => {
                registered.update_wanted = true;
                registered.blocked = true;
            }
            Err(error) => self.attempt_failed(index, error.into()),
        }
    }

    /// Ends a registration; `then` says what follows.
    pub(crate) fn deregister(&mut self, index: usize, then: Then) {
        let link = &mut self.links[index];
        let Some(peer) = link.peer else {
            return self.left(index, then);
        };
        let State::Registered(registered) = &link.state else {
            return self.left(index, then);
        };
        let mut draft = Draft::new(Code::DELETE);
        for segment in &registered.location {
            draft = draft.path_segment(segment);
        }
        match self
            .endpoint
            .request(self.now, peer, draft, RequestOptions::default())
        {
            Ok(exchange) => self.links[index].state = State::Leaving { exchange, then },
            Err(_) => self.left(index, then),
        }
    }

    /// The registration is over on both sides.
    fn left(&mut self, index: usize, then: Then) {
        self.close_link(index);
        self.forget_observations(index);
        let link = &mut self.links[index];
        let at = match then {
            Then::Return(after) => Some(self.now + after),
            Then::Stop => None,
        };
        link.state = State::Idle { at };
        let server = link.ssid;
        self.push_event(Event::Deregistered { server });
    }

    /// Takes the response to a Register, an Update or a De-register; false if it is to none.
    pub(crate) fn registration_response(
        &mut self,
        exchange: ExchangeId,
        message: &Message<'_>,
    ) -> bool {
        let Some(index) = self.link_of_exchange(exchange) else {
            return false;
        };
        self.touch_link(index);
        match core::mem::replace(&mut self.links[index].state, State::Connecting) {
            State::Registering { sent, .. } => self.register_answered(index, sent, message),
            State::Leaving { then, .. } => self.left(index, then),
            State::Registered(registered) => self.update_answered(index, registered, message),
            state => self.links[index].state = state,
        }
        true
    }

    fn register_answered(&mut self, index: usize, sent: Sent, message: &Message<'_>) {
        match message.code() {
            Code::CREATED => {
                let location = strings(message, OptionNumber::LOCATION_PATH);
                if location.is_empty() {
                    // TS-Transport §6.4.3: without it there is nothing to update.
                    let diagnostic = "the response has no Location-Path".to_string();
                    let code = Code::CREATED;
                    return self.attempt_failed(index, Failed::Refused { code, diagnostic });
                }
                let update_at = update_time(sent.lifetime).map(|after| self.now + after);
                let version = self.version(index);
                let link = &mut self.links[index];
                (link.attempt, link.sequence) = (0, 0);
                (link.turn, link.failed) = (Turn::Free, false);
                let event = Event::Registered {
                    server: link.ssid,
                    version,
                    location: location
                        .iter()
                        .fold(String::new(), |path, s| path + "/" + s),
                };
                link.state = State::Registered(Registered {
                    location,
                    sent,
                    update_at,
                    update_wanted: false,
                    blocked: false,
                    update: None,
                    reconnected: false,
                });
                self.push_event(event);
                self.note_registered();
            }
            // TS-Core §5.1: a server of another minor version may refuse; step down.
            Code::PRECONDITION_FAILED
                if self.links[index].version + 1 < self.config.versions.len() =>
            {
                self.links[index].version += 1;
                tracing::debug!(version = %self.version(index), "steps down after 4.12");
                self.links[index].state = State::Idle { at: Some(self.now) };
                self.connect_or_register(index);
            }
            code => {
                if code == Code::PRECONDITION_FAILED {
                    // No version is left: the next attempt begins with the preferred one again.
                    self.links[index].version = 0;
                }
                self.attempt_failed(index, refused(message));
            }
        }
    }

    fn update_answered(&mut self, index: usize, mut registered: Registered, message: &Message<'_>) {
        let server = self.links[index].ssid;
        if message.code() == Code::CHANGED {
            if let Some((_, sent)) = registered.update.take() {
                registered.sent = sent;
            }
            registered.update_at =
                update_time(registered.sent.lifetime).map(|after| self.now + after);
            registered.reconnected = false;
            self.links[index].state = State::Registered(registered);
            self.push_event(Event::Updated { server });
        } else {
            // TS-Core §6.2.2: an Update is not enough any more.
            tracing::info!(server, code = %message.code(), "registers again");
            self.links[index].state = State::Idle { at: Some(self.now) };
            self.connect_or_register(index);
        }
    }

    /// A Register, Update or De-register ended without a response; false if it was none.
    pub(crate) fn registration_failed(
        &mut self,
        exchange: ExchangeId,
        reason: lwm2m_coap::ExchangeError,
    ) -> bool {
        let Some(index) = self.link_of_exchange(exchange) else {
            return false;
        };
        match &mut self.links[index].state {
            State::Leaving { then, .. } => {
                let then = *then;
                self.left(index, then);
            }
            State::Registered(registered) if !registered.reconnected => {
                // The session may be dead on the other side: a new one, and the Update again.
                registered.reconnected = true;
                registered.update = None;
                registered.update_wanted = true;
                self.close_link(index);
                self.connect_link(index);
            }
            _ => self.attempt_failed(index, reason.into()),
        }
        true
    }

    /// An attempt to register failed: try again later, or bootstrap.
    pub(crate) fn attempt_failed(&mut self, index: usize, reason: Failed) {
        self.close_link(index);
        self.forget_observations(index);
        let server = self.links[index].ssid;
        let policy = self
            .account(index)
            .map(|account| account.registration)
            .unwrap_or_default();
        let current = self.links[index].turn == Turn::Running;
        let retry_in = match self.links[index].back_off(&policy) {
            BackOff::Retry(after) => after,
            BackOff::Exhausted(after) => {
                let passed = current && self.links[index].turn == Turn::Free;
                if self.bootstraps_after(passed, &policy) {
                    self.links[index].state = State::Idle { at: None };
                    let retry_in = Duration::ZERO;
                    self.push_event(Event::RegistrationFailed {
                        server,
                        reason,
                        retry_in,
                    });
                    self.request_bootstrap(Urgency::Usual);
                    return;
                }
                after.unwrap_or(Duration::MAX)
            }
        };
        let at = (retry_in != Duration::MAX).then(|| self.now + retry_in);
        self.links[index].state = State::Idle { at };
        tracing::warn!(server, %reason, ?retry_in, "registration failed");
        self.push_event(Event::RegistrationFailed {
            server,
            reason,
            retry_in,
        });
    }

    /// True if the end of a server's procedure leads to a bootstrap (/1/x/16). A non-blocking
    /// failure in the order of registrations leads to one only if all others have failed too
    /// (TS-Core §6.1.4, §6.2.1.1).
    fn bootstraps_after(&self, passed: bool, policy: &RegistrationPolicy) -> bool {
        let last = !passed || self.links.iter().all(|link| link.failed);
        last && policy.bootstrap_on_failure && self.has_bootstrap_account()
    }

    fn link_of_exchange(&self, exchange: ExchangeId) -> Option<usize> {
        self.links.iter().position(|link| match &link.state {
            State::Registering { exchange: e, .. } | State::Leaving { exchange: e, .. } => {
                *e == exchange
            }
            State::Registered(registered) => registered
                .update
                .as_ref()
                .is_some_and(|(e, _)| *e == exchange),
            _ => false,
        })
    }
}

const TOO_LARGE: RequestError = RequestError::TooLarge;

/// The `b` and `Q` parameters (TS-Core §6.2.1, Table 6.2.1.-1; 1.0 has Q inside of `b`).
fn binding_queries(version: Version, binding: &str, queue_mode: bool) -> Vec<String> {
    let letters: String = binding.chars().filter(|letter| *letter != 'Q').collect();
    let mut queries = Vec::new();
    if version == Version::V1_0 {
        queries.push(format!("b={letters}{}", if queue_mode { "Q" } else { "" }));
        return queries;
    }
    if letters != "U" {
        queries.push(format!("b={letters}"));
    }
    if queue_mode {
        queries.push("Q".to_string());
    }
    queries
}

/// How long after a registration the next Update is due; `None` for an infinite lifetime.
fn update_time(lifetime: u64) -> Option<Duration> {
    if lifetime == 0 {
        return None;
    }
    let lifetime = Duration::from_secs(lifetime);
    Some(match lifetime.checked_sub(UPDATE_MARGIN) {
        Some(rest) if rest > lifetime / 2 => rest,
        _ => lifetime / 2,
    })
}

fn strings(message: &Message<'_>, number: OptionNumber) -> Vec<String> {
    message
        .strings(number)
        .flatten()
        .map(String::from)
        .collect()
}

/// The failure that an error response stands for.
pub(crate) fn refused(message: &Message<'_>) -> Failed {
    to_failed(message.code(), message.payload())
}
