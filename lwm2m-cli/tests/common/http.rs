//! HTTP/1.0 over a plain socket: one request per connection, answers end with it.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread::{self, JoinHandle},
    time::Instant,
};

use serde_json::Value;

use super::PATIENCE;

/// The HTTP interface of a server.
#[derive(Debug, Clone)]
pub struct Http {
    address: SocketAddr,
    header: String,
}

/// An answer.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub body: String,
}

impl Reply {
    /// The body as JSON, if the status is 200.
    pub fn json(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.body);
        serde_json::from_str(&self.body).expect("JSON")
    }
}

impl Http {
    pub fn new(address: Option<SocketAddr>) -> Self {
        Self {
            address: address.expect("an HTTP address"),
            header: String::new(),
        }
    }

    /// Sends one more header with each request.
    pub fn with_header(mut self, header: &str) -> Self {
        self.header = format!("{header}\r\n");
        self
    }

    fn open(&self, method: &str, path: &str, content_type: &str, body: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).expect("connected");
        stream.set_read_timeout(Some(PATIENCE)).expect("set");
        write!(
            stream,
            "{method} {path} HTTP/1.0\r\nHost: {}\r\n{}Content-Type: {content_type}\r\n\
             Content-Length: {}\r\n\r\n{body}",
            self.address,
            self.header,
            body.len(),
        )
        .expect("sent");
        stream
    }

    pub fn send(&self, method: &str, path: &str, content_type: &str, body: &str) -> Reply {
        let mut stream = self.open(method, path, content_type, body);
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("an answer");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head");
        let status = head.split(' ').nth(1).expect("a status");
        Reply {
            status: status.parse().expect("a number"),
            body: body.to_owned(),
        }
    }

    pub fn get(&self, path: &str) -> Reply {
        self.send("GET", path, "application/json", "")
    }

    /// Sends a request whose answer a test waits for later, because the test plays the device.
    pub fn begin(&self, method: &str, path: &str, body: &Value) -> JoinHandle<Reply> {
        let (http, method, path) = (self.clone(), method.to_owned(), path.to_owned());
        let (content_type, body) = match body {
            Value::Null => ("application/json", String::new()),
            Value::String(text) => ("text/plain", text.clone()),
            json => ("application/json", json.to_string()),
        };
        thread::spawn(move || http.send(&method, &path, content_type, &body))
    }

    /// Listens to `/api/event`; what happens from now on is not missed.
    pub fn events(&self, query: &str) -> EventStream {
        let stream = self.open("GET", &format!("/api/event{query}"), "text/plain", "");
        let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
        let hello = lines.by_ref().find(|line| line.starts_with(':'));
        assert_eq!(hello.as_deref(), Some(": listening"));
        let (sender, events) = channel();
        thread::spawn(move || {
            let mut name = String::new();
            for line in lines {
                if let Some(text) = line.strip_prefix("event: ") {
                    name = text.to_owned();
                } else if let Some(text) = line.strip_prefix("data: ") {
                    let data = serde_json::from_str(text).expect("JSON");
                    if sender.send((name.clone(), data)).is_err() {
                        return;
                    }
                }
            }
        });
        EventStream { events }
    }
}

/// Server-sent events.
pub struct EventStream {
    events: Receiver<(String, Value)>,
}

impl EventStream {
    /// The data of the next event of a name; others are skipped.
    pub fn next(&self, name: &str) -> Value {
        let deadline = Instant::now() + PATIENCE;
        let mut skipped = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.events.recv_timeout(left) {
                Ok((found, data)) if found == name => return data,
                Ok((other, _)) => skipped.push(other),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    panic!("no event {name} came, only {skipped:?}")
                }
            }
        }
    }
}
