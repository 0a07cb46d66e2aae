//! Keys of devices on the command line.

use std::{convert::Infallible, fmt, str::FromStr};

use zeroize::Zeroizing;

use crate::hex;

/// Longest key and longest identity, in bytes: twice what devices must support (TS-Transport
/// §5.2.8).
pub(crate) const MAX_LEN: usize = 256;

/// A key as it stands on the command line. It takes any text: an error of the command line would
/// repeat what is wrong, and that is a secret.
#[derive(Clone)]
pub(crate) struct PskArgument(Zeroizing<String>);

impl PskArgument {
    /// Reads the three parts.
    pub(crate) fn read(&self) -> Result<PskEntry, PskError> {
        self.0.parse()
    }
}

impl FromStr for PskArgument {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(Zeroizing::new(text.to_owned())))
    }
}

impl fmt::Debug for PskArgument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PskArgument(…)")
    }
}

/// The key of a device.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct PskEntry {
    pub(crate) endpoint: String,
    pub(crate) identity: String,
    pub(crate) key: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for PskEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PskEntry")
            .field("endpoint", &self.endpoint)
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

/// Says what is wrong with a key; it does not repeat the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PskError {
    /// There are not three parts.
    #[error("expected ENDPOINT,IDENTITY,HEXKEY")]
    Parts,
    /// A part is empty.
    #[error("the {0} is empty")]
    Empty(&'static str),
    /// A part is too long.
    #[error("the {0} has more than {MAX_LEN} bytes")]
    TooLong(&'static str),
    /// The key is not written in pairs of hexadecimal digits.
    #[error("the key is not written in pairs of hexadecimal digits")]
    Key,
}

impl PskEntry {
    /// Checks the parts of a key.
    pub(crate) fn new(endpoint: &str, identity: &str, key: &str) -> Result<Self, PskError> {
        let key = Zeroizing::new(hex::decode(key).ok_or(PskError::Key)?);
        let parts = [
            ("endpoint name", endpoint.len()),
            ("identity", identity.len()),
            ("key", key.len()),
        ];
        for (name, len) in parts {
            match len {
                0 => return Err(PskError::Empty(name)),
                1..=MAX_LEN => {}
                _ => return Err(PskError::TooLong(name)),
            }
        }
        Ok(Self {
            endpoint: endpoint.to_owned(),
            identity: identity.to_owned(),
            key,
        })
    }
}

impl FromStr for PskEntry {
    type Err = PskError;

    /// Endpoint names may contain commas, the other parts may not.
    fn from_str(text: &str) -> Result<Self, PskError> {
        let mut parts = text.rsplitn(3, ',');
        match (parts.next(), parts.next(), parts.next()) {
            (Some(key), Some(identity), Some(endpoint)) => Self::new(endpoint, identity, key),
            _ => Err(PskError::Parts),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_three_parts_of_which_only_the_first_may_contain_commas() {
        let entry: PskEntry = "a,b,id,0aff".parse().unwrap();
        assert_eq!((&*entry.endpoint, &*entry.identity), ("a,b", "id"));
        assert_eq!(*entry.key, [0x0a, 0xff]);
        assert_eq!("a,0aff".parse::<PskEntry>(), Err(PskError::Parts));
        assert_eq!("a,b,0af".parse::<PskEntry>(), Err(PskError::Key));
        assert_eq!(
            "a,,00".parse::<PskEntry>(),
            Err(PskError::Empty("identity"))
        );
        assert_eq!("a,b,".parse::<PskEntry>(), Err(PskError::Empty("key")));
    }

    #[test]
    fn a_key_is_never_printed() {
        let entry: PskEntry = "a,b,deadbeef".parse().unwrap();
        assert!(!format!("{entry:?}").contains("dead"));
    }
}
