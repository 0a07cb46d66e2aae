//! A server with devices of the other make, and one device of it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::peer::Peer;
use super::rest::{self, Event, Events};
use super::sabotage::{Relay, Sabotage};
use super::setup::Peers;
use super::values;

/// Longest time for anything that has to come at once.
pub(super) const SOON: Duration = Duration::from_secs(15);
/// Milliseconds that a device in queue mode stays awake for Leshan's server.
const AWAKE_MS: u64 = 1500;
/// The key of every device.
pub(super) const KEY: &str = "000102030405060708090a0b0c0d0e0f";

/// Who is ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// Our device at Leshan's server.
    OurDevice,
    /// Leshan's device at our server.
    OurServer,
}

impl Direction {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::OurDevice => "our device, Leshan's server",
            Self::OurServer => "Leshan's device, our server",
        }
    }
}

/// How device and server talk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transport {
    Udp,
    Dtls,
}

impl Transport {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Dtls => "DTLS-PSK",
        }
    }
}

/// How a device is started.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Start {
    /// In queue mode.
    pub(super) queue: bool,
    /// Not at all: the case does it.
    pub(super) later: bool,
    /// With the values of the test object that the read cases expect.
    pub(super) values: bool,
}

/// A running server, and what starts devices for it.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) direction: Direction,
    server: Peer,
    /// Leshan's devices, all in one process.
    devices: Option<Peer>,
    http: SocketAddr,
    coap: SocketAddr,
    coaps: SocketAddr,
    lwm2m: PathBuf,
    /// Leshan's bootstrap server, with its addresses of CoAP and CoAPS.
    bootstrap: Option<(Arc<Peer>, SocketAddr, SocketAddr)>,
}

impl Site {
    /// Starts Leshan's server and bootstrap server.
    pub(super) fn leshan(lwm2m: &Path, peers: &Peers) -> Result<Self, String> {
        let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let free = || super::super::process::free_port().map_err(|failure| failure.0);
        let (coap, coaps) = (free()?, free()?);
        let mut command = peers.command("Server");
        command.args([coap.to_string(), coaps.to_string()]);
        command.arg(peers.models()).arg(AWAKE_MS.to_string());
        let server = Peer::start(&mut command)?;
        let (boot_coap, boot_coaps) = (free()?, free()?);
        let bootstrap = Peer::start(&mut peers.bootstrap(boot_coap, boot_coaps))?;
        let line = server.wait(0, SOON * 2, |line| line.starts_with("LISTENING http "))?;
        bootstrap.wait(0, SOON * 2, |line| line.starts_with("LISTENING"))?;
        let port = line.rsplit(' ').next().and_then(|port| port.parse().ok());
        Ok(Self {
            direction: Direction::OurDevice,
            server,
            devices: None,
            http: local(port.ok_or("no port of HTTP")?),
            coap: local(coap),
            coaps: local(coaps),
            lwm2m: lwm2m.to_owned(),
            bootstrap: Some((Arc::new(bootstrap), local(boot_coap), local(boot_coaps))),
        })
    }

    /// Starts our server, and the process of Leshan's devices.
    pub(super) fn ours(lwm2m: &Path, peers: &Peers) -> Result<Self, String> {
        let mut command = Command::new(lwm2m);
        command.args(["server", "--coap", "127.0.0.1:0", "--coaps", "127.0.0.1:0"]);
        let server = Peer::start(command.args(["--http", "127.0.0.1:0", "--json"]))?;
        let mut devices = peers.command("Device");
        let devices = Peer::start(devices.arg(peers.models()))?;
        let line = server.wait(0, SOON, |line| line.contains("\"listening\""))?;
        let line: Value = serde_json::from_str(&line).map_err(|error| error.to_string())?;
        let address = |value: &Value| -> Result<SocketAddr, String> {
            let text = value.as_str().unwrap_or_default();
            text.parse().map_err(|_| format!("no address in {line}"))
        };
        devices.wait(0, SOON * 2, |line| line.starts_with("LISTENING"))?;
        Ok(Self {
            direction: Direction::OurServer,
            http: address(&line["http"])?,
            coap: address(&line["coap"][0])?,
            coaps: address(&line["coaps"][0])?,
            server,
            devices: Some(devices),
            lwm2m: lwm2m.to_owned(),
            bootstrap: None,
        })
    }

    /// The command of ours.
    pub(super) fn lwm2m(&self) -> &Path {
        &self.lwm2m
    }

    /// Leshan's bootstrap server, and where devices find it.
    pub(super) fn bootstrap(&self, transport: Transport) -> Option<(Arc<Peer>, String)> {
        let (peer, coap, coaps) = self.bootstrap.as_ref()?;
        let uri = match transport {
            Transport::Udp => format!("coap://{coap}"),
            Transport::Dtls => format!("coaps://{coaps}"),
        };
        Some((Arc::clone(peer), uri))
    }

    /// Where devices find the server.
    pub(super) fn uri(&self, transport: Transport) -> String {
        match transport {
            Transport::Udp => format!("coap://{}", self.coap),
            Transport::Dtls => format!("coaps://{}", self.coaps),
        }
    }
}

/// A device of its own for one case.
#[derive(Debug)]
pub(super) struct Session<'s> {
    pub(super) site: &'s Site,
    pub(super) transport: Transport,
    pub(super) endpoint: String,
    pub(super) events: Events,
    /// Our device.
    own: Option<Peer>,
    /// What stands between our device and the server.
    relay: Option<Relay>,
    server_mark: usize,
    device_mark: usize,
    /// What was asked over HTTP, and what came of it.
    calls: std::cell::RefCell<Vec<String>>,
}

impl<'s> Session<'s> {
    /// Makes the device known to the server, and starts it. The sabotage is of what our device
    /// sends over UDP.
    pub(super) fn new(
        site: &'s Site,
        transport: Transport,
        endpoint: &str,
        start: Start,
        sabotage: Option<Sabotage>,
    ) -> Result<Self, String> {
        let events = Events::listen(site.http, endpoint)?;
        let mut session = Self {
            site,
            transport,
            endpoint: endpoint.to_owned(),
            events,
            own: None,
            relay: None,
            server_mark: site.server.mark(),
            device_mark: site.devices.as_ref().map_or(0, Peer::mark),
            calls: std::cell::RefCell::default(),
        };
        if transport == Transport::Dtls {
            session.make_known()?;
        }
        if !start.later {
            let mut uri = site.uri(transport);
            if let (Some(sabotage), Transport::Udp) = (sabotage, transport) {
                let relay = Relay::start(site.coap, sabotage)?;
                uri = format!("coap://{}", relay.address());
                session.relay = Some(relay);
            }
            session.start_device(&["--server", &uri, "--lifetime", "300"], start)?;
        }
        Ok(session)
    }

    fn make_known(&self) -> Result<(), String> {
        let details = json!({"identity": self.endpoint, "key": KEY});
        let tls = json!({"mode": "psk", "details": details});
        let body = json!({"endpoint": self.endpoint, "tls": tls}).to_string();
        let body = Some(("application/json", body.as_str()));
        let answer = rest::call(self.site.http, "PUT", "/api/security/clients", body)?;
        match answer.status {
            200..=299 => Ok(()),
            status => Err(format!(
                "the key was refused: HTTP {status} {}",
                answer.text
            )),
        }
    }

    /// Starts the device with these arguments of ours, and waits for its registration.
    pub(super) fn start_device(&mut self, account: &[&str], start: Start) -> Result<(), String> {
        let mark = self.events.mark();
        match &self.site.devices {
            None => self.own = Some(self.our_device(account, start)?),
            Some(_) => self.leshan_device(account)?,
        }
        let registered = |event: &Event| event.name == "REGISTRATION";
        if self.events.wait(mark, SOON, registered).is_none() {
            return Err(format!("the device did not register\n{}", self.story()));
        }
        // The server knows of it before the device does.
        match (&self.own, &self.site.devices) {
            (Some(own), _) => own.wait(0, SOON, |line| line.contains("\"registered\"")),
            (None, Some(devices)) => {
                let line = format!("EVENT {} registered", self.endpoint);
                devices.wait(self.device_mark, SOON, |text| text.starts_with(&line))
            }
            (None, None) => Err("there is no device".into()),
        }?;
        if start.values && self.site.devices.is_some() {
            for value in values::ALL {
                self.tell(&format!(
                    "set {} {} {}",
                    self.endpoint,
                    value.path(),
                    value.leshan
                ))?;
            }
        }
        Ok(())
    }

    fn our_device(&self, account: &[&str], start: Start) -> Result<Peer, String> {
        let mut command = Command::new(&self.site.lwm2m);
        command.args(["client", "--endpoint", &self.endpoint, "--json"]);
        command.args(account);
        if account.iter().any(|word| word.starts_with("coaps:")) {
            command.args(["--psk-key", KEY]);
        }
        if start.queue {
            command.arg("--queue");
        }
        if start.values {
            for (path, text) in values::ALL.iter().flat_map(values::Known::ours) {
                command.arg("--set").arg(format!("{path}={text}"));
            }
        }
        Peer::start(&mut command)
    }

    fn leshan_device(&self, account: &[&str]) -> Result<(), String> {
        let (way, uri) = match account {
            ["--bootstrap", uri, ..] => ("bootstrap", uri),
            ["--server", uri, ..] => ("start", uri),
            _ => return Err("a server is needed".into()),
        };
        let mut line = format!("{way} {} {uri}", self.endpoint);
        if way == "start" {
            line.push_str(" 300");
        }
        if uri.starts_with("coaps:") {
            line.push(' ');
            line.push_str(KEY);
        }
        self.tell(&line)
    }

    /// Gives the process of Leshan's devices a line, and waits until it is done.
    pub(super) fn tell(&self, line: &str) -> Result<(), String> {
        let devices = self
            .site
            .devices
            .as_ref()
            .ok_or("there is no device of Leshan")?;
        devices.order(&self.endpoint, line)
    }

    /// Gives our device a line, and waits until it is done.
    pub(super) fn command(&self, line: &str) -> Result<Value, String> {
        let own = self.own.as_ref().ok_or("there is no device of ours")?;
        let mark = own.mark();
        own.say(line)?;
        let answer = own.wait(mark, SOON, |text| text.contains("\"command\""))?;
        let answer: Value = serde_json::from_str(&answer).map_err(|error| error.to_string())?;
        match answer["ok"] == json!(true) {
            true => Ok(answer),
            false => Err(answer.to_string()),
        }
    }

    /// Changes a value on the device itself.
    pub(super) fn set(&self, path: &str, text: &str) -> Result<(), String> {
        match self.own {
            Some(_) => self.command(&format!("set {path} {text}")).map(drop),
            None => self.tell(&format!("set {} {path} {text}", self.endpoint)),
        }
    }

    /// Lets the device send values in a format; with `@` at its end two collected values of each
    /// path, with their times.
    pub(super) fn send(&self, format: &str, paths: &[&str]) -> Result<(), String> {
        let paths = paths.join(" ");
        let name = format
            .trim_end_matches('@')
            .replace('_', "-")
            .to_lowercase();
        match self.own {
            Some(_) if format.ends_with('@') => {
                // Each line is a moment of its own.
                for _ in 0..2 {
                    self.command(&format!("collect {paths}"))?;
                }
                self.command(&format!("send-collected {name}")).map(drop)
            }
            Some(_) => self.command(&format!("send {name} {paths}")).map(drop),
            None => self.tell(&format!("send {} {format} {paths}", self.endpoint)),
        }
    }

    /// Lets the device send an Update.
    pub(super) fn update(&self) -> Result<(), String> {
        match self.own {
            Some(_) => self.command("update").map(drop),
            None => self.tell(&format!("update {}", self.endpoint)),
        }
    }

    /// Ends the device in good order.
    pub(super) fn stop(&self) -> Result<(), String> {
        match self.own {
            Some(_) => self.command("quit").map(drop),
            None => self.tell(&format!("stop {}", self.endpoint)),
        }
    }

    /// Asks the server over HTTP about this device.
    pub(super) fn ask(
        &self,
        method: &str,
        target: &str,
        body: Option<&Value>,
    ) -> Result<(u16, Value), String> {
        let body = body.map(Value::to_string);
        let body = body.as_deref().map(|body| ("application/json", body));
        self.ask_raw(method, target, body)
    }

    /// The same with any body.
    pub(super) fn ask_raw(
        &self,
        method: &str,
        target: &str,
        body: Option<(&str, &str)>,
    ) -> Result<(u16, Value), String> {
        let slash = if target.is_empty() { "" } else { "/" };
        let full = format!("/api/clients/{}{slash}{target}", self.endpoint);
        let answer = rest::call(self.site.http, method, &full, body)?;
        let sent = body.map_or("", |(_, body)| body);
        self.calls.borrow_mut().push(format!(
            "{method} {full} {} -> HTTP {} {}",
            cut(sent),
            answer.status,
            cut(&answer.text)
        ));
        let value = serde_json::from_str(&answer.text).unwrap_or(Value::String(answer.text));
        Ok((answer.status, value))
    }

    /// Asks, and expects that the device answers with this code; returns the answer.
    pub(super) fn expect(
        &self,
        method: &str,
        target: &str,
        body: Option<&Value>,
        status: &str,
    ) -> Result<Value, String> {
        let (http, answer) = self.ask(method, target, body)?;
        match http == 200 && answer["status"] == json!(status) {
            true => Ok(answer),
            false => Err(format!(
                "{method} {target}: expected {status}, got HTTP {http} {}",
                cut(&answer.to_string())
            )),
        }
    }

    /// Asks for what the device has to refuse: ours with exactly this code. Leshan's has its own
    /// ideas of codes, so that any refusal of it will do: our server has to pass it on.
    pub(super) fn refused(
        &self,
        method: &str,
        target: &str,
        body: Option<&Value>,
        status: &str,
    ) -> Result<(), String> {
        if self.site.direction == Direction::OurDevice {
            return self.expect(method, target, body, status).map(drop);
        }
        let (http, answer) = self.ask(method, target, body)?;
        let code = answer["status"].as_str().unwrap_or_default();
        let refusal = ["(4", "(5"].iter().any(|class| code.contains(class));
        match http == 200 && refusal && answer["success"] == json!(false) {
            true => Ok(()),
            false => Err(format!(
                "{method} {target}: expected a refusal, got HTTP {http} {}",
                cut(&answer.to_string())
            )),
        }
    }

    /// Waits until the server knows the device with a lifetime in seconds.
    pub(super) fn lifetime_becomes(&self, mark: usize, lifetime: u32) -> Result<(), String> {
        let known = self.events.wait(mark, SOON, |event| {
            let registration = match event.name.as_str() {
                "REGISTRATION" => &event.data,
                "UPDATED" => &event.data["registration"],
                _ => return false,
            };
            registration["lifetime"] == lifetime
        });
        known
            .map(drop)
            .ok_or_else(|| format!("its lifetime did not become {lifetime} s"))
    }

    /// Waits for an event of this device.
    pub(super) fn event(
        &self,
        mark: usize,
        name: &str,
        fits: impl Fn(&Value) -> bool,
    ) -> Result<(Event, usize), String> {
        let found = self
            .events
            .wait(mark, SOON, |event| event.name == name && fits(&event.data));
        found.ok_or_else(|| format!("the event {name} did not come"))
    }

    /// The exchange in words: HTTP on one side, Leshan's messages on the other.
    pub(super) fn story(&self) -> String {
        let mut story = self.calls.borrow().clone();
        let trace = match &self.site.devices {
            Some(devices) => {
                let about = [
                    format!("TRACE {} ", self.endpoint),
                    format!(" {} ", self.endpoint),
                ];
                devices.lines(self.device_mark, |line| {
                    about.iter().any(|about| line.contains(about)) || line.starts_with("stderr:")
                })
            }
            None => {
                let registration = self.ask("GET", "", None).unwrap_or_default().1;
                let address = registration["address"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned();
                let port = address.rsplit(':').next().unwrap_or_default().to_owned();
                let about = format!("TRACE {port} ");
                let lines = self.site.server.lines(self.server_mark, |line| {
                    line.starts_with(&about)
                        || line.contains(&self.endpoint)
                        || line.starts_with("stderr:")
                });
                let own = self.own.as_ref().map(|own| own.lines(0, |_| true));
                lines.into_iter().chain(own.unwrap_or_default()).collect()
            }
        };
        story.extend(trace.iter().map(|line| cut(line)));
        story.join("\n")
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        if let Some(devices) = &self.site.devices {
            // It is gone already where the case was about that.
            let _ = devices.say(&format!("stop {}", self.endpoint));
        }
    }
}

/// A text that is not too long to be read.
pub(super) fn cut(text: &str) -> String {
    const LONGEST: usize = 400;
    match text.char_indices().nth(LONGEST) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}… ({} bytes)", &text[..end], text.len()),
    }
}
