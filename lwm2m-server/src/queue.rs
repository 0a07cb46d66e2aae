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

use alloc::vec::Vec;

use lwm2m_coap::{Draft, Duration, ExchangeError, ExchangeId, Instant, RequestOptions};
use lwm2m_codec::{
    Path,
    coap::{Code, Message, OptionNumber, Token},
};

use crate::{Event, FailReason, ObservationId, RegistrationId, RequestError, RequestId, Server};

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
    pub(crate) fn is_repeatable(&self) -> bool {
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
    pub(crate) fn arrive(&mut self, exchange: ExchangeId) -> Option<InFlight> {
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
    pub(crate) fn fail(
        &mut self,
        registration: RegistrationId,
        request: Request,
        reason: FailReason,
    ) {
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

    /// True if a device is in queue mode and doesn't listen now: requests to it wait until it
    /// sends something (TS-Transport §6.5).
    pub fn is_sleeping(&self, id: RegistrationId) -> bool {
        let device = self.registry.get(id);
        device.is_some_and(|d| d.registration.queue_mode && d.awake_until.is_none())
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
}
