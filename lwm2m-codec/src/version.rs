//! Versions of the enabler and of objects.

use core::{fmt, str::FromStr};

/// A version `major.minor` of the enabler (`lwm2m=1.2`) or of an object (`ver=1.1`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// Major number: changes break compatibility.
    pub major: u8,
    /// Minor number.
    pub minor: u8,
}

impl Version {
    /// LwM2M 1.0, also the version of an object that states none.
    pub const V1_0: Self = Self::new(1, 0);
    /// LwM2M 1.1.
    pub const V1_1: Self = Self::new(1, 1);
    /// LwM2M 1.2.
    pub const V1_2: Self = Self::new(1, 2);

    /// Makes a version.
    pub const fn new(major: u8, minor: u8) -> Self {
        Self { major, minor }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// Says that a text is not `digits "." digits` with both numbers below 256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a version such as 1.2")]
pub struct ParseVersionError;

impl FromStr for Version {
    type Err = ParseVersionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = |part: &str| {
            if part.bytes().all(|b| b.is_ascii_digit()) {
                part.parse().ok()
            } else {
                None
            }
        };
        text.split_once('.')
            .and_then(|(major, minor)| Some(Self::new(number(major)?, number(minor)?)))
            .ok_or(ParseVersionError)
    }
}
