//! Requests to a server's REST interface, and its events.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

/// Longest time that an answer over HTTP may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// An answer over HTTP.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) text: String,
}

/// Sends a request. HTTP/1.0: the answer ends where the connection does.
pub(super) fn call(
    server: SocketAddr,
    method: &str,
    target: &str,
    body: Option<(&str, &str)>,
) -> Result<Answer, String> {
    let fail = |error: std::io::Error| format!("{method} {target}: {error}");
    let mut stream = TcpStream::connect(server).map_err(fail)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(fail)?;
    let (kind, body) = body.unwrap_or(("application/json", ""));
    let length = body.len();
    let head = format!(
        "{method} {target} HTTP/1.0\r\nHost: {server}\r\nContent-Type: {kind}\r\n\
         Content-Length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).map_err(fail)?;
    stream.write_all(body.as_bytes()).map_err(fail)?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).map_err(fail)?;
    let answer = String::from_utf8_lossy(&bytes);
    let (head, text) = answer
        .split_once("\r\n\r\n")
        .ok_or(format!("{method} {target}: the answer is cut"))?;
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    Ok(Answer {
        status: status.ok_or(format!("{method} {target}: no status in {head}"))?,
        text: text.to_owned(),
    })
}

/// An event.
#[derive(Debug, Clone)]
pub(super) struct Event {
    pub(super) name: String,
    pub(super) data: Value,
    pub(super) at: Instant,
}

#[derive(Debug, Default)]
struct Feed {
    events: Mutex<Vec<Event>>,
    more: Condvar,
}

/// The events of one device.
#[derive(Debug)]
pub(super) struct Events {
    feed: Arc<Feed>,
    stream: TcpStream,
}

impl Events {
    /// Listens from now on.
    pub(super) fn listen(server: SocketAddr, endpoint: &str) -> Result<Self, String> {
        let fail = |error: std::io::Error| format!("GET /api/event: {error}");
        let mut stream = TcpStream::connect(server).map_err(fail)?;
        let request = format!("GET /api/event?ep={endpoint} HTTP/1.0\r\nHost: {server}\r\n\r\n");
        stream.write_all(request.as_bytes()).map_err(fail)?;
        let mut lines = BufReader::new(stream.try_clone().map_err(fail)?).lines();
        // The comment says that nothing is missed from here on.
        let listening =
            |line: &Result<String, _>| matches!(line, Ok(line) if line.starts_with(':'));
        lines
            .by_ref()
            .find(listening)
            .ok_or("GET /api/event: it ended")?
            .map_err(fail)?;
        let feed = Arc::new(Feed::default());
        let sink = Arc::clone(&feed);
        thread::spawn(move || {
            let mut name = String::new();
            for line in lines.map_while(Result::ok) {
                if let Some(event) = line.strip_prefix("event:") {
                    name = event.trim().to_owned();
                } else if let Some(data) = line.strip_prefix("data:") {
                    let event = Event {
                        name: name.clone(),
                        data: serde_json::from_str(data.trim()).unwrap_or_default(),
                        at: Instant::now(),
                    };
                    let mut events = sink.events.lock().unwrap_or_else(PoisonError::into_inner);
                    events.push(event);
                    sink.more.notify_all();
                }
            }
        });
        Ok(Self { feed, stream })
    }

    /// Number of events so far.
    pub(super) fn mark(&self) -> usize {
        self.lock().len()
    }

    /// The first event from a mark on that fits, and the mark after it.
    pub(super) fn wait(
        &self,
        mark: usize,
        patience: Duration,
        fits: impl Fn(&Event) -> bool,
    ) -> Option<(Event, usize)> {
        let deadline = Instant::now() + patience;
        let mut events = self.lock();
        let mut from = mark;
        loop {
            let found = events.iter().enumerate().skip(from).find(|(_, e)| fits(e));
            if let Some((index, event)) = found {
                return Some((event.clone(), index + 1));
            }
            from = events.len();
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            let waited = self.feed.more.wait_timeout(events, left);
            events = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Event>> {
        let events = self.feed.events.lock();
        events.unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        // Ends the reader's thread.
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
    }
}
