//! The async face of a server: [`lwm2m_server`] on tokio.
//!
//! ```no_run
//! use lwm2m_model::objects;
//! use lwm2m_net::server::{Event, Server};
//!
//! # async fn f() -> Result<(), Box<dyn std::error::Error>> {
//! let (server, mut events) = Server::builder().coap("[::]:5683".parse()?).start().await?;
//! println!("{:?}", server.addresses());
//! while let Some(event) = events.next().await {
//!     if let Event::Registered { device, .. } = event {
//!         let typed: objects::Device = device.read_as(0).await?;
//!         let level = device.read("/3/0/9").await?;
//!         println!("{:?} {:?}", typed.manufacturer, level.value());
//!     }
//! }
//! # Ok(())
//! # }
//! ```

mod answer;
mod body;
mod builder;
mod core;
mod definitions;
mod device;
mod event;
mod journal;
mod observation;
mod request;

use std::{
    fmt,
    sync::{Arc, Mutex, OnceLock, PoisonError, Weak},
};

use lwm2m_model::Registry;
use lwm2m_server::{DecisionError, IdentityOwned, Registration, RegistrationId};
use tokio::task::JoinHandle;

pub use self::{
    answer::{Answer, Record},
    body::Body,
    builder::{Builder, StartError},
    device::{AsPath, Device},
    event::{Event, Events, PendingRegister},
    journal::{JournalStore, StoreError},
    observation::{Notification, Observation, Observe, TypedObservation, Values},
    request::{Request, RequestError},
};
use self::{core::Core, definitions::Definitions, request::Operation};
use crate::{Closed, Counts, Handle, LocalAddrs, PostError};

/// A running server. Clones are the same server; it ends when all of them and all its devices are
/// dropped, or by [`shutdown`](Server::shutdown).
#[derive(Clone)]
pub struct Server {
    inner: Arc<Inner>,
}

/// What all handles of a server share.
pub(crate) struct Inner {
    /// Set when the driver has started; nobody has a handle before.
    handle: OnceLock<Handle<Core>>,
    definitions: Arc<Definitions>,
    addresses: OnceLock<LocalAddrs>,
    journal: Mutex<Option<JoinHandle<()>>>,
}

impl Inner {
    fn new(definitions: Arc<Definitions>) -> Self {
        Self {
            handle: OnceLock::new(),
            definitions,
            addresses: OnceLock::new(),
            journal: Mutex::new(None),
        }
    }

    async fn call<R, F>(&self, call: F) -> Result<R, Closed>
    where
        R: Send + 'static,
        F: FnOnce(&mut Core, lwm2m_coap::Instant) -> R + Send + 'static,
    {
        match self.handle.get() {
            Some(handle) => handle.call(call).await,
            None => Err(Closed),
        }
    }

    /// Runs `call` some time later; for `Drop`.
    fn post<F>(&self, call: F)
    where
        F: FnOnce(&mut Core, lwm2m_coap::Instant) + Clone + Send + 'static,
    {
        let Some(handle) = self.handle.get() else {
            return;
        };
        // A full queue: wait for a place in a task of its own.
        if handle.post(call.clone()) == Err(PostError::Full)
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let handle = handle.clone();
            runtime.spawn(async move { handle.call(call).await });
        }
    }
}

impl Server {
    /// Starts to describe a server.
    pub fn builder() -> Builder {
        Builder::new()
    }

    fn upgrade(inner: &Weak<Inner>) -> Option<Self> {
        inner.upgrade().map(|inner| Self { inner })
    }

    /// Where the server listens.
    pub fn addresses(&self) -> LocalAddrs {
        self.inner.addresses.get().cloned().unwrap_or_default()
    }

    /// The object definitions by which payloads are understood from now on.
    pub fn registry(&self) -> Arc<Registry> {
        self.inner.definitions.current()
    }

    /// Replaces the object definitions, without a restart: registrations and observations stay,
    /// and what is encoded or decoded from now on goes by the new ones.
    pub fn replace_registry(&self, registry: impl Into<Arc<Registry>>) {
        self.inner.definitions.replace(registry.into());
    }

    /// A device by its endpoint name; it need not be registered yet.
    pub fn device(&self, endpoint: impl Into<Arc<str>>) -> Device {
        Device::new(self.clone(), endpoint.into())
    }

    /// All registrations, in the order of the endpoint names.
    ///
    /// # Errors
    /// [`Closed`] when the server has ended. So with all the others.
    pub async fn registrations(&self) -> Result<Vec<Registration>, Closed> {
        let call = |core: &mut Core, _| -> Vec<Registration> {
            core.engine.registrations().cloned().collect()
        };
        let mut all = self.inner.call(call).await?;
        all.sort_by(|a, b| a.endpoint.cmp(&b.endpoint));
        Ok(all)
    }

    /// Ends a registration; false if there is none. The device learns it from the 4.04 to its
    /// next Update.
    ///
    /// # Errors
    /// [`Closed`]
    pub async fn remove(&self, id: RegistrationId) -> Result<bool, Closed> {
        self.inner
            .call(move |core, now| core.engine.remove(now, id))
            .await
    }

    /// Lets an endpoint name register with this identity and no other.
    ///
    /// # Errors
    /// [`Closed`]
    pub async fn allow(
        &self,
        endpoint: impl Into<String>,
        identity: IdentityOwned,
    ) -> Result<(), Closed> {
        let endpoint = endpoint.into();
        self.inner
            .call(move |core, _| core.engine.allow(&endpoint, identity))
            .await
    }

    /// Lets endpoint names register with these identities, too.
    ///
    /// # Errors
    /// [`Closed`]
    pub async fn allow_also(&self, entries: Vec<(String, IdentityOwned)>) -> Result<(), Closed> {
        let call = move |core: &mut Core, _| {
            for (endpoint, identity) in entries {
                core.engine.allow_also(&endpoint, identity);
            }
        };
        self.inner.call(call).await
    }

    /// Takes identities of endpoint names back.
    ///
    /// # Errors
    /// [`Closed`]
    pub async fn disallow_identities(
        &self,
        entries: Vec<(String, IdentityOwned)>,
    ) -> Result<(), Closed> {
        let call = move |core: &mut Core, _| {
            for (endpoint, identity) in entries {
                core.engine.disallow_identity(&endpoint, &identity);
            }
        };
        self.inner.call(call).await
    }

    /// The registration of an endpoint name.
    ///
    /// # Errors
    /// [`Closed`]
    pub async fn find(&self, endpoint: impl Into<String>) -> Result<Option<Registration>, Closed> {
        let endpoint = endpoint.into();
        self.inner
            .call(move |core, _| core.engine.find(&endpoint).cloned())
            .await
    }

    /// Takes all identities of an endpoint name back; false if there is none.
    ///
    /// # Errors
    /// [`Closed`]
    pub async fn disallow(&self, endpoint: impl Into<String>) -> Result<bool, Closed> {
        let endpoint = endpoint.into();
        self.inner
            .call(move |core, _| core.engine.disallow(&endpoint))
            .await
    }

    /// What the engine has counted.
    ///
    /// # Errors
    /// [`Closed`]
    pub async fn counters(&self) -> Result<lwm2m_server::Counters, Closed> {
        self.inner.call(|core, _| *core.engine.counters()).await
    }

    /// What the driver has counted.
    pub fn counts(&self) -> Counts {
        let handle = self.inner.handle.get();
        handle.map(Handle::counts).unwrap_or_default()
    }

    /// Ends the server: closes all sessions and stores what the journal still holds.
    pub async fn shutdown(&self) {
        if let Some(handle) = self.inner.handle.get() {
            handle.shutdown().await;
        }
        let journal = self.inner.journal.lock();
        let journal = journal.unwrap_or_else(PoisonError::into_inner).take();
        if let Some(journal) = journal {
            // It can't fail but by a panic of the store, which is its owner's to see.
            let _ = journal.await;
        }
    }

    pub(crate) async fn decide(
        &self,
        request: lwm2m_server::RegisterRequest,
        refuse: Option<lwm2m_codec::coap::Code>,
    ) -> Result<(), DecisionError> {
        let decide = move |core: &mut Core, now| match refuse {
            None => core.engine.accept(now, request).map(drop),
            Some(code) => core.engine.reject(now, request, code),
        };
        let decided = self.inner.call(decide).await;
        decided.unwrap_or(Err(DecisionError::Late))
    }

    fn request(&self, endpoint: &Arc<str>, operation: Result<Operation, RequestError>) -> Request {
        Request::new(self.clone(), Arc::clone(endpoint), operation)
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("addresses", &self.addresses())
            .finish_non_exhaustive()
    }
}
