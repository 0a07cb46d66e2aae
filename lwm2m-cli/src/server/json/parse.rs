//! From the JSON of nodes to records.

use lwm2m_codec::{MAX_ID, ObjectLink, Path, Type};
use lwm2m_model::OwnedValue;
use lwm2m_net::server::Record;
use serde_json::{Map, Value};

use super::{Definitions, node::type_name, time::from_iso};
use crate::hex;

/// Says what is wrong with a node, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NodeError {
    /// It is no object, or has not what its kind needs.
    #[error("{path}: expected {expected}")]
    Expected { path: Path, expected: &'static str },
    /// The kind is not one that can stand here.
    #[error("{path}: kind {kind:?} can't stand here")]
    Kind { path: Path, kind: String },
    /// The id is not the one of the path.
    #[error("{path}: the id is {id}")]
    Id { path: Path, id: u64 },
    /// The type has no name that is known.
    #[error("{path}: type {name:?} is not known")]
    Type { path: Path, name: String },
    /// The value does not fit the type.
    #[error("{path}: {value} is not a valid {data_type}")]
    Value {
        path: Path,
        value: String,
        data_type: Type,
    },
}

const TYPES: [Type; 9] = [
    Type::String,
    Type::Integer,
    Type::Unsigned,
    Type::Float,
    Type::Boolean,
    Type::Opaque,
    Type::Time,
    Type::ObjectLink,
    Type::CoreLink,
];

/// Reads the node that is to be written at a path. At an object, the node of an instance
/// without id means instance 65535: the device chooses.
pub(crate) fn records(
    path: Path,
    json: &Value,
    definitions: Definitions<'_>,
) -> Result<Vec<Record>, NodeError> {
    let mut parser = Parser {
        definitions,
        records: Vec::new(),
    };
    parser.read(path, json)?;
    Ok(parser.records)
}

struct Parser<'a> {
    definitions: Definitions<'a>,
    records: Vec<Record>,
}

impl Parser<'_> {
    fn read(&mut self, path: Path, json: &Value) -> Result<(), NodeError> {
        let expected = |expected| NodeError::Expected { path, expected };
        let node = json.as_object().ok_or(expected("a node"))?;
        let kind = node.get("kind").and_then(Value::as_str);
        let kind = kind.ok_or(expected("a kind"))?;
        let wrong = || NodeError::Kind {
            path,
            kind: kind.to_owned(),
        };
        match (kind, path.len()) {
            // A Create: the path is the object's.
            ("instance", 1) => {
                let path = match node.get("id") {
                    None | Some(Value::Null) => path.child(MAX_ID),
                    Some(id) => id_of(id).and_then(|id| path.child(id)),
                };
                let path = path.ok_or(expected("an id below 65535"))?;
                self.children(path, node, "resources")
            }
            ("obj", 1) => self.checked(path, node, "instances"),
            ("instance", 2) => self.checked(path, node, "resources"),
            ("singleResource", 3) | ("resourceInstance", 4) => {
                check_id(path, node)?;
                let data_type = self.type_of(path, node)?;
                let value = node.get("value").ok_or(expected("a value"))?;
                self.push(path, Some(value), data_type)
            }
            ("multiResource", 3) => {
                check_id(path, node)?;
                self.multiple(path, node)
            }
            _ => Err(wrong()),
        }
    }

    fn checked(
        &mut self,
        path: Path,
        node: &Map<String, Value>,
        key: &'static str,
    ) -> Result<(), NodeError> {
        check_id(path, node)?;
        self.children(path, node, key)
    }

    fn children(
        &mut self,
        path: Path,
        node: &Map<String, Value>,
        key: &'static str,
    ) -> Result<(), NodeError> {
        let children = node.get(key).and_then(Value::as_array);
        let expected = match key {
            "instances" => "a list of instances",
            _ => "a list of resources",
        };
        let children = children.ok_or(NodeError::Expected { path, expected })?;
        if children.is_empty() && path.len() == 2 {
            self.push(path, None, Type::String)?;
        }
        for child in children {
            let id = child.get("id").and_then(id_of);
            let at = id.and_then(|id| path.child(id));
            let expected = "nodes with ids";
            self.read(at.ok_or(NodeError::Expected { path, expected })?, child)?;
        }
        Ok(())
    }

    fn multiple(&mut self, path: Path, node: &Map<String, Value>) -> Result<(), NodeError> {
        let expected = |expected| NodeError::Expected { path, expected };
        let data_type = self.type_of(path, node)?;
        let values = node.get("values").and_then(Value::as_object);
        let values = values.ok_or(expected("values by id"))?;
        if values.is_empty() {
            return self.push(path, None, data_type);
        }
        for (id, value) in values {
            let id = id.parse().ok().and_then(|id| path.child(id));
            self.push(id.ok_or(expected("values by id"))?, Some(value), data_type)?;
        }
        Ok(())
    }

    /// The type that the node states, or else the one of the definition.
    fn type_of(&self, path: Path, node: &Map<String, Value>) -> Result<Type, NodeError> {
        let stated = node.get("type").and_then(Value::as_str);
        let defined = || self.definitions.resource(path).and_then(|d| d.data_type);
        let Some(name) = stated else {
            return Ok(defined().unwrap_or(Type::String));
        };
        let same = |data_type: &Type| type_name(Some(*data_type)).eq_ignore_ascii_case(name);
        let known = TYPES.into_iter().find(same);
        known.ok_or_else(|| NodeError::Type {
            path,
            name: name.to_owned(),
        })
    }

    fn push(&mut self, path: Path, json: Option<&Value>, data_type: Type) -> Result<(), NodeError> {
        let value = match json {
            None => None,
            Some(json) => Some(from_json(json, data_type).ok_or_else(|| NodeError::Value {
                path,
                value: json.to_string(),
                data_type,
            })?),
        };
        self.records.push(Record {
            path,
            time: None,
            value,
        });
        Ok(())
    }
}

fn id_of(json: &Value) -> Option<u16> {
    let id = json.as_u64().and_then(|id| u16::try_from(id).ok());
    id.filter(|id| *id != MAX_ID)
}

/// A node may leave out the id that the path has, but not have another.
fn check_id(path: Path, node: &Map<String, Value>) -> Result<(), NodeError> {
    match node.get("id").and_then(Value::as_u64) {
        Some(id) if path.last_id().map(u64::from) != Some(id) => Err(NodeError::Id { path, id }),
        _ => Ok(()),
    }
}

/// Reads the value of a resource from plain text.
pub(crate) fn value(
    path: Path,
    text: &str,
    definitions: Definitions<'_>,
) -> Result<Record, NodeError> {
    let defined = definitions.resource(path).and_then(|d| d.data_type);
    let data_type = defined.unwrap_or(Type::String);
    let json = match text {
        "true" | "1" if data_type == Type::Boolean => Value::Bool(true),
        "false" | "0" if data_type == Type::Boolean => Value::Bool(false),
        text => Value::String(text.to_owned()),
    };
    let value = from_json(&json, data_type).ok_or_else(|| NodeError::Value {
        path,
        value: json.to_string(),
        data_type,
    })?;
    Ok(Record::new(path, value))
}

/// Numbers may come as numbers or as text.
fn from_json(json: &Value, data_type: Type) -> Option<OwnedValue> {
    Some(match data_type {
        Type::String => OwnedValue::String(json.as_str()?.to_owned()),
        Type::CoreLink => OwnedValue::CoreLink(json.as_str()?.to_owned()),
        Type::Integer => OwnedValue::Integer(number(json, Value::as_i64)?),
        Type::Unsigned => OwnedValue::Unsigned(number(json, Value::as_u64)?),
        Type::Float => OwnedValue::Float(number(json, Value::as_f64)?),
        Type::Boolean => OwnedValue::Boolean(json.as_bool()?),
        Type::Opaque => OwnedValue::Opaque(hex::decode(json.as_str()?)?),
        Type::Time => OwnedValue::Time(match json {
            Value::String(text) => from_iso(text).or_else(|| text.parse().ok())?,
            number => number.as_i64()?,
        }),
        Type::ObjectLink => OwnedValue::ObjectLink(match json {
            Value::String(text) => text.parse().ok()?,
            Value::Object(link) => {
                let id = |key: &str| u16::try_from(link.get(key)?.as_u64()?).ok();
                ObjectLink::new(id("objectId")?, id("objectInstanceId")?)
            }
            _ => return None,
        }),
    })
}

fn number<T: std::str::FromStr>(json: &Value, read: fn(&Value) -> Option<T>) -> Option<T> {
    match json {
        Value::String(text) => text.parse().ok(),
        number => read(number),
    }
}
