//! Who a device is, and under which endpoint names it may register (TS-Transport §5).

use alloc::{boxed::Box, collections::BTreeMap, string::String, vec::Vec};
use core::{fmt, net::SocketAddr};

use lwm2m_coap::{Identity, Subscriber};

use crate::{EndpointPolicy, RefuseReason};

/// An [`Identity`] that owns its bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum IdentityOwned {
    /// Nobody knows: the device is its address.
    NoSec,
    /// A PSK identity.
    Psk(Box<[u8]>),
    /// No security, and the network knows whose the address is (TS-Transport §5.3).
    Subscriber(Subscriber),
}

impl IdentityOwned {
    /// True if a handshake proved it.
    pub const fn is_secure(&self) -> bool {
        matches!(self, Self::Psk(_))
    }
}

impl From<Identity<'_>> for IdentityOwned {
    fn from(identity: Identity<'_>) -> Self {
        match identity {
            Identity::Psk(identity) => Self::Psk(identity.into()),
            // A kind of identity that this crate doesn't know proves nothing to it.
            _ => Self::NoSec,
        }
    }
}

impl fmt::Debug for IdentityOwned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSec => Identity::NoSec.fmt(f),
            Self::Psk(identity) => Identity::Psk(identity).fmt(f),
            Self::Subscriber(subscriber) => write!(f, "Subscriber({subscriber})"),
        }
    }
}

/// To whom a registration belongs: to an identity, or without one to an address.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Owner {
    Address(SocketAddr),
    Psk(Box<[u8]>),
    Subscriber(Subscriber),
}

impl Owner {
    pub(crate) fn new(identity: &IdentityOwned, address: SocketAddr) -> Self {
        match identity {
            IdentityOwned::NoSec => Self::Address(address),
            IdentityOwned::Psk(identity) => Self::Psk(identity.clone()),
            IdentityOwned::Subscriber(subscriber) => Self::Subscriber(subscriber.clone()),
        }
    }

    pub(crate) fn identity(&self) -> IdentityOwned {
        match self {
            Self::Address(_) => IdentityOwned::NoSec,
            Self::Psk(identity) => IdentityOwned::Psk(identity.clone()),
            Self::Subscriber(subscriber) => IdentityOwned::Subscriber(subscriber.clone()),
        }
    }
}

/// The table of endpoints and their identities, which the application fills.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    /// The identities of each endpoint; none of them is empty.
    identities: BTreeMap<Box<str>, Vec<IdentityOwned>>,
    endpoints: BTreeMap<Box<[u8]>, Vec<Box<str>>>,
}

impl Directory {
    pub(crate) fn allow(&mut self, endpoint: &str, identity: IdentityOwned) {
        self.disallow(endpoint);
        self.allow_also(endpoint, identity);
    }

    pub(crate) fn allow_also(&mut self, endpoint: &str, identity: IdentityOwned) {
        let identities = self.identities.entry(endpoint.into()).or_default();
        if identities.contains(&identity) {
            return;
        }
        if let IdentityOwned::Psk(psk) = &identity {
            let names = self.endpoints.entry(psk.clone()).or_default();
            names.push(endpoint.into());
        }
        identities.push(identity);
    }

    pub(crate) fn disallow(&mut self, endpoint: &str) -> bool {
        let Some(identities) = self.identities.remove(endpoint) else {
            return false;
        };
        for identity in identities {
            self.unname(endpoint, &identity);
        }
        true
    }

    pub(crate) fn disallow_identity(&mut self, endpoint: &str, identity: &IdentityOwned) -> bool {
        let Some(identities) = self.identities.get_mut(endpoint) else {
            return false;
        };
        let Some(at) = identities.iter().position(|other| other == identity) else {
            return false;
        };
        identities.remove(at);
        if identities.is_empty() {
            self.identities.remove(endpoint);
        }
        self.unname(endpoint, identity);
        true
    }

    /// Forgets that an identity has an endpoint name.
    fn unname(&mut self, endpoint: &str, identity: &IdentityOwned) {
        let IdentityOwned::Psk(psk) = identity else {
            return;
        };
        if let Some(names) = self.endpoints.get_mut(psk) {
            names.retain(|name| **name != *endpoint);
            if names.is_empty() {
                self.endpoints.remove(psk);
            }
        }
    }

    /// True if the table names the endpoint.
    pub(crate) fn lists(&self, endpoint: &str) -> bool {
        self.identities.contains_key(endpoint)
    }

    /// The endpoint name of a device that states none: the identity's only entry in the table,
    /// or the identity itself (TS-Core §6.2.1).
    pub(crate) fn endpoint_of(&self, identity: &IdentityOwned) -> Option<String> {
        let IdentityOwned::Psk(psk) = identity else {
            return None;
        };
        match self.endpoints.get(psk).map(Vec::as_slice) {
            Some([name]) => Some(name.clone().into()),
            Some(_) => None,
            None => String::from_utf8(psk.to_vec()).ok(),
        }
    }

    /// Checks whether an identity may register under a name.
    pub(crate) fn check(
        &self,
        policy: EndpointPolicy,
        endpoint: &str,
        identity: &IdentityOwned,
    ) -> Result<(), RefuseReason> {
        if let Some(expected) = self.identities.get(endpoint) {
            return match expected.contains(identity) {
                true => Ok(()),
                false => Err(RefuseReason::IdentityMismatch),
            };
        }
        match (policy, identity) {
            (EndpointPolicy::DangerouslyAny, _) | (EndpointPolicy::Open, IdentityOwned::NoSec) => {
                Ok(())
            }
            (EndpointPolicy::Listed, _) | (EndpointPolicy::Secured, IdentityOwned::NoSec) => {
                Err(RefuseReason::NotAllowed)
            }
            (_, IdentityOwned::Psk(psk)) if **psk == *endpoint.as_bytes() => Ok(()),
            // Of a subscriber, only the table tells the names.
            (_, IdentityOwned::Psk(_) | IdentityOwned::Subscriber(_)) => {
                Err(RefuseReason::IdentityMismatch)
            }
        }
    }
}
