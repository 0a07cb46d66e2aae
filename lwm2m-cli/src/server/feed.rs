//! What happens at the server, for those who listen to `/api/event` and on standard output.

use std::{
    collections::BTreeSet,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use lwm2m_codec::Path;
use lwm2m_net::server::{Event, Events, Notification, Record, Server};
use lwm2m_server::{DeregisterReason, Registration};
use serde_json::{Value, json};
use tokio::sync::broadcast;

use super::{
    json::{self, Definitions},
    keyring::KeyRing,
};
use crate::output::Output;

/// Messages that wait for the slowest listener; what exceeds them it does not get.
pub(crate) const BACKLOG: usize = 1024;

/// One server-sent event.
#[derive(Debug)]
pub(crate) struct Message {
    /// Name, as in `event: NAME`.
    pub(crate) name: &'static str,
    /// The device that it is about.
    pub(crate) endpoint: String,
    /// JSON.
    pub(crate) data: String,
}

/// Passes the server's events on to all listeners.
pub(crate) struct Feed {
    server: Server,
    keys: Option<Arc<KeyRing>>,
    sender: broadcast::Sender<Arc<Message>>,
    requests: AtomicU64,
}

impl Feed {
    pub(crate) fn new(server: Server, keys: Option<Arc<KeyRing>>) -> Arc<Self> {
        let (sender, _) = broadcast::channel(BACKLOG);
        Arc::new(Self {
            server,
            keys,
            sender,
            requests: AtomicU64::new(1),
        })
    }

    /// Listens from now on.
    pub(crate) fn listen(&self) -> broadcast::Receiver<Arc<Message>> {
        self.sender.subscribe()
    }

    /// Where to pass messages of others on.
    pub(crate) fn sender(&self) -> broadcast::Sender<Arc<Message>> {
        self.sender.clone()
    }

    /// A number for a request whose answer comes as a message.
    pub(crate) fn next_request(&self) -> u64 {
        self.requests.fetch_add(1, Ordering::Relaxed)
    }

    /// Tells all listeners.
    pub(crate) fn tell(&self, name: &'static str, endpoint: &str, data: &Value) {
        let message = Message {
            name,
            endpoint: endpoint.to_owned(),
            data: data.to_string(),
        };
        // An error means that nobody listens.
        let _ = self.sender.send(Arc::new(message));
    }

    /// Takes events until the server ends.
    pub(crate) async fn pump(self: Arc<Self>, mut events: Events, output: Output) {
        while let Some(event) = events.next().await {
            self.on_event(event, output).await;
        }
    }

    /// True if somebody listens: most events are not worth writing otherwise.
    fn is_heard(&self) -> bool {
        self.sender.receiver_count() > 0
    }

    async fn on_event(&self, event: Event, output: Output) {
        if let (Some(keys), Event::Registered { registration, .. }) = (&self.keys, &event) {
            keys.registered(registration).await;
        }
        match event {
            Event::Updated { .. } | Event::Notification { .. } | Event::Send { .. }
                if !self.is_heard() => {}
            Event::Registered { registration, .. } => {
                let endpoint = &registration.endpoint;
                let json = json::registration(&registration, false);
                let text = format!("registered {endpoint} at {}", registration.address);
                show(output, "registered", endpoint, text);
                self.tell("REGISTRATION", endpoint, &json);
            }
            Event::Updated {
                registration,
                changes,
                ..
            } => {
                let json = json!({
                    "registration": json::registration(&registration, false),
                    "update": json::update(&registration, changes),
                });
                self.tell("UPDATED", &registration.endpoint, &json);
            }
            Event::Deregistered {
                registration,
                reason,
            } => self.on_deregistered(&registration, reason, output),
            Event::Refused {
                endpoint,
                address,
                reason,
            } => {
                let endpoint = endpoint.unwrap_or_default();
                let from = address.map(|a| format!(" at {a}")).unwrap_or_default();
                let text = format!("refused {endpoint}{from}: {reason}");
                let json = json!({
                    "event": "refused", "endpoint": endpoint, "reason": reason.to_string(),
                });
                output.line(text, &json);
            }
            Event::Awake { device } => {
                self.tell(
                    "AWAKE",
                    device.endpoint(),
                    &json!({"ep": device.endpoint()}),
                );
            }
            Event::Sleeping { device } => {
                self.tell(
                    "SLEEPING",
                    device.endpoint(),
                    &json!({"ep": device.endpoint()}),
                );
            }
            Event::Notification {
                device,
                notification,
            } => {
                // A device that is gone meanwhile has no definitions.
                if let Ok(Some(registration)) = device.registration().await {
                    self.on_notification(&registration, &notification);
                }
            }
            Event::Send {
                device,
                records,
                error,
                ..
            } => {
                if let Some(error) = error {
                    tracing::warn!(endpoint = device.endpoint(), %error, "values of a Send are lost");
                }
                if let Ok(Some(registration)) = device.registration().await {
                    self.on_send(&registration, &records);
                }
            }
            Event::ObservationEnded { reason, .. } => {
                tracing::info!(%reason, "an observation ended");
            }
            Event::StoreFailed(error) => {
                eprintln!("error: can't store: {error}; no device can register until it works");
            }
            other => tracing::debug!(?other, "an event that nobody hears of"),
        }
    }

    fn on_deregistered(
        &self,
        registration: &Registration,
        reason: DeregisterReason,
        output: Output,
    ) {
        let endpoint = &registration.endpoint;
        let text = format!("deregistered {endpoint}: {reason}");
        show(output, "deregistered", endpoint, text);
        let json = json::registration(registration, false);
        self.tell("DEREGISTRATION", endpoint, &json);
    }

    fn on_notification(&self, registration: &Registration, notification: &Notification) {
        let registry = self.server.registry();
        let definitions = Definitions::new(&registry, registration);
        let endpoint = &registration.endpoint;
        if let Some(error) = &notification.error {
            tracing::warn!(%endpoint, %error, "values of a notification are lost");
        }
        let records = &json::in_order(&notification.records, unix_time());
        let mut json = match notification.paths.as_slice() {
            [path] => json!({
                "ep": endpoint,
                "kind": "single",
                "res": path.to_string(),
                "val": json::node(*path, records, definitions),
            }),
            paths => json!({
                "ep": endpoint,
                "kind": "composite",
                "val": json::nodes(paths, records, definitions),
                "paths": paths.iter().map(ToString::to_string).collect::<Vec<_>>(),
            }),
        };
        json::history(&mut json, &notification.paths, records, definitions);
        self.tell("NOTIFICATION", endpoint, &json);
    }

    fn on_send(&self, registration: &Registration, records: &[Record]) {
        let registry = self.server.registry();
        let definitions = Definitions::new(&registry, registration);
        let records = &json::in_order(records, unix_time());
        let resource = |record: &Record| record.path.truncated(3);
        let paths: BTreeSet<Path> = records.iter().map(resource).collect();
        let paths: Vec<Path> = paths.into_iter().collect();
        let mut json = json!({
            "ep": registration.endpoint,
            "val": json::nodes(&paths, records, definitions),
        });
        json::history(&mut json, &paths, records, definitions);
        self.tell("SEND", &registration.endpoint, &json);
    }
}

/// Seconds since 1970; 0 if the machine's clock is before.
fn unix_time() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0.0, |since| since.as_secs_f64())
}

fn show(output: Output, event: &str, endpoint: &str, text: String) {
    output.line(text, &json!({"event": event, "endpoint": endpoint}));
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed")
            .field("listeners", &self.sender.receiver_count())
            .finish_non_exhaustive()
    }
}
