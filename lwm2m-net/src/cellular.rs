//! What a device with a SIM needs of its driver: names that are asked for where the operator
//! wants it, keys made of those of the SIM, and a mark that says whose network this is.

use std::{
    fmt,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use hickory_resolver::{
    TokioResolver,
    config::{ConnectionConfig, NameServerConfig, ResolverConfig},
    net::{NetError, runtime::TokioRuntimeProvider},
    proto::rr::{Name, RData},
};
use lwm2m_bootstrap::{
    DerivedKey,
    cellular::{Bearer, KeyContext, KeyProvider, MAX_RECORDS, Question, Reply, ServiceRecord},
};
use lwm2m_coap::ConnectError;
use zeroize::Zeroizing;

use crate::{Psk, hooks::Hooks};

/// How long one attempt to ask a name server may take.
const TIMEOUT: Duration = Duration::from_secs(2);
/// Most addresses of a host that are looked at.
const MAX_ADDRESSES: usize = 16;

/// Says why there is no resolver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum ResolverError {
    /// The system names no name server.
    #[error("the system's name servers are not known")]
    System,
    /// The resolver can't be set up.
    #[error("the resolver can't be set up")]
    Setup,
}

/// Asks name servers. Clones share what they have learnt.
#[derive(Clone)]
pub struct Resolver(TokioResolver);

impl Resolver {
    /// Asks the name servers that the system names.
    ///
    /// # Errors
    /// [`ResolverError`]
    pub fn system() -> Result<Self, ResolverError> {
        let builder = TokioResolver::builder_tokio().map_err(|_| ResolverError::System)?;
        let built = builder.build().map_err(|_| ResolverError::Setup)?;
        Ok(Self(built))
    }

    /// Asks these name servers, such as those that the operator's network named.
    ///
    /// # Errors
    /// [`ResolverError::Setup`]
    pub fn at(servers: &[SocketAddr]) -> Result<Self, ResolverError> {
        let servers = servers.iter().map(|address| {
            let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()];
            let connections = connections.map(|mut connection| {
                connection.port = address.port();
                connection
            });
            NameServerConfig::new(address.ip(), true, connections.to_vec())
        });
        let config = ResolverConfig::from_parts(None, Vec::new(), servers.collect());
        let provider = TokioRuntimeProvider::default();
        let mut builder = TokioResolver::builder_with_config(config, provider);
        let options = builder.options_mut();
        options.timeout = TIMEOUT;
        let built = builder.build().map_err(|_| ResolverError::Setup)?;
        Ok(Self(built))
    }

    /// Asks a question of a [`Search`](lwm2m_bootstrap::cellular::Search).
    pub async fn ask(&self, question: &Question) -> Reply {
        match question {
            Question::Service(name) => self.services(name).await,
            Question::Address(name) => match self.lookup(name).await {
                Ok(addresses) => Reply::Address(!addresses.is_empty()),
                Err(error) => failed(name, &error),
            },
        }
    }

    async fn services(&self, name: &str) -> Reply {
        let found = match absolute(name) {
            Ok(name) => self.0.srv_lookup(name).await,
            Err(error) => Err(error),
        };
        match found {
            Ok(found) => {
                let records = found.answers().iter().filter_map(|record| {
                    let RData::SRV(service) = &record.data else {
                        return None;
                    };
                    Some(ServiceRecord {
                        priority: service.priority,
                        weight: service.weight,
                        port: service.port,
                        target: service.target.to_ascii(),
                    })
                });
                Reply::Services(records.take(MAX_RECORDS).collect())
            }
            Err(error) if error.is_no_records_found() => Reply::Services(Vec::new()),
            Err(error) => failed(name, &error),
        }
    }

    /// The addresses of a host; none if the DNS knows it and has none.
    async fn lookup(&self, host: &str) -> Result<Vec<std::net::IpAddr>, NetError> {
        match self.0.lookup_ip(absolute(host)?).await {
            Ok(found) => Ok(found.iter().take(MAX_ADDRESSES).collect()),
            Err(error) if error.is_no_records_found() => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Makes a driver use this resolver.
    pub(crate) fn hook(self, hooks: &mut Hooks) {
        hooks.resolve = Some(Arc::new(move |host, port| {
            let resolver = self.clone();
            Box::pin(async move {
                let found = match host.parse() {
                    Ok(address) => Ok(vec![address]),
                    Err(_) => resolver.lookup(&host).await,
                };
                let addresses = found.unwrap_or_else(|error| {
                    tracing::debug!(%host, %error, "a name does not resolve");
                    Vec::new()
                });
                let sockets = addresses.into_iter().map(|ip| SocketAddr::new(ip, port));
                sockets.collect()
            })
        }));
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver").finish_non_exhaustive()
    }
}

/// A name that no search list is tried with.
fn absolute(name: &str) -> Result<Name, NetError> {
    let mut name = Name::from_ascii(name)?;
    name.set_fqdn(true);
    Ok(name)
}

fn failed(name: &str, error: &NetError) -> Reply {
    tracing::info!(name, %error, "the DNS could not be asked");
    Reply::Failed
}

/// The keys and the bearer of a device, which both change with its SIM. Clones are the same.
///
/// A device that has this connects without security over the operator's bearer only.
#[derive(Clone, Default)]
pub struct Cellular {
    keys: Arc<Mutex<Option<Box<dyn KeyProvider>>>>,
    operator: Arc<AtomicBool>,
}

impl Cellular {
    /// Makes one without keys, for a bearer that is not the operator's.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets where keys come from; `None` for a device without a SIM. Sessions go on.
    pub fn set_keys(&self, keys: Option<Box<dyn KeyProvider>>) {
        *self.keys.lock().unwrap_or_else(PoisonError::into_inner) = keys;
    }

    /// Sets whose network the device's datagrams leave by. Sessions go on.
    pub fn set_bearer(&self, bearer: Bearer) {
        let operator = bearer == Bearer::Operator;
        self.operator.store(operator, Ordering::Release);
    }

    fn key(&self, server: &str, port: u16, hint: &str) -> Result<(Vec<u8>, Psk), ConnectError> {
        let kind = DerivedKey::from_hint(hint.as_bytes()).ok_or(ConnectError::Credentials)?;
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let provider = keys.as_mut().ok_or(ConnectError::NoKey)?;
        let mut key = Zeroizing::new(Vec::new());
        let identity = provider
            .psk(&KeyContext::dtls(server, port, kind), &mut key)
            .map_err(|error| {
                tracing::warn!(server, %error, "a key can't be made");
                ConnectError::NoKey
            })?;
        Ok((identity.0, Psk::from(key)))
    }

    /// Makes a driver use these keys, and mind the bearer.
    pub(crate) fn hook(self, hooks: &mut Hooks) {
        hooks.clear = Some(Arc::clone(&self.operator));
        hooks.derive = Some(Arc::new(move |server, port, hint| {
            self.key(server, port, hint)
        }));
    }
}

impl fmt::Debug for Cellular {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cellular")
            .field("operator", &self.operator)
            .finish_non_exhaustive()
    }
}
