//! Order of notifications (RFC 7641 §3.4).

use crate::{Duration, Instant};

/// Remembers the newest notification of an observation and tells older ones from newer ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotificationOrder {
    value: u32,
    received: Instant,
}

impl NotificationOrder {
    /// After this time any notification is newer.
    const FRESH_AFTER: Duration = Duration::from_secs(128);

    /// Starts with the Observe value of the first response.
    pub const fn new(value: u32, received: Instant) -> Self {
        Self { value, received }
    }

    /// Takes a notification; false if it is older than one already seen.
    ///
    /// The same value again counts as new: Leshan's client (2.0.0-M18) raises it only when the
    /// resource changes, so that each notification at `pmax` carries the one before. A copy of a
    /// message never gets here; it is known by its Message ID.
    pub fn accept(&mut self, value: u32, received: Instant) -> bool {
        let newer = value == self.value
            || Self::follows(self.value, value)
            || received > self.received + Self::FRESH_AFTER;
        if newer {
            *self = Self { value, received };
        }
        newer
    }

    /// True if the 24-bit sequence number `new` comes after `old`.
    pub(crate) const fn follows(old: u32, new: u32) -> bool {
        const HALF: u32 = 1 << 23;
        (old < new && new - old < HALF) || (old > new && old - new > HALF)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notification_that_was_overtaken_is_older() {
        let mut order = NotificationOrder::new(5, Instant::ZERO);
        assert!(order.accept(7, Instant::ZERO));
        assert!(!order.accept(6, Instant::ZERO));
    }

    #[test]
    fn a_notification_without_a_change_may_repeat_the_value() {
        let mut order = NotificationOrder::new(1, Instant::ZERO);
        assert!(order.accept(1, Instant::ZERO));
        assert!(!order.accept(0, Instant::ZERO));
    }

    #[test]
    fn the_sequence_wraps_at_24_bits() {
        let mut order = NotificationOrder::new(0x00ff_ffff, Instant::ZERO);
        assert!(order.accept(0, Instant::ZERO));
        assert!(!order.accept(0x00ff_fffe, Instant::ZERO));
    }

    #[test]
    fn after_128_seconds_any_value_is_newer() {
        let mut order = NotificationOrder::new(100, Instant::ZERO);
        assert!(!order.accept(50, Instant::ZERO + Duration::from_secs(128)));
        assert!(order.accept(50, Instant::ZERO + Duration::from_secs(129)));
    }
}
