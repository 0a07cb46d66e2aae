//! The HTTP interface of the bootstrap server.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, RawQuery, Request, State},
    http::StatusCode,
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use lwm2m_bootstrap::server::{BootstrapServer, Event, RefusedReason};
use lwm2m_net::Handle;
use serde_json::{Value, json};
use tokio::sync::broadcast;
use zeroize::Zeroizing;

use super::configurations::{ConfigurationError, Configurations};
use crate::server::{
    api::{error::ApiError, events, guard, ok, openapi},
    feed::Message,
};

/// Longest body of a request, in bytes.
const MAX_BODY: usize = 256 * 1024;
/// Messages that wait for the slowest listener; what exceeds them it does not get.
const BACKLOG: usize = 1024;

/// What all requests share.
#[derive(Debug)]
pub(super) struct Api {
    handle: Handle<BootstrapServer>,
    configurations: Configurations,
    sender: broadcast::Sender<Arc<Message>>,
    token: Option<Zeroizing<String>>,
}

impl Api {
    pub(super) fn new(
        handle: Handle<BootstrapServer>,
        configurations: Configurations,
        token: Option<String>,
    ) -> Arc<Self> {
        Arc::new(Self {
            handle,
            configurations,
            sender: broadcast::channel(BACKLOG).0,
            token: token.map(Zeroizing::new),
        })
    }

    pub(super) fn router(self: Arc<Self>) -> Router {
        Router::new()
            .route("/api/bootstrap", get(list))
            .route("/api/bootstrap/{endpoint}", post(set).delete(remove))
            .route("/api/event", get(stream))
            .route("/api/openapi.json", get(openapi::bootstrap_server))
            .fallback(async || ApiError::NotFound("there is nothing at this path".into()))
            .method_not_allowed_fallback(async || ApiError::Method)
            .layer(middleware::from_fn_with_state(Arc::clone(&self), check))
            .layer(DefaultBodyLimit::max(MAX_BODY))
            .with_state(self)
    }

    /// Passes an event on to all listeners.
    pub(super) fn tell(&self, event: &Event) {
        let Some(endpoint) = endpoint(event) else {
            return;
        };
        let time = SystemTime::now().duration_since(UNIX_EPOCH);
        let time = time.map_or(0, |time| time.as_millis() as u64);
        for (name, message) in messages(event) {
            let data = json!({
                "name": name,
                "endpoint": endpoint,
                "time": time,
                "message": message,
            });
            let message = Message {
                name: "BSSESSION",
                endpoint: endpoint.to_owned(),
                data: data.to_string(),
            };
            // An error means that nobody listens.
            let _ = self.sender.send(Arc::new(message));
        }
    }

    /// Lets the engine work with the configurations that there are now.
    async fn apply(&self) -> Result<(), ApiError> {
        let entries = self.configurations.entries();
        let call = move |server: &mut BootstrapServer, _| server.set_entries(entries);
        Ok(self.handle.call(call).await?)
    }
}

impl From<ConfigurationError> for ApiError {
    fn from(error: ConfigurationError) -> Self {
        match error {
            ConfigurationError::Save(_) | ConfigurationError::Io { .. } => {
                Self::Unavailable(error.to_string())
            }
            error => Self::bad(error),
        }
    }
}

async fn check(
    State(api): State<Arc<Api>>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    guard::allow(api.token.as_deref().map(String::as_str), request.headers())?;
    Ok(next.run(request).await)
}

async fn list(State(api): State<Arc<Api>>) -> Response {
    ok(&api.configurations.to_json())
}

async fn set(
    State(api): State<Arc<Api>>,
    Path(endpoint): Path<String>,
    body: Bytes,
) -> Result<Response, ApiError> {
    // The error's text names a place, and never what stands there.
    let json: Value = serde_json::from_slice(&body).map_err(ApiError::bad)?;
    let worker = Arc::clone(&api);
    blocking(move || worker.configurations.set(&endpoint, &json)).await?;
    api.apply().await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn remove(
    State(api): State<Arc<Api>>,
    Path(endpoint): Path<String>,
) -> Result<Response, ApiError> {
    let (worker, name) = (Arc::clone(&api), endpoint.clone());
    if !blocking(move || worker.configurations.remove(&name)).await? {
        let text = format!("there is no configuration for {endpoint:?}");
        return Err(ApiError::NotFound(text));
    }
    api.apply().await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Runs what writes to the disk.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ConfigurationError> + Send + 'static,
) -> Result<T, ApiError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => Ok(result?),
        Err(_) => Err(ApiError::Unavailable("the server ends".into())),
    }
}

async fn stream(
    State(api): State<Arc<Api>>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    events::sse(api.sender.subscribe(), query.as_deref())
}

fn endpoint(event: &Event) -> Option<&str> {
    match event {
        Event::SessionStarted { endpoint, .. }
        | Event::Step { endpoint, .. }
        | Event::Finished { endpoint, .. }
        | Event::Packed { endpoint, .. }
        | Event::Failed { endpoint, .. } => Some(endpoint),
        Event::Refused { endpoint, .. } => Some(endpoint.as_deref().unwrap_or_default()),
        _ => None,
    }
}

/// Names and texts of what an event tells, in the words of Leshan's demo.
fn messages(event: &Event) -> Vec<(String, String)> {
    let one = |name: &str, text: String| vec![(name.to_owned(), text)];
    match event {
        Event::SessionStarted { format, .. } => {
            let format = format.map(|format| format!("prefers {format}"));
            vec![
                ("new session".to_owned(), format.unwrap_or_default()),
                ("authorized".to_owned(), String::new()),
            ]
        }
        Event::Refused { reason, .. } => match reason {
            RefusedReason::UnknownEndpoint => one("no config", reason.to_string()),
            reason => one("unauthorized", reason.to_string()),
        },
        Event::Step { step, code, .. } => {
            let result = match code.is_success() {
                true => "response success",
                false => "response error",
            };
            vec![
                (format!("sent {}", step.operation), step.to_string()),
                (result.to_owned(), format!("{step}: {code}")),
            ]
        }
        Event::Packed { format, sent, .. } => one("sent pack", format!("{format}, {sent} bytes")),
        Event::Finished { .. } => one("finished", String::new()),
        Event::Failed { step, reason, .. } => one("failed", format!("{step}: {reason}")),
        _ => Vec::new(),
    }
}
