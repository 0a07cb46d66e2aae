//! Key material that is wiped when dropped and never printed.

use alloc::vec::Vec;
use core::fmt;

use zeroize::Zeroizing;

/// Opaque bytes that nobody may see: wiped from memory on drop, and `Debug` prints their length
/// only.
///
/// ```
/// use lwm2m_model::SecretBytes;
/// let key = SecretBytes::from(vec![0xab; 16]);
/// assert_eq!(format!("{key:?}"), "SecretBytes(16 bytes)");
/// assert_eq!(key.expose(), [0xab; 16]);
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SecretBytes(Zeroizing<Vec<u8>>);

impl SecretBytes {
    /// The bytes. Whoever asks for them takes care of them.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// True if there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<Vec<u8>> for SecretBytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }
}

impl From<&[u8]> for SecretBytes {
    fn from(bytes: &[u8]) -> Self {
        Self(Zeroizing::new(bytes.to_vec()))
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretBytes({} bytes)", self.0.len())
    }
}

/// Opaque resources of OMA objects that hold key material, in ascending order.
const SECRETS: [(u16, u16); 5] = [
    (0, 5),  // Security: Secret Key
    (0, 8),  // Security: SMS Binding Secret Key(s)
    (21, 0), // OSCORE: Master Secret
    (24, 8), // MQTT Server: Password
    (29, 4), // EDHOC: Private Key
];

/// Tells whether an opaque resource of an OMA object holds key material.
///
/// Generated structs and dynamic objects keep its values as [`SecretBytes`].
pub fn is_secret(object: u16, resource: u16) -> bool {
    SECRETS.binary_search(&(object, resource)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;

    #[test]
    fn a_secret_prints_its_length_only() {
        let secret = SecretBytes::from(&b"hunter2"[..]);
        assert_eq!(format!("{secret:?}"), "SecretBytes(7 bytes)");
        assert!(!secret.is_empty());
    }

    #[test]
    fn the_keys_of_the_security_object_are_secret_and_its_identities_are_not() {
        assert!(is_secret(0, 5) && is_secret(0, 8));
        assert!(!is_secret(0, 3) && !is_secret(0, 4));
        assert!(SECRETS.is_sorted());
    }
}
