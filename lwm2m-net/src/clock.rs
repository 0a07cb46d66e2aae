//! The one place where the engines' time meets the clock of the machine.

use std::time::{Duration, Instant as StdInstant};

use lwm2m_coap::Instant;

/// What a moment that the machine's clock can't hold turns into.
const FAR_FUTURE: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Maps the engines' microseconds to the machine's clock and back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    epoch: StdInstant,
}

impl Clock {
    /// Starts a clock: this moment is [`Instant::ZERO`].
    pub(crate) fn start() -> Self {
        Self { epoch: Self::now() }
    }

    /// The machine's time, as tokio sees it (its tests may stop the clock).
    pub(crate) fn now() -> StdInstant {
        tokio::time::Instant::now().into_std()
    }

    /// The engine's name for a moment.
    pub(crate) fn to_engine(self, at: StdInstant) -> Instant {
        Instant::ZERO + at.saturating_duration_since(self.epoch)
    }

    /// A moment that long after `now`, or far away if that is more than the clock can hold.
    pub(crate) fn after(now: StdInstant, duration: Duration) -> StdInstant {
        now.checked_add(duration).unwrap_or(now + FAR_FUTURE)
    }

    /// The machine's name for a moment.
    pub(crate) fn to_std(self, at: Instant) -> StdInstant {
        Self::after(self.epoch, Duration::from_micros(at.as_micros()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_survives_the_way_there_and_back() {
        let clock = Clock {
            epoch: StdInstant::now(),
        };
        let at = Instant::from_micros(1_234_567);
        assert_eq!(clock.to_engine(clock.to_std(at)), at);
    }

    #[test]
    fn the_last_moment_of_an_engine_does_not_overflow() {
        let clock = Clock {
            epoch: StdInstant::now(),
        };
        assert!(clock.to_std(Instant::from_micros(u64::MAX)) > clock.epoch);
    }
}
