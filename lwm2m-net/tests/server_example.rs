//! `examples/server.rs` does what it says.

use std::{
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};

use lwm2m_model::objects;
use lwm2m_net::device::{Device, Keys};

const PATIENCE: Duration = Duration::from_secs(30);

/// Where cargo puts examples: beside the folder of the tests.
fn example() -> PathBuf {
    let mut path = std::env::current_exe().expect("a path");
    path.pop();
    path.pop();
    path.push(format!("examples/server{}", std::env::consts::EXE_SUFFIX));
    if !path.exists() {
        // With `--test` cargo builds no examples.
        let mut build = Command::new(env!("CARGO"));
        build.args([
            "build",
            "--quiet",
            "--package",
            "lwm2m-net",
            "--example",
            "server",
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

fn lines(child: &mut Child) -> Receiver<String> {
    let stdout = child.stdout.take().expect("a pipe");
    let (sender, lines) = channel();
    thread::spawn(move || {
        let all = BufReader::new(stdout).lines().map_while(Result::ok);
        all.for_each(|line| drop(sender.send(line)));
    });
    lines
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_example_of_a_server_shows_a_device_and_its_readings() {
    let mut child = Command::new(example())
        .arg("127.0.0.1:0")
        .stdout(Stdio::piped())
        .spawn()
        .expect("the example starts");
    let lines = lines(&mut child);
    let _running = Running(child);
    let next = || lines.recv_timeout(PATIENCE).expect("a line");
    let listening = next();
    let address = listening
        .strip_prefix("listening at [")
        .expect("an address");
    let uri = format!("coap://{}", address.trim_end_matches(']'));
    let about = objects::Device {
        manufacturer: Some("Acme".into()),
        ..Default::default()
    };
    let (device, _events) = Device::builder("dev1")
        .server(1, uri, Keys::None, 300)
        .object(about)
        .object(objects::Temperature::default())
        .start()
        .await
        .expect("started");
    assert_eq!(next(), "dev1 registered");
    assert_eq!(next(), "dev1 is made by Some(\"Acme\")");
    assert_eq!(next(), "dev1 has Some(Float(0.0))");
    let set = device.set::<objects::Temperature>(0, |t| t.sensor_value = 21.5);
    set.await.expect("set");
    assert_eq!(next(), "dev1 has Some(Float(21.5))");
}
