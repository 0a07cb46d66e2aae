//! libcoap's clients against `lwm2m server` and `lwm2m client`: every LwM2M message is written
//! out on the command line of a program that knows CoAP only.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use super::{
    coap_client::{Exchange, Request},
    http::{self, Events},
    process::{Folder, Service, free_port},
    report::{Direction, Report, Row},
};
use crate::step::Failure;

/// Endpoint name of the device that libcoap plays without security.
const PLAIN: &str = "libcoap-udp";
/// Endpoint name of the device that libcoap plays with a key.
const SECURE: &str = "libcoap-dtls";
/// PSK identity of [`SECURE`].
const IDENTITY: &str = "libcoap-id";
/// Its key; libcoap takes it as text, our server in hexadecimal digits.
const KEY: &str = "sixteen bytes ok";
/// Endpoint name of our device.
const DEVICE: &str = "our-device";
/// The objects that libcoap's devices register.
const OBJECTS: &str = "</1/0>,</3/0>";

/// Runs all cases.
pub(super) fn run(lwm2m: &Path, report: &mut Report) -> Result<(), Failure> {
    let mut world = World::start(lwm2m)?;
    world.over_udp(report)?;
    world.over_dtls(report)?;
    world.refusals(report)?;
    world.our_device(lwm2m, report)?;
    world.nothing_else(report)
}

/// Our server, and who watches it.
struct World {
    coap: SocketAddr,
    coaps: SocketAddr,
    http: SocketAddr,
    events: Events,
    server: Service,
    folder: Folder,
}

/// What has to come of a request.
struct Expected<'e> {
    /// Response code or alert.
    outcome: &'e str,
    /// Name and endpoint name of the event.
    event: Option<(&'e str, &'e str)>,
    /// What the event's data contain.
    with: &'e str,
}

impl<'e> Expected<'e> {
    /// An answer without an event.
    const fn answer(outcome: &'e str) -> Self {
        Self {
            outcome,
            event: None,
            with: "",
        }
    }

    const fn event(outcome: &'e str, name: &'e str, endpoint: &'e str, with: &'e str) -> Self {
        Self {
            outcome,
            event: Some((name, endpoint)),
            with,
        }
    }
}

impl World {
    fn start(lwm2m: &Path) -> Result<Self, Failure> {
        let folder = Folder::new()?;
        let psk = format!("{SECURE},{IDENTITY},{}", hex(KEY));
        let any = "127.0.0.1:0";
        let arguments = [
            "server", "--coap", any, "--coaps", any, "--http", any, "--psk", &psk, "--json",
        ];
        let mut server = Service::start(
            Command::new(lwm2m)
                .args(arguments)
                .arg("--shutdown-on-stdin-eof")
                .current_dir(folder.path()),
        )?;
        let line = server
            .line_with("listening")
            .map_err(|Failure(reason)| Failure(format!("lwm2m server: {reason}")))?;
        let address = |name| {
            http::first_address(&line, name)
                .ok_or_else(|| Failure(format!("lwm2m server: no {name} address in {line}")))
        };
        let (coap, coaps, http) = (address("coap")?, address("coaps")?, address("http")?);
        Ok(Self {
            coap,
            coaps,
            http,
            events: Events::subscribe(http)?,
            server,
            folder,
        })
    }

    /// Registers, updates and de-registers without security.
    fn over_udp(&mut self, report: &mut Report) -> Result<(), Failure> {
        let (port, other) = (free_port()?, free_port()?);
        let registered = Expected::event("2.01", "REGISTRATION", PLAIN, "\"/3/0\"");
        let target = format!("/rd?ep={PLAIN}&lt=120&lwm2m=1.1");
        let request = Request::udp(port, self.coap, "post", &target).links(OBJECTS);
        let location = self.expect(report, "register", "UDP", request, &registered)?;
        let target = format!("{location}?lt=240");
        let updated = Expected::event("2.04", "UPDATED", PLAIN, "\"lifetime\":240");
        let request = Request::udp(port, self.coap, "post", &target);
        self.expect(report, "update", "UDP", request, &updated)?;
        let request = Request::udp(other, self.coap, "post", &location);
        let stranger = Expected::answer("4.04");
        let name = "an Update from another address is refused";
        self.expect(report, name, "UDP", request, &stranger)?;
        let request = Request::udp(port, self.coap, "delete", &location);
        let left = Expected::event("2.02", "DEREGISTRATION", PLAIN, "");
        self.expect(report, "de-register", "UDP", request, &left)?;
        Ok(())
    }

    /// The same with a pre-shared key. Each message comes from a new session and another port:
    /// the registration belongs to the identity.
    fn over_dtls(&mut self, report: &mut Report) -> Result<(), Failure> {
        let psk = (IDENTITY, KEY);
        let registered = Expected::event("2.01", "REGISTRATION", SECURE, "\"secure\":true");
        let target = format!("/rd?ep={SECURE}&lt=120&lwm2m=1.1");
        let request = Request::dtls(psk, self.coaps, "post", &target).links(OBJECTS);
        let location = self.expect(report, "register", "DTLS", request, &registered)?;
        let target = format!("{location}?lt=240");
        let updated = Expected::event("2.04", "UPDATED", SECURE, "\"lifetime\":240");
        let request = Request::dtls(psk, self.coaps, "post", &target);
        let name = "update in a new session";
        self.expect(report, name, "DTLS", request, &updated)?;
        let request = Request::dtls(psk, self.coaps, "delete", &location);
        let left = Expected::event("2.02", "DEREGISTRATION", SECURE, "");
        self.expect(report, "de-register", "DTLS", request, &left)?;
        Ok(())
    }

    /// Keys and names that don't fit.
    fn refusals(&mut self, report: &mut Report) -> Result<(), Failure> {
        let target = format!("/rd?ep={SECURE}&lt=120&lwm2m=1.1");
        let request = Request::dtls((IDENTITY, "not the right key"), self.coaps, "post", &target);
        let alert = Expected::answer("fatal:decrypt error");
        let name = "a wrong key is refused";
        self.expect(report, name, "DTLS", request.links(OBJECTS), &alert)?;
        let request = Request::dtls(("nobody", KEY), self.coaps, "post", &target);
        let alert = Expected::answer("fatal:unknown PSK identity");
        let name = "an unknown identity is refused";
        self.expect(report, name, "DTLS", request.links(OBJECTS), &alert)?;
        let wrong = Expected::answer("4.00");
        let other = "/rd?ep=somebody-else&lt=120&lwm2m=1.1";
        let request = Request::dtls((IDENTITY, KEY), self.coaps, "post", other).links(OBJECTS);
        let name = "a wrong endpoint name is refused";
        self.expect(report, name, "DTLS", request, &wrong)?;
        let request = Request::udp(free_port()?, self.coap, "post", &target).links(OBJECTS);
        let name = "the name of a device with a key is refused without it";
        self.expect(report, name, "UDP", request, &wrong)?;
        Ok(())
    }

    /// Sends a request to our server, and compares. Returns the location that the answer names.
    fn expect(
        &mut self,
        report: &mut Report,
        name: &'static str,
        transport: &'static str,
        request: Request,
        expected: &Expected<'_>,
    ) -> Result<String, Failure> {
        let exchange = request.send(self.folder.path())?;
        let (mut seen, mut wrong) = answered(&exchange, expected.outcome);
        if let Some((event, endpoint)) = expected.event
            && wrong.is_none()
        {
            match self.events.next_of(endpoint) {
                Ok(got) if got.name == event && got.data.contains(expected.with) => {
                    seen.push_str(&format!("; event {event} of {endpoint}"));
                }
                Ok(got) => {
                    wrong = Some(format!(
                        "expected the event {event} with {}, got {got:?}",
                        expected.with
                    ));
                }
                Err(Failure(reason)) => wrong = Some(reason),
            }
        }
        let location = exchange.response().and_then(|response| response.location());
        let failed = wrong.is_some();
        report.add(Row {
            name,
            direction: Direction::ToServer,
            transport,
            sent: exchange.command_line,
            seen,
            wrong: wrong.map(|wrong| {
                let (output, log) = (exchange.output, self.server.errors());
                format!("{wrong}\nthe client printed:\n{output}the server logged:\n{log}")
            }),
        });
        match failed && expected.event.is_some() {
            // Without a registration the next cases make no sense.
            true => Err(Failure(format!("the cases after \"{name}\" were left out"))),
            false => Ok(location.unwrap_or_default()),
        }
    }

    /// Starts our device, and reads from it as its server and as a stranger.
    fn our_device(&mut self, lwm2m: &Path, report: &mut Report) -> Result<(), Failure> {
        let uri = format!("coap://{}", self.coap);
        let arguments = ["client", "--endpoint", DEVICE, "--server", &uri, "--json"];
        let mut device = Service::start(
            Command::new(lwm2m)
                .args(arguments)
                .arg("--shutdown-on-stdin-eof")
                .current_dir(self.folder.path()),
        )?;
        device
            .line_with("\"registered\"")
            .map_err(|Failure(reason)| Failure(format!("lwm2m client: {reason}")))?;
        let registered = self.events.next_of(DEVICE)?;
        let address: SocketAddr = http::text_field(&registered.data, "address")
            .and_then(|address| address.parse().ok())
            .ok_or_else(|| Failure(format!("no address in {}", registered.data)))?;
        self.read_as_server(report, "the device's own server reads it")?;
        let request = Request::udp(free_port()?, address, "get", "/3/0").in_vain();
        let exchange = request.send(self.folder.path())?;
        let (seen, mut wrong) = answered(&exchange, "no answer");
        if !exchange.was_sent() {
            wrong = Some("no request was sent".into());
        }
        report.add(Row {
            name: "a read from a port that is not the server's gets no data",
            direction: Direction::ToDevice,
            transport: "UDP",
            sent: exchange.command_line,
            seen,
            wrong: wrong.map(|wrong| format!("{wrong}\n{}", exchange.output)),
        });
        self.read_as_server(report, "its server still reads it")
    }

    fn read_as_server(&self, report: &mut Report, name: &'static str) -> Result<(), Failure> {
        let path = format!("/api/clients/{DEVICE}/3/0");
        let answer = http::get(self.http, &path)?;
        let read = answer.status == 200
            && answer.body.contains("CONTENT(205)")
            && answer.body.contains("\"kind\":\"instance\"");
        report.add(Row {
            name,
            direction: Direction::ServerToDevice,
            transport: "UDP",
            sent: format!("curl http://{}{path}", self.http),
            seen: format!(
                "HTTP {}, {} bytes, status {}",
                answer.status,
                answer.body.len(),
                http::text_field(&answer.body, "status").unwrap_or("missing")
            ),
            wrong: (!read).then(|| format!("expected the values of /3/0, got {}", answer.body)),
        });
        Ok(())
    }

    /// No refused message left a trace: exactly the expected events came, and nobody but our
    /// device is registered.
    fn nothing_else(&mut self, report: &mut Report) -> Result<(), Failure> {
        let events = |endpoint: &str| {
            ["REGISTRATION", "UPDATED", "DEREGISTRATION"]
                .map(|event| (event.to_owned(), endpoint.to_owned()))
        };
        let mut expected = Vec::from(events(PLAIN));
        expected.extend(events(SECURE));
        expected.push(("REGISTRATION".to_owned(), DEVICE.to_owned()));
        let listed = http::get(self.http, "/api/clients")?.body;
        let nobody = [PLAIN, SECURE, "somebody-else"]
            .iter()
            .all(|name| !listed.contains(&format!("\"{name}\"")));
        let seen = &self.events.seen;
        let right = *seen == expected && nobody;
        report.add(Row {
            name: "what was refused left no trace",
            direction: Direction::ToServer,
            transport: "both",
            sent: format!("curl http://{}/api/event", self.http),
            seen: format!("{} events, each of them named above", seen.len()),
            wrong: (!right).then(|| format!("events: {seen:?}\nregistered: {listed}")),
        });
        Ok(())
    }
}

/// What to show of an answer, and what is wrong with it.
fn answered(exchange: &Exchange, expected: &str) -> (String, Option<String>) {
    let outcome = exchange.outcome();
    let seen = match exchange.response() {
        Some(response) => response.to_string(),
        None => outcome.to_owned(),
    };
    // The names of alerts are OpenSSL's, which may change their case.
    let wrong = !outcome.eq_ignore_ascii_case(expected);
    (
        seen,
        wrong.then(|| format!("expected {expected}, got {outcome}")),
    )
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}
