//! From records to the JSON of nodes.

use std::collections::BTreeMap;

use lwm2m_codec::{Path, Type};
use lwm2m_model::OwnedValue;
use lwm2m_net::server::Record;
use serde_json::{Map, Value, json};

use super::{Definitions, time::to_iso};
use crate::hex;

/// Writes the node at a path from the records at and below it. Of several values at different
/// times, the last one counts.
pub(crate) fn node(path: Path, records: &[Record], definitions: Definitions<'_>) -> Value {
    let mut below: BTreeMap<Path, Option<&OwnedValue>> = BTreeMap::new();
    for record in records.iter().filter(|r| path.contains(&r.path)) {
        below.insert(record.path, record.value.as_ref());
    }
    let below: Vec<Entry<'_>> = below.into_iter().collect();
    write(path, &below, definitions)
}

/// Writes each of several paths by its node; paths without a value are null.
pub(crate) fn nodes(paths: &[Path], records: &[Record], definitions: Definitions<'_>) -> Value {
    let entry = |path: &Path| {
        let known = records.iter().any(|record| path.contains(&record.path));
        let value = match known {
            true => node(*path, records, definitions),
            false => Value::Null,
        };
        (path.to_string(), value)
    };
    Value::Object(paths.iter().map(entry).collect())
}

type Entry<'v> = (Path, Option<&'v OwnedValue>);

/// The records come in ascending order of their paths.
fn write(path: Path, below: &[Entry<'_>], definitions: Definitions<'_>) -> Value {
    let children = || -> Vec<Value> {
        let level = path.len() + 1;
        let groups = below.chunk_by(|a, b| a.0.truncated(level) == b.0.truncated(level));
        groups
            .filter_map(|group| {
                let child = group.first()?.0.truncated(level);
                (child.len() == level).then(|| write(child, group, definitions))
            })
            .collect()
    };
    let id = path.last_id();
    match path.len() {
        0 => json!({"kind": "root", "objects": children()}),
        1 => json!({"id": id, "kind": "obj", "instances": children()}),
        2 => json!({"id": id, "kind": "instance", "resources": children()}),
        3 => resource(path, below, definitions),
        _ => {
            let value = below.iter().find_map(|(_, value)| *value);
            json!({
                "id": id,
                "kind": "resourceInstance",
                "type": type_name(data_type(path, value, definitions)),
                "value": value.map_or(Value::Null, to_json),
            })
        }
    }
}

fn resource(path: Path, below: &[Entry<'_>], definitions: Definitions<'_>) -> Value {
    let defined = definitions.resource(path).is_some_and(|d| d.multiple);
    let first = below.iter().find_map(|(_, value)| *value);
    let kind = type_name(data_type(path, first, definitions));
    let single = below
        .iter()
        .find(|(at, value)| *at == path && value.is_some());
    if let (Some((_, Some(value))), false) = (single, defined) {
        return json!({
            "id": path.last_id(), "kind": "singleResource", "type": kind, "value": to_json(value),
        });
    }
    let mut values = Map::new();
    for (at, value) in below {
        // A device that doesn't know of instances sends a value for the resource itself.
        let id = at.resource_instance_id().unwrap_or_default();
        if let Some(value) = value {
            values.insert(id.to_string(), to_json(value));
        }
    }
    json!({"id": path.last_id(), "kind": "multiResource", "type": kind, "values": values})
}

fn data_type(path: Path, value: Option<&OwnedValue>, definitions: Definitions<'_>) -> Option<Type> {
    match value {
        Some(value) => value.as_value().data_type(),
        None => definitions.resource(path)?.data_type,
    }
}

/// The name of a type in JSON.
pub(crate) const fn type_name(data_type: Option<Type>) -> &'static str {
    match data_type {
        Some(Type::String) => "string",
        Some(Type::Integer) => "integer",
        Some(Type::Unsigned) => "unsigned_integer",
        Some(Type::Float) => "float",
        Some(Type::Boolean) => "boolean",
        Some(Type::Opaque) => "opaque",
        Some(Type::Time) => "time",
        Some(Type::ObjectLink) => "objlnk",
        Some(Type::CoreLink) => "corelnk",
        None => "none",
    }
}

/// Numbers travel as text, so that no reader rounds them.
fn to_json(value: &OwnedValue) -> Value {
    match value {
        OwnedValue::String(text) | OwnedValue::CoreLink(text) => json!(text),
        OwnedValue::Integer(number) => json!(number.to_string()),
        OwnedValue::Unsigned(number) => json!(number.to_string()),
        OwnedValue::Float(number) => json!(number.to_string()),
        OwnedValue::Boolean(flag) => json!(flag),
        OwnedValue::Opaque(bytes) => json!(hex::encode(bytes)),
        OwnedValue::Secret(bytes) => json!(hex::encode(bytes.expose())),
        OwnedValue::Time(seconds) => json!(to_iso(*seconds)),
        OwnedValue::ObjectLink(link) => {
            json!({"objectId": link.object, "objectInstanceId": link.instance})
        }
        // A kind of value that this crate doesn't know.
        _ => Value::Null,
    }
}
