//! `lwm2m server --bootstrap`: keys that are made for each bootstrap.

mod common;

use common::{Addresses, Folder, Process, failure, http::Http};
use serde_json::{Value, json};

const LOCAL: &str = "127.0.0.1:0";

/// A server that is the bootstrap server, too; where both listen.
fn start(config: &str, data: &str, coaps: &str, more: &[&str]) -> (Process, Addresses, String) {
    let mut arguments = vec![
        "server",
        "--coaps",
        coaps,
        "--http",
        LOCAL,
        "--data",
        data,
        "--bootstrap",
        config,
        "--bootstrap-coap",
        LOCAL,
    ];
    arguments.extend(more);
    let process = Process::start(&arguments);
    let addresses = process.addresses();
    let bootstrap = process.line("bootstrap-listening");
    let uri = format!("coap://{}", bootstrap["coap"][0].as_str().unwrap());
    (process, addresses, uri)
}

/// A port that is free now, for a server that a file names.
fn free_address() -> String {
    let socket = std::net::UdpSocket::bind(LOCAL).unwrap();
    socket.local_addr().unwrap().to_string()
}

fn config(folder: &Folder, coaps: &str, expires: u32) -> String {
    let text = format!(
        "[[endpoint]]\nname = '*'\ndelete = ['/0', '/1']\n[[endpoint.server]]\nssid = 7\n\
         uri = 'coaps://{coaps}'\none_time_psk = {{ expires = {expires} }}\nlifetime = 300\n"
    );
    folder.write("bootstrap.toml", &text)
}

fn device(endpoint: &str, uri: &str, more: &[&str]) -> Process {
    let mut arguments = vec!["client", "--endpoint", endpoint, "--bootstrap", uri];
    arguments.extend(more);
    Process::start(&arguments)
}

fn keys(http: &Http) -> Vec<Value> {
    let keys = http.get("/api/security/one-time").json();
    keys.as_array().unwrap().clone()
}

#[test]
fn each_bootstrap_makes_a_key_and_the_first_register_with_it_ends_the_old_one() {
    let folder = Folder::new();
    let coaps = free_address();
    let config = config(&folder, &coaps, 3600);
    let (server, addresses, uri) = start(&config, folder.path(), &coaps, &[]);
    let http = Http::new(addresses.http);
    let mut dev = device("dev", &uri, &[]);
    assert_eq!(server.line("registered")["endpoint"], "dev");
    assert_eq!(http.get("/api/clients/dev").json()["secure"], true);
    let ssid = http.get("/api/clients/dev/1/0/0?timeout=20").json();
    assert_eq!(ssid["content"]["value"], "7");
    let first = keys(&http);
    assert_eq!(first.len(), 1);
    let expected = json!({
        "endpoint": "dev", "serverId": 7, "subscriber": null, "expires": null,
        "identity": first[0]["identity"], "issued": first[0]["issued"],
    });
    assert_eq!(first[0], expected);

    assert_eq!(dev.tell("bootstrap")["command"], "bootstrap");
    assert_eq!(server.line("finished")["endpoint"], "dev");
    assert_eq!(server.line("registered")["endpoint"], "dev");
    http.get("/api/clients/dev/1/0/0?timeout=20").json();
    let second = keys(&http);
    assert_eq!(second.len(), 1);
    assert_ne!(second[0]["identity"], first[0]["identity"]);
}

#[test]
fn a_key_lasts_over_a_kill_of_the_server() {
    let folder = Folder::new();
    let coaps = free_address();
    let config = config(&folder, &coaps, 3600);
    let file = format!("{}/accounts.json", folder.path());
    let (server, addresses, uri) = start(&config, folder.path(), &coaps, &[]);
    let mut dev = device("dev", &uri, &["--data", &file]);
    assert_eq!(server.line("registered")["endpoint"], "dev");
    let before = keys(&Http::new(addresses.http));
    dev.tell("quit");
    server.kill();
    let (server, addresses, _) = start(&config, folder.path(), &coaps, &[]);
    let http = Http::new(addresses.http);
    assert_eq!(keys(&http), before);
    let _dev = device("dev", "coap://127.0.0.1:9", &["--data", &file]);
    assert_eq!(server.line("registered")["endpoint"], "dev");
    assert_eq!(keys(&http), before);
}

#[test]
fn an_unused_key_expires() {
    let folder = Folder::new();
    let (coaps, elsewhere) = (free_address(), free_address());
    // The file sends the device to a server that is not there: it never registers.
    let config = config(&folder, &elsewhere, 1);
    let (server, addresses, uri) = start(&config, folder.path(), &coaps, &[]);
    let http = Http::new(addresses.http);
    let _dev = device("dev", &uri, &[]);
    assert_eq!(server.line("finished")["endpoint"], "dev");
    let deadline = std::time::Instant::now() + common::PATIENCE;
    while !keys(&http).is_empty() {
        assert!(std::time::Instant::now() < deadline, "the key stays");
        std::thread::yield_now();
    }
}

#[test]
fn a_bootstrap_server_alone_refuses_to_make_keys() {
    let folder = Folder::new();
    let config = config(&folder, "127.0.0.1:5684", 3600);
    let (code, error) = failure(&["bootstrap-server", "--coap", LOCAL, "--config", &config]);
    assert_eq!(code, 2, "{error}");
    assert!(error.contains("lwm2m server --bootstrap FILE"), "{error}");
    let (code, error) = failure(&[
        "server",
        "--coap",
        LOCAL,
        "--no-http",
        "--bootstrap",
        &config,
    ]);
    assert_eq!(code, 2, "{error}");
    assert!(error.contains("--bootstrap-coap"), "{error}");
}
