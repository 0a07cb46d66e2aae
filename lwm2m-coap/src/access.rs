//! Who is behind an address, where the network that gave the address can tell.

use alloc::{
    boxed::Box,
    collections::BTreeMap,
    string::{String, ToString},
};
use core::{
    fmt,
    net::{IpAddr, SocketAddr},
    str::FromStr,
};

/// The subscriber of a mobile network: one of its numbers.
///
/// ```
/// use lwm2m_coap::Subscriber;
/// let subscriber = Subscriber::Imsi("001010123456789".into());
/// assert_eq!("imsi:001010123456789".parse(), Ok(subscriber));
/// assert!("imsi:x".parse::<Subscriber>().is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subscriber {
    /// Number of the subscription, up to 15 digits.
    Imsi(String),
    /// Number of the card, up to 20 digits.
    Iccid(String),
    /// Telephone number, up to 15 digits.
    Msisdn(String),
}

/// A text names no subscriber.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected imsi:, iccid: or msisdn: and up to 20 digits")]
pub struct SubscriberError;

/// Most digits of a number.
const MAX_DIGITS: usize = 20;

impl FromStr for Subscriber {
    type Err = SubscriberError;

    fn from_str(text: &str) -> Result<Self, SubscriberError> {
        let (kind, number) = text.split_once(':').ok_or(SubscriberError)?;
        let digits = number.bytes().all(|byte| byte.is_ascii_digit());
        if !digits || number.is_empty() || number.len() > MAX_DIGITS {
            return Err(SubscriberError);
        }
        let number = number.to_string();
        match kind {
            "imsi" => Ok(Self::Imsi(number)),
            "iccid" => Ok(Self::Iccid(number)),
            "msisdn" => Ok(Self::Msisdn(number)),
            _ => Err(SubscriberError),
        }
    }
}

impl fmt::Display for Subscriber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Imsi(number) => write!(f, "imsi:{number}"),
            Self::Iccid(number) => write!(f, "iccid:{number}"),
            Self::Msisdn(number) => write!(f, "msisdn:{number}"),
        }
    }
}

/// Knows which subscriber has an address now, such as from the operator's session database.
///
/// It is asked at each request that comes without security, and must not block. Whoever gives a
/// server one vouches that nobody else can send from these addresses: the way from the operator's
/// gateway to the server must be closed to others.
pub trait AccessIdentityResolver: Send {
    /// The subscriber that has an address; `None` for an address of nobody known.
    fn resolve(&self, address: SocketAddr) -> Option<Subscriber>;
}

/// A table of addresses that do not change.
impl AccessIdentityResolver for BTreeMap<IpAddr, Subscriber> {
    fn resolve(&self, address: SocketAddr) -> Option<Subscriber> {
        self.get(&address.ip()).cloned()
    }
}

/// The resolver of a server, if it has one; without it no address is anybody's.
#[derive(Default)]
pub struct Access(Option<Box<dyn AccessIdentityResolver>>);

impl Access {
    /// Takes a resolver.
    pub fn new(resolver: impl AccessIdentityResolver + 'static) -> Self {
        Self(Some(Box::new(resolver)))
    }

    /// True if there is a resolver.
    pub const fn is_some(&self) -> bool {
        self.0.is_some()
    }

    /// The subscriber that has an address.
    pub fn resolve(&self, address: SocketAddr) -> Option<Subscriber> {
        self.0.as_ref()?.resolve(address)
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Access({})", self.is_some())
    }
}
