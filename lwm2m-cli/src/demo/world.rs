//! The three processes of the demonstration, and how they are talked to.

use std::{
    collections::VecDeque,
    io,
    net::SocketAddr,
    path::Path as FilePath,
    time::{Duration, Instant},
};

use lwm2m_model::objects;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    http::{Body, Events, Http, ServerEvent},
    process::Process,
    reason::{Reason, expect},
    relay::{Bytes, Relay},
    sabotage::Sabotage,
};
use crate::{client, hex};

/// Endpoint Client Name of the device.
pub(crate) const ENDPOINT: &str = "lwm2m-demo";
/// PSK identity of the device at the server.
const IDENTITY: &str = ENDPOINT;
/// PSK identity of the device at the bootstrap server.
const FACTORY_IDENTITY: &str = "lwm2m-demo-factory";
/// Short Server ID of the server.
pub(crate) const SSID: u16 = 123;
/// Lifetime of the registration in seconds.
pub(crate) const LIFETIME: u64 = 300;
/// What the bootstrap server writes to /3/0/14.
pub(crate) const UTC_OFFSET: &str = "+01:00";

/// Names of the processes.
pub(crate) const BOOTSTRAP_SERVER: &str = "bootstrap-server";
pub(crate) const SERVER: &str = "server";
pub(crate) const DEVICE: &str = "device";

/// Everything that runs.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) bootstrap: Process,
    pub(crate) server: Process,
    /// Started by the first step.
    pub(crate) device: Option<Process>,
    pub(crate) bootstrap_relay: Relay,
    pub(crate) server_relay: Relay,
    http: Http,
    events: Events,
    /// Events of the device that came while the answer to a command was waited for.
    pub(crate) device_events: VecDeque<Value>,
    /// The Device object as it should be now.
    pub(crate) device_values: objects::Device,
    started: Instant,
    /// Time and bytes when the step's own operation was over.
    measured: Option<(Duration, Bytes)>,
    /// What is waited for, for a report.
    pub(crate) waiting: String,
    /// The next answer is altered.
    pub(crate) alter: bool,
    /// Key of the device at the bootstrap server.
    factory_key: String,
    /// Holds the provisioning file; removed at the end.
    _folder: TempDir,
}

impl World {
    /// Starts the server and the bootstrap server, with keys made for this run.
    pub(crate) async fn start(sabotage: Option<&Sabotage>) -> Result<Self, Reason> {
        let (factory_key, key) = (random_key()?, random_key()?);
        let psk = format!("{ENDPOINT},{IDENTITY},{key}");
        let mut server = Process::start(
            SERVER,
            &[
                "server",
                "--coaps",
                "127.0.0.1:0",
                "--http",
                "127.0.0.1:0",
                "--psk",
                &psk,
                "--endpoints",
                "listed",
                "--json",
                "--shutdown-on-stdin-eof",
            ],
            None,
        )?;
        let listening = listening(&mut server).await?;
        let server_relay = relay(&listening).await?;
        let http = Http(address(&listening["http"])?);
        let events = http.events().await?;

        let wrong = |process: &str| {
            sabotage
                == Some(&Sabotage::WrongKey {
                    process: process.to_owned(),
                })
        };
        let folder = TempDir::with_prefix("lwm2m-demo-").map_err(Reason::Setup)?;
        let told = if wrong(SERVER) { random_key()? } else { key };
        let file = folder.path().join("bootstrap.toml");
        write_provision(&file, &factory_key, server_relay.address(), &told)?;
        let mut bootstrap = Process::start(
            BOOTSTRAP_SERVER,
            &[
                "bootstrap-server",
                "--coaps",
                "127.0.0.1:0",
                "--config",
                &file.display().to_string(),
                "--json",
                "--shutdown-on-stdin-eof",
            ],
            None,
        )?;
        let bootstrap_relay = relay(&self::listening(&mut bootstrap).await?).await?;
        let factory_key = if wrong(BOOTSTRAP_SERVER) {
            random_key()?
        } else {
            factory_key
        };
        Ok(Self {
            bootstrap,
            server,
            device: None,
            device_events: VecDeque::new(),
            bootstrap_relay,
            server_relay,
            http,
            events,
            device_values: client::device_values(ENDPOINT),
            started: Instant::now(),
            measured: None,
            waiting: String::new(),
            alter: false,
            factory_key,
            _folder: folder,
        })
    }

    /// Starts the device, which knows its bootstrap server and nothing else.
    pub(crate) fn start_device(&mut self) -> Result<(), Reason> {
        let uri = format!("coaps://{}", self.bootstrap_relay.address());
        let arguments = [
            "client",
            "--endpoint",
            ENDPOINT,
            "--bootstrap",
            &uri,
            "--psk-identity",
            FACTORY_IDENTITY,
            "--json",
            "--shutdown-on-stdin-eof",
        ];
        self.device = Some(Process::start(DEVICE, &arguments, Some(&self.factory_key))?);
        Ok(())
    }

    /// Begins a step; returns what passed between device and server before.
    pub(crate) fn begin(&mut self) -> Bytes {
        self.started = Instant::now();
        self.measured = None;
        self.server_relay.total()
    }

    /// Ends the measurement of a step's own operation, if that did not happen: what follows only
    /// checks what the operation did.
    pub(crate) async fn measure(&mut self) {
        if self.measured.is_none() {
            let took = self.started.elapsed();
            self.server_relay.settle().await;
            self.measured = Some((took, self.server_relay.total()));
        }
    }

    /// How long the step's own operation took.
    pub(crate) fn took(&self) -> Duration {
        self.measured
            .map_or_else(|| self.started.elapsed(), |(took, _)| took)
    }

    /// What had passed between device and server when the step's own operation was over.
    pub(crate) async fn passed(&mut self) -> Bytes {
        self.measure().await;
        self.measured.map(|(_, bytes)| bytes).unwrap_or_default()
    }

    /// A process by its name.
    pub(crate) fn process(&self, name: &str) -> Option<&Process> {
        [
            Some(&self.bootstrap),
            Some(&self.server),
            self.device.as_ref(),
        ]
        .into_iter()
        .flatten()
        .find(|process| process.name == name)
    }

    /// Ends all processes.
    pub(crate) async fn end(self) {
        if let Some(device) = self.device {
            device.end().await;
        }
        self.server.end().await;
        self.bootstrap.end().await;
    }

    /// Sends a request below `/api/clients/ENDPOINT` and returns the answer.
    pub(crate) async fn ask(
        &mut self,
        method: &str,
        target: &str,
        body: &Body,
    ) -> Result<Value, Reason> {
        self.waiting = format!("the answer to {method} {target}");
        let target = format!("/api/clients/{ENDPOINT}{target}");
        let answer = self.http.request(method, &target, body).await?;
        self.measure().await;
        Ok(self.altered(answer))
    }

    /// Sends a request, which the device must answer with a code; returns the answer.
    pub(crate) async fn ask_for(
        &mut self,
        method: &str,
        target: &str,
        body: &Body,
        code: &str,
    ) -> Result<Value, Reason> {
        let answer = self.ask(method, target, body).await?;
        // Such as CONTENT(205).
        let status = text(&answer["status"]);
        let number = status.split_once('(').map_or("", |(_, number)| number);
        let got = match number
            .strip_suffix(')')
            .and_then(|number| number.split_at_checked(1))
        {
            Some((class, detail)) => format!("{class}.{detail}"),
            None => status,
        };
        expect("the answer's code", &json!(code), &json!(got))?;
        Ok(answer)
    }

    /// Waits for an event of the server that `check` accepts.
    pub(crate) async fn event(
        &mut self,
        name: &str,
        what: &str,
        check: impl Fn(&Value) -> bool,
    ) -> Result<Value, Reason> {
        self.waiting = format!("{name}: {what}");
        loop {
            let ServerEvent { name: got, data } = self.events.next().await;
            if got != name {
                continue;
            }
            let data = self.altered(data);
            if check(&data) {
                return Ok(data);
            }
        }
    }

    /// Takes all events of a name that are there already.
    pub(crate) fn waiting_events(&mut self, name: &str) -> Vec<Value> {
        let events = std::iter::from_fn(|| self.events.waiting());
        events
            .filter(|event| event.name == name)
            .map(|event| event.data)
            .collect()
    }

    /// Gives the device a command and returns the value of its answer.
    pub(crate) async fn tell_device(&mut self, command: &str) -> Result<String, Reason> {
        self.waiting = format!("the device's answer to {command:?}");
        let Some(device) = &mut self.device else {
            return Err(Reason::Device("it is not started".into()));
        };
        device.ask(command, &mut self.device_events).await
    }

    /// The next event that the device tells.
    pub(crate) async fn device_event(&mut self) -> Value {
        if let Some(event) = self.device_events.pop_front() {
            return event;
        }
        match &mut self.device {
            Some(device) => device.line().await,
            None => std::future::pending().await,
        }
    }

    /// Checks the value that the device itself has at a path.
    pub(crate) async fn expect_on_device(
        &mut self,
        path: impl std::fmt::Display,
        expected: &str,
    ) -> Result<(), Reason> {
        let got = self.tell_device(&format!("get {path}")).await?;
        expect(
            &format!("{path} on the device"),
            &json!(expected),
            &json!(got),
        )
    }

    /// Alters one value of an answer, if a test wants it so.
    fn altered(&mut self, mut answer: Value) -> Value {
        if self.alter && alter(&mut answer) {
            self.alter = false;
        }
        answer
    }
}

/// Alters the first value that is found; false if there is none.
fn alter(answer: &mut Value) -> bool {
    match answer {
        Value::Object(map) => {
            let own = ["value", "url", "status"].into_iter().find(|key| {
                // An answer with a content or links is altered there.
                map.contains_key(*key)
                    && !map.contains_key("content")
                    && !map.contains_key("objectLinks")
            });
            match own.and_then(|key| map.get_mut(key)) {
                Some(value) => {
                    *value = json!(format!("{} (altered)", text(value)));
                    true
                }
                None => map.values_mut().any(alter),
            }
        }
        Value::Array(list) => list.iter_mut().any(alter),
        _ => false,
    }
}

/// The text of a JSON value, without quotes.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Waits until a process tells its addresses, or ends.
pub(crate) async fn listening(process: &mut Process) -> Result<Value, Reason> {
    let ending = process.ending();
    let told = async {
        loop {
            let line = process.line().await;
            if line["event"] == "listening" {
                return line;
            }
        }
    };
    let told = tokio::time::timeout(super::run::STEP_TIMEOUT, told);
    let name = ending.name();
    tokio::select! {
        line = told => line.map_err(|_| Reason::Timeout {
            what: format!("the addresses of the {name}"),
            after: super::run::STEP_TIMEOUT,
        }),
        reason = ending.died() => Err(reason),
    }
}

/// Starts a relay to the DTLS address that a process told.
async fn relay(listening: &Value) -> Result<Relay, Reason> {
    Relay::start(address(&listening["coaps"][0])?)
        .await
        .map_err(Reason::Setup)
}

pub(crate) fn address(value: &Value) -> Result<SocketAddr, Reason> {
    let address = value.as_str().and_then(|text| text.parse().ok());
    address.ok_or_else(|| Reason::Setup(io::ErrorKind::AddrNotAvailable.into()))
}

pub(crate) fn random_key() -> Result<String, Reason> {
    let mut key = [0; 16];
    getrandom::fill(&mut key).map_err(|_| Reason::Random)?;
    Ok(hex::encode(&key))
}

/// Writes what the bootstrap server shall do, to a folder that only this user can enter.
fn write_provision(
    file: &FilePath,
    factory_key: &str,
    server: SocketAddr,
    key: &str,
) -> Result<(), Reason> {
    let text = format!(
        "[[endpoint]]\n\
         name = \"{ENDPOINT}\"\n\
         psk = {{ identity = \"{FACTORY_IDENTITY}\", key = \"{factory_key}\" }}\n\
         read = [\"/1\"]\n\
         delete = [\"/0\", \"/1\"]\n\
         \n\
         [[endpoint.server]]\n\
         ssid = {SSID}\n\
         uri = \"coaps://{server}\"\n\
         psk = {{ identity = \"{IDENTITY}\", key = \"{key}\" }}\n\
         lifetime = {LIFETIME}\n\
         mute_send = false\n\
         \n\
         [[endpoint.write]]\n\
         path = \"/3/0/14\"\n\
         value = \"{UTC_OFFSET}\"\n"
    );
    std::fs::write(file, text).map_err(Reason::Setup)
}
