//! Answers that the application gives later (RFC 7252 §5.2.2).

use lwm2m_coap::{Draft, Instant, Responder};
use lwm2m_codec::coap::Code;
use lwm2m_model::{Failure, Ticket};

use crate::{Client, requests::failure_draft};

/// A request whose answer the application owes.
#[derive(Debug)]
pub(crate) struct Deferred {
    pub(crate) ticket: Ticket,
    pub(crate) deadline: Instant,
    responder: Option<Responder>,
}

impl Client {
    pub(crate) fn new_ticket(&mut self) -> Ticket {
        self.next_ticket += 1;
        Ticket(self.next_ticket)
    }

    /// True if there is room for one more deferred answer.
    pub(crate) fn can_defer(&self) -> bool {
        self.deferred.len() < self.config.max_deferred
    }

    /// Acknowledges a request and waits for the application.
    pub(crate) fn defer(&mut self, responder: Responder, ticket: Ticket) {
        self.endpoint.defer(self.now, &responder);
        let deadline = self.now + self.config.defer_timeout;
        self.deferred.push(Deferred {
            ticket,
            deadline,
            responder: Some(responder),
        });
    }

    pub(crate) fn answer_deferred(&mut self, ticket: Ticket, result: Result<(), Failure>) -> bool {
        let index = self
            .deferred
            .iter()
            .position(|deferred| deferred.ticket == ticket);
        let Some(index) = index else { return false };
        let deferred = self.deferred.swap_remove(index);
        let draft = match result {
            Ok(()) => Draft::new(Code::CHANGED),
            Err(failure) => failure_draft(&failure),
        };
        if let Some(responder) = deferred.responder {
            self.endpoint.respond(self.now, responder, draft);
        }
        true
    }

    /// Gives up on answers that did not come in time.
    pub(crate) fn drive_deferred(&mut self) {
        let (now, endpoint) = (self.now, &mut self.endpoint);
        self.deferred.retain_mut(|deferred| {
            if deferred.deadline > now {
                return true;
            }
            let draft = Draft::new(Code::SERVICE_UNAVAILABLE).diagnostic("no answer in time");
            if let Some(responder) = deferred.responder.take() {
                endpoint.respond(now, responder, draft);
            }
            false
        });
    }
}
