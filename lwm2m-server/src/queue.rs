//! The requests to each device: they wait while it sleeps or is away, leave in order, and end
//! with an answer or a reason (TS-Transport §6.5).
//!
//! ```text
//!             flush                    response
//!  waiting ----------> in flight -------------------> Event::Response
//!     |  ^                 |
//!     |  +-----------------+ no answer: a device in queue mode has fallen asleep, a session
//!     |   repeatable only  | is gone
//!     +--------------------+------------------------> Event::RequestFailed
//! ```

use alloc::{boxed::Box, vec::Vec};

use lwm2m_coap::{Draft, Duration, ExchangeError, ExchangeId, Instant, RequestOptions};
use lwm2m_codec::{
    Path,
    coap::{Code, Message, OptionNumber, Token},
};

use crate::{
    EndReason, Event, FailReason, ObservationId, Registration, RegistrationId, RequestError,
    RequestId, Server, registry::Device,
};

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An operation of the application.
    Plain,
    /// Starts an observation.
    Observe(ObservationId),
    /// Starts an observation again, unknown to the application.
    Restart(ObservationId),
    /// Fetches the rest of a notification with this Observe value.
    Download(ObservationId, u32),
}

/// A request that waits.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// The application's name for it, if the application asked.
    pub(crate) id: Option<RequestId>,
    pub(crate) kind: Kind,
    pub(crate) draft: Draft,
    /// The token of the observation that it ends.
    pub(crate) token: Option<Token>,
    pub(crate) expires: Instant,
}

impl Request {
    /// True if it does no harm to carry the request out twice: everything but Execute and
    /// Create, whose first try may have been carried out.
    fn is_repeatable(&self) -> bool {
        self.draft.code != Code::POST && !matches!(self.kind, Kind::Download(..))
    }

    pub(crate) fn observation(&self) -> Option<ObservationId> {
        match self.kind {
            Kind::Plain => None,
            Kind::Observe(id) | Kind::Restart(id) | Kind::Download(id, _) => Some(id),
        }
    }
}

/// A request that was sent.
#[derive(Debug)]
pub(crate) struct InFlight {
    pub(crate) registration: RegistrationId,
    pub(crate) request: Request,
    pub(crate) token: Token,
}

impl Server {
    /// Queues a request of the application.
    pub(crate) fn enqueue(
        &mut self,
        id: RegistrationId,
        request: Request,
    ) -> Result<(), RequestError> {
        let limits = &self.config.limits;
        let all = self.registry.requests.len();
        let device = self.registry.get_mut(id);
        let device = device.ok_or(RequestError::UnknownRegistration)?;
        let own = device.waiting.len() + device.in_flight.len();
        if own >= limits.requests_per_device || all >= limits.requests {
            self.counters.overflows += 1;
            return Err(RequestError::QueueFull);
        }
        if request.draft.payload.len() > self.config.coap.max_body {
            return Err(RequestError::TooLarge);
        }
        let name = request.id;
        device.waiting.push_back(request);
        if let Some(name) = name {
            self.registry.requests.insert(name, id);
        }
        self.flush(id);
        Ok(())
    }

    /// When a request that is made now expires.
    pub(crate) fn request_expiry(&self, lifetime: Option<Duration>) -> Instant {
        self.now + lifetime.unwrap_or(self.config.queue_lifetime)
    }

    /// Sends what may be sent to a device now.
    pub(crate) fn flush(&mut self, id: RegistrationId) {
        while let Some(device) = self.registry.get_mut(id) {
            let free = device.in_flight.len() < self.config.max_in_flight;
            let Some(peer) = device
                .registration
                .peer
                .filter(|_| free && device.listens())
            else {
                break;
            };
            let Some(request) = device.waiting.pop_front() else {
                break;
            };
            let options = RequestOptions {
                confirmable: true,
                token: request.token,
            };
            let draft = request.draft.clone();
            match self.endpoint.request(self.now, peer, draft, options) {
                Ok(exchange) => self.depart(id, exchange, request),
                Err(error) => {
                    let reason = match error {
                        lwm2m_coap::RequestError::TooLarge => FailReason::TooLarge,
                        _ => FailReason::Overloaded,
                    };
                    self.fail(id, request, reason);
                }
            }
        }
        self.registry.arm(id);
    }

    pub(crate) fn depart(&mut self, id: RegistrationId, exchange: ExchangeId, request: Request) {
        let token = self.endpoint.token_of(exchange).unwrap_or(Token::EMPTY);
        if let Some(device) = self.registry.get_mut(id) {
            device.in_flight.push(exchange);
        }
        let in_flight = InFlight {
            registration: id,
            request,
            token,
        };
        self.registry.in_flight.insert(exchange, in_flight);
    }

    /// Takes a request out of those in flight.
    fn arrive(&mut self, exchange: ExchangeId) -> Option<InFlight> {
        let in_flight = self.registry.in_flight.remove(&exchange)?;
        if let Some(device) = self.registry.get_mut(in_flight.registration) {
            device.in_flight.retain(|other| *other != exchange);
        }
        Some(in_flight)
    }

    pub(crate) fn on_response(
        &mut self,
        exchange: ExchangeId,
        observe: Option<u32>,
        message: &Message<'_>,
        body: &[u8],
    ) {
        let Some(in_flight) = self.arrive(exchange) else {
            return;
        };
        let InFlight {
            registration,
            request,
            token,
        } = in_flight;
        let observation = match request.kind {
            Kind::Plain => None,
            Kind::Observe(id) => self.on_observe_response(id, token, observe, message.code()),
            Kind::Restart(id) => {
                self.on_restart_response(id, token, observe, message, body);
                None
            }
            Kind::Download(id, sequence) => {
                self.on_downloaded(id, sequence, message, body);
                None
            }
        };
        if let Some(id) = request.id {
            self.registry.requests.remove(&id);
            let location = self.created_path(registration, message);
            self.emit(Event::Response {
                request: id,
                registration,
                code: message.code(),
                format: message.content_format(),
                payload: body.to_vec(),
                location,
                observation,
            });
        }
        self.heard(registration);
    }

    /// The Location-Path of a Create, below the device's root.
    fn created_path(&self, id: RegistrationId, message: &Message<'_>) -> Option<Path> {
        let root = &self.registration(id)?.root;
        let mut location = message.strings(OptionNumber::LOCATION_PATH).peekable();
        location.peek()?;
        for segment in root.split('/').filter(|segment| !segment.is_empty()) {
            if location.peek() == Some(&Some(segment)) {
                location.next();
            }
        }
        let ids: Option<Vec<u16>> = location.map(|segment| segment?.parse().ok()).collect();
        Path::from_ids(&ids?)
    }

    pub(crate) fn on_exchange_failed(&mut self, exchange: ExchangeId, reason: ExchangeError) {
        let Some(in_flight) = self.arrive(exchange) else {
            return;
        };
        let (id, request) = (in_flight.registration, in_flight.request);
        let Some(device) = self.registry.get_mut(id) else {
            return self.fail(id, request, FailReason::Exchange(reason));
        };
        let asleep = reason == ExchangeError::Timeout && device.registration.queue_mode;
        let away = reason == ExchangeError::PeerDown;
        if (asleep || away) && request.is_repeatable() && request.expires > self.now {
            device.waiting.push_front(request);
        } else {
            self.fail(id, request, FailReason::Exchange(reason));
        }
        if asleep {
            self.fall_asleep(id);
        }
        self.flush(id);
    }

    /// Ends a request without an answer.
    fn fail(&mut self, registration: RegistrationId, request: Request, reason: FailReason) {
        match request.kind {
            Kind::Plain => {}
            Kind::Observe(id) => self.forget_observation(id),
            Kind::Restart(id) => self.on_restart_failed(id, reason),
            Kind::Download(id, _) => self.on_download_failed(id),
        }
        if let Some(id) = request.id {
            self.registry.requests.remove(&id);
            self.counters.failed_requests += 1;
            self.emit(Event::RequestFailed {
                request: id,
                registration,
                reason,
            });
        }
    }

    /// Ends all requests of a device that is no longer in the table.
    pub(crate) fn fail_all(&mut self, device: &mut Device, reason: FailReason) {
        let id = device.registration.id;
        for exchange in core::mem::take(&mut device.in_flight) {
            self.endpoint.cancel(self.now, exchange);
            if let Some(in_flight) = self.registry.in_flight.remove(&exchange) {
                self.fail(id, in_flight.request, reason);
            }
        }
        for request in core::mem::take(&mut device.waiting) {
            self.fail(id, request, reason);
        }
    }

    /// Moves what goes on with a device to its new registration; returns the old one.
    pub(crate) fn take_over(
        &mut self,
        mut old: Box<Device>,
        new: RegistrationId,
    ) -> Box<Registration> {
        let id = old.registration.id;
        let mut requests = Vec::new();
        for exchange in core::mem::take(&mut old.in_flight) {
            self.endpoint.cancel(self.now, exchange);
            match self.registry.in_flight.remove(&exchange) {
                // What ended an observation has nothing left to end.
                Some(x) if x.request.is_repeatable() && x.request.token.is_none() => {
                    requests.push(x.request);
                }
                Some(x) => self.fail(id, x.request, FailReason::Reregistered),
                None => {}
            }
        }
        for request in core::mem::take(&mut old.waiting) {
            match request.token {
                None => requests.push(request),
                Some(_) => self.fail(id, request, FailReason::Reregistered),
            }
        }
        for request in requests.iter().filter_map(|request| request.id) {
            self.registry.requests.insert(request, new);
        }
        if let Some(device) = self.registry.get_mut(new) {
            device.waiting.extend(requests);
        }
        self.move_observations(core::mem::take(&mut old.observations), id, new);
        Box::new(old.registration)
    }

    /// Gives a request up; no event follows. False if it has ended already.
    pub fn cancel(&mut self, now: Instant, request: RequestId) -> bool {
        self.clock(now);
        let Some(id) = self.registry.requests.remove(&request) else {
            return false;
        };
        let Some(device) = self.registry.get_mut(id) else {
            return false;
        };
        let mut found = None;
        if let Some(at) = device.waiting.iter().position(|r| r.id == Some(request)) {
            found = device.waiting.remove(at);
        } else {
            let flying = device.in_flight.clone();
            let exchange = flying.into_iter().find(|exchange| {
                let known = self.registry.in_flight.get(exchange);
                known.and_then(|x| x.request.id) == Some(request)
            });
            if let Some(exchange) = exchange {
                self.endpoint.cancel(self.now, exchange);
                found = self.arrive(exchange).map(|in_flight| in_flight.request);
            }
        }
        if let Some(Kind::Observe(observation)) = found.map(|request| request.kind) {
            self.forget_observation(observation);
        }
        self.flush(id);
        true
    }

    /// A message of the device arrived: it listens now, and for a while (TS-Transport §6.5).
    pub(crate) fn heard(&mut self, id: RegistrationId) {
        let until = self.now + self.config.awake_time;
        let Some(device) = self.registry.get_mut(id) else {
            return;
        };
        let woke = match device.registration.queue_mode {
            true => device.awake_until.replace(until).is_none(),
            false => {
                device.awake_until = None;
                false
            }
        };
        if woke {
            self.emit(Event::Awake { registration: id });
        }
        self.flush(id);
    }

    fn fall_asleep(&mut self, id: RegistrationId) {
        let device = self.registry.get_mut(id);
        if device
            .and_then(|device| device.awake_until.take())
            .is_some()
        {
            self.emit(Event::Sleeping { registration: id });
        }
    }

    /// Something of a device is due: its registration, its awake time, or a waiting request.
    pub(crate) fn on_device_timer(&mut self, id: RegistrationId) {
        let now = self.now;
        let Some(device) = self.registry.get_mut(id) else {
            return;
        };
        if device.expires.is_some_and(|at| at <= now) {
            self.end_registration(id, crate::DeregisterReason::Expired);
            return;
        }
        let mut expired = Vec::new();
        while let Some(at) = device.waiting.iter().position(|r| r.expires <= now) {
            expired.extend(device.waiting.remove(at));
        }
        let sleeps = device.awake_until.is_some_and(|at| at <= now);
        for request in expired {
            self.fail(id, request, FailReason::Expired);
        }
        if sleeps {
            self.fall_asleep(id);
        }
    }

    /// Takes the waiting and flying requests of an observation that ends.
    pub(crate) fn drop_requests_of(&mut self, id: RegistrationId, observation: ObservationId) {
        let Some(device) = self.registry.get_mut(id) else {
            return;
        };
        let mut dropped = Vec::new();
        let of = |request: &Request| request.observation() == Some(observation);
        while let Some(at) = device.waiting.iter().position(of) {
            dropped.extend(device.waiting.remove(at));
        }
        let flying: Vec<_> = device.in_flight.clone();
        for exchange in flying {
            if self
                .registry
                .in_flight
                .get(&exchange)
                .is_some_and(|x| of(&x.request))
            {
                self.endpoint.cancel(self.now, exchange);
                dropped.extend(self.arrive(exchange).map(|x| x.request));
            }
        }
        for request in dropped {
            self.fail(id, request, FailReason::ObservationEnded);
        }
    }
}

/// Why a restarted observation ends, if the reason is final; a device that did not answer gets
/// another chance with its next Update.
pub(crate) fn final_reason(reason: FailReason) -> Option<EndReason> {
    match reason {
        FailReason::Exchange(ExchangeError::Timeout | ExchangeError::PeerDown)
        | FailReason::Expired
        | FailReason::Overloaded
        | FailReason::Reregistered => None,
        reason => Some(EndReason::Failed(reason)),
    }
}
