//! What an endpoint waits for.

use alloc::collections::BTreeSet;

use super::{ExchangeId, block::TransferKey, flight::FlightId};
use crate::{Instant, PeerId, dedup::Received};

/// A timer of the endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// A Confirmable message has no ACK: send it again or give up (RFC 7252 §4.2).
    Retransmit(FlightId),
    /// A request is without answer: send an empty ACK before the peer repeats it.
    Acknowledge(PeerId, Received),
    /// The response of an acknowledged request doesn't come.
    Response(ExchangeId),
    /// A body that is being received doesn't go on, or nobody asks for the rest of an answer.
    Transfer(TransferKey),
}

/// Timers in the order in which they end.
#[derive(Debug, Default)]
pub(super) struct Timers(BTreeSet<(Instant, Timer)>);

impl Timers {
    pub(super) fn set(&mut self, at: Instant, timer: Timer) {
        self.0.insert((at, timer));
    }

    pub(super) fn clear(&mut self, at: Instant, timer: Timer) {
        self.0.remove(&(at, timer));
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.0.first().map(|(at, _)| *at)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes the next timer that ended.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<Timer> {
        let (at, timer) = self.0.first().copied()?;
        (at <= now).then(|| {
            self.0.remove(&(at, timer));
            timer
        })
    }
}
