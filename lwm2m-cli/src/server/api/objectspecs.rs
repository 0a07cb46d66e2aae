//! `/api/objectspecs`: the object definitions of the server.

use std::sync::Arc;

use axum::{
    extract::{Path as Segments, State},
    response::Response,
};
use serde_json::{Value, json};

use super::{
    super::{
        catalogue::report,
        json::{self, Definitions},
    },
    Api, clients,
    error::ApiError,
    ok,
};

/// All definitions, several versions of an object side by side.
pub(crate) async fn list(State(api): State<Arc<Api>>) -> Response {
    let registry = api.server.registry();
    let entries = registry.iter().map(|definition| {
        json!({
            "id": definition.id,
            "version": definition.version.to_string(),
            "name": definition.name,
            "urn": definition.urn,
        })
    });
    ok(&Value::Array(entries.collect()))
}

/// Those that apply to a device's objects, with all resources.
pub(crate) async fn of_device(
    State(api): State<Arc<Api>>,
    Segments(endpoint): Segments<String>,
) -> Result<Response, ApiError> {
    let (_, registration) = clients::device(&api, &endpoint).await?;
    let registry = api.server.registry();
    let definitions = Definitions::new(&registry, &registration);
    Ok(ok(&definitions.all().map(json::specification).collect()))
}

/// Reads the files again that changed, and tells what was found.
pub(crate) async fn reload(State(api): State<Arc<Api>>) -> Result<Response, ApiError> {
    let changes = api.catalogue.reload().await;
    let changes = changes.map_err(|error| ApiError::Unavailable(error.to_string()))?;
    Ok(ok(&report(&changes)))
}
