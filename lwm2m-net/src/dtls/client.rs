//! DTLS clients: what they prove themselves with, and how their handshakes begin.

use std::{collections::HashMap, sync::Arc, time::Instant};

use lwm2m_coap::{ConnectError, ConnectId};

use super::{
    dimpl::{Connector, SetupFailed},
    handshakes::{Handshake, Side},
};
use crate::{
    clock::Clock,
    limits::Limits,
    net::Net,
    psk::Psk,
    socket::{Owner, SocketId},
};

/// How many prepared identities a driver keeps: a device has one per server.
const MAX_CONNECTORS: usize = 64;

/// What a client proves itself with.
#[derive(Debug)]
pub(crate) struct ClientKeys {
    identity: Arc<[u8]>,
    key: Psk,
    connector: Option<Connector>,
}

impl ClientKeys {
    /// Takes a key that was made for one connection.
    pub(crate) fn new(identity: &[u8], key: Psk) -> Self {
        Self {
            identity: identity.into(),
            key,
            connector: None,
        }
    }

    /// Prepares DTLS for the identity, unless that was done before; takes milliseconds.
    pub(crate) async fn prepare(&mut self, limits: &Arc<Limits>) -> Result<(), SetupFailed> {
        if self.connector.is_none() {
            let (limits, identity) = (Arc::clone(limits), Arc::clone(&self.identity));
            let build = move || Connector::new(&limits, &identity);
            let built = tokio::task::spawn_blocking(build)
                .await
                .map_err(|_| SetupFailed)?;
            self.connector = Some(built?);
        }
        Ok(())
    }
}

/// The identities that a client has used.
#[derive(Debug, Default)]
pub(crate) struct Connectors(HashMap<Arc<[u8]>, Connector>);

impl Connectors {
    /// What is known of an identity.
    pub(crate) fn keys(&self, identity: &[u8], key: &[u8]) -> ClientKeys {
        ClientKeys {
            connector: self.0.get(identity).cloned(),
            ..ClientKeys::new(identity, Psk::new(key))
        }
    }

    fn keep(&mut self, identity: &Arc<[u8]>, connector: &Connector) {
        if self.0.len() >= MAX_CONNECTORS && !self.0.contains_key(identity) {
            self.0.clear();
        }
        self.0
            .entry(Arc::clone(identity))
            .or_insert_with(|| connector.clone());
    }
}

impl Net {
    /// Begins a client's handshake.
    pub(crate) fn begin_handshake(
        &mut self,
        now: Instant,
        connect: ConnectId,
        remote: std::net::SocketAddr,
        io: std::net::UdpSocket,
        keys: ClientKeys,
    ) {
        let ClientKeys {
            identity,
            key,
            connector: Some(connector),
        } = keys
        else {
            return self.connect_failed(connect, ConnectError::Credentials);
        };
        self.connectors.keep(&identity, &connector);
        let session = connector.connect(now, &identity, key);
        let side = Side::Client { connect, identity };
        // The socket needs the handshake's key, and the handshake the socket's.
        let expires = Clock::after(now, self.limits.handshake);
        let at = (SocketId::MAX, remote);
        let handshake = self
            .handshakes
            .insert(Handshake::new(session, at, side, expires));
        let owner = Owner::Handshake(handshake);
        let Some(socket) = self.add_client_socket(io, remote, owner) else {
            self.handshakes.remove(handshake);
            return self.connect_failed(connect, ConnectError::Unreachable);
        };
        if let Some(handshake) = self.handshakes.get_mut(handshake) {
            handshake.socket = socket;
        }
        self.handshake_timeout(now, handshake);
    }
}
