//! Peers without security: a peer is an address.

use std::net::SocketAddr;

use lwm2m_coap::{ConnectError, ConnectId};

use crate::{
    net::{Body, Net, NetEvent},
    peers::{CLIENT, NOSEC, Peer, Route},
    slab::Key,
    socket::{Owner, SocketId},
};

impl Net {
    /// Takes a datagram that reached a server's socket: its source is a peer.
    pub(crate) fn udp_server_datagram(&mut self, socket: SocketId, from: SocketAddr, len: usize) {
        let key = match self.peers.at(socket, from) {
            Some(key) => {
                self.peers.heard(key);
                key
            }
            None => {
                self.make_room(NOSEC, self.limits.nosec_peers);
                let peer = Peer {
                    socket,
                    remote: from,
                    class: NOSEC,
                    route: Route::Clear,
                };
                let key = self.peers.insert(peer);
                self.events.push_back(NetEvent::Up {
                    peer: key.into(),
                    remote: from,
                    identity: None,
                    connect: None,
                });
                key
            }
        };
        self.clear_message(key, len);
    }

    /// Makes a peer of a server that a client wants to talk to: there is nobody to ask first.
    pub(crate) fn udp_connected(
        &mut self,
        connect: ConnectId,
        remote: SocketAddr,
        io: std::net::UdpSocket,
    ) {
        // The peer needs its socket, and the socket its peer.
        let peer = Peer {
            socket: SocketId::MAX,
            remote,
            class: CLIENT,
            route: Route::Clear,
        };
        let key = self.peers.insert(peer);
        let Some(socket) = self.add_client_socket(io, remote, Owner::Peer(key)) else {
            self.peers.remove(key);
            return self.connect_failed(connect, ConnectError::Unreachable);
        };
        if let Some(peer) = self.peers.get_mut(key) {
            peer.socket = socket;
        }
        let connect = Some(connect);
        self.events.push_back(NetEvent::Up {
            peer: key.into(),
            remote,
            identity: None,
            connect,
        });
    }

    /// Notes that the datagram that was just read is a message of a peer.
    pub(crate) fn clear_message(&mut self, key: Key, len: usize) {
        let body = Body::Datagram(len);
        self.events.push_back(NetEvent::Message {
            peer: key.into(),
            body,
        });
    }
}
