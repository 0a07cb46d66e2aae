//! From a description to a running server.

use std::{
    fmt,
    net::SocketAddr,
    sync::{Arc, PoisonError},
};

use lwm2m_coap::{Access, Instant};
use lwm2m_model::Registry;
use lwm2m_server::{Config, IdentityOwned, JournalRecord, Restored};
use tokio::sync::mpsc;

use super::{
    Events, Inner, JournalStore, Server, StoreError,
    core::{Core, unix_time},
    definitions::Definitions,
    journal,
};
use crate::{BindError, Driver, Limits, PskStore, Trace};

/// Journal records on the way to the store.
const JOURNAL_QUEUE: usize = 8192;

/// Describes a server; [`start`](Builder::start) makes it run.
#[must_use = "a builder does nothing until it is started"]
pub struct Builder {
    config: Config,
    limits: Limits,
    registry: Registry,
    allowed: Vec<(String, IdentityOwned)>,
    coap: Vec<SocketAddr>,
    coaps: Vec<(SocketAddr, SharedStore)>,
    journal: Option<Box<dyn JournalStore>>,
    access: Access,
    trace: Option<Trace>,
}

/// Says why a server did not start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A socket can't be had.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The journal can't be read.
    #[error("the journal can't be read: {0}")]
    Journal(StoreError),
    /// The system gives no randomness.
    #[error("the system gives no randomness")]
    Randomness,
}

impl Builder {
    pub(super) fn new() -> Self {
        Self {
            config: Config::default(),
            limits: Limits::default(),
            registry: Registry::core(),
            allowed: Vec::new(),
            coap: Vec::new(),
            coaps: Vec::new(),
            journal: None,
            access: Access::default(),
            trace: None,
        }
    }

    /// Listens at an address for `coap://`; port 0 is any free one.
    pub fn coap(mut self, address: SocketAddr) -> Self {
        self.coap.push(address);
        self
    }

    /// Listens at an address for `coaps://`, with the keys of a store.
    pub fn coaps(mut self, address: SocketAddr, keys: impl PskStore) -> Self {
        self.coaps.push((address, SharedStore(Arc::new(keys))));
        self
    }

    /// Lets an endpoint name register with this identity, and with those of other calls only.
    pub fn allow(mut self, endpoint: impl Into<String>, identity: IdentityOwned) -> Self {
        self.allowed.push((endpoint.into(), identity));
        self
    }

    /// Sets the definitions by which payloads are understood; by default the core objects'.
    pub fn registry(mut self, registry: Registry) -> Self {
        self.registry = registry;
        self
    }

    /// Keeps registrations and observations in a store, over restarts.
    pub fn journal(mut self, store: impl JournalStore) -> Self {
        self.journal = Some(Box::new(store));
        self
    }

    /// Sets behaviour and bounds of the engine.
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Lets the network tell whose the addresses of devices without security are.
    pub fn access(mut self, access: Access) -> Self {
        self.access = access;
        self
    }

    /// Sets the bounds of the driver.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Shows each message in words.
    pub fn trace(mut self, trace: Trace) -> Self {
        self.trace = Some(trace);
        self
    }

    /// Binds the sockets, reads the journal, and starts.
    ///
    /// # Errors
    /// [`StartError`]; then nothing was started.
    pub async fn start(self) -> Result<(Server, Events), StartError> {
        let seed = getrandom::u64().map_err(|_| StartError::Randomness)?;
        let unix = unix_time();
        let mut config = self.config;
        config.journal = self.journal.is_some();
        let mut engine = lwm2m_server::Server::new(config, seed);
        for (endpoint, identity) in self.allowed {
            engine.allow_also(&endpoint, identity);
        }
        engine.set_access(self.access);
        engine.set_unix_time(Instant::ZERO, unix);
        let mut store = None;
        if let Some(journal) = self.journal {
            let (journal, records) = load(journal).await?;
            let restored = engine.restore(Instant::ZERO, unix, records);
            report(&restored);
            store = Some(journal);
        }
        let definitions = Arc::new(Definitions::new(self.registry));
        let inner = Arc::new(Inner::new(Arc::clone(&definitions)));
        let (sender, records) = mpsc::channel(JOURNAL_QUEUE);
        let sender = store.is_some().then_some(sender);
        let core = Core::new(engine, definitions, Arc::downgrade(&inner), sender);
        let mut driver = Driver::new(core).limits(self.limits);
        if let Some(trace) = self.trace {
            driver = driver.trace(trace);
        }
        for address in self.coap {
            driver = driver.udp(address);
        }
        for (address, keys) in self.coaps {
            driver = driver.dtls(address, keys);
        }
        let (handle, events, addresses) = driver.spawn(Some).await?;
        // Each is set once, here.
        let _ = inner.handle.set(handle);
        let _ = inner.addresses.set(addresses);
        if let Some(store) = store {
            let task = tokio::spawn(journal::run(store, records, Arc::downgrade(&inner)));
            let mut slot = inner.journal.lock().unwrap_or_else(PoisonError::into_inner);
            *slot = Some(task);
        }
        Ok((Server { inner }, Events::new(events)))
    }
}

async fn load(
    mut store: Box<dyn JournalStore>,
) -> Result<(Box<dyn JournalStore>, Vec<JournalRecord>), StartError> {
    let load = move || {
        let records = store.load();
        (store, records)
    };
    match tokio::task::spawn_blocking(load).await {
        Ok((store, Ok(mut records))) => {
            records.sort_by_key(|record| record.sequence);
            Ok((store, records))
        }
        Ok((_, Err(error))) => Err(StartError::Journal(error)),
        Err(_) => Err(StartError::Journal(StoreError::new("the store panicked"))),
    }
}

fn report(restored: &Restored) {
    let Restored {
        registrations,
        observations,
        refused,
        ..
    } = *restored;
    tracing::info!(registrations, observations, refused, "restored");
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("coap", &self.coap)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

/// A store of keys behind a pointer, so that the builder can hold any.
struct SharedStore(Arc<dyn PskStore>);

impl PskStore for SharedStore {
    fn lookup<'a>(&'a self, identity: &'a [u8]) -> crate::Lookup<'a> {
        self.0.lookup(identity)
    }
}
