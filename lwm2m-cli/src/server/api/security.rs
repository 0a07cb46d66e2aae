//! `/api/security/clients`: the keys of devices.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::{
    super::{
        credentials::{CredentialsError, identity},
        psk::PskEntry,
    },
    Api,
    error::ApiError,
    ok,
};
use crate::hex;

pub(crate) async fn list(State(api): State<Arc<Api>>) -> Response {
    let entries = api.credentials.all();
    ok(&Value::Array(entries.iter().map(to_json).collect()))
}

pub(crate) async fn put(State(api): State<Arc<Api>>, body: Bytes) -> Result<Response, ApiError> {
    let entry = from_json(&body)?;
    let (endpoint, identity) = (entry.endpoint.clone(), identity(&entry));
    let keys = Arc::clone(&api);
    let old = api.credentials.get(&endpoint);
    blocking(move || keys.credentials.put(entry)).await?;
    disallow(&api, old).await?;
    // One-time keys of the same device stay, until it registers with a newer one.
    api.server.allow_also(vec![(endpoint, identity)]).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

pub(crate) async fn remove(
    State(api): State<Arc<Api>>,
    Path(endpoint): Path<String>,
) -> Result<Response, ApiError> {
    let (keys, name) = (Arc::clone(&api), endpoint.clone());
    let old = api.credentials.get(&endpoint);
    if !blocking(move || keys.credentials.remove(&name)).await? {
        return Err(ApiError::NotFound(format!(
            "there is no key for {endpoint:?}"
        )));
    }
    disallow(&api, old).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// One-time keys, without the keys themselves.
pub(crate) async fn list_one_time(State(api): State<Arc<Api>>) -> Response {
    let keys = match &api.keys {
        Some(keys) => keys.list().await,
        None => Vec::new(),
    };
    let json = keys.iter().map(|key| {
        json!({
            "endpoint": key.holder.endpoint,
            "serverId": key.holder.ssid,
            "subscriber": key.holder.subscriber,
            "identity": key.identity,
            "issued": key.issued,
            "expires": key.expires,
        })
    });
    ok(&Value::Array(json.collect()))
}

async fn disallow(api: &Api, old: Option<PskEntry>) -> Result<(), ApiError> {
    let old = old.map(|entry| (entry.endpoint.clone(), identity(&entry)));
    let old = old.into_iter().collect();
    Ok(api.server.disallow_identities(old).await?)
}

/// Runs what writes to the disk.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, CredentialsError> + Send + 'static,
) -> Result<T, ApiError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => Ok(result?),
        Err(_) => Err(ApiError::Unavailable("the server ends".into())),
    }
}

pub(crate) fn to_json(entry: &PskEntry) -> Value {
    json!({
        "endpoint": entry.endpoint,
        "tls": {
            "mode": "psk",
            "details": {"identity": entry.identity, "key": hex::encode(&entry.key)},
        },
    })
}

pub(crate) fn from_json(body: &[u8]) -> Result<PskEntry, ApiError> {
    // The error's text names a place, and never what stands there.
    let json: Value = serde_json::from_slice(body).map_err(ApiError::bad)?;
    let text = |pointer: &str, name: &str| {
        let found = json.pointer(pointer).and_then(Value::as_str);
        found.ok_or_else(|| ApiError::bad(format!("expected a text {name}")))
    };
    let endpoint = text("/endpoint", "endpoint")?;
    match text("/tls/mode", "tls.mode")? {
        "psk" => {}
        other => {
            let reason = format!("tls.mode {other:?} is not supported, only \"psk\" is");
            return Err(ApiError::bad(reason));
        }
    }
    let identity = text("/tls/details/identity", "tls.details.identity")?;
    let key = text("/tls/details/key", "tls.details.key")?;
    PskEntry::new(endpoint, identity, key).map_err(ApiError::bad)
}
