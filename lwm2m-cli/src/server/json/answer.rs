//! The JSON of a device's answers, and names of formats.

use lwm2m_codec::{ContentFormat, Path, coap::Code};
use lwm2m_net::server::Answer;
use serde_json::{Map, Value, json};

use super::{Definitions, node, nodes};

/// What an answer holds when it is a success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Nothing but its code.
    Plain,
    /// The node at a path.
    Node(Path),
    /// The nodes at several paths.
    Nodes(Vec<Path>),
    /// Links.
    Links,
}

/// Writes an answer.
pub(crate) fn answer(answer: &Answer, shape: &Shape, definitions: Definitions<'_>) -> Value {
    let success = answer.is_success();
    let mut json = json!({
        "status": status(answer.code),
        "valid": true,
        "success": success,
        "failure": !success,
        "bytesSent": answer.bytes_sent,
        "bytesReceived": answer.bytes_received,
        "durationMs": answer.duration.as_micros() as f64 / 1000.0,
    });
    let mut put = |key: &str, value: Value| {
        if let Some(json) = json.as_object_mut() {
            json.insert(key.to_owned(), value);
        }
    };
    if let Some(format) = answer.format.filter(|_| !answer.payload.is_empty()) {
        put("format", json!(format_name(format)));
    }
    if let Some(path) = answer.location {
        put("location", json!(path.to_string()));
    }
    if let Some(text) = answer.diagnostic() {
        put("errormessage", json!(text));
    }
    match shape {
        Shape::Node(path) if success => put("content", node(*path, &answer.records, definitions)),
        Shape::Nodes(paths) if success => {
            put("content", nodes(paths, &answer.records, definitions));
        }
        Shape::Links if success => put("objectLinks", links(answer)),
        _ => {}
    }
    json
}

/// Writes a code as `CONTENT(205)`.
fn status(code: Code) -> String {
    let number = u32::from(code.class()) * 100 + u32::from(code.detail());
    let name = match code.name() {
        Some(name) => name.to_ascii_uppercase().replace([' ', '-'], "_"),
        None => "UNKNOWN".to_owned(),
    };
    format!("{name}({number})")
}

fn links(answer: &Answer) -> Value {
    let mut links = Vec::new();
    // What comes after a malformed link is lost.
    for link in answer.links().map_while(Result::ok) {
        let mut attributes = Map::new();
        for (name, value) in link.params() {
            let value = value.map_or(Value::Null, |value| json!(value.to_string()));
            attributes.insert(name.to_owned(), value);
        }
        links.push(json!({"url": link.target, "attributes": attributes}));
    }
    Value::Array(links)
}

const NAMES: [(&str, ContentFormat); 9] = [
    ("TEXT", ContentFormat::TEXT),
    ("LINK", ContentFormat::LINK),
    ("OPAQUE", ContentFormat::OPAQUE),
    ("CBOR", ContentFormat::CBOR),
    ("TLV", ContentFormat::TLV),
    ("JSON", ContentFormat::OMA_JSON),
    ("SENML_JSON", ContentFormat::SENML_JSON),
    ("SENML_CBOR", ContentFormat::SENML_CBOR),
    ("LWM2M_CBOR", ContentFormat::LWM2M_CBOR),
];

/// Reads the name or the number of a format.
pub(crate) fn format_of(text: &str) -> Option<ContentFormat> {
    let named = NAMES
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(text));
    match named {
        Some((_, format)) => Some(*format),
        None => text.parse().ok().map(ContentFormat),
    }
}

/// The name of a format, or its number.
pub(crate) fn format_name(format: ContentFormat) -> String {
    let named = NAMES.iter().find(|(_, known)| *known == format.canonical());
    named.map_or_else(|| format.0.to_string(), |(name, _)| (*name).to_owned())
}
