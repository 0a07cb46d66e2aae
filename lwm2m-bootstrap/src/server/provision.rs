//! What a bootstrap server gives to devices.

use alloc::{
    string::{String, ToString},
    sync::Arc,
    vec::Vec,
};
use core::{convert::Infallible, fmt, str::FromStr};

use lwm2m_codec::Path;
use lwm2m_model::{
    OwnedValue, SecretBytes,
    objects::{AccessControl, Security, Server},
};

/// Which devices get which provision.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Endpoint names.
    pub name: EndpointPattern,
    /// How these devices prove to the bootstrap server who they are. Without it, a device whose
    /// PSK identity is its endpoint name gets in, and so does one that proves nothing (NoSec).
    pub psk: Option<Psk>,
    /// What they get.
    pub provision: Arc<Provision>,
}

/// A pre-shared key of a device and the bootstrap server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Psk {
    /// PSK identity.
    pub identity: Vec<u8>,
    /// Key.
    pub key: SecretBytes,
}

/// Endpoint names: one, or all that begin alike.
///
/// ```
/// use lwm2m_bootstrap::server::EndpointPattern;
/// let pattern: EndpointPattern = "urn:dev:os:0123-*".parse().unwrap();
/// assert!(pattern.matches("urn:dev:os:0123-77"));
/// assert!(!pattern.matches("urn:dev:os:0124-77"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EndpointPattern {
    /// Exactly this name.
    Exact(String),
    /// Every name with this beginning; the empty one is that of all names.
    Prefix(String),
}

impl EndpointPattern {
    /// True if an endpoint name is one of these.
    pub fn matches(&self, name: &str) -> bool {
        match self {
            Self::Exact(exact) => name == exact,
            Self::Prefix(prefix) => name.starts_with(prefix.as_str()),
        }
    }

    /// Orders patterns that match the same name: the exact one, then the longest prefix.
    fn rank(&self) -> (bool, usize) {
        match self {
            Self::Exact(name) => (true, name.len()),
            Self::Prefix(prefix) => (false, prefix.len()),
        }
    }
}

impl FromStr for EndpointPattern {
    type Err = Infallible;

    /// A trailing `*` stands for any rest; `*` alone for every name.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text.strip_suffix('*') {
            Some(prefix) => Self::Prefix(prefix.to_string()),
            None => Self::Exact(text.to_string()),
        })
    }
}

impl fmt::Display for EndpointPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(name),
            Self::Prefix(prefix) => write!(f, "{prefix}*"),
        }
    }
}

/// The entry for an endpoint name that fits best: the exact one, or that of the longest prefix.
pub fn find<'e>(entries: &'e [Entry], name: &str) -> Option<&'e Entry> {
    entries
        .iter()
        .filter(|entry| entry.name.matches(name))
        .max_by_key(|entry| entry.name.rank())
}

/// What a device gets, in the order in which it is done.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Provision {
    /// Asks first which instances the device has. That keeps the device's bootstrap account from
    /// being overwritten by an account without a fixed instance id; true by default.
    pub discover: bool,
    /// Paths to read, for the events only.
    pub read: Vec<Path>,
    /// Paths to delete: `/`, objects, instances.
    pub delete: Vec<Path>,
    /// A new account of the bootstrap server itself.
    pub bootstrap: Option<BootstrapEntry>,
    /// Accounts of servers.
    pub servers: Vec<ServerEntry>,
    /// Instances of Access Control, numbered from 0.
    pub access_control: Vec<AccessControl>,
    /// Anything else.
    pub writes: Vec<Write>,
}

impl Default for Provision {
    /// Discovers, and writes nothing.
    fn default() -> Self {
        Self {
            discover: true,
            read: Vec::new(),
            delete: Vec::new(),
            bootstrap: None,
            servers: Vec::new(),
            access_control: Vec::new(),
            writes: Vec::new(),
        }
    }
}

/// The account of a bootstrap server.
#[derive(Debug, Clone, PartialEq)]
pub struct BootstrapEntry {
    /// Security instance; that of the account it replaces, or a free one, if there is none.
    pub instance: Option<u16>,
    /// The account; its `bootstrap_server` must be true.
    pub security: Security,
}

/// The account of a server: its Security and its Server instance.
#[derive(Debug, Clone, PartialEq)]
pub struct ServerEntry {
    /// Security instance; that of the same server, or a free one, if there is none.
    pub security_instance: Option<u16>,
    /// Server instance; that of the same server, or a free one, if there is none.
    pub server_instance: Option<u16>,
    /// How to reach the server.
    pub security: Security,
    /// How to register with it.
    pub server: Server,
}

impl ServerEntry {
    /// Makes an account from its two halves; both get the Short Server ID.
    pub fn new(ssid: u16, mut security: Security, mut server: Server) -> Self {
        security.short_server_id = Some(i64::from(ssid));
        server.short_server_id = i64::from(ssid);
        Self {
            security_instance: None,
            server_instance: None,
            security,
            server,
        }
    }
}

/// A Bootstrap-Write to an instance or a resource.
#[derive(Debug, Clone, PartialEq)]
pub struct Write {
    /// Where to.
    pub path: Path,
    /// Values of resources or Resource Instances at or below `path`, in path order.
    pub values: Vec<(Path, OwnedValue)>,
}
