//! `examples/device.rs` does what it says.

use std::{
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use lwm2m_model::{OwnedValue, objects};
use lwm2m_net::server::{Event, Server};

const PATIENCE: Duration = Duration::from_secs(30);

/// Where cargo puts examples: beside the folder of the tests.
fn example() -> PathBuf {
    let mut path = std::env::current_exe().expect("a path");
    path.pop();
    path.pop();
    path.push(format!("examples/device{}", std::env::consts::EXE_SUFFIX));
    if !path.exists() {
        // With `--test` cargo builds no examples.
        let mut build = Command::new(env!("CARGO"));
        build.args([
            "build",
            "--quiet",
            "--package",
            "lwm2m-net",
            "--example",
            "device",
        ]);
        if !cfg!(debug_assertions) {
            build.arg("--release");
        }
        assert!(build.status().expect("cargo runs").success());
    }
    path
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn the_example_of_a_device_registers_and_gets_warmer() {
    let address = "127.0.0.1:0".parse().unwrap();
    let (server, mut events) = Server::builder().coap(address).start().await.unwrap();
    let uri = format!("coap://{}", server.addresses().udp[0]);
    let mut example = Command::new(example());
    let child = example
        .arg(uri)
        .stdout(Stdio::null())
        .spawn()
        .expect("the example starts");
    let _running = Running(child);
    let seen = async {
        let device = loop {
            if let Event::Registered { device, .. } = events.next().await.expect("an event") {
                break device;
            }
        };
        assert_eq!(device.endpoint(), "thermometer");
        let about: objects::Device = device.read_as(0).await.unwrap();
        assert_eq!(about.manufacturer.as_deref(), Some("Acme"));
        let mut readings = device.observe("/3303/0/5700").await.unwrap();
        let Some(OwnedValue::Float(first)) = readings.first().value().cloned() else {
            panic!("no temperature")
        };
        let next = readings.next().await.expect("a reading");
        assert_eq!(next.value(), Some(&OwnedValue::Float(first + 1.0)));
    };
    tokio::time::timeout(PATIENCE, seen).await.expect("in time");
}
