//! DTLS against OpenSSL, both ways. Where there is no `openssl`, a message says so.

mod common;

use std::{net::SocketAddr, process::Stdio};

use common::{Event, Node, Toy, soon, v4};
use lwm2m_coap::{ConnectError, DownReason, Duration};
use lwm2m_net::{Driver, Limits, Psk, SharedPsks};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UdpSocket,
    process::{Child, Command},
};

const KEY: &[u8] = b"0123456789abcdef";
const KEY_HEX: &str = "30313233343536373839616263646566";
const CIPHER: &str = "PSK-AES128-CCM8@SECLEVEL=0";

/// A running `openssl`.
struct OpenSsl {
    child: Child,
    seen: String,
}

impl OpenSsl {
    /// Starts `openssl`; `None` if there is none.
    fn start(cipher: &str, arguments: &[&str]) -> Option<Self> {
        let child = Command::new("openssl")
            .args(arguments)
            .args(["-dtls1_2", "-cipher", cipher])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn();
        match child {
            Ok(child) => Some(Self {
                child,
                seen: String::new(),
            }),
            Err(error) => {
                println!("openssl does not start ({error}): this interop test is not run");
                None
            }
        }
    }

    async fn write(&mut self, line: &str) {
        let stdin = self.child.stdin.as_mut().expect("piped");
        stdin.write_all(line.as_bytes()).await.expect("written");
    }

    /// Reads what it prints until that shows up.
    async fn expect(&mut self, what: &str) {
        let stdout = self.child.stdout.as_mut().expect("piped");
        let stderr = self.child.stderr.as_mut().expect("piped");
        while !self.seen.contains(what) {
            let (mut out, mut err) = ([0; 4096], [0; 4096]);
            let bytes = soon(async {
                tokio::select! {
                    Ok(len @ 1..) = stdout.read(&mut out) => &out[..len],
                    Ok(len @ 1..) = stderr.read(&mut err) => &err[..len],
                    else => panic!("openssl ended: {}", self.seen),
                }
            });
            self.seen += &String::from_utf8_lossy(bytes.await);
        }
        self.seen.clear();
    }
}

async fn server() -> Node {
    let keys: SharedPsks = [("device", Psk::new(KEY))].into_iter().collect();
    Node::spawn(Driver::new(Toy::echo()).dtls(v4(), keys)).await
}

fn s_client(server: &Node, identity: &str, key: &str) -> Option<OpenSsl> {
    let address = server.addresses.dtls[0].to_string();
    let arguments = [
        "s_client",
        "-connect",
        &address,
        "-psk_identity",
        identity,
        "-psk",
        key,
    ];
    OpenSsl::start(CIPHER, &arguments)
}

/// Starts a server of OpenSSL on a port that was free just now.
async fn s_server(cipher: &str) -> Option<(OpenSsl, SocketAddr)> {
    let address = UdpSocket::bind(v4())
        .await
        .expect("bound")
        .local_addr()
        .expect("bound");
    let accept = address.to_string();
    let arguments = ["s_server", "-accept", &accept, "-psk", KEY_HEX, "-nocert"];
    let mut openssl = OpenSsl::start(cipher, &arguments)?;
    openssl.expect("ACCEPT").await;
    Some((openssl, address))
}

#[tokio::test]
async fn a_client_of_openssl_talks_to_our_server() {
    let mut server = server().await;
    let Some(mut openssl) = s_client(&server, "device", KEY_HEX) else {
        return;
    };
    let Event::Up(peer, _, identity, None) = server.next().await else {
        panic!("no device")
    };
    assert_eq!(identity.as_deref(), Some(&b"device"[..]));
    openssl.write("hello\n").await;
    assert_eq!(
        server.next().await,
        Event::Message(peer, b"hello\n".to_vec())
    );
    openssl.expect("hello\n").await;
    openssl.write("Q\n").await;
    assert_eq!(server.next().await, Event::Down(peer, DownReason::Remote));
}

#[tokio::test]
async fn a_client_of_openssl_with_a_wrong_key_or_name_gets_an_alert() {
    let mut server = server().await;
    let Some(mut openssl) = s_client(&server, "device", "00112233") else {
        return;
    };
    openssl.expect("alert number 51").await;
    let Some(mut openssl) = s_client(&server, "nobody", KEY_HEX) else {
        return;
    };
    openssl.expect("alert number 115").await;
    assert_eq!(server.pending().await, []);
    assert_eq!(server.handle.counts().handshakes_failed, 2);
}

#[tokio::test]
async fn our_client_talks_to_a_server_of_openssl() {
    let Some((mut openssl, address)) = s_server(CIPHER).await else {
        return;
    };
    let mut client = Node::client().await;
    let peer = client
        .connected(format!("coaps://{address}"), Some((b"device", KEY)))
        .await;
    client.send(peer, b"hello\n").await;
    openssl.expect("hello\n").await;
    openssl.write("world\n").await;
    assert_eq!(
        client.next().await,
        Event::Message(peer, b"world\n".to_vec())
    );
    client
        .handle
        .call(move |toy, _| toy.close(peer))
        .await
        .expect("called");
    openssl.expect("DONE").await;
}

#[tokio::test]
async fn a_server_of_openssl_without_our_cipher_suite_answers_with_an_alert() {
    let Some((_openssl, address)) = s_server("PSK-AES128-CBC-SHA256@SECLEVEL=0").await else {
        return;
    };
    let mut client = Node::client().await;
    client
        .connect(format!("coaps://{address}"), Some((b"device", KEY)))
        .await;
    // handshake_failure
    assert_eq!(
        client.next().await,
        Event::Failed(1, ConnectError::Alert(40))
    );
}

#[tokio::test]
async fn a_wrong_key_for_a_server_of_openssl_is_a_timeout() {
    // It says nothing about records that it can't open.
    let Some((_openssl, address)) = s_server(CIPHER).await else {
        return;
    };
    let mut limits = Limits::default();
    limits.handshake = Duration::from_secs(2);
    let mut client = Node::spawn(Driver::new(Toy::default()).limits(limits)).await;
    client
        .connect(format!("coaps://{address}"), Some((b"device", b"wrong")))
        .await;
    assert_eq!(client.next().await, Event::Failed(1, ConnectError::Timeout));
}
