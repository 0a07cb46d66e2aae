//! Connections that an engine asks for: from a URI to a socket.

use std::{io, net::SocketAddr, sync::Arc, time::Instant};

use lwm2m_coap::{ConnectError, ConnectId, Credentials};
use tokio::{net::lookup_host, time::timeout};

use crate::{
    dtls::ClientKeys,
    hooks::{Derive, Resolve},
    limits::Limits,
    net::{Done, Net, NetEvent},
    peers::CLIENT,
    socket,
    uri::Target,
};

impl Net {
    /// Begins a connection; its end is an event.
    pub(crate) fn connect(&mut self, connect: ConnectId, uri: &str, security: Credentials<'_>) {
        let Some(target) = Target::parse(uri) else {
            return self.connect_failed(connect, ConnectError::Uri);
        };
        let keys = match (target.secure, security) {
            (false, Credentials::NoSec) if !self.hooks.allows_clear() => {
                return self.connect_failed(connect, ConnectError::NotOperatorBearer);
            }
            (false, Credentials::NoSec) => Keys::None,
            (true, Credentials::Psk { identity, key }) => {
                Keys::Known(self.connectors.keys(identity, key))
            }
            (true, Credentials::DerivedPsk { hint }) => match &self.hooks.derive {
                Some(derive) => Keys::Derived(Arc::clone(derive), hint.to_owned()),
                None => return self.connect_failed(connect, ConnectError::NoKey),
            },
            _ => return self.connect_failed(connect, ConnectError::Credentials),
        };
        let connections = self.resolving + self.handshakes.clients() + self.peers.len(CLIENT);
        if connections >= self.limits.connections {
            tracing::warn!(%uri, limit = self.limits.connections, "too many connections");
            return self.connect_failed(connect, ConnectError::Unreachable);
        }
        self.resolving += 1;
        let limits = Arc::clone(&self.limits);
        let resolve = self.hooks.resolve.clone();
        self.tasks.spawn(async move {
            let (keys, result) = prepare(target, keys, resolve, &limits).await;
            Done::Resolved {
                connect,
                keys,
                result,
            }
        });
    }

    /// Goes on with a connection of which the name was resolved.
    pub(crate) fn resolved(
        &mut self,
        now: Instant,
        connect: ConnectId,
        keys: Option<ClientKeys>,
        result: Result<(std::net::UdpSocket, SocketAddr), ConnectError>,
    ) {
        self.resolving = self.resolving.saturating_sub(1);
        match (result, keys) {
            (Err(reason), _) => self.connect_failed(connect, reason),
            (Ok((io, remote)), None) => self.udp_connected(connect, remote, io),
            (Ok((io, remote)), Some(keys)) => {
                self.begin_handshake(now, connect, remote, io, keys);
            }
        }
    }

    /// Tells the engine that a connection failed.
    pub(crate) fn connect_failed(&mut self, connect: ConnectId, reason: ConnectError) {
        tracing::debug!(?connect, %reason, "connection failed");
        self.counters.connects_failed.add();
        self.events.push_back(NetEvent::Failed { connect, reason });
    }
}

/// Where the key of a connection comes from.
enum Keys {
    /// There is none.
    None,
    /// The account has it.
    Known(ClientKeys),
    /// It is made, as a hint says.
    Derived(Derive, String),
}

impl Keys {
    /// Has the key, and is prepared for DTLS; what makes keys may block.
    async fn ready(
        self,
        target: &Target,
        limits: &Arc<Limits>,
    ) -> Result<Option<ClientKeys>, ConnectError> {
        let mut keys = match self {
            Self::None => return Ok(None),
            Self::Known(keys) => keys,
            Self::Derived(derive, hint) => {
                let (host, port) = (target.host.clone(), target.port);
                let made = tokio::task::spawn_blocking(move || derive(&host, port, &hint));
                let (identity, key) = made.await.map_err(|_| ConnectError::NoKey)??;
                ClientKeys::new(&identity, key)
            }
        };
        let prepared = keys.prepare(limits).await;
        prepared.map_err(|_| ConnectError::Credentials)?;
        Ok(Some(keys))
    }
}

/// Does what takes time before a connection can begin.
async fn prepare(
    target: Target,
    keys: Keys,
    resolve: Option<Resolve>,
    limits: &Arc<Limits>,
) -> (
    Option<ClientKeys>,
    Result<(std::net::UdpSocket, SocketAddr), ConnectError>,
) {
    match keys.ready(&target, limits).await {
        Ok(keys) => (keys, open(&target, resolve, limits).await),
        Err(error) => (None, Err(error)),
    }
}

/// Resolves a name and opens a socket for the first address to which there is a route.
async fn open(
    target: &Target,
    resolve: Option<Resolve>,
    limits: &Limits,
) -> Result<(std::net::UdpSocket, SocketAddr), ConnectError> {
    let lookup = async {
        match resolve {
            Some(resolve) => Ok(resolve(target.host.clone(), target.port).await),
            None => lookup_host((target.host.as_str(), target.port))
                .await
                .map(Iterator::collect),
        }
    };
    let lookup: Result<io::Result<Vec<SocketAddr>>, _> = timeout(limits.resolve, lookup).await;
    let Ok(Ok(addresses)) = lookup else {
        return Err(ConnectError::Resolve);
    };
    let mut reason = ConnectError::Resolve;
    for address in addresses {
        match socket::open(address) {
            Ok(socket) => return Ok((socket, address)),
            Err(error) => {
                tracing::debug!(%address, %error, "no way to an address");
                reason = ConnectError::Unreachable;
            }
        }
    }
    Err(reason)
}
