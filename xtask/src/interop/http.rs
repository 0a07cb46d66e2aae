//! As much HTTP as the cases need: GET, and server-sent events.
//!
//! HTTP/1.0, because its answers end where the connection does: no chunks to put together.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Instant;

use super::process::PATIENCE;
use crate::step::Failure;

/// The answer to a GET.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: String,
}

/// Reads a resource.
pub(super) fn get(server: SocketAddr, path: &str) -> Result<Answer, Failure> {
    let fail = |what: &str| Failure(format!("GET {path}: {what}"));
    let mut reader = request(server, path).map_err(|error| fail(&error.to_string()))?;
    let mut text = String::new();
    reader
        .read_to_string(&mut text)
        .map_err(|error| fail(&error.to_string()))?;
    let (head, body) = text
        .split_once("\r\n\r\n")
        .ok_or_else(|| fail("the answer is cut"))?;
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    Ok(Answer {
        status: status.ok_or_else(|| fail("there is no status"))?,
        body: body.to_owned(),
    })
}

fn request(server: SocketAddr, path: &str) -> std::io::Result<BufReader<TcpStream>> {
    let mut stream = TcpStream::connect(server)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {server}\r\n\r\n")?;
    Ok(BufReader::new(stream))
}

/// One server-sent event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) name: String,
    pub(super) data: String,
}

impl Event {
    /// The endpoint name of the registration that it is about.
    pub(super) fn endpoint(&self) -> Option<&str> {
        text_field(&self.data, "endpoint")
    }
}

/// The events of our server, as they come.
#[derive(Debug)]
pub(super) struct Events {
    incoming: Receiver<Event>,
    /// All registrations, updates and de-registrations so far: event and endpoint name.
    pub(super) seen: Vec<(String, String)>,
}

impl Events {
    /// Subscribes; when this returns, the server knows of it.
    pub(super) fn subscribe(server: SocketAddr) -> Result<Self, Failure> {
        let fail = |error: std::io::Error| Failure(format!("GET /api/event: {error}"));
        let mut reader = request(server, "/api/event").map_err(fail)?;
        let mut line = String::new();
        reader.read_line(&mut line).map_err(fail)?;
        if line.split(' ').nth(1) != Some("200") {
            return Err(Failure(format!("GET /api/event: {line}")));
        }
        // Between events there may be any silence.
        let stream = reader.get_ref();
        stream.set_read_timeout(None).map_err(fail)?;
        let (sender, incoming) = channel();
        thread::spawn(move || {
            let lines = reader.lines().map_while(Result::ok);
            events(lines, |event| sender.send(event).is_ok());
        });
        Ok(Self {
            incoming,
            seen: Vec::new(),
        })
    }

    /// Waits for the next registration, update or de-registration of an endpoint.
    pub(super) fn next_of(&mut self, endpoint: &str) -> Result<Event, Failure> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let event = self
                .incoming
                .recv_timeout(left)
                .map_err(|_| Failure(format!("there was no event of {endpoint}")))?;
            if !matches!(
                event.name.as_str(),
                "REGISTRATION" | "UPDATED" | "DEREGISTRATION"
            ) {
                continue;
            }
            let name = event.endpoint().unwrap_or_default().to_owned();
            let ours = name == endpoint;
            self.seen.push((event.name.clone(), name));
            if ours {
                return Ok(event);
            }
        }
    }
}

/// Puts the lines of a stream together to events, until `sink` wants no more.
fn events(lines: impl Iterator<Item = String>, mut sink: impl FnMut(Event) -> bool) {
    let (mut name, mut data) = (String::new(), String::new());
    for line in lines {
        if let Some(value) = line.strip_prefix("event:") {
            value.trim_start().clone_into(&mut name);
        } else if let Some(value) = line.strip_prefix("data:") {
            data.push_str(value.trim_start());
        } else if line.is_empty() && !name.is_empty() {
            let event = Event {
                name: std::mem::take(&mut name),
                data: std::mem::take(&mut data),
            };
            if !sink(event) {
                return;
            }
        }
    }
}

/// The first text field of that name in JSON that we wrote ourselves.
pub(super) fn text_field<'j>(json: &'j str, name: &str) -> Option<&'j str> {
    json.split_once(&format!("\"{name}\":\""))?
        .1
        .split('"')
        .next()
}

/// The first address in a list of texts of that name.
pub(super) fn first_address(json: &str, name: &str) -> Option<SocketAddr> {
    let value = json.split_once(&format!("\"{name}\":"))?.1;
    let text = value.trim_start_matches('[').strip_prefix('"')?;
    text.split('"').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_events_with_the_endpoint_of_their_registration() {
        let text = ": hello\n\nevent: UPDATED\n\
                    data: {\"registration\":{\"endpoint\":\"dev1\",\"lifetime\":60}}\n\n\
                    event:AWAKE\ndata:{\"ep\":\"dev2\"}\n\n";
        let mut found = Vec::new();
        events(text.lines().map(str::to_owned), |event| {
            found.push((event.name.clone(), event.endpoint().map(str::to_owned)));
            true
        });
        let updated = ("UPDATED".to_owned(), Some("dev1".to_owned()));
        assert_eq!(found, [updated, ("AWAKE".to_owned(), None)]);
    }

    #[test]
    fn bound_addresses_are_found_in_the_first_line() {
        let line = r#"{"coap":["127.0.0.1:5683"],"coaps":["[::1]:5684"],"http":"127.0.0.1:80"}"#;
        let address = |name| first_address(line, name).map(|address| address.to_string());
        assert_eq!(address("coap").as_deref(), Some("127.0.0.1:5683"));
        assert_eq!(address("coaps").as_deref(), Some("[::1]:5684"));
        assert_eq!(address("http").as_deref(), Some("127.0.0.1:80"));
        assert_eq!(address("none"), None);
    }
}
