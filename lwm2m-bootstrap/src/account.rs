//! Accounts: what a device knows about its servers (TS-Core §6.1.3).

use alloc::{string::String, vec::Vec};
use core::time::Duration;

use lwm2m_coap::Credentials;
use lwm2m_codec::Path;
use lwm2m_model::{SecretBytes, Tree};

use crate::{
    consistency::{Inconsistency, Rule},
    view::{id, instances, is_bootstrap, ssid, value},
};

/// The accounts of a device; see [`accounts`].
#[derive(Debug, Clone, PartialEq)]
pub struct Accounts {
    /// The bootstrap server.
    pub bootstrap: Option<BootstrapAccount>,
    /// The servers to register with, in ascending order of their Security instances.
    pub servers: Vec<ServerAccount>,
}

/// A bootstrap server: one Security instance (TS-Core §6.1.3).
#[derive(Debug, Clone, PartialEq)]
pub struct BootstrapAccount {
    /// Security instance.
    pub instance: u16,
    /// Where the bootstrap server is.
    pub uri: String,
    /// How the connection to it is secured.
    pub security: AccountSecurity,
    /// Name to send and to check in place of the URI's host (/0/x/14).
    pub sni: Option<String>,
    /// How long to wait before a client-initiated bootstrap (/0/x/11).
    pub hold_off: Duration,
    /// How long after a bootstrap the account is purged (/0/x/12); `None` for never.
    pub timeout: Option<Duration>,
}

/// A server to register with: a Security instance and the Server instance of the same Short
/// Server ID (TS-Core §6.1.3).
#[derive(Debug, Clone, PartialEq)]
pub struct ServerAccount {
    /// Short Server ID, 1 to 65534.
    pub ssid: u16,
    /// Security instance.
    pub security_instance: u16,
    /// Server instance.
    pub server_instance: u16,
    /// Where the server is.
    pub uri: String,
    /// How the connection to it is secured.
    pub security: AccountSecurity,
    /// Name to send and to check in place of the URI's host (/0/x/14).
    pub sni: Option<String>,
    /// Lifetime of the registration in seconds (/1/x/1); 0 for one without end.
    pub lifetime: u64,
    /// Bindings that the server allows (/1/x/7).
    pub binding: String,
    /// When to register and what to do when that fails.
    pub registration: RegistrationPolicy,
}

/// Order and retries of registrations: /1/x/13 to /1/x/20, with the defaults of TS-Core §6.2.1.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RegistrationPolicy {
    /// Place in the order of registrations; `None` for a server that does not wait for others.
    pub priority: Option<u64>,
    /// Delay of the first registration after a bootstrap; default 0.
    pub initial_delay: Duration,
    /// True if a failure keeps the following servers from being tried; default false.
    pub failure_block: bool,
    /// True if a failure leads to a bootstrap; default true.
    pub bootstrap_on_failure: bool,
    /// Attempts in a sequence; default 5.
    pub retry_count: u64,
    /// Delay after the first attempt, doubled after each; default 60 s.
    pub retry_timer: Duration,
    /// Delay between sequences, `None` for no further sequence; default 86,400 s.
    pub sequence_delay: Option<Duration>,
    /// Sequences; default 1.
    pub sequence_retry_count: u64,
}

impl Default for RegistrationPolicy {
    fn default() -> Self {
        Self {
            priority: None,
            initial_delay: Duration::ZERO,
            failure_block: false,
            bootstrap_on_failure: true,
            retry_count: 5,
            retry_timer: Duration::from_secs(60),
            sequence_delay: Some(Duration::from_secs(86_400)),
            sequence_retry_count: 1,
        }
    }
}

impl RegistrationPolicy {
    fn of(tree: &Tree, server: u16) -> Self {
        let path = |resource| Path::resource(id::SERVER, server, resource);
        let number = |resource| value::<u64>(tree, path(resource));
        let time = |resource| number(resource).map(Duration::from_secs);
        let default = Self::default();
        // The width of the standard's MAX_VALUE is open: both candidates mean never.
        let never = |seconds: &u64| *seconds == u64::from(u32::MAX) || *seconds == u64::MAX;
        Self {
            priority: number(13),
            initial_delay: time(14).unwrap_or(default.initial_delay),
            failure_block: value(tree, path(15)).unwrap_or(default.failure_block),
            bootstrap_on_failure: value(tree, path(16)).unwrap_or(default.bootstrap_on_failure),
            retry_count: number(17).unwrap_or(default.retry_count),
            retry_timer: time(18).unwrap_or(default.retry_timer),
            sequence_delay: match number(19) {
                Some(seconds) => Some(seconds).filter(|s| !never(s)).map(Duration::from_secs),
                None => default.sequence_delay,
            },
            sequence_retry_count: number(20).unwrap_or(default.sequence_retry_count),
        }
    }
}

/// How a device makes a pre-shared key that its account does not hold.
///
/// The standard knows no such account. Here it is one of mode 0 whose identity (/0/x/3) is the
/// [hint](DerivedKey::hint) and whose key (/0/x/5) is empty; key and PSK identity are made when
/// the device connects, and stored nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DerivedKey {
    /// Ks_NAF of GBA (TS 33.220, TS 33.222).
    Gba,
    /// K_AF of AKMA (TS 33.535).
    Akma,
    /// Whatever the modem or a secure element makes.
    Modem,
}

impl DerivedKey {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Gba, Self::Akma, Self::Modem];

    /// What stands for it in /0/x/3. That of GBA is the PSK hint of TS 33.222 §5.4.
    pub const fn hint(self) -> &'static str {
        match self {
            Self::Gba => "3GPP-bootstrapping",
            Self::Akma => "3GPP-AKMA",
            Self::Modem => "lwm2m-modem-key",
        }
    }

    /// Reads a hint; `None` for any other identity.
    pub fn from_hint(hint: &[u8]) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|key| key.hint().as_bytes() == hint)
    }
}

impl core::fmt::Display for DerivedKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Gba => "a GBA key",
            Self::Akma => "an AKMA key",
            Self::Modem => "a key of the modem",
        })
    }
}

/// How the connection to a server is secured (/0/x/2 to /0/x/5). Keys are wiped when dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AccountSecurity {
    /// Mode 0: a pre-shared key.
    Psk {
        /// PSK identity.
        identity: Vec<u8>,
        /// Key.
        key: SecretBytes,
    },
    /// Mode 0 with a key that the device makes.
    DerivedPsk(DerivedKey),
    /// Mode 1: raw public keys (RFC 7250).
    RawPublicKey {
        /// SubjectPublicKeyInfo of the device.
        public_key: Vec<u8>,
        /// SubjectPublicKeyInfo of the server.
        server_public_key: Vec<u8>,
        /// Private key of the device.
        private_key: SecretBytes,
    },
    /// Mode 2: certificates.
    Certificate {
        /// Certificate of the device.
        certificate: Vec<u8>,
        /// Certificate of the server, or what it must lead to.
        server_certificate: Vec<u8>,
        /// Private key of the device.
        private_key: SecretBytes,
    },
    /// Mode 3: nothing.
    NoSec,
    /// Mode 4: a certificate that the device enrols for (RFC 9148).
    Est {
        /// Certificate of the server.
        server_certificate: Vec<u8>,
    },
}

impl AccountSecurity {
    /// Reads and checks the security of a Security instance (TS-Core App. E.1).
    ///
    /// # Errors
    /// What is missing, what must be empty and is not, or an unknown mode.
    pub(crate) fn of(tree: &Tree, instance: u16) -> Result<Self, Inconsistency> {
        let path = |resource| Path::resource(id::SECURITY, instance, resource);
        let full = |resource| match value::<SecretBytes>(tree, path(resource)) {
            Some(bytes) if !bytes.is_empty() => Ok(bytes),
            _ => Err(Inconsistency::new(path(resource), Rule::CredentialMissing)),
        };
        let open = |resource| full(resource).map(|bytes| bytes.expose().to_vec());
        let empty = |resource| match value::<SecretBytes>(tree, path(resource)) {
            Some(bytes) if !bytes.is_empty() => {
                Err(Inconsistency::new(path(resource), Rule::CredentialNotEmpty))
            }
            _ => Ok(()),
        };
        Ok(match value::<i64>(tree, path(2)) {
            Some(0) => {
                empty(4)?;
                let identity = open(3)?;
                match (DerivedKey::from_hint(&identity), empty(5)) {
                    (Some(key), Ok(())) => Self::DerivedPsk(key),
                    _ => Self::Psk {
                        identity,
                        key: full(5)?,
                    },
                }
            }
            Some(1) => Self::RawPublicKey {
                public_key: open(3)?,
                server_public_key: open(4)?,
                private_key: full(5)?,
            },
            Some(2) => Self::Certificate {
                certificate: open(3)?,
                server_certificate: open(4)?,
                private_key: full(5)?,
            },
            Some(3) => {
                [3, 4, 5].into_iter().try_for_each(empty)?;
                Self::NoSec
            }
            Some(4) => {
                [3, 5].into_iter().try_for_each(empty)?;
                Self::Est {
                    server_certificate: open(4)?,
                }
            }
            _ => return Err(Inconsistency::new(path(2), Rule::ModeUnknown)),
        })
    }

    /// The number of the mode (/0/x/2).
    pub const fn mode(&self) -> u8 {
        match self {
            Self::Psk { .. } | Self::DerivedPsk(_) => 0,
            Self::RawPublicKey { .. } => 1,
            Self::Certificate { .. } => 2,
            Self::NoSec => 3,
            Self::Est { .. } => 4,
        }
    }

    /// What a driver needs to connect; `None` for modes that drivers can't be told about.
    pub fn credentials(&self) -> Option<Credentials<'_>> {
        match self {
            Self::NoSec => Some(Credentials::NoSec),
            Self::Psk { identity, key } => Some(Credentials::Psk {
                identity,
                key: key.expose(),
            }),
            Self::DerivedPsk(key) => Some(Credentials::DerivedPsk { hint: key.hint() }),
            _ => None,
        }
    }
}

/// Reads the accounts of a device. What is incomplete is left out: halves of server accounts,
/// Security instances whose keys don't fit their mode. [`check_consistency`] says why.
///
/// [`check_consistency`]: crate::check_consistency
pub fn accounts(tree: &Tree) -> Accounts {
    let securities = instances(tree, id::SECURITY);
    let servers = instances(tree, id::SERVER);
    Accounts {
        bootstrap: securities
            .iter()
            .find_map(|instance| bootstrap_account(tree, *instance)),
        servers: securities
            .iter()
            .filter_map(|instance| server_account(tree, *instance, &servers))
            .collect(),
    }
}

fn bootstrap_account(tree: &Tree, instance: u16) -> Option<BootstrapAccount> {
    if !is_bootstrap(tree, instance) {
        return None;
    }
    let path = |resource| Path::resource(id::SECURITY, instance, resource);
    let seconds = |resource| value::<u64>(tree, path(resource)).unwrap_or(0);
    Some(BootstrapAccount {
        instance,
        uri: value(tree, path(0))?,
        security: AccountSecurity::of(tree, instance).ok()?,
        sni: value(tree, path(14)),
        hold_off: Duration::from_secs(seconds(11)),
        timeout: match seconds(12) {
            0 => None,
            seconds => Some(Duration::from_secs(seconds)),
        },
    })
}

fn server_account(tree: &Tree, instance: u16, servers: &[u16]) -> Option<ServerAccount> {
    if is_bootstrap(tree, instance) {
        return None;
    }
    let ssid_ = ssid(tree, id::SECURITY, instance)?;
    let server_instance = *servers
        .iter()
        .find(|server| ssid(tree, id::SERVER, **server) == Some(ssid_))?;
    let security = |resource| Path::resource(id::SECURITY, instance, resource);
    let server = |resource| Path::resource(id::SERVER, server_instance, resource);
    Some(ServerAccount {
        ssid: ssid_,
        security_instance: instance,
        server_instance,
        uri: value(tree, security(0))?,
        security: AccountSecurity::of(tree, instance).ok()?,
        sni: value(tree, security(14)),
        lifetime: value(tree, server(1)).unwrap_or(0),
        binding: value(tree, server(7))?,
        registration: RegistrationPolicy::of(tree, server_instance),
    })
}
