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

use lwm2m_coap::{Instant, NotificationOrder};
use lwm2m_codec::{
    ContentFormat, Path,
    coap::{Code, Message, Token},
};

use crate::{
    Change, EndReason, Event, FailReason, ObservationId, ObservationRecord, RegistrationId, Server,
    drafts::draft_of,
    handover::final_reason,
    queue::{Kind, Request},
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

    /// The observation of the same paths: a newer one replaces it, because devices keep one per
    /// target, and so does RFC 7641 §3.1.
    pub(crate) fn same_target(
        &self,
        registration: RegistrationId,
        target: &Target,
    ) -> Option<ObservationId> {
        self.observations(registration).find(|id| {
            self.observation(*id)
                .is_some_and(|t| t.paths == target.paths)
        })
    }

    /// Ends an observation that a newer one replaces, with the requests that are about it.
    pub(crate) fn replace_observation(&mut self, id: RegistrationId, old: ObservationId) {
        self.drop_requests_of(id, old);
        self.end_observation(id, old, EndReason::Replaced);
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

    fn registration_of(&self, id: ObservationId) -> Option<RegistrationId> {
        let observation = self.registry.observations.get(&id)?;
        Some(observation.registration)
    }
}
