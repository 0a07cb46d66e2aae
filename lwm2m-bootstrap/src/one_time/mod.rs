//! One-time keys: for each bootstrap a pre-shared key of its own, known to one device and one
//! server.
//!
//! The standard has no such keys; a bootstrap server may write any account (TS-Core §6.1.7.4).
//! [`OneTimeKeys`] is the table that a bootstrap server and a server share. It holds no clock, no
//! randomness and no file: its methods say what is to change, the caller stores that and then
//! [applies](OneTimeKeys::apply) it. So a key is on disk before a device can have it.
//!
//! ```
//! use lwm2m_bootstrap::one_time::{Holder, KeySource, KeySourceFailed, OneTimeKeys};
//!
//! struct Counting(u8); // in earnest: the system's cryptographic randomness
//!
//! impl KeySource for Counting {
//!     fn fill(&mut self, bytes: &mut [u8]) -> Result<(), KeySourceFailed> {
//!         bytes.fill_with(|| {
//!             self.0 = self.0.wrapping_add(1);
//!             self.0
//!         });
//!         Ok(())
//!     }
//! }
//!
//! let mut keys = OneTimeKeys::new();
//! let holder = Holder { endpoint: "dev1".into(), ssid: 1, subscriber: None };
//! let (key, changes) = keys.issue(1_000, holder, 3_600, &mut Counting(0))?;
//! // … store the changes …
//! keys.apply(changes);
//! assert!(keys.find(1_500, key.identity.as_bytes()).is_some());
//! assert!(keys.find(4_600, key.identity.as_bytes()).is_none(), "nobody used it for an hour");
//! # Ok::<(), lwm2m_bootstrap::one_time::IssueError>(())
//! ```
//!
//! A key's way: issued for an endpoint and a Short Server ID, valid until it expires; at the first
//! Register with it ([`registered`](OneTimeKeys::registered)) it stays for good, and all others of
//! the same endpoint and server end. What a sequence wrote but can't have been taken by the device
//! is [revoked](OneTimeKeys::revoked) at once.

mod table;

use alloc::string::String;
use core::fmt::Write;

use lwm2m_model::SecretBytes;
use zeroize::Zeroizing;

pub use table::OneTimeKeys;

/// Length of a key in bytes.
pub const KEY_LEN: usize = 16;

/// Length of the random part of an identity in bytes; the identity is its hexadecimal digits.
pub const IDENTITY_LEN: usize = 16;

/// Most keys of one endpoint and server that are not used yet: a device that asks again and again
/// loses the oldest.
pub const MAX_UNUSED: usize = 4;

/// Most keys in a table.
pub const MAX_KEYS: usize = 1_000_000;

/// Where the bytes of keys come from: cryptographic randomness, or in tests a seeded generator.
pub trait KeySource {
    /// Fills all bytes.
    ///
    /// # Errors
    /// [`KeySourceFailed`]: there is no randomness; no key is made then.
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), KeySourceFailed>;
}

/// The source of keys gives none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the source of keys gives none")]
pub struct KeySourceFailed;

/// Says why no key was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IssueError {
    /// There is no randomness.
    #[error(transparent)]
    Source(#[from] KeySourceFailed),
    /// The source repeats itself: the identity is taken.
    #[error("the source of keys repeats itself")]
    Repeats,
    /// The table has [`MAX_KEYS`].
    #[error("there are {MAX_KEYS} one-time keys already")]
    Full,
}

/// Whose a one-time key is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Holder {
    /// Endpoint name; no other may register with the key.
    pub endpoint: String,
    /// Short Server ID of the server that the key is for, 1 to 65534.
    pub ssid: u16,
    /// The subscriber behind the device, where the network tells, such as an IMSI; no other may
    /// use the key then.
    pub subscriber: Option<String>,
}

/// A one-time key. The key itself is wiped when dropped and never printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OneTimeKey {
    /// Whose it is.
    pub holder: Holder,
    /// PSK identity: text, unlike that of any other key.
    pub identity: String,
    /// Key, [`KEY_LEN`] bytes.
    pub key: SecretBytes,
    /// When it was made, in seconds since 1970.
    pub issued: u64,
    /// When it ends unless it is used before, in seconds since 1970; `None` once it was used.
    pub expires: Option<u64>,
}

impl OneTimeKey {
    fn generate(
        now: u64,
        holder: Holder,
        unused_for: u64,
        source: &mut dyn KeySource,
    ) -> Result<Self, KeySourceFailed> {
        let mut random = [0; IDENTITY_LEN];
        source.fill(&mut random)?;
        let mut identity = String::with_capacity(2 * IDENTITY_LEN);
        for byte in random {
            // A String takes whatever is written.
            let _ = write!(identity, "{byte:02x}");
        }
        let mut key = Zeroizing::new([0; KEY_LEN]);
        source.fill(&mut *key)?;
        Ok(Self {
            holder,
            identity,
            key: SecretBytes::from(key.as_slice()),
            issued: now,
            expires: Some(now.saturating_add(unused_for)),
        })
    }

    /// True if it may be used at a time, in seconds since 1970.
    pub fn is_valid(&self, now: u64) -> bool {
        self.expires.is_none_or(|expires| now < expires)
    }
}

/// A change of the table, to be stored before it is applied. Those of one call belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyChange {
    /// A key was made, or is now in use; replaces the one of the same identity.
    Put(OneTimeKey),
    /// A key ended.
    Remove {
        /// Its PSK identity.
        identity: String,
        /// Whose it was.
        holder: Holder,
        /// Why.
        reason: EndReason,
    },
}

/// Why a one-time key ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum EndReason {
    /// Nobody registered with it in time.
    #[error("nobody registered with it in time")]
    Expired,
    /// The device registered with a newer one.
    #[error("the device registered with a newer one")]
    Replaced,
    /// The bootstrap failed before the device could take it.
    #[error("the device never took it")]
    NotTaken,
    /// There were too many unused ones of the same device.
    #[error("the device asked for {MAX_UNUSED} newer ones")]
    TooMany,
}

/// Says why a device may not use a one-time key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum UseError {
    /// It belongs to another endpoint name.
    #[error("the key belongs to another endpoint name")]
    Endpoint,
    /// It belongs to another subscriber.
    #[error("the key belongs to another subscriber")]
    Subscriber,
    /// There is no such key, or no longer.
    #[error("there is no such key")]
    Unknown,
}
