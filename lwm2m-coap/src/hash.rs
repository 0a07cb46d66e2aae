//! FNV-1a, for keys that only their owner could spoil by collisions.

/// An FNV-1a hash under way.
pub(crate) struct Fnv(u64);

impl Fnv {
    pub(crate) const fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    /// The hash.
    pub(crate) const fn finish(&self) -> u64 {
        self.0
    }

    /// The hash folded to 32 bits.
    pub(crate) const fn short(&self) -> u32 {
        (self.0 ^ (self.0 >> 32)) as u32
    }
}
