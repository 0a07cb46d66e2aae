//! Observations: from the request to the last notification (TS-Core §6.4; RFC 7641).
//!
//! ```text
//!  Requested --2.05 with Observe--> Active(token) --notifications--> Active
//!      |                               |   ^
//!      | error, no Observe             |   | 2.05 with Observe
//!      v                    new Register   |
//!    gone                              v   |
//!      ^-- error, cancelled -------  Lost -+  started again after Register and Update
//! ```

use alloc::{string::String, vec::Vec};

use lwm2m_coap::{Draft, Instant, NotificationOrder, PeerId};
use lwm2m_codec::{
    ContentFormat, Path,
    coap::{Code, Message, OptionNumber, Token},
};

use crate::{
    Change, EndReason, Event, FailReason, ObservationId, ObservationRecord, RegistrationId, Server,
    queue::{Kind, Request, final_reason},
    requests::draft_of,
};

/// What an observation is about, and how its notifications are to look.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Target {
    /// One path, or those of a composite observation.
    pub paths: Vec<Path>,
    /// Format of the list of paths in the request, if the observation is composite.
    pub composite: Option<ContentFormat>,
    /// Format that the notifications are to have.
    pub accept: Option<ContentFormat>,
    /// Attributes for this observation only (LwM2M 1.2), as `pmin=10&pmax=60`.
    pub attributes: String,
}

/// Where an observation stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum State {
    /// The request waits or is in flight.
    Requested,
    /// The device observes under this token.
    Active {
        token: Token,
        /// Unknown after a restart: any notification is newer.
        order: Option<NotificationOrder>,
    },
    /// The device does not observe any more, although the application wants it to.
    Lost,
}

#[derive(Debug)]
pub(crate) struct Observation {
    pub(crate) registration: RegistrationId,
    pub(crate) target: Target,
    pub(crate) state: State,
}

impl Server {
    /// The target of an observation.
    pub fn observation(&self, id: ObservationId) -> Option<&Target> {
        let observation = self.registry.observations.get(&id)?;
        Some(&observation.target)
    }

    /// The observations of a device, with those that wait to be started.
    pub fn observations(&self, id: RegistrationId) -> impl Iterator<Item = ObservationId> + '_ {
        let device = self.registry.get(id);
        device
            .into_iter()
            .flat_map(|d| d.observations.iter().copied())
    }

    /// Ends an observation without a message: the device learns it from the Reset to its next
    /// notification (RFC 7641 §3.6). False if there is none.
    pub fn cancel_observation(&mut self, now: Instant, id: ObservationId) -> bool {
        self.clock(now);
        let Some(observation) = self.registry.observations.get(&id) else {
            return false;
        };
        let registration = observation.registration;
        self.drop_requests_of(registration, id);
        self.forget_observation(id);
        self.flush(registration);
        true
    }

    pub(crate) fn insert_observation(
        &mut self,
        id: ObservationId,
        registration: RegistrationId,
        target: Target,
    ) {
        let observation = Observation {
            registration,
            target,
            state: State::Requested,
        };
        self.registry.observations.insert(id, observation);
        if let Some(device) = self.registry.get_mut(registration) {
            device.observations.push(id);
        }
    }

    /// Removes an observation from all tables.
    pub(crate) fn forget_observation(&mut self, id: ObservationId) {
        let Some(observation) = self.registry.observations.remove(&id) else {
            return;
        };
        let registration = observation.registration;
        if let Some(device) = self.registry.get_mut(registration) {
            device.observations.retain(|other| *other != id);
        }
        if let State::Active { token, .. } = observation.state {
            self.registry.by_token.remove(&(token, registration));
        }
        if observation.state != State::Requested {
            self.record(Change::Cancelled { observation: id });
        }
    }

    /// Removes an observation and tells the application.
    pub(crate) fn end_observation(
        &mut self,
        registration: RegistrationId,
        observation: ObservationId,
        reason: EndReason,
    ) {
        if !self.registry.observations.contains_key(&observation) {
            return;
        }
        self.forget_observation(observation);
        self.emit(Event::ObservationEnded {
            observation,
            registration,
            reason,
        });
    }

    /// A newer observation of the same target replaces the older one: devices keep one per
    /// target, and so does RFC 7641 §3.1.
    pub(crate) fn replace_observation(&mut self, registration: RegistrationId, target: &Target) {
        let device = self.registry.get(registration);
        let known = device
            .map(|d| d.observations.as_slice())
            .unwrap_or_default();
        let same = known.iter().copied().find(|id| {
            let known = self.registry.observations.get(id);
            known.is_some_and(|o| o.target.paths == target.paths)
        });
        if let Some(old) = same {
            // Requests first: they end together with it.
            self.drop_requests_of(registration, old);
            self.end_observation(registration, old, EndReason::Replaced);
        }
    }

    fn activate(&mut self, id: ObservationId, token: Token, observe: u32) {
        let Some(observation) = self.registry.observations.get_mut(&id) else {
            return;
        };
        let order = Some(NotificationOrder::new(observe, self.now));
        observation.state = State::Active { token, order };
        let registration = observation.registration;
        let record = ObservationRecord {
            id,
            registration,
            token,
            target: observation.target.clone(),
        };
        self.registry.by_token.insert((token, registration), id);
        self.record(Change::Observed(alloc::boxed::Box::new(record)));
    }

    /// The answer to an Observe; returns the observation if the device accepted it.
    pub(crate) fn on_observe_response(
        &mut self,
        id: ObservationId,
        token: Token,
        observe: Option<u32>,
        code: Code,
    ) -> Option<ObservationId> {
        match observe.filter(|_| code.is_success()) {
            Some(value) => {
                self.activate(id, token, value);
                Some(id)
            }
            None => {
                self.forget_observation(id);
                None
            }
        }
    }

    /// The answer to an Observe that the server sent by itself.
    pub(crate) fn on_restart_response(
        &mut self,
        id: ObservationId,
        token: Token,
        observe: Option<u32>,
        message: &Message<'_>,
        body: &[u8],
    ) {
        let Some(registration) = self.registration_of(id) else {
            return;
        };
        if !message.code().is_success() {
            let reason = EndReason::Device(message.code());
            return self.end_observation(registration, id, reason);
        }
        match observe {
            Some(value) => self.activate(id, token, value),
            None => return self.end_observation(registration, id, EndReason::NotObserving),
        }
        self.notify(id, observe, message, body);
    }

    pub(crate) fn on_restart_failed(&mut self, id: ObservationId, reason: FailReason) {
        let Some(observation) = self.registry.observations.get_mut(&id) else {
            return;
        };
        observation.state = State::Lost;
        let registration = observation.registration;
        if let Some(reason) = final_reason(reason) {
            self.end_observation(registration, id, reason);
        }
    }

    /// Takes the observations of a replaced registration over, and starts them again: the
    /// device has forgotten them (TS-Core §6.4.1).
    pub(crate) fn move_observations(
        &mut self,
        mut ids: Vec<ObservationId>,
        old: RegistrationId,
        new: RegistrationId,
    ) {
        ids.retain(|id| self.registry.observations.contains_key(id));
        for id in &ids {
            let Some(observation) = self.registry.observations.get_mut(id) else {
                continue;
            };
            observation.registration = new;
            if let State::Active { token, .. } = observation.state {
                observation.state = State::Lost;
                self.registry.by_token.remove(&(token, old));
            }
        }
        if let Some(device) = self.registry.get_mut(new) {
            device.observations = ids;
        }
        self.restart_observations(new);
    }

    /// Queues an Observe for each observation that the device doesn't know.
    pub(crate) fn restart_observations(&mut self, id: RegistrationId) {
        let device = self.registry.get(id);
        let ids = device.map(|d| d.observations.clone()).unwrap_or_default();
        for observation in ids {
            let Some(entry) = self.registry.observations.get(&observation) else {
                continue;
            };
            if entry.state != State::Lost {
                continue;
            }
            let root = self.registration(id).map_or("", |r| r.root.as_str());
            let Ok(draft) = draft_of(&entry.target, root, Some(0)) else {
                continue;
            };
            if let Some(entry) = self.registry.observations.get_mut(&observation) {
                entry.state = State::Requested;
            }
            let request = Request {
                id: None,
                kind: Kind::Restart(observation),
                draft,
                token: None,
                // It lives as long as the observation does.
                expires: Instant::from_micros(u64::MAX),
            };
            if let Some(device) = self.registry.get_mut(id) {
                device.waiting.push_back(request);
            }
        }
        self.flush(id);
    }

    /// A response that answers no request: a notification, if the token is known and the
    /// device is who observes.
    pub(crate) fn on_notification(&mut self, peer: PeerId, message: &Message<'_>) {
        let token = message.token();
        let range = (token, RegistrationId::MIN)..=(token, RegistrationId::MAX);
        let mut candidates = self.registry.by_token.range(range);
        let known = candidates.find(|((_, registration), _)| self.owns(peer, *registration));
        let Some(((_, registration), id)) = known.map(|(key, id)| (*key, *id)) else {
            self.counters.unknown_notifications += 1;
            return self.endpoint.reject(self.now, peer, message);
        };
        self.endpoint.accept(self.now, peer, message);
        self.follow(registration, peer);
        self.take_notification(registration, id, peer, message);
        self.heard(registration);
    }

    fn take_notification(
        &mut self,
        registration: RegistrationId,
        id: ObservationId,
        peer: PeerId,
        message: &Message<'_>,
    ) {
        // RFC 7641 §3.2: an error is the last notification, and so is one without Observe.
        if !message.code().is_success() {
            let reason = EndReason::Device(message.code());
            return self.end_observation(registration, id, reason);
        }
        let Some(observe) = message.observe() else {
            self.notify(id, None, message, message.payload());
            return self.end_observation(registration, id, EndReason::NotObserving);
        };
        let Some(observation) = self.registry.observations.get_mut(&id) else {
            return;
        };
        if let State::Active { order, .. } = &mut observation.state {
            let fresh = match order {
                Some(order) => order.accept(observe, self.now),
                None => true,
            };
            order.get_or_insert(NotificationOrder::new(observe, self.now));
            if !fresh {
                self.counters.stale_notifications += 1;
                return;
            }
        }
        let block = message.block(OptionNumber::BLOCK2);
        if block.is_none_or(|block| !block.more) {
            return self.notify(id, Some(observe), message, message.payload());
        }
        self.download(registration, id, observe, peer, message);
    }

    /// The notification holds the first block only: fetch the rest (RFC 7959 §2.6). A newer
    /// notification makes an older download useless.
    fn download(
        &mut self,
        registration: RegistrationId,
        id: ObservationId,
        observe: u32,
        peer: PeerId,
        message: &Message<'_>,
    ) {
        self.drop_requests_of(registration, id);
        let root = self
            .registration(registration)
            .map_or("", |r| r.root.as_str());
        let draft = match self.registry.observations.get(&id) {
            Some(observation) => draft_of(&observation.target, root, None),
            None => return,
        };
        let Ok(draft) = draft else { return };
        let request = Request {
            id: None,
            kind: Kind::Download(id, observe),
            draft: Draft::new(Code::GET),
            token: None,
            expires: Instant::from_micros(u64::MAX),
        };
        let exchange = self
            .endpoint
            .continue_download(self.now, peer, draft, message);
        match exchange {
            Ok(exchange) => self.depart(registration, exchange, request),
            Err(_) => self.on_download_failed(id),
        }
    }

    pub(crate) fn on_downloaded(
        &mut self,
        id: ObservationId,
        sequence: u32,
        message: &Message<'_>,
        body: &[u8],
    ) {
        match message.code().is_success() {
            true => self.notify(id, Some(sequence), message, body),
            false => self.on_download_failed(id),
        }
    }

    /// The rest of a notification is lost; the next one brings the newest state.
    pub(crate) fn on_download_failed(&mut self, id: ObservationId) {
        self.counters.failed_requests += 1;
        tracing::debug!(observation = %id, "the rest of a notification is lost");
    }

    fn notify(
        &mut self,
        id: ObservationId,
        sequence: Option<u32>,
        message: &Message<'_>,
        payload: &[u8],
    ) {
        let Some(observation) = self.registry.observations.get(&id) else {
            return;
        };
        self.counters.notifications += 1;
        let event = Event::Notification {
            observation: id,
            registration: observation.registration,
            paths: observation.target.paths.clone(),
            sequence: sequence.unwrap_or_default(),
            format: message.content_format(),
            payload: payload.to_vec(),
        };
        self.emit(event);
    }

    fn registration_of(&self, id: ObservationId) -> Option<RegistrationId> {
        let observation = self.registry.observations.get(&id)?;
        Some(observation.registration)
    }
}
