//! How a device secures the connection to a server.

use crate::Psk;

/// How the connection to a server is secured.
///
/// A pair of identity and key makes a pre-shared key, `()` makes none:
///
/// ```
/// use lwm2m_net::device::Keys;
/// assert!(matches!(Keys::from(("device-1", *b"0123456789abcdef")), Keys::Psk { .. }));
/// assert_eq!(Keys::from(()), Keys::None);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Keys {
    /// No security: `coap://`.
    None,
    /// A pre-shared key: `coaps://`.
    Psk {
        /// PSK identity; at most 128 bytes are sure to work (TS-Transport §5.2).
        identity: Vec<u8>,
        /// The key.
        key: Psk,
    },
}

impl From<()> for Keys {
    fn from((): ()) -> Self {
        Self::None
    }
}

impl<I: Into<Vec<u8>>, K: Into<Vec<u8>>> From<(I, K)> for Keys {
    fn from((identity, key): (I, K)) -> Self {
        Self::Psk {
            identity: identity.into(),
            key: Psk::new(key),
        }
    }
}
