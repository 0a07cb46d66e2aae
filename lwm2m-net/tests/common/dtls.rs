//! What the tests of DTLS share.

use std::{net::SocketAddr, sync::Arc};

use lwm2m_coap::PeerId;
use lwm2m_net::{Driver, Psk, PskStore, SharedPsks};
use tokio::net::UdpSocket;

use super::{Event, Node, Toy, soon, v4};

pub const KEY: &[u8] = b"0123456789abcdef";
pub const DEVICE: Option<(&[u8], &[u8])> = Some((b"device", KEY));

pub fn keys() -> SharedPsks {
    [("device", Psk::new(KEY)), ("slow", Psk::new(KEY))]
        .into_iter()
        .collect()
}

pub async fn server(address: SocketAddr, store: impl PskStore) -> Node {
    Node::spawn(Driver::new(Toy::echo()).dtls(address, store)).await
}

pub fn uri(server: &Node) -> String {
    format!("coaps://{}", server.addresses.dtls[0])
}

/// Takes the next event, which must be a device that came up.
pub async fn device_up(server: &mut Node) -> PeerId {
    match server.next().await {
        Event::Up(peer, _, Some(identity), None) if identity == b"device" => peer,
        other => panic!("{other:?} instead of a device"),
    }
}

/// Passes datagrams between a server and one client after the other, all from the same port.
///
/// Of those of the server, one gets lost. Gives its address for clients, and the socket from which the server hears it.
pub async fn relay(server: SocketAddr, lost: Option<usize>) -> (SocketAddr, Arc<UdpSocket>) {
    let front = UdpSocket::bind(v4()).await.expect("bound");
    let back = Arc::new(UdpSocket::bind(v4()).await.expect("bound"));
    let address = front.local_addr().expect("bound");
    let from = Arc::clone(&back);
    tokio::spawn(async move {
        let (mut up, mut down) = ([0; 2048], [0; 2048]);
        let (mut client, mut count) = (None, 0);
        loop {
            tokio::select! {
                Ok((len, from)) = front.recv_from(&mut up) => {
                    client = Some(from);
                    back.send_to(&up[..len], server).await.expect("sent");
                }
                Ok((len, _)) = back.recv_from(&mut down) => {
                    count += 1;
                    if let Some(client) = client.filter(|_| lost != Some(count)) {
                        front.send_to(&down[..len], client).await.expect("sent");
                    }
                }
            }
        }
    });
    (address, from)
}

/// A ClientHello without a cookie, as a DTLS client begins.
pub fn client_hello(random: u8) -> Vec<u8> {
    let mut body = vec![254, 253];
    body.extend([random; 32]);
    // No session, no cookie, TLS_PSK_WITH_AES_128_CCM_8, no compression.
    body.extend([0, 0, 0, 2, 0xc0, 0xa8, 1, 0]);
    // Extended Master Secret.
    body.extend([0, 4, 0, 23, 0, 0]);
    let size = u8::try_from(body.len()).expect("short");
    let mut datagram = vec![22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, size + 12];
    datagram.extend([1, 0, 0, size, 0, 0, 0, 0, 0, 0, 0, size]);
    datagram.extend(body);
    datagram
}

/// Waits for a HelloVerifyRequest: handshake message 3.
pub async fn hello_verify(socket: &UdpSocket) {
    let mut buf = [0; 2048];
    let (len, _) = soon(socket.recv_from(&mut buf)).await.expect("received");
    assert_eq!((buf[0], buf[13]), (22, 3), "{:?}", &buf[..len]);
}
