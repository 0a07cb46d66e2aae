//! Randomness from the seed that the caller gives.

use rand_chacha::ChaCha8Rng;
use rand_core::{RngCore, SeedableRng};

use crate::Duration;

/// A seeded generator: the same seed gives the same numbers.
///
/// Tokens and the seeds of a deployment should be unpredictable: seed it from the system's
/// randomness.
#[derive(Clone)]
pub struct Rng(ChaCha8Rng);

impl Rng {
    /// Makes a generator.
    pub fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// Returns 32 random bits.
    pub fn next_u32(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// Returns 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Fills a buffer.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }

    /// Returns a number below `bound`; 0 if that is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        // The product's high half is uniform enough for timers and test links.
        ((u128::from(self.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    /// Returns a duration from `base` to `base · percent / 100`.
    pub fn spread(&mut self, base: Duration, percent: u32) -> Duration {
        let base = u64::try_from(base.as_micros()).unwrap_or(u64::MAX);
        let extra = u128::from(base) * u128::from(percent.saturating_sub(100)) / 100;
        let extra = u64::try_from(extra).unwrap_or(u64::MAX);
        let extra = self.below(extra.saturating_add(1));
        Duration::from_micros(base.saturating_add(extra))
    }
}

impl core::fmt::Debug for Rng {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Rng(…)")
    }
}
