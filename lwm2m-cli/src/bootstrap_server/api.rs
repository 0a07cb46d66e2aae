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
    routing::{delete, get, post},
};
use lwm2m_bootstrap::server::{BootstrapServer, Event, RefusedReason};
use lwm2m_net::{Handle, LocalAddrs};
use serde_json::{Value, json};
use tokio::sync::broadcast;
use zeroize::Zeroizing;

use super::{
    configurations::{ConfigurationError, Configurations},
    service::keep_file_keys,
};
use crate::server::{
    api::{endpoints, error::ApiError, events, guard, ok, openapi, security, server_security},
    credentials::Credentials,
    feed::Message,
};

/// Longest body of a request, in bytes.
const MAX_BODY: usize = 256 * 1024;

/// What all requests share.
#[derive(Debug)]
pub(super) struct Api {
    pub(super) handle: Handle<BootstrapServer>,
    pub(super) configurations: Configurations,
    /// Keys that were set over HTTP.
    pub(super) keys: Credentials,
    pub(super) addresses: LocalAddrs,
    pub(super) sender: broadcast::Sender<Arc<Message>>,
    pub(super) token: Option<Zeroizing<String>>,
}

impl Api {
    /// The whole interface of a bootstrap server.
    pub(super) fn router(self: Arc<Self>) -> Router {
        let own = Router::new()
            .route("/api/security/clients", get(list_keys).put(put_key))
            .route("/api/security/clients/{endpoint}", delete(remove_key))
            .route("/api/openapi.json", get(openapi::bootstrap_server))
            .route("/api/event", get(stream))
            .route("/api/server/security", get(server_security))
            .route("/api/server/endpoint", get(server_endpoints));
        self.guarded(own)
            .fallback(async || ApiError::NotFound("there is nothing at this path".into()))
    }

    /// What it has beside a server in the same process.
    pub(super) fn routes(self: Arc<Self>) -> Router {
        let own = Router::new()
            .route(
                "/api/bootstrap/security/clients",
                get(list_keys).put(put_key),
            )
            .route(
                "/api/bootstrap/security/clients/{endpoint}",
                delete(remove_key),
            );
        self.guarded(own)
    }

    fn guarded(self: Arc<Self>, routes: Router<Arc<Self>>) -> Router {
        routes
            .route("/api/bootstrap", get(list))
            .route("/api/bootstrap/{endpoint}", post(set).delete(remove))
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

    /// Lets the engine work with the configurations and keys that there are now.
    async fn apply(&self) -> Result<(), ApiError> {
        keep_file_keys(&self.configurations, &self.keys.keys());
        let entries = self.configurations.entries(&self.keys);
        let call = move |server: &mut BootstrapServer, _| server.set_entries(entries);
        Ok(self.handle.call(call).await?)
    }
}

impl From<ConfigurationError> for ApiError {
    fn from(error: ConfigurationError) -> Self {
        match error {
            ConfigurationError::Store(_) => Self::Unavailable(error.to_string()),
            error => Self::bad(error),
        }
    }
}

async fn server_endpoints(State(api): State<Arc<Api>>) -> Response {
    ok(&endpoints(&api.addresses))
}

async fn list_keys(State(api): State<Arc<Api>>) -> Response {
    let keys = api.keys.all();
    ok(&Value::Array(keys.iter().map(security::to_json).collect()))
}

async fn put_key(State(api): State<Arc<Api>>, body: Bytes) -> Result<Response, ApiError> {
    let entry = security::from_json(&body)?;
    let mut file = api.configurations.file_keys();
    let clash = file.find(|psk| psk.identity == entry.identity.as_bytes());
    if clash.is_some_and(|psk| psk.key.expose() != entry.key.as_slice()) {
        let text = format!("identity {:?} has another key in the file", entry.identity);
        return Err(ApiError::bad(text));
    }
    let worker = Arc::clone(&api);
    security::blocking(move || worker.keys.put(entry)).await?;
    api.apply().await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn remove_key(
    State(api): State<Arc<Api>>,
    Path(endpoint): Path<String>,
) -> Result<Response, ApiError> {
    let (worker, name) = (Arc::clone(&api), endpoint.clone());
    if !security::blocking(move || worker.keys.remove(&name)).await? {
        let text = format!("there is no key for {endpoint:?}");
        return Err(ApiError::NotFound(text));
    }
    api.apply().await?;
    Ok(StatusCode::NO_CONTENT.into_response())
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
