//! The vectors of `tests/data/vectors.json` and what their `decoded` means.
#![allow(dead_code, unreachable_pub)]

use std::collections::HashMap;

use lwm2m_codec::{Path, Record, Type, Value};
use serde_json::Value as Json;

/// One vector: bytes and their meaning.
pub struct Vector {
    pub id: String,
    pub format: Option<u16>,
    pub path: String,
    pub data: Vec<u8>,
    pub ok: bool,
    pub roundtrip: bool,
    pub decoded: Json,
}

fn file() -> Vec<Json> {
    serde_json::from_str(include_str!("../data/vectors.json")).unwrap()
}

/// The vectors of all groups.
pub fn all() -> Vec<Vector> {
    file().iter().map(vector).collect()
}

/// The vectors of a group; never none.
pub fn group(name: &str) -> Vec<Vector> {
    let all = file();
    let group = all.iter().filter(|v| v["group"] == name);
    let vectors: Vec<Vector> = group.map(vector).collect();
    assert!(!vectors.is_empty(), "no vectors in group {name}");
    vectors
}

fn vector(json: &Json) -> Vector {
    let data = json["data"].as_str().unwrap();
    Vector {
        id: json["id"].as_str().unwrap().into(),
        format: json["cf"].as_u64().map(|cf| cf as u16),
        path: json["path"].as_str().unwrap_or("").into(),
        data: match json["kind"].as_str() {
            Some("hex") => hex(data),
            _ => data.as_bytes().to_vec(),
        },
        ok: json["ok"].as_bool().unwrap(),
        roundtrip: json["roundtrip"].as_bool().unwrap(),
        decoded: json["decoded"].clone(),
    }
}

pub fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<char> = text.chars().collect();
    let pair = |pair: &[char]| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap();
    digits.chunks(2).map(pair).collect()
}

/// A value that owns what [`Value`] borrows.
#[derive(Debug, Clone, PartialEq)]
pub enum Owned {
    Text(String),
    Link(String),
    Bytes(Vec<u8>),
    Other(Value<'static>),
}

/// What a vector says of one record: path text, time and value.
pub type Expected = (String, Option<f64>, Option<Owned>);

pub fn owned(value: &Value<'_>) -> Owned {
    match value {
        Value::String(text) => Owned::Text(text.to_string()),
        Value::CoreLink(text) => Owned::Link(text.to_string()),
        Value::Opaque(bytes) => Owned::Bytes(bytes.iter().collect()),
        Value::Integer(v) => Owned::Other(Value::Integer(*v)),
        Value::Unsigned(v) => Owned::Other(Value::Unsigned(*v)),
        Value::Float(v) => Owned::Other(Value::Float(*v)),
        Value::Boolean(v) => Owned::Other(Value::Boolean(*v)),
        Value::Time(v) => Owned::Other(Value::Time(*v)),
        Value::ObjectLink(v) => Owned::Other(Value::ObjectLink(*v)),
        Value::Null => Owned::Other(Value::Null),
        other => panic!("a value that this test does not know: {other:?}"),
    }
}

pub fn borrowed(owned: &Owned) -> Value<'_> {
    match owned {
        Owned::Text(text) => Value::string(text),
        Owned::Link(text) => Value::CoreLink(text.as_str().into()),
        Owned::Bytes(bytes) => Value::opaque(bytes),
        Owned::Other(value) => *value,
    }
}

pub fn expected(decoded: &Json) -> Vec<Expected> {
    if let Some(paths) = decoded.get("paths") {
        let path = |p: &Json| (p.as_str().unwrap().to_string(), None, None);
        return paths.as_array().unwrap().iter().map(path).collect();
    }
    if let Some(paths) = decoded.get("delete") {
        let null = Some(Owned::Other(Value::Null));
        let path = |p: &Json| (p.as_str().unwrap().to_string(), None, null.clone());
        return paths.as_array().unwrap().iter().map(path).collect();
    }
    decoded.as_array().unwrap().iter().map(record).collect()
}

fn record(json: &Json) -> Expected {
    let value = &json[2];
    let text = || value.as_str().unwrap().to_string();
    let owned = match json[1].as_str().unwrap() {
        "string" => Owned::Text(text()),
        "corelnk" => Owned::Link(text()),
        "opaque" => Owned::Bytes(match text().strip_suffix("*256") {
            Some(byte) => hex(byte).repeat(256),
            None => hex(&text()),
        }),
        "integer" => Owned::Other(Value::Integer(value.as_i64().unwrap())),
        "unsigned" => Owned::Other(Value::Unsigned(value.as_u64().unwrap())),
        "float" => Owned::Other(Value::Float(value.as_f64().unwrap())),
        "boolean" => Owned::Other(Value::Boolean(value.as_bool().unwrap())),
        "time" => Owned::Other(Value::Time(value.as_i64().unwrap())),
        "objlnk" => Owned::Other(Value::ObjectLink(text().parse().unwrap())),
        "none" => Owned::Other(Value::Null),
        "multiple" | "instance" => return (json[0].as_str().unwrap().into(), None, None),
        other => panic!("unknown type {other}"),
    };
    let time = json.get(3).and_then(Json::as_f64);
    (json[0].as_str().unwrap().into(), time, Some(owned))
}

/// The types that a vector's own meaning implies, as an object definition would tell them.
pub fn types(expected: &[Expected]) -> impl Fn(Path) -> Option<Type> + use<> {
    let types: HashMap<Path, Type> = expected
        .iter()
        .filter_map(|(path, _, value)| {
            // A gateway's prefix is not part of the path.
            let path = path
                .strip_prefix("/d01")
                .or(path.strip_prefix("/d02"))
                .unwrap_or(path);
            Some((path.parse().ok()?, borrowed(value.as_ref()?).data_type()?))
        })
        .collect();
    move |path| types.get(&path).copied()
}

pub fn to_expected(record: &Record<'_>, root: &str) -> Expected {
    let value = record.value.as_ref().map(owned);
    (format!("{root}{}", record.path), record.time, value)
}
