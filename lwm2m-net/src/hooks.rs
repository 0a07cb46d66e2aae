//! What an application may put in place of what a driver does by itself.

use std::{
    fmt,
    future::Future,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use lwm2m_coap::ConnectError;

use crate::psk::Psk;

/// Makes a key: host and port of the server, and how the key is made. It may block.
pub(crate) type Derive =
    Arc<dyn Fn(&str, u16, &str) -> Result<(Vec<u8>, Psk), ConnectError> + Send + Sync>;

/// The addresses of a host, none if it has none.
pub(crate) type Addresses = Pin<Box<dyn Future<Output = Vec<SocketAddr>> + Send>>;

/// Resolves a name.
pub(crate) type Resolve = Arc<dyn Fn(String, u16) -> Addresses + Send + Sync>;

/// See the fields; the default is a driver that has none of them.
#[derive(Clone, Default)]
pub(crate) struct Hooks {
    /// Makes keys that no account holds.
    pub(crate) derive: Option<Derive>,
    /// Resolves names in place of the system.
    pub(crate) resolve: Option<Resolve>,
    /// Whether the driver may connect without security now; always, if there is no such mark.
    pub(crate) clear: Option<Arc<AtomicBool>>,
}

impl Hooks {
    /// True if a connection without security may be made.
    pub(crate) fn allows_clear(&self) -> bool {
        self.clear
            .as_ref()
            .is_none_or(|clear| clear.load(Ordering::Acquire))
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks")
            .field("derive", &self.derive.is_some())
            .field("resolve", &self.resolve.is_some())
            .field("clear", &self.clear)
            .finish()
    }
}
