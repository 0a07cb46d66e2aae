//! As much of an HTTP client as the demonstration needs of the server's interface.
//!
//! It speaks HTTP/1.0, so that every answer ends with its connection.

use std::{io, net::SocketAddr};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines},
    net::TcpStream,
    sync::mpsc,
    task::JoinHandle,
};

use super::reason::Reason;

/// Largest answer in bytes.
const MAX_ANSWER: u64 = 1 << 20;
/// Most events that wait.
const MAX_EVENTS: usize = 1024;

/// The HTTP interface of the server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Http(pub(crate) SocketAddr);

impl Http {
    /// Sends a request and returns the JSON of the answer.
    ///
    /// # Errors
    /// [`Reason`]: no connection, a status other than 2xx, or no JSON.
    pub(crate) async fn request(
        self,
        method: &str,
        target: &str,
        body: &Body,
    ) -> Result<Value, Reason> {
        let answer = self
            .exchange(method, target, body)
            .await
            .map_err(Reason::Http)?;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .unwrap_or(0);
        if !(200..300).contains(&status) {
            return Err(Reason::HttpStatus {
                status,
                text: body.to_owned(),
            });
        }
        serde_json::from_str(body).map_err(|_| Reason::NotJson)
    }

    async fn exchange(self, method: &str, target: &str, body: &Body) -> io::Result<String> {
        let mut stream = self.send(method, target, body).await?;
        let mut answer = Vec::new();
        (&mut stream)
            .take(MAX_ANSWER)
            .read_to_end(&mut answer)
            .await?;
        String::from_utf8(answer).map_err(|_| io::ErrorKind::InvalidData.into())
    }

    async fn send(self, method: &str, target: &str, body: &Body) -> io::Result<TcpStream> {
        let mut stream = TcpStream::connect(self.0).await?;
        let (content_type, body) = match body {
            Body::None => ("", String::new()),
            Body::Text(text) => ("Content-Type: text/plain\r\n", text.clone()),
            Body::Json(json) => ("Content-Type: application/json\r\n", json.to_string()),
        };
        let head = format!(
            "{method} {target} HTTP/1.0\r\nHost: {}\r\n{content_type}Content-Length: {}\r\n\r\n",
            self.0,
            body.len()
        );
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(body.as_bytes()).await?;
        Ok(stream)
    }

    /// Opens the stream of events.
    ///
    /// # Errors
    /// [`Reason`]: no connection, or a status other than 2xx.
    pub(crate) async fn events(self) -> Result<Events, Reason> {
        let stream = self
            .send("GET", "/api/event", &Body::None)
            .await
            .map_err(Reason::Http)?;
        let mut lines = BufReader::new(stream).lines();
        let status = lines
            .next_line()
            .await
            .map_err(Reason::Http)?
            .unwrap_or_default();
        if !status.contains(" 200 ") {
            return Err(Reason::HttpStatus {
                status: 0,
                text: status,
            });
        }
        let (sender, receiver) = mpsc::channel(MAX_EVENTS);
        Ok(Events {
            receiver,
            task: tokio::spawn(read(lines, sender)),
        })
    }
}

/// The body of a request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Body {
    None,
    Text(String),
    Json(Value),
}

/// An event of the server: its name and data.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ServerEvent {
    pub(crate) name: String,
    pub(crate) data: Value,
}

/// The stream of events; it ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Events {
    receiver: mpsc::Receiver<ServerEvent>,
    task: JoinHandle<()>,
}

impl Events {
    /// The next event. When the stream has ended it never comes: the server's end says more.
    pub(crate) async fn next(&mut self) -> ServerEvent {
        match self.receiver.recv().await {
            Some(event) => event,
            None => std::future::pending().await,
        }
    }

    /// An event that is there already.
    pub(crate) fn waiting(&mut self) -> Option<ServerEvent> {
        self.receiver.try_recv().ok()
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Reads server-sent events: `event:` and `data:` lines, ended by a blank one.
async fn read(mut lines: Lines<BufReader<TcpStream>>, events: mpsc::Sender<ServerEvent>) {
    let (mut name, mut data) = (String::new(), String::new());
    while let Ok(Some(line)) = lines.next_line().await {
        if let Some(text) = line.strip_prefix("event:") {
            text.trim().clone_into(&mut name);
        } else if let Some(text) = line.strip_prefix("data:") {
            data.push_str(text.trim());
        } else if line.is_empty() && !data.is_empty() {
            let json = serde_json::from_str(&data).unwrap_or(Value::Null);
            let event = ServerEvent {
                name: std::mem::take(&mut name),
                data: json,
            };
            data.clear();
            if events.send(event).await.is_err() {
                return;
            }
        }
    }
}
