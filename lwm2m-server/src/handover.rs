//! What becomes of requests whose registration ends or is replaced, or that are given up.

use alloc::{boxed::Box, vec::Vec};

use lwm2m_coap::{ExchangeError, Instant};

use crate::{
    EndReason, FailReason, ObservationId, Registration, RegistrationId, RequestId, Server,
    queue::{Kind, Request},
    registry::Device,
};

impl Server {
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
