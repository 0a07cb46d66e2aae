//! The HTTP interface.

mod clients;
pub(crate) mod error;
pub(crate) mod events;
pub(crate) mod guard;
mod objectspecs;
pub(crate) mod openapi;
mod query;
pub(crate) mod security;

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::DefaultBodyLimit,
    http::{StatusCode, header},
    middleware,
    response::Response,
    routing::{any, delete, get},
};
use lwm2m_net::{LocalAddrs, server::Server};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use self::error::ApiError;
use super::{catalogue::Catalogue, credentials::Credentials, feed::Feed, keyring::KeyRing};

/// Longest body of a request, in bytes.
const MAX_BODY: usize = 256 * 1024;

/// What all requests share.
#[derive(Debug)]
pub(crate) struct Api {
    server: Server,
    credentials: Arc<Credentials>,
    /// One-time keys, where there is a bootstrap server for them.
    keys: Option<Arc<KeyRing>>,
    feed: Arc<Feed>,
    catalogue: Arc<Catalogue>,
    token: Option<Zeroizing<String>>,
}

impl Api {
    pub(crate) fn new(
        server: Server,
        credentials: Arc<Credentials>,
        keys: Option<Arc<KeyRing>>,
        feed: Arc<Feed>,
        catalogue: Arc<Catalogue>,
        token: Option<String>,
    ) -> Arc<Self> {
        Arc::new(Self {
            server,
            credentials,
            keys,
            feed,
            catalogue,
            token: token.map(Zeroizing::new),
        })
    }

    /// The whole interface, with `more` routes beside its own.
    pub(crate) fn router(self: Arc<Self>, more: Router) -> Router {
        Router::new()
            .route("/api/clients", get(clients::list))
            .route("/api/clients/{endpoint}", get(clients::show))
            .route("/api/clients/{endpoint}/{*target}", any(clients::operate))
            .route(
                "/api/objectspecs",
                get(objectspecs::list).post(objectspecs::reload),
            )
            .route("/api/objectspecs/{endpoint}", get(objectspecs::of_device))
            .route(
                "/api/security/clients",
                get(security::list).put(security::put),
            )
            .route("/api/security/clients/{endpoint}", delete(security::remove))
            .route("/api/security/one-time", get(security::list_one_time))
            .route("/api/server/security", get(server_security))
            .route("/api/server/endpoint", get(server_endpoints))
            .route("/api/event", get(events::stream))
            .route("/api/openapi.json", get(openapi::server))
            .fallback(async || ApiError::NotFound("there is nothing at this path".into()))
            .method_not_allowed_fallback(async || ApiError::Method)
            .layer(middleware::from_fn_with_state(
                Arc::clone(&self),
                guard::check,
            ))
            .layer(DefaultBodyLimit::max(MAX_BODY))
            .with_state(self)
            .merge(more)
    }
}

/// The server has neither a public key nor a certificate.
pub(crate) async fn server_security() -> Response {
    ok(&json!({}))
}

async fn server_endpoints(axum::extract::State(api): axum::extract::State<Arc<Api>>) -> Response {
    ok(&endpoints(&api.server.addresses()))
}

/// Where a server listens, in Leshan's form.
pub(crate) fn endpoints(addresses: &LocalAddrs) -> Value {
    let entry = |scheme: &str, address: &std::net::SocketAddr| {
        json!({
            "protocol": scheme,
            "uri": format!("{scheme}://{address}"),
            "description": match scheme {
                "coap" => "CoAP over UDP",
                _ => "CoAP over DTLS 1.2",
            },
        })
    };
    let udp = addresses.udp.iter().map(|address| entry("coap", address));
    let dtls = addresses.dtls.iter().map(|address| entry("coaps", address));
    Value::Array(udp.chain(dtls).collect())
}

/// 200 with JSON.
pub(crate) fn ok(body: &Value) -> Response {
    reply(StatusCode::OK, "application/json", body.to_string())
}

fn reply(status: StatusCode, content_type: &'static str, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let content_type = header::HeaderValue::from_static(content_type);
    headers.insert(header::CONTENT_TYPE, content_type);
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        header::HeaderValue::from_static("nosniff"),
    );
    response
}
