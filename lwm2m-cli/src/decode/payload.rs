//! A payload as text and as JSON.

use std::fmt::Write;

use lwm2m_codec::{
    ContentFormat, DecodeError, Decoder, Path, Type, TypeOf, Value, link::Links, owned::OwnedRecord,
};
use lwm2m_model::{Registry, ResourceDefinition};
use serde_json::{Value as Json, json};

/// What is shown, in both forms.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) text: String,
    pub(crate) json: Json,
}

/// The types of all resources, by the latest version of their objects.
pub(crate) fn types(registry: &Registry) -> impl TypeOf {
    let registry = registry.clone();
    move |path: Path| -> Option<Type> { definition(&registry, path)?.data_type }
}

/// The definition of the resource at or above a path.
pub(crate) fn definition(registry: &Registry, path: Path) -> Option<&ResourceDefinition> {
    let definition = registry.latest(path.object_id()?)?;
    definition.resource(path.resource_id()?)
}

/// Decodes a payload and shows it.
///
/// # Errors
/// What is wrong with it, and where.
pub(super) fn show(
    payload: &[u8],
    format: ContentFormat,
    is_guess: bool,
    base: Path,
    registry: &Registry,
) -> Result<Shown, DecodeError> {
    let mut shown = match format {
        ContentFormat::LINK => links(payload)?,
        _ => records(payload, format, base, registry)?,
    };
    let guessed = if is_guess { ", guessed" } else { "" };
    shown.text = format!("{format}{guessed}\n{}", shown.text)
        .trim_end()
        .to_owned();
    if let Json::Object(fields) = &mut shown.json {
        let name = format.name();
        fields.insert("format".into(), json!({"number": format.0, "name": name}));
        fields.insert("guessed".into(), is_guess.into());
    }
    Ok(shown)
}

fn records(
    payload: &[u8],
    format: ContentFormat,
    base: Path,
    registry: &Registry,
) -> Result<Shown, DecodeError> {
    let types = types(registry);
    let (mut text, mut list) = (String::new(), Vec::new());
    let mut decoder = Decoder::new(format, base, payload, &types)?.any_root();
    while let Some(record) = decoder.next().transpose()? {
        let root = decoder.last_root();
        let path =
            root.map_or_else(String::new, |root| format!("/{root}")) + &record.path.to_string();
        let definition = definition(registry, record.path);
        let name = definition.map_or("", |definition| &definition.name);
        let units = definition.map_or("", |definition| &definition.units);
        let value = record.value.as_ref().map(value).unwrap_or_default();
        let time = record
            .time
            .map(|time| format!(" @ {time} s"))
            .unwrap_or_default();
        // Nothing can go wrong with a String.
        let _ = writeln!(
            text,
            "{path:<16} {name:<32} {}",
            format!("{value} {units}").trim_end().to_owned() + &time
        );
        list.push(entry(&OwnedRecord::from(&record), root, name, units));
    }
    let text = text
        .lines()
        .map(str::trim_end)
        .collect::<Vec<_>>()
        .join("\n");
    Ok(Shown {
        text,
        json: json!({ "records": list }),
    })
}

/// A record as owned records are written, with what the definition says of it.
fn entry(record: &OwnedRecord, root: Option<&str>, name: &str, units: &str) -> Json {
    let mut entry = json!(record);
    if let Json::Object(fields) = &mut entry {
        let known = [
            ("root", root.unwrap_or("")),
            ("name", name),
            ("units", units),
        ];
        for (key, text) in known.into_iter().filter(|(_, text)| !text.is_empty()) {
            fields.insert(key.into(), text.into());
        }
    }
    entry
}

/// A value for people: text in quotes, so that its end can be seen.
fn value(value: &Value<'_>) -> String {
    match value {
        Value::String(text) | Value::CoreLink(text) => format!("{:?}", text.to_string()),
        other => other.to_string(),
    }
}

fn links(payload: &[u8]) -> Result<Shown, DecodeError> {
    let (mut text, mut list) = (String::new(), Vec::new());
    for link in Links::new(payload) {
        let link = link?;
        let params: Vec<(String, Option<String>)> = link
            .params()
            .map(|(name, value)| (name.to_owned(), value.map(|value| value.to_string())))
            .collect();
        let shown = params.iter().map(|(name, value)| match value {
            Some(value) => format!(" {name}={value}"),
            None => format!(" {name}"),
        });
        let _ = writeln!(text, "{}{}", link.target, shown.collect::<String>());
        let params: serde_json::Map<String, Json> = params
            .into_iter()
            .map(|(name, value)| (name, value.map_or(Json::Bool(true), Json::String)))
            .collect();
        list.push(json!({"target": link.target, "attributes": params}));
    }
    Ok(Shown {
        text,
        json: json!({ "links": list }),
    })
}
