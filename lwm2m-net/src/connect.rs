//! Connections that an engine asks for: from a URI to a socket.

use std::{io, net::SocketAddr, sync::Arc, time::Instant};

use lwm2m_coap::{ConnectError, ConnectId, Credentials};
use tokio::{net::lookup_host, time::timeout};

use crate::{
    dtls::ClientKeys,
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
            (false, Credentials::NoSec) => None,
            (true, Credentials::Psk { identity, key }) => Some(self.connectors.keys(identity, key)),
            _ => return self.connect_failed(connect, ConnectError::Credentials),
        };
        let connections = self.resolving + self.handshakes.clients() + self.peers.len(CLIENT);
        if connections >= self.limits.connections {
            tracing::warn!(%uri, limit = self.limits.connections, "too many connections");
            return self.connect_failed(connect, ConnectError::Unreachable);
        }
        self.resolving += 1;
        let limits = Arc::clone(&self.limits);
        self.tasks.spawn(async move {
            let (keys, result) = prepare(target, keys, &limits).await;
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

/// Does what takes time before a connection can begin.
async fn prepare(
    target: Target,
    mut keys: Option<ClientKeys>,
    limits: &Arc<Limits>,
) -> (
    Option<ClientKeys>,
    Result<(std::net::UdpSocket, SocketAddr), ConnectError>,
) {
    if let Some(keys) = &mut keys
        && keys.prepare(limits).await.is_err()
    {
        return (None, Err(ConnectError::Credentials));
    }
    (keys, open(&target, limits).await)
}

/// Resolves a name and opens a socket for the first address to which there is a route.
async fn open(
    target: &Target,
    limits: &Limits,
) -> Result<(std::net::UdpSocket, SocketAddr), ConnectError> {
    let lookup: Result<io::Result<_>, _> = timeout(
        limits.resolve,
        lookup_host((target.host.as_str(), target.port)),
    )
    .await;
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
