//! `lwm2m server --bootstrap`, killed in the middle of a hundred bootstraps.

mod common;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use common::{Folder, PATIENCE, Process, http::Http};
use lwm2m_bootstrap::{AccountSecurity, accounts};
use lwm2m_model::objects;
use lwm2m_net::{
    Limits,
    device::{Device, Events},
};
use serde_json::Value;
use tokio::{runtime::Runtime, time::timeout};

const DEVICES: usize = 100;
const LOCAL: &str = "127.0.0.1:0";

/// A port that is free now, for a server that comes back to it.
fn free_address() -> String {
    let socket = std::net::UdpSocket::bind(LOCAL).unwrap();
    socket.local_addr().unwrap().to_string()
}

/// The device's waits are short, so that the test's are.
async fn device(number: usize, uri: &str) -> (Device, Events) {
    let about = objects::Device {
        manufacturer: Some("Acme".into()),
        ..Default::default()
    };
    let mut limits = Limits::default();
    limits.handshake = Duration::from_secs(3);
    let builder = Device::builder(format!("dev{number}"))
        .bootstrap(uri, ())
        .object(about)
        .limits(limits)
        .configure(|config| {
            config.bootstrap_timeout = Duration::from_secs(2);
            config.bootstrap_retry = Duration::from_millis(250);
            config.coap.ack_timeout = Duration::from_millis(500);
            config.coap.max_retransmit = 2;
            // What a killed server has acknowledged, it never answers.
            config.coap.response_timeout = Duration::from_secs(3);
        });
    builder.start().await.unwrap()
}

/// The PSK identity of a device's account.
async fn identity(device: &Device) -> Option<String> {
    let identity = device.call(|client, _| {
        let servers = accounts(client.tree()).servers;
        match &servers.first()?.security {
            AccountSecurity::Psk { identity, .. } => String::from_utf8(identity.clone()).ok(),
            _ => None,
        }
    });
    identity.await.unwrap()
}

/// One-time keys by endpoint, as the server lists them.
fn keys(http: &Http) -> BTreeMap<String, Vec<Value>> {
    let mut keys = BTreeMap::<String, Vec<Value>>::new();
    for key in http
        .get("/api/security/one-time")
        .json()
        .as_array()
        .unwrap()
    {
        let endpoint = key["endpoint"].as_str().unwrap().to_owned();
        keys.entry(endpoint).or_default().push(key.clone());
    }
    keys
}

fn registered(http: &Http) -> usize {
    http.get("/api/clients").json().as_array().unwrap().len()
}

/// What the devices without a registration told, for whoever looks for the reason.
fn told(runtime: &Runtime, devices: &mut [(Device, Events)]) -> String {
    let mut text = String::new();
    for (number, (device, events)) in devices.iter_mut().enumerate() {
        if !runtime
            .block_on(device.registered_servers())
            .unwrap()
            .is_empty()
        {
            continue;
        }
        runtime.block_on(async {
            while let Ok(Some(event)) = timeout(Duration::ZERO, events.next()).await {
                text += &format!("dev{number}: {event:?}\n");
            }
        });
    }
    text
}

#[test]
fn a_server_killed_in_a_hundred_bootstraps_provisions_all_and_leaves_no_key_that_no_device_has() {
    let folder = Folder::new();
    let (bootstrap, coaps) = (free_address(), free_address());
    let text = format!(
        "[[endpoint]]\nname = '*'\ndelete = ['/0', '/1']\n[[endpoint.server]]\nssid = 7\n\
         uri = 'coaps://{coaps}'\none_time_psk = {{ expires = 600 }}\nlifetime = 300\n\
         retry_timer = 1\nretry_count = 2\nsequence_delay = 1\nsequence_retry_count = 1000\n"
    );
    let config = folder.write("bootstrap.toml", &text);
    let arguments = [
        "server",
        "--coaps",
        &coaps,
        "--http",
        LOCAL,
        "--data",
        folder.path(),
        "--bootstrap",
        &config,
        "--bootstrap-coap",
        &bootstrap,
    ];
    let server = Process::start(&arguments);
    server.addresses();
    let runtime = Runtime::new().unwrap();
    let uri = format!("coap://{bootstrap}");
    let mut devices: Vec<(Device, Events)> = runtime.block_on(async {
        let mut devices = Vec::new();
        for number in 0..DEVICES {
            devices.push(device(number, &uri).await);
        }
        devices
    });
    for _ in 0..10 {
        server.line("finished");
    }
    server.kill();

    let server = Process::start(&arguments);
    let http = Http::new(server.addresses().http);
    let before = registered(&http);
    assert!(before < DEVICES, "the server was killed too late");
    let open = keys(&http)
        .values()
        .flatten()
        .filter(|key| !key["expires"].is_null())
        .count();
    let deadline = Instant::now() + 3 * PATIENCE;
    while registered(&http) < DEVICES {
        if Instant::now() > deadline {
            panic!(
                "{} devices are registered: {}",
                registered(&http),
                told(&runtime, &mut devices)
            );
        }
    }
    // The last Register may be told before its key is noted.
    let mut after = keys(&http);
    while after
        .values()
        .flatten()
        .any(|key| !key["expires"].is_null())
    {
        assert!(Instant::now() < deadline, "keys are left: {after:?}");
        after = keys(&http);
    }
    println!("{before} devices were registered at the restart, {open} keys had not been used");
    assert_eq!(after.len(), DEVICES);
    for (number, (device, _)) in devices.iter().enumerate() {
        let own = runtime.block_on(identity(device)).expect("a key");
        let [key] = &after[&format!("dev{number}")][..] else {
            panic!("dev{number} has {after:?}")
        };
        assert_eq!(key["identity"], own, "dev{number}");
    }
}
