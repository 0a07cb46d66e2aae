//! Answers that wait until the journal has stored what they promise.

use alloc::collections::VecDeque;

use lwm2m_coap::{Draft, Instant, Responder};

use crate::{RefuseReason, RegistrationId, Server, server::refusal};

#[derive(Debug)]
struct Waiting {
    sequence: u64,
    responder: Responder,
    draft: Draft,
    registration: Option<RegistrationId>,
    deadline: Instant,
}

/// Answers in the order of their records, which is also that of their deadlines.
#[derive(Debug, Default)]
pub(crate) struct Answers(VecDeque<Waiting>);

impl Answers {
    pub(crate) fn next_timer(&self) -> Option<Instant> {
        self.0.front().map(|waiting| waiting.deadline)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    fn pop_if(&mut self, ready: impl FnOnce(&Waiting) -> bool) -> Option<Waiting> {
        self.0
            .front()
            .is_some_and(ready)
            .then(|| self.0.pop_front())?
    }
}

impl Server {
    /// Tells that all journal records up to this sequence number are stored.
    pub fn stored(&mut self, now: Instant, up_to: u64) {
        self.clock(now);
        while let Some(waiting) = self.answers.pop_if(|w| w.sequence <= up_to) {
            self.answer(waiting.responder, waiting.draft, waiting.registration);
        }
    }

    /// Answers when the last journal record is stored: at once without a journal.
    pub(crate) fn answer_when_stored(
        &mut self,
        responder: Responder,
        draft: Draft,
        registration: Option<RegistrationId>,
    ) {
        if !self.config.journal {
            return self.answer(responder, draft, registration);
        }
        self.answers.0.push_back(Waiting {
            sequence: self.journal.sequence(),
            responder,
            draft,
            registration,
            deadline: self.now + self.config.journal_timeout,
        });
    }

    fn answer(&mut self, responder: Responder, draft: Draft, registration: Option<RegistrationId>) {
        self.respond(responder, draft);
        if let Some(id) = registration {
            if let Some(device) = self.registry.get_mut(id) {
                device.answered = true;
                self.flush(id);
            }
        }
    }

    /// The journal took too long: the device has to try again.
    pub(crate) fn expire_answers(&mut self) {
        let now = self.now;
        while let Some(waiting) = self.answers.pop_if(|w| w.deadline <= now) {
            self.counters.late_answers += 1;
            self.respond(waiting.responder, refusal(&RefuseReason::Late));
        }
    }
}
