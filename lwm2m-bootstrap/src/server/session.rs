//! One device being provisioned.

use alloc::{collections::VecDeque, string::String, sync::Arc, vec::Vec};

use lwm2m_coap::{ExchangeId, Instant};
use lwm2m_codec::ContentFormat;

use super::{
    FailedReason, Operation, Provision, StepInfo,
    incremental::{self, Known},
    plan::{Discovered, Step, plan},
};

use crate::one_time::OneTimeKey;

/// A sequence under way: Discover, Reads, Deletes, Writes, Finish, each awaited.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) endpoint: String,
    pub(super) provision: Arc<Provision>,
    /// Formats to try, the next one when the device refuses the first (4.15).
    formats: Vec<ContentFormat>,
    /// What is to be done; the first one is under way.
    steps: VecDeque<Step>,
    /// What the device told of its instances.
    discovered: Discovered,
    /// What it told of their values, for an incremental bootstrap.
    known: Known,
    /// What differs is known.
    planned: bool,
    /// The request under way.
    pub(super) exchange: Option<ExchangeId>,
    /// Length of its payload.
    pub(super) sent: usize,
    /// When the session has to have made progress.
    pub(super) deadline: Instant,
    /// PSK identities of the keys that were made for it.
    pub(super) keys: Vec<String>,
}

impl Session {
    pub(super) fn new(
        endpoint: String,
        provision: Arc<Provision>,
        formats: Vec<ContentFormat>,
        deadline: Instant,
    ) -> Self {
        let steps = match provision.discover {
            true => VecDeque::from([Step::DISCOVER]),
            false => plan(&provision, &Discovered::default()).into(),
        };
        Self {
            endpoint,
            provision,
            formats,
            steps,
            discovered: Discovered::default(),
            known: Known::new(),
            planned: false,
            exchange: None,
            sent: 0,
            deadline,
            keys: Vec::new(),
        }
    }

    /// Takes the provision with the keys that were made for it.
    pub(super) fn set_keys(&mut self, provision: Arc<Provision>, keys: &[OneTimeKey]) {
        self.provision = provision;
        self.keys = keys.iter().map(|key| key.identity.clone()).collect();
    }

    /// The step under way.
    pub(super) fn step(&self) -> Option<Step> {
        self.steps.front().copied()
    }

    pub(super) fn format(&self) -> ContentFormat {
        self.formats.first().copied().unwrap_or(ContentFormat::TLV)
    }

    /// Goes on behind the step that was answered.
    pub(super) fn advance(&mut self, format: Option<ContentFormat>, answer: &[u8]) {
        let Some(done) = self.steps.pop_front() else {
            return;
        };
        match done.operation {
            Operation::Discover => {
                let discovered = Discovered::parse(answer);
                self.steps = match self.provision.incremental {
                    true => incremental::reads(&self.provision).collect(),
                    false => plan(&self.provision, &discovered).into(),
                };
                self.discovered = discovered;
            }
            Operation::Read => incremental::take(&mut self.known, done.path, format, answer),
            _ => {}
        }
        if self.steps.is_empty() && self.provision.incremental && !self.planned {
            self.planned = true;
            let known = core::mem::take(&mut self.known);
            let steps = incremental::differences(&self.provision, &self.discovered, &known);
            self.steps = steps.into();
        }
    }

    /// Takes the next format; false if there is none.
    pub(super) fn next_format(&mut self) -> bool {
        if self.formats.len() > 1 {
            self.formats.remove(0);
            return true;
        }
        false
    }

    /// True if the device may have taken what was written although the sequence failed: its
    /// answer to Finish is unknown.
    pub(super) fn may_be_taken(&self, reason: &FailedReason) -> bool {
        let finishing = self.step().is_none_or(|s| s.operation == Operation::Finish);
        let known = matches!(
            reason,
            FailedReason::Answer { .. } | FailedReason::Request(_) | FailedReason::Encode(_)
        );
        finishing && !known
    }

    /// The step under way, for events.
    pub(super) fn info(&self) -> StepInfo {
        let step = self.step();
        let operation = step.map_or(Operation::Finish, |step| step.operation);
        let formatted = matches!(operation, Operation::Write | Operation::Read);
        StepInfo {
            operation,
            path: step.map_or(lwm2m_codec::Path::ROOT, |step| step.path),
            format: formatted.then(|| self.format()),
            sent: self.sent,
        }
    }
}
