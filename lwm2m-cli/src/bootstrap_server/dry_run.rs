//! `--dry-run`: what a device would get.

use lwm2m_bootstrap::server::{Entry, Planned, find_entry};
use lwm2m_codec::{ContentFormat, Path, Value};
use lwm2m_model::{OwnedValue, is_secret};
use serde_json::json;

use crate::{failure::Failure, hex, output::Output};

/// Prints the sequence for an endpoint name.
pub(super) fn print(output: Output, entries: &[Entry], endpoint: &str) -> Result<(), Failure> {
    let Some(entry) = find_entry(entries, endpoint) else {
        return Err(Failure::usage(format!(
            "no entry is for {endpoint:?}: a device of this name is refused by 4.00"
        )));
    };
    let format = ContentFormat::TLV;
    let steps = entry.provision.sequence(format).map_err(|error| {
        Failure::usage(format!("what {endpoint:?} gets can't be written: {error}"))
    })?;
    let pattern = entry.name.to_string();
    output.line(
        format!("{endpoint} gets the entry {pattern:?}:"),
        &json!({"event": "dry-run", "endpoint": endpoint, "entry": pattern}),
    );
    for step in &steps {
        print_step(output, step);
    }
    Ok(())
}

fn print_step(output: Output, step: &Planned) {
    let info = &step.info;
    let size = match info.sent {
        0 => String::new(),
        sent => format!(", {sent} bytes"),
    };
    let mut text = format!("{info}{size}");
    let mut values = serde_json::Map::new();
    for (path, value) in &step.values {
        let value = show(*path, value);
        text += &format!("\n  {path} = {value}");
        values.insert(path.to_string(), json!(value));
    }
    let json = json!({
        "event": "step",
        "operation": info.operation.to_string(),
        "path": info.path.to_string(),
        "format": info.format.map(|format| format.to_string()),
        "sent": info.sent,
        "values": values,
    });
    output.line(text, &json);
}

/// A value for people; keys are counted, not shown.
fn show(path: Path, value: &OwnedValue) -> String {
    let secret = path
        .object_id()
        .zip(path.resource_id())
        .is_some_and(|(object, resource)| is_secret(object, resource));
    let bytes = |value: &OwnedValue| match value.as_value() {
        Value::Opaque(bytes) => Some(bytes.iter().collect::<Vec<u8>>()),
        _ => None,
    };
    match (bytes(value), value) {
        (Some(bytes), _) if secret => format!("({} bytes, not shown)", bytes.len()),
        (_, _) if secret => "(not shown)".to_owned(),
        (Some(bytes), _) => hex::encode(&bytes),
        (None, OwnedValue::String(text)) => format!("{text:?}"),
        (None, OwnedValue::Boolean(value)) => value.to_string(),
        (None, OwnedValue::Integer(value)) => value.to_string(),
        (None, OwnedValue::Unsigned(value)) => value.to_string(),
        (None, other) => format!("{other:?}"),
    }
}
