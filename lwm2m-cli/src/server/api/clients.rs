//! `/api/clients`: registrations, and operations on devices.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::{Path as Segments, RawQuery, State},
    http::{HeaderMap, Method, StatusCode, header},
    response::Response,
};
use lwm2m_codec::Path;
use lwm2m_model::Registry;
use lwm2m_net::server::{Answer, Body, Device, Record, Request, RequestError};
use lwm2m_server::{ObservationId, Registration};
use serde_json::{Value, json};

use super::{
    super::{
        feed::Feed,
        json::{self, Definitions, Shape},
    },
    Api,
    error::ApiError,
    ok,
    query::Query,
    reply,
};

/// Parameters that are about the request, not notification attributes.
const OPTIONS: [&str; 7] = [
    "format",
    "timeout",
    "replace",
    "paths",
    "pathformat",
    "nodeformat",
    "active",
];

pub(crate) async fn list(State(api): State<Arc<Api>>) -> Result<Response, ApiError> {
    let mut list = Vec::new();
    for registration in api.server.registrations().await? {
        list.push(describe(&api, &registration).await?);
    }
    Ok(ok(&Value::Array(list)))
}

pub(crate) async fn show(
    State(api): State<Arc<Api>>,
    Segments(endpoint): Segments<String>,
) -> Result<Response, ApiError> {
    let (_, registration) = device(&api, &endpoint).await?;
    Ok(ok(&describe(&api, &registration).await?))
}

async fn describe(api: &Api, registration: &Registration) -> Result<Value, ApiError> {
    let sleeping = match registration.queue_mode {
        true => {
            let device = api.server.device(registration.endpoint.as_str());
            device.is_sleeping().await?
        }
        false => false,
    };
    Ok(json::registration(registration, sleeping))
}

pub(super) async fn device(api: &Api, endpoint: &str) -> Result<(Device, Registration), ApiError> {
    let device = api.server.device(endpoint);
    match device.registration().await? {
        Some(registration) => Ok((device, registration)),
        None => Err(ApiError::unknown_device(endpoint)),
    }
}

/// What an address below a device is about.
#[derive(Debug, PartialEq, Eq)]
enum Target {
    Node(Path),
    Discover(Path),
    Attributes(Path),
    Observe(Path),
    Composite,
    ObserveComposite,
}

impl Target {
    fn parse(text: &str) -> Result<Self, ApiError> {
        let text = text.trim_end_matches('/');
        match text {
            "composite" => return Ok(Self::Composite),
            "composite/observe" => return Ok(Self::ObserveComposite),
            _ => {}
        }
        let (path, last) = text.rsplit_once('/').unwrap_or(("", text));
        let make = match last {
            "discover" => Self::Discover,
            "attributes" => Self::Attributes,
            "observe" => Self::Observe,
            _ => return parse_path(text).map(Self::Node),
        };
        parse_path(path).map(make)
    }
}

fn parse_path(text: &str) -> Result<Path, ApiError> {
    let path: Path = text
        .parse()
        .map_err(|error| ApiError::bad(format!("path {text:?}: {error}")))?;
    match path.is_root() {
        true => Err(ApiError::bad("expected a path such as 3/0/9")),
        false => Ok(path),
    }
}

/// A request over HTTP that is an operation on a device.
struct Call<'a> {
    api: &'a Api,
    device: Device,
    registration: Registration,
    registry: Arc<Registry>,
    query: Query,
    body: Bytes,
    text: bool,
}

/// All operations on a device.
pub(crate) async fn operate(
    State(api): State<Arc<Api>>,
    Segments((endpoint, target)): Segments<(String, String)>,
    RawQuery(query): RawQuery,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    let (device, registration) = device(&api, &endpoint).await?;
    let target = Target::parse(&target)?;
    let query = Query::parse(query.as_deref().unwrap_or_default())?;
    let content_type = headers.get(header::CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok());
    let call = Call {
        api: &api,
        device,
        registration,
        registry: api.server.registry(),
        query,
        body,
        text: content_type.is_some_and(|value| value.starts_with("text/plain")),
    };
    match (method.as_str(), target) {
        ("GET", Target::Node(path)) => {
            let request = call.device.read(path);
            call.run(request, Shape::Node(path)).await
        }
        ("GET", Target::Discover(path)) => {
            let request = match call.query.value("depth") {
                None => call.device.discover(path),
                Some(depth) => {
                    let depth = depth.parse().ok().filter(|depth| *depth <= 3);
                    let depth = depth.ok_or(ApiError::bad("depth: expected 0 to 3"))?;
                    call.device.discover_to(path, depth)
                }
            };
            call.send(request, Shape::Links).await
        }
        ("PUT", Target::Node(path)) => call.write(path).await,
        ("PUT", Target::Attributes(path)) => {
            let attributes = call.query.attributes(&OPTIONS);
            if attributes.is_empty() {
                return Err(ApiError::bad("expected attributes such as ?pmin=10"));
            }
            let request = call.device.write_attributes(path, attributes);
            call.send(request, Shape::Plain).await
        }
        ("POST", Target::Node(path)) => match path.len() {
            3 => call.execute(path).await,
            1 | 2 => call.create(path).await,
            _ => Err(ApiError::bad(format!(
                "{path} can be neither executed nor created"
            ))),
        },
        ("DELETE", Target::Node(path)) => {
            let request = call.device.delete(path);
            call.send(request, Shape::Plain).await
        }
        ("POST", Target::Observe(path)) => call.observe(path).await,
        ("DELETE", Target::Observe(path)) => call.cancel(&[path]).await,
        ("GET", Target::Composite) => call.read_composite().await,
        ("PUT", Target::Composite) => call.write_composite().await,
        ("POST", Target::ObserveComposite) => call.observe_composite().await,
        ("DELETE", Target::ObserveComposite) => {
            let paths = call.query.paths("paths")?;
            call.cancel(&paths).await
        }
        _ => Err(ApiError::Method),
    }
}

impl Call<'_> {
    fn definitions(&self) -> Definitions<'_> {
        Definitions::new(&self.registry, &self.registration)
    }

    fn json(&self) -> Result<Value, ApiError> {
        serde_json::from_slice(&self.body).map_err(|error| ApiError::bad(format!("body: {error}")))
    }

    fn text(&self) -> Result<&str, ApiError> {
        str::from_utf8(&self.body).map_err(|error| ApiError::bad(format!("body: {error}")))
    }

    fn records(&self, path: Path) -> Result<Vec<Record>, ApiError> {
        if self.text {
            if path.len() < 3 {
                return Err(ApiError::bad(
                    "plain text can be written to a resource only",
                ));
            }
            let record = json::value(path, self.text()?, self.definitions());
            return Ok(vec![record.map_err(ApiError::bad)?]);
        }
        json::records(path, &self.json()?, self.definitions()).map_err(ApiError::bad)
    }

    async fn write(self, path: Path) -> Result<Response, ApiError> {
        let records = self.records(path)?;
        let request = match self.query.value("replace") {
            Some("false") => self.device.update(path, records),
            _ => self.device.write(path, records),
        };
        self.run(request, Shape::Plain).await
    }

    async fn execute(self, path: Path) -> Result<Response, ApiError> {
        let request = self.device.execute(path, self.text()?);
        self.send(request, Shape::Plain).await
    }

    async fn create(self, path: Path) -> Result<Response, ApiError> {
        let object = path.truncated(1);
        let mut json = self.json()?;
        if let (Some(id), Some(node)) = (path.instance_id(), json.as_object_mut()) {
            match node.get("id").and_then(Value::as_u64) {
                Some(other) if other != u64::from(id) => {
                    return Err(ApiError::bad(format!("{path}: the id is {other}")));
                }
                _ => node.insert("id".to_owned(), json!(id)),
            };
        }
        let records = json::records(object, &json, self.definitions()).map_err(ApiError::bad)?;
        let object = object.object_id().unwrap_or_default();
        let request = self.device.create(object, records);
        self.run(request, Shape::Plain).await
    }

    async fn observe(self, path: Path) -> Result<Response, ApiError> {
        let request = self.device.observe(path);
        let request = self.with_attributes(request).as_events();
        self.run(request, Shape::Node(path)).await
    }

    /// Attributes in the query of an Observe count for this observation only (LwM2M 1.2).
    fn with_attributes(
        &self,
        mut request: lwm2m_net::server::Observe,
    ) -> lwm2m_net::server::Observe {
        let attributes = self.query.attributes(&OPTIONS);
        for attribute in attributes.split('&').filter(|a| !a.is_empty()) {
            let (name, value) = attribute.split_once('=').unwrap_or((attribute, ""));
            request = request.attribute(name, value);
        }
        request
    }

    async fn read_composite(self) -> Result<Response, ApiError> {
        let paths = self.query.paths("paths")?;
        let request = self.composite_formats(self.device.read_composite(&paths))?;
        self.send(request, Shape::Nodes(paths)).await
    }

    async fn observe_composite(self) -> Result<Response, ApiError> {
        let paths = self.query.paths("paths")?;
        let request = self.device.observe_composite(&paths);
        let request = self.composite_formats(self.with_attributes(request).as_events())?;
        self.send(request, Shape::Nodes(paths)).await
    }

    fn composite_formats(&self, mut request: Request) -> Result<Request, ApiError> {
        if let Some(format) = self.query.format("pathformat")? {
            request = request.path_format(format);
        }
        match self.query.format("nodeformat")? {
            Some(format) => Ok(request.format(format)),
            None => Ok(request),
        }
    }

    async fn write_composite(self) -> Result<Response, ApiError> {
        let json = self.json()?;
        let nodes = json.as_object().filter(|nodes| !nodes.is_empty());
        let nodes = nodes.ok_or(ApiError::bad("body: expected nodes by path"))?;
        let mut records = Vec::new();
        for (path, node) in nodes {
            let path = parse_path(path)?;
            let read = json::records(path, node, self.definitions());
            records.extend(read.map_err(ApiError::bad)?);
        }
        let request = self.device.write_composite(Body::Records(records));
        let request = self.composite_formats(request)?;
        self.send(request, Shape::Plain).await
    }

    /// Ends the observations of exactly these paths: without a word, or by a request.
    async fn cancel(self, paths: &[Path]) -> Result<Response, ApiError> {
        let observations = self.device.observations().await?;
        let mut sorted = paths.to_vec();
        sorted.sort();
        let same = observations.into_iter().filter(|(_, target)| {
            let mut known = target.paths.clone();
            known.sort();
            known == sorted
        });
        let ids: Vec<ObservationId> = same.map(|(id, _)| id).collect();
        let Some(id) = ids.first() else {
            return Err(ApiError::NotFound("there is no such observation".into()));
        };
        if !self.query.flag("active") {
            for id in &ids {
                self.device.forget_observation(*id).await?;
            }
            return Ok(reply(
                StatusCode::NO_CONTENT,
                "application/json",
                String::new(),
            ));
        }
        let shape = match paths {
            [path] => Shape::Node(*path),
            paths => Shape::Nodes(paths.to_vec()),
        };
        let limit = self.query.timeout()?;
        let stop = self.device.stop_observing(*id);
        let result = tokio::time::timeout(limit, stop).await;
        let result = result.unwrap_or(Err(RequestError::Timeout(limit)));
        Ok(ok(&respond(
            &self.api.server,
            &self.registration,
            result,
            &shape,
        )?))
    }

    /// Sends a request whose `format` is that of its values.
    async fn run(self, request: Request, shape: Shape) -> Result<Response, ApiError> {
        let request = match self.query.format("format")? {
            Some(format) => request.format(format),
            None => request,
        };
        self.send(request, shape).await
    }

    /// Sends a request and waits for its answer; the answer of a sleeping device comes as an
    /// event.
    async fn send(self, request: Request, shape: Shape) -> Result<Response, ApiError> {
        let limit = self.query.timeout()?;
        if self.device.is_sleeping().await? {
            let feed = Arc::clone(&self.api.feed);
            let server = self.api.server.clone();
            let id = feed.next_request();
            tokio::spawn(later(feed, server, self.registration, request, shape, id));
            let body = json!({"delayed": true, "requestId": id});
            return Ok(reply(
                StatusCode::ACCEPTED,
                "application/json",
                body.to_string(),
            ));
        }
        let result = request.timeout(limit).await;
        Ok(ok(&respond(
            &self.api.server,
            &self.registration,
            result,
            &shape,
        )?))
    }
}

/// Waits for a sleeping device and tells its answer.
async fn later(
    feed: Arc<Feed>,
    server: lwm2m_net::server::Server,
    registration: Registration,
    request: Request,
    shape: Shape,
    id: u64,
) {
    let result = request.await;
    let mut json = json!({"ep": registration.endpoint, "delayed": true, "requestId": id});
    let (key, value) = match respond(&server, &registration, result, &shape) {
        Ok(answer) => ("response", answer),
        Err(error) => ("errormessage", json!(error.to_string())),
    };
    if let Some(json) = json.as_object_mut() {
        json.insert(key.to_owned(), value);
    }
    feed.tell("REQUEST_RESPONSE", &registration.endpoint, &json);
}

/// Whatever the device answered, the request over HTTP was a success.
fn respond(
    server: &lwm2m_net::server::Server,
    registration: &Registration,
    result: Result<Answer, RequestError>,
    shape: &Shape,
) -> Result<Value, ApiError> {
    let answer = match result {
        Ok(answer) => answer,
        Err(RequestError::Refused(answer)) => *answer,
        Err(error) => return Err(error.into()),
    };
    let registry = server.registry();
    let definitions = Definitions::new(&registry, registration);
    Ok(json::answer(&answer, shape, definitions))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_of_an_address_says_what_it_is_about() {
        let path = Path::resource(3, 0, 9);
        for (text, target) in [
            ("3/0/9", Target::Node(path)),
            ("3/0/9/", Target::Node(path)),
            ("3/0/9/discover", Target::Discover(path)),
            ("3/0/9/attributes", Target::Attributes(path)),
            ("3/0/9/observe", Target::Observe(path)),
            ("composite", Target::Composite),
            ("composite/observe", Target::ObserveComposite),
        ] {
            assert_eq!(Target::parse(text), Ok(target), "{text}");
        }
        for wrong in ["", "x", "3/x", "observe", "3/0/9/0/0", "3/observe/0"] {
            assert!(Target::parse(wrong).is_err(), "{wrong}");
        }
    }
}
