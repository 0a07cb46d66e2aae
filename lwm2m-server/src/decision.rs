//! Registers that wait for the application's decision.

use alloc::{collections::BTreeMap, string::String};

use lwm2m_coap::{Instant, Responder};
use lwm2m_codec::coap::Code;

use crate::{Event, RefuseReason, Registration, RegistrationId, Server, server::Candidate};

/// A device wants to register: the right and duty to decide.
///
/// Dropped, the device gets 5.03 when [`Config::decision_timeout`](crate::Config) ends.
#[derive(Debug)]
#[must_use]
pub struct RegisterRequest {
    serial: u64,
    candidate: Candidate,
}

impl RegisterRequest {
    /// What the registration would be.
    pub fn registration(&self) -> &Registration {
        &self.candidate
    }
}

/// Says why a decision came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecisionError {
    /// It came too late.
    #[error("the decision came too late")]
    Late,
    /// The device is gone.
    #[error("the device is gone")]
    PeerGone,
    /// The server refused meanwhile.
    #[error("refused: {0}")]
    Refused(RefuseReason),
}

#[derive(Debug)]
struct Pending {
    responder: Responder,
    endpoint: String,
    deadline: Instant,
}

/// Undecided Registers by serial number, which is also the order of their deadlines.
#[derive(Debug, Default)]
pub(crate) struct Decisions {
    pending: BTreeMap<u64, Pending>,
    serial: u64,
}

impl Decisions {
    pub(crate) fn next_timer(&self) -> Option<Instant> {
        self.pending.values().next().map(|pending| pending.deadline)
    }
}

impl Server {
    /// Hands a checked Register to the application.
    pub(crate) fn ask(&mut self, responder: Responder, candidate: Candidate) {
        let endpoint = candidate.endpoint.clone();
        if self.decisions.pending.len() >= self.config.limits.decisions {
            return self.refuse(responder, Some(endpoint), RefuseReason::Full);
        }
        self.decisions.serial += 1;
        let serial = self.decisions.serial;
        let pending = Pending {
            responder,
            endpoint,
            deadline: self.now + self.config.decision_timeout,
        };
        self.decisions.pending.insert(serial, pending);
        self.emit(Event::RegisterRequested(RegisterRequest {
            serial,
            candidate,
        }));
    }

    /// Lets a device register.
    ///
    /// # Errors
    /// [`DecisionError`]: the device is not registered then.
    pub fn accept(
        &mut self,
        now: Instant,
        request: RegisterRequest,
    ) -> Result<RegistrationId, DecisionError> {
        self.clock(now);
        let pending = self.decisions.pending.remove(&request.serial);
        let Pending { responder, .. } = pending.ok_or(DecisionError::Late)?;
        if self.registry.peer(responder.peer()).is_none() {
            return Err(DecisionError::PeerGone);
        }
        let RegisterRequest { mut candidate, .. } = request;
        // The tables may have changed since the request was checked.
        let checked = self.check_endpoint(&candidate.endpoint, &candidate.identity);
        if let Err(reason) = checked {
            self.refuse(responder, Some(candidate.endpoint), reason.clone());
            return Err(DecisionError::Refused(reason));
        }
        candidate.registered_at = self.now;
        candidate.updated_at = self.now;
        Ok(self.admit(responder, candidate))
    }

    /// Refuses a device by a code, such as 4.03.
    ///
    /// # Errors
    /// [`DecisionError::Late`]: the device has an answer already.
    pub fn reject(
        &mut self,
        now: Instant,
        request: RegisterRequest,
        code: Code,
    ) -> Result<(), DecisionError> {
        self.clock(now);
        let pending = self.decisions.pending.remove(&request.serial);
        let Pending { responder, .. } = pending.ok_or(DecisionError::Late)?;
        let reason = RefuseReason::Application(code);
        self.refuse(responder, Some(request.candidate.endpoint), reason);
        Ok(())
    }

    pub(crate) fn expire_decisions(&mut self) {
        while let Some(first) = self.decisions.pending.first_entry() {
            if first.get().deadline > self.now {
                break;
            }
            let Pending {
                responder,
                endpoint,
                ..
            } = first.remove();
            self.counters.late_answers += 1;
            self.refuse(responder, Some(endpoint), RefuseReason::Late);
        }
    }
}
