//! Starting a driver.

use std::{fmt, io, net::SocketAddr, sync::Arc};

use lwm2m_coap::Engine;
use tokio::sync::mpsc;

use crate::{
    counters::Counters,
    dtls::{Acceptor, SetupFailed},
    handle::Handle,
    hooks::Hooks,
    limits::Limits,
    net::Net,
    psk::PskStore,
    socket::{self, Role},
    task::Task,
    trace::Trace,
};

/// An engine that is about to get sockets, a clock and a task of its own.
///
/// [`spawn`](Driver::spawn) starts the task. From then on the engine is reached by a
/// [`Handle`], and what it tells comes out of a bounded channel.
///
/// ```no_run
/// # async fn f<E: lwm2m_coap::Engine + Send + 'static>(
/// #     engine: E,
/// #     name: impl for<'e> FnMut(E::Event<'e>) -> Option<String> + Send + 'static,
/// # ) -> Result<(), Box<dyn std::error::Error>> {
/// use lwm2m_net::{Driver, Psk, SharedPsks};
///
/// let keys: SharedPsks = [("device-1", Psk::new(*b"0123456789abcdef"))].into_iter().collect();
/// let (handle, mut events, addresses) = Driver::new(engine)
///     .udp("0.0.0.0:5683".parse()?)
///     .udp("[::]:5683".parse()?)
///     .dtls("0.0.0.0:5684".parse()?, keys.clone())
///     .spawn(name) // from the engine's event to one of your own
///     .await?;
/// println!("coap at {:?}, coaps at {:?}", addresses.udp, addresses.dtls);
/// while let Some(event) = events.recv().await {
///     println!("{event}");
/// }
/// # Ok(())
/// # }
/// ```
#[must_use = "a driver does nothing until it is spawned"]
pub struct Driver<E> {
    engine: E,
    limits: Limits,
    udp: Vec<SocketAddr>,
    dtls: Vec<(SocketAddr, Arc<dyn PskStore>)>,
    pub(crate) hooks: Hooks,
    trace: Option<Trace>,
}

impl<E: Engine + Send + 'static> Driver<E> {
    /// Takes an engine. Without any server socket it can still connect.
    pub fn new(engine: E) -> Self {
        Self {
            engine,
            limits: Limits::default(),
            udp: Vec::new(),
            dtls: Vec::new(),
            hooks: Hooks::default(),
            trace: None,
        }
    }

    /// Adds a server socket for `coap://`. An IPv6 one takes no IPv4; port 0 is any free one.
    pub fn udp(mut self, address: SocketAddr) -> Self {
        self.udp.push(address);
        self
    }

    /// Adds a server socket for `coaps://`: DTLS 1.2 with TLS_PSK_WITH_AES_128_CCM_8 and the
    /// keys of `store` (TS-Transport §5.2.8).
    pub fn dtls(mut self, address: SocketAddr, store: impl PskStore) -> Self {
        self.dtls.push((address, Arc::new(store)));
        self
    }

    /// Resolves names by this resolver rather than by the system's.
    #[cfg(feature = "cellular")]
    pub fn resolver(mut self, resolver: crate::cellular::Resolver) -> Self {
        resolver.hook(&mut self.hooks);
        self
    }

    /// Makes keys that no account holds, and minds the bearer.
    #[cfg(feature = "cellular")]
    pub fn cellular(mut self, cellular: crate::cellular::Cellular) -> Self {
        cellular.hook(&mut self.hooks);
        self
    }

    /// Replaces the default limits.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Shows each message in words.
    pub fn trace(mut self, trace: Trace) -> Self {
        self.trace = Some(trace);
        self
    }

    /// Binds the sockets and starts the task that owns the engine.
    ///
    /// While a socket is full it keeps one datagram, and the engine is not asked for more messages
    /// until that has left.
    ///
    /// `map` makes events that live on of those that the engine lends; those of which it makes
    /// `None` are skipped. While the channel of events is full, the engine keeps the rest and
    /// bounds it; messages go on.
    ///
    /// The task ends when [`Handle::shutdown`] asks for it or when the last handle is dropped.
    ///
    /// # Errors
    /// [`BindError`] when a socket can't be had; then nothing was started.
    pub async fn spawn<T, F>(
        self,
        map: F,
    ) -> Result<(Handle<E>, mpsc::Receiver<T>, LocalAddrs), BindError>
    where
        T: Send + 'static,
        F: for<'e> FnMut(E::Event<'e>) -> Option<T> + Send + 'static,
    {
        let limits = Arc::new(self.limits.sane());
        let counters = Arc::new(Counters::default());
        let mut net = Net::new(Arc::clone(&limits), Arc::clone(&counters));
        net.hooks = self.hooks;
        net.trace = self.trace;
        let mut addresses = LocalAddrs::default();
        for address in self.udp {
            addresses.udp.push(listen(&mut net, address, Role::Udp)?);
        }
        if !self.dtls.is_empty() {
            let limits = Arc::clone(&limits);
            let acceptor = tokio::task::spawn_blocking(move || Acceptor::new(&limits)).await;
            net.acceptor = Some(
                acceptor
                    .unwrap_or(Err(SetupFailed))
                    .map_err(|_| BindError::Dtls)?,
            );
        }
        for (address, store) in self.dtls {
            let role = Role::Dtls(net.stores.len());
            addresses.dtls.push(listen(&mut net, address, role)?);
            net.stores.push(store);
        }
        let (commands, requests) = mpsc::channel(limits.calls);
        let (events, received) = mpsc::channel(limits.events);
        let task = Task::new(self.engine, net, requests, events, map);
        tokio::spawn(task.run());
        Ok((Handle::new(commands, counters), received, addresses))
    }
}

impl<E> fmt::Debug for Driver<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dtls: Vec<_> = self.dtls.iter().map(|(address, _)| address).collect();
        f.debug_struct("Driver")
            .field("udp", &self.udp)
            .field("dtls", &dtls)
            .field("limits", &self.limits)
            .field("hooks", &self.hooks)
            .finish_non_exhaustive()
    }
}

/// Where the sockets of a driver are, in the order in which they were added.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct LocalAddrs {
    /// Those for `coap://`.
    pub udp: Vec<SocketAddr>,
    /// Those for `coaps://`.
    pub dtls: Vec<SocketAddr>,
}

/// Why a driver can't start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// Another socket has the address.
    #[error("{address} is in use")]
    InUse {
        /// The address that was asked for.
        address: SocketAddr,
    },
    /// The system doesn't allow it, as with ports below 1024.
    #[error("no permission to bind {address}")]
    Permission {
        /// The address that was asked for.
        address: SocketAddr,
    },
    /// This machine doesn't have the address.
    #[error("{address} is not an address of this machine")]
    NotAvailable {
        /// The address that was asked for.
        address: SocketAddr,
    },
    /// Anything else that the system says.
    #[error("can't bind {address}: {kind}")]
    Io {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the system says.
        kind: io::ErrorKind,
    },
    /// The DTLS engine refused the times in [`Limits`]: each must be above zero and below years.
    #[error("the dtls engine refused the limits")]
    Dtls,
}

impl BindError {
    fn new(address: SocketAddr, error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::AddrInUse => Self::InUse { address },
            io::ErrorKind::PermissionDenied => Self::Permission { address },
            io::ErrorKind::AddrNotAvailable => Self::NotAvailable { address },
            kind => Self::Io { address, kind },
        }
    }
}

fn listen(net: &mut Net, address: SocketAddr, role: Role) -> Result<SocketAddr, BindError> {
    let bound = || {
        let socket = socket::bind(address)?;
        let local = socket.local_addr()?;
        net.sockets.add(socket, role)?;
        Ok(local)
    };
    ({ bound })().map_err(|error: io::Error| BindError::new(address, &error))
}
