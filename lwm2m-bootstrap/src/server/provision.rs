//! What a bootstrap server gives to devices.

use alloc::{
    borrow::Cow,
    string::{String, ToString},
    sync::Arc,
    vec::Vec,
};
use core::{convert::Infallible, fmt, str::FromStr};

use lwm2m_coap::Duration;
use lwm2m_codec::{MAX_ID, Path};
use lwm2m_model::{
    OwnedValue, SecretBytes,
    objects::{AccessControl, Security, Server},
};

use super::WantedKey;
use crate::one_time::{IDENTITY_LEN, KEY_LEN, OneTimeKey};

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
    /// Reads what the device has and writes only what differs: server accounts that it shows
    /// (Short Server ID and URI) keep their keys, and those of servers that are not in `servers`
    /// are deleted. Needs `discover`; `delete` must leave accounts alone. False by default.
    pub incremental: bool,
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
            incremental: false,
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
    /// Makes a pre-shared key for each bootstrap, in place of that in `security`: how long it may
    /// stay unused. See [`one_time`](crate::one_time).
    pub one_time_key: Option<Duration>,
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
            one_time_key: None,
        }
    }

    /// Makes an account whose pre-shared key is made for each bootstrap, and may stay unused for
    /// some time. The mode and the keys of `security` are not used.
    pub fn with_one_time_key(
        ssid: u16,
        mut security: Security,
        server: Server,
        unused_for: Duration,
    ) -> Self {
        security.security_mode = 0;
        Self {
            one_time_key: Some(unused_for),
            ..Self::new(ssid, security, server)
        }
    }

    /// Its Short Server ID.
    pub fn ssid(&self) -> u16 {
        u16::try_from(self.server.short_server_id).unwrap_or(MAX_ID)
    }
}

/// PSK identity that stands for one that is made for each bootstrap, of the same length.
const SAMPLE_IDENTITY: [u8; 2 * IDENTITY_LEN] = *b"(32 digits made for a bootstrap)";

impl Provision {
    /// True if keys are to be made for each bootstrap.
    pub fn wants_keys(&self) -> bool {
        self.servers
            .iter()
            .any(|entry| entry.one_time_key.is_some())
    }

    /// The keys to make for a bootstrap.
    pub(super) fn wanted_keys(&self) -> impl Iterator<Item = WantedKey> {
        self.servers.iter().filter_map(|entry| {
            Some(WantedKey {
                ssid: entry.ssid(),
                unused_for: entry.one_time_key?,
            })
        })
    }

    /// The provision with keys that were made for it; the error is the Short Server ID of the
    /// server whose key is missing.
    pub(super) fn with_keys(&self, keys: &[OneTimeKey]) -> Result<Self, u16> {
        let mut provision = self.clone();
        for entry in &mut provision.servers {
            if entry.one_time_key.is_none() {
                continue;
            }
            let ssid = entry.ssid();
            let key = keys
                .iter()
                .find(|key| key.holder.ssid == ssid)
                .ok_or(ssid)?;
            entry.security.public_key_or_identity = key.identity.as_bytes().to_vec();
            entry.security.secret_key = key.key.clone();
        }
        Ok(provision)
    }

    /// The provision with keys of the right length where some are made for each bootstrap.
    pub(super) fn with_sample_keys(&self) -> Cow<'_, Self> {
        if !self.wants_keys() {
            return Cow::Borrowed(self);
        }
        let mut provision = self.clone();
        for entry in &mut provision.servers {
            if entry.one_time_key.is_some() {
                entry.security.public_key_or_identity = SAMPLE_IDENTITY.to_vec();
                entry.security.secret_key = SecretBytes::from([0; KEY_LEN].as_slice());
            }
        }
        Cow::Owned(provision)
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
