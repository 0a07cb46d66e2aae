//! The UDP sockets of a driver.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    task::{Context, Poll},
};

use socket2::{Domain, Protocol, Type};
use tokio::net::UdpSocket;

use crate::{counters::Counters, slab::Key};

/// Receive buffer asked for a server socket, in bytes: bursts of registrations come after a
/// power cut. The system may give less.
const RECEIVE_BUFFER: usize = 1 << 20;

/// Names a socket. Those of servers keep their number; that of a client's goes back with it.
pub(crate) type SocketId = usize;

/// What a socket is for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Role {
    /// A server, without security.
    Udp,
    /// A server with DTLS, which asks this PSK store.
    Dtls(usize),
    /// A client of one server.
    Client { remote: SocketAddr, owner: Owner },
}

/// Whose messages a client's socket carries.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Owner {
    Handshake(Key),
    Peer(Key),
}

/// What became of a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sent {
    /// The system has it, or the socket keeps it until the system takes it.
    Yes,
    /// It is lost.
    No,
    /// It is lost, as any other one to that address.
    Unreachable,
}

/// What a socket is ready for.
#[derive(Debug)]
pub(crate) enum Ready {
    Read(SocketId),
    Write(SocketId),
}

/// All sockets of a driver.
#[derive(Debug)]
pub(crate) struct Sockets {
    list: Vec<Option<Socket>>,
    /// How many sockets hold a datagram.
    held: usize,
    /// Where the next search for a ready one begins, so that none starves.
    first: usize,
    counters: Arc<Counters>,
}

#[derive(Debug)]
struct Socket {
    io: UdpSocket,
    role: Role,
    /// The datagram that the system had no room for.
    held: Option<(Vec<u8>, SocketAddr)>,
}

impl Sockets {
    pub(crate) fn new(counters: Arc<Counters>) -> Self {
        Self {
            list: Vec::new(),
            held: 0,
            first: 0,
            counters,
        }
    }

    /// Adds a socket of [`bind`] or [`open`].
    pub(crate) fn add(&mut self, io: std::net::UdpSocket, role: Role) -> io::Result<SocketId> {
        let socket = Some(Socket {
            io: UdpSocket::from_std(io)?,
            role,
            held: None,
        });
        if let Some((id, place)) = self
            .list
            .iter_mut()
            .enumerate()
            .find(|(_, place)| place.is_none())
        {
            *place = socket;
            return Ok(id);
        }
        self.list.push(socket);
        Ok(self.list.len() - 1)
    }

    pub(crate) fn remove(&mut self, id: SocketId) {
        let socket = self.list.get_mut(id).and_then(Option::take);
        if socket.is_some_and(|socket| socket.held.is_some()) {
            self.held -= 1;
        }
    }

    pub(crate) fn role(&self, id: SocketId) -> Option<Role> {
        Some(self.list.get(id)?.as_ref()?.role)
    }

    /// Says whose a client's socket is from now on.
    pub(crate) fn set_owner(&mut self, id: SocketId, new: Owner) {
        if let Some(Some(Socket {
            role: Role::Client { owner, .. },
            ..
        })) = self.list.get_mut(id)
        {
            *owner = new;
        }
    }

    /// True while a socket holds a datagram: engines are not asked for more until it is sent.
    pub(crate) fn is_blocked(&self) -> bool {
        self.held > 0
    }

    /// Sends a datagram. If the socket is full, it keeps the datagram; if it already keeps one,
    /// this one is lost (only DTLS records of the driver itself come to that).
    pub(crate) fn send(&mut self, id: SocketId, data: &[u8], to: SocketAddr) -> Sent {
        let Some(Some(socket)) = self.list.get_mut(id) else {
            return Sent::No;
        };
        if socket.held.is_some() {
            self.counters.send_failed.add();
            return Sent::No;
        }
        match socket.io.try_send_to(data, to) {
            Ok(len) => {
                self.counters.sent.add();
                self.counters.bytes_sent.add_many(len);
                Sent::Yes
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                socket.held = Some((data.into(), to));
                self.held += 1;
                Sent::Yes
            }
            Err(error) => {
                tracing::debug!(%to, %error, "a datagram can't be sent");
                self.counters.send_failed.add();
                match error.kind() {
                    io::ErrorKind::NetworkUnreachable
                    | io::ErrorKind::HostUnreachable
                    | io::ErrorKind::AddrNotAvailable
                    | io::ErrorKind::ConnectionRefused => Sent::Unreachable,
                    _ => Sent::No,
                }
            }
        }
    }

    /// Sends the datagram that a socket holds.
    pub(crate) fn send_held(&mut self, id: SocketId) {
        let Some(Some(socket)) = self.list.get_mut(id) else {
            return;
        };
        if let Some((data, to)) = socket.held.take() {
            self.held -= 1;
            self.send(id, &data, to);
        }
    }

    /// Reads a datagram.
    pub(crate) fn receive(&mut self, id: SocketId, buf: &mut [u8]) -> Option<(usize, SocketAddr)> {
        let socket = self.list.get(id)?.as_ref()?;
        match socket.io.try_recv_from(buf) {
            Ok(datagram) => {
                self.counters.received.add();
                self.counters.bytes_received.add_many(datagram.0);
                Some(datagram)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            Err(error) => {
                tracing::debug!(%error, "a socket can't be read");
                self.counters.receive_failed.add();
                None
            }
        }
    }

    /// Finds a socket that can be read, or that can send what it holds.
    pub(crate) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Ready> {
        let count = self.list.len();
        for step in 0..count {
            let id = (self.first + step) % count;
            let Some(Some(socket)) = self.list.get(id) else {
                continue;
            };
            // An error shows again when the socket is used.
            if socket.held.is_some() && socket.io.poll_send_ready(cx).is_ready() {
                return Poll::Ready(Ready::Write(id));
            }
            if socket.io.poll_recv_ready(cx).is_ready() {
                self.first = id + 1;
                return Poll::Ready(Ready::Read(id));
            }
        }
        Poll::Pending
    }
}

/// Binds a server's socket. One on an IPv6 address takes no IPv4.
pub(crate) fn bind(address: SocketAddr) -> io::Result<std::net::UdpSocket> {
    let socket = socket2::Socket::new(
        Domain::for_address(address),
        Type::DGRAM,
        Some(Protocol::UDP),
    )?;
    if address.is_ipv6() {
        // Systems differ in the default, and 0.0.0.0 and :: are to fit side by side.
        socket.set_only_v6(true)?;
    }
    if let Err(error) = socket.set_recv_buffer_size(RECEIVE_BUFFER) {
        tracing::debug!(%error, "the receive buffer keeps its size");
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket.into())
}

/// Opens a client's socket for a server, if there is a route to it.
///
/// The socket stays unconnected: it survives a change of the device's own address, and it shows
/// datagrams of others so that they can be counted.
pub(crate) fn open(remote: SocketAddr) -> io::Result<std::net::UdpSocket> {
    let any: SocketAddr = match remote {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    std::net::UdpSocket::bind(any)?.connect(remote)?;
    let socket = std::net::UdpSocket::bind(any)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    fn loopback() -> SocketAddr {
        (Ipv4Addr::LOCALHOST, 0).into()
    }

    #[tokio::test]
    async fn a_socket_that_is_full_keeps_one_datagram_until_it_has_room() {
        let target = UdpSocket::bind(loopback()).await.expect("bound");
        let to = target.local_addr().expect("bound");
        let mut sockets = Sockets::new(Arc::default());
        let id = sockets
            .add(bind(loopback()).expect("bound"), Role::Udp)
            .expect("added");
        // tokio doesn't know yet that the new socket has room, so it counts as full.
        assert_eq!(sockets.send(id, b"first", to), Sent::Yes);
        assert!(sockets.is_blocked());
        assert_eq!(sockets.send(id, b"lost", to), Sent::No);
        let ready = poll_fn(|cx| sockets.poll_ready(cx)).await;
        assert!(
            matches!(ready, Ready::Write(ready) if ready == id),
            "{ready:?}"
        );
        sockets.send_held(id);
        assert!(!sockets.is_blocked());
        assert_eq!(sockets.send(id, b"second", to), Sent::Yes);
        let mut buf = [0; 16];
        for expected in ["first", "second"] {
            let len = target.recv(&mut buf).await.expect("received");
            assert_eq!(&buf[..len], expected.as_bytes());
        }
        assert_eq!(sockets.counters.read().send_failed, 1);
    }

    #[tokio::test]
    async fn a_socket_that_goes_with_its_datagram_blocks_nobody() {
        let mut sockets = Sockets::new(Arc::default());
        let id = sockets
            .add(bind(loopback()).expect("bound"), Role::Udp)
            .expect("added");
        sockets.send(id, b"first", (Ipv4Addr::LOCALHOST, 9).into());
        assert!(sockets.is_blocked());
        sockets.remove(id);
        assert!(!sockets.is_blocked());
        assert!(sockets.role(id).is_none());
    }
}
