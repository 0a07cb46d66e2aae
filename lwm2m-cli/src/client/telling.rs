//! What the device prints: a line of text or of JSON for each event and each command.

use lwm2m_net::device::{Event, Failed, Operation};
use serde_json::{Value, json};

use crate::output::Output;

/// Where events and answers go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Teller(Output);

impl Teller {
    pub(crate) const fn new(json: bool) -> Self {
        Self(Output::new(json))
    }

    /// Tells what a command came to.
    pub(crate) fn answer<E: std::fmt::Display>(self, command: &str, result: Result<String, E>) {
        match result {
            Ok(value) if value.is_empty() => {
                let json = json!({ "command": command, "ok": true });
                self.0.line(format_args!("ok: {command}"), &json);
            }
            Ok(value) => {
                let json = json!({ "command": command, "ok": true, "value": value });
                self.0.line(format_args!("ok: {command}: {value}"), &json);
            }
            Err(error) => {
                let text = error.to_string();
                let json = json!({ "command": command, "ok": false, "error": text });
                self.0.line(format_args!("error: {text}"), &json);
            }
        }
    }

    /// Tells what happened.
    pub(crate) fn event(self, event: &Event) {
        let told = Told::of(event);
        self.0.line(told.text, &told.json);
    }

    /// Tells what the device itself did.
    pub(crate) fn note(self, name: &str, text: &str) {
        self.0.line(text, &json!({ "event": name }));
    }
}

/// An event in both ways of writing.
struct Told {
    text: String,
    json: Value,
}

impl Told {
    fn new(text: impl Into<String>, json: Value) -> Self {
        Self {
            text: text.into(),
            json,
        }
    }

    fn of(event: &Event) -> Self {
        match event {
            Event::BootstrapStarted => {
                Self::new("bootstrap started", json!({ "event": "bootstrap-started" }))
            }
            Event::BootstrapFinished => Self::new(
                "bootstrap finished",
                json!({ "event": "bootstrap-finished" }),
            ),
            Event::BootstrapStore => Self::new(
                "bootstrap complete, stores the accounts",
                json!({ "event": "bootstrap-store" }),
            ),
            Event::BootstrapAccountRemoved => Self::new(
                "removed the account of the bootstrap server",
                json!({ "event": "bootstrap-account-removed" }),
            ),
            Event::BootstrapPackFailed { reason } => Self::new(
                format!("no bootstrap pack: {reason}; asks for the plain sequence"),
                json!({ "event": "bootstrap-pack-failed", "reason": reason.to_string() }),
            ),
            Event::BootstrapFailed {
                step,
                reason,
                retry_in,
            } => {
                let seconds = retry_in.as_secs();
                let mut json = failed("bootstrap-failed", None, reason, seconds);
                json["step"] = json!(step.to_string());
                Self::new(
                    format!("bootstrap failed {step}: {reason}; next attempt in {seconds} s"),
                    json,
                )
            }
            Event::RegistrationFailed {
                server,
                reason,
                retry_in,
            } => Self::new(
                format!(
                    "registration at server {server} failed: {reason}; next attempt in {} s",
                    retry_in.as_secs()
                ),
                failed(
                    "registration-failed",
                    Some(*server),
                    reason,
                    retry_in.as_secs(),
                ),
            ),
            event => Self::of_registered(event),
        }
    }

    fn of_registered(event: &Event) -> Self {
        match event {
            Event::Registered {
                server,
                version,
                location,
            } => Self::new(
                format!("registered at server {server} with LwM2M {version} as {location}"),
                json!({
                    "event": "registered", "server": server, "version": version.to_string(),
                    "location": location,
                }),
            ),
            Event::Updated { server } => Self::new(
                format!("updated the registration at server {server}"),
                json!({ "event": "updated", "server": server }),
            ),
            Event::Deregistered { server } => Self::new(
                format!("de-registered from server {server}"),
                json!({ "event": "deregistered", "server": server }),
            ),
            Event::Changed {
                server,
                path,
                operation,
            } => Self::new(
                format!("server {server}: {} {path}", name(*operation)),
                json!({
                    "event": name(*operation), "server": server, "path": path.to_string(),
                }),
            ),
            Event::Sent {
                server,
                result: Ok(()),
            } => Self::new(
                format!("server {server} took the values"),
                json!({ "event": "sent", "server": server }),
            ),
            Event::Sent {
                server,
                result: Err(reason),
            } => Self::new(
                format!("server {server} did not take the values: {reason}"),
                json!({ "event": "send-failed", "server": server, "reason": reason.to_string() }),
            ),
            Event::Asleep { server } => Self::new(
                format!("asleep for server {server}"),
                json!({ "event": "asleep", "server": server }),
            ),
            other => {
                let text = format!("{other:?}");
                Self::new(text.clone(), json!({ "event": "other", "text": text }))
            }
        }
    }
}

fn failed(event: &str, server: Option<u16>, reason: &Failed, retry_in: u64) -> Value {
    let mut told = json!({ "event": event, "reason": reason.to_string(), "retryIn": retry_in });
    if let (Some(server), Some(told)) = (server, told.as_object_mut()) {
        told.insert("server".into(), server.into());
    }
    told
}

const fn name(operation: Operation) -> &'static str {
    match operation {
        Operation::Read => "read",
        Operation::Discover => "discover",
        Operation::Write => "write",
        Operation::WriteAttributes => "write-attributes",
        Operation::Execute => "execute",
        Operation::Create => "create",
        Operation::Delete => "delete",
        Operation::Observe => "observe",
        _ => "operation",
    }
}
