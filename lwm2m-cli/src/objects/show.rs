//! `lwm2m objects list` and `show`.

use lwm2m_codec::Version;
use lwm2m_model::{Constraint, ObjectDefinition, Operations, Registry, ResourceDefinition};
use serde_json::{Value, json};

use crate::{failure::Failure, output::Output};

/// Longest line of a description.
const WIDTH: usize = 76;

/// Prints a line for each object.
pub(super) fn list(registry: &Registry, versions: bool, output: Output) {
    let definitions: Vec<_> = registry
        .iter()
        .filter(|definition| {
            let latest = registry.latest(definition.id).map(|d| d.version);
            versions || latest == Some(definition.version)
        })
        .collect();
    let rows = definitions.iter().map(|definition| {
        [
            definition.id.to_string(),
            definition.version.to_string(),
            instances(definition.multiple).to_owned(),
            definition.resources.len().to_string(),
            definition.name.to_string(),
            definition.urn.to_string(),
        ]
    });
    let head = ["ID", "VERSION", "INSTANCES", "RESOURCES", "NAME", "URN"];
    let json: Vec<Value> = definitions.iter().map(|d| object(d)).collect();
    output.line(table(head, &rows.collect::<Vec<_>>()), &json!(json));
}

/// Prints an object with its resources.
pub(super) fn show(
    registry: &Registry,
    id: u16,
    version: Option<Version>,
    output: Output,
) -> Result<(), Failure> {
    let found = match version {
        Some(version) => registry.get(id, version),
        None => registry.latest(id),
    };
    let known: Vec<String> = registry
        .iter()
        .filter(|definition| definition.id == id)
        .map(|definition| definition.version.to_string())
        .collect();
    let Some(definition) = found else {
        return Err(Failure::runtime(match known.as_slice() {
            [] => format!("object {id} is not known; --objects DIR adds definitions"),
            known => format!("object {id} is known in versions {}", known.join(", ")),
        }));
    };
    let mut json = object(definition);
    let resources: Vec<Value> = definition.resources.iter().map(resource).collect();
    if let Some(json) = json.as_object_mut() {
        json.insert("description".into(), json!(definition.description));
        json.insert("resources".into(), json!(resources));
    }
    output.line(text(definition, &known), &json);
    Ok(())
}

fn text(definition: &ObjectDefinition, versions: &[String]) -> String {
    let ObjectDefinition { id, name, urn, .. } = definition;
    let mut text = format!(
        "{name}\nobject {id}, version {} of {}, {urn}\n{} instances, {}, LwM2M {} or higher\n",
        definition.version,
        versions.join(", "),
        instances(definition.multiple),
        presence(definition.mandatory),
        definition.lwm2m_version,
    );
    if !definition.description.is_empty() {
        text += &format!("\n{}\n", wrap(&definition.description).join("\n"));
    }
    let rows: Vec<_> = definition
        .resources
        .iter()
        .map(|resource| {
            [
                resource.id.to_string(),
                operations(resource.operations).to_owned(),
                instances(resource.multiple).to_owned(),
                presence(resource.mandatory).to_owned(),
                data_type(resource),
                format!("{}{}", resource.name, limits(resource)),
            ]
        })
        .collect();
    let head = ["ID", "OPS", "INSTANCES", "PRESENCE", "TYPE", "NAME"];
    text + "\n" + &table(head, &rows)
}

fn object(definition: &ObjectDefinition) -> Value {
    json!({
        "id": definition.id,
        "version": definition.version.to_string(),
        "lwm2mVersion": definition.lwm2m_version.to_string(),
        "name": definition.name,
        "urn": definition.urn,
        "multiple": definition.multiple,
        "mandatory": definition.mandatory,
        "resourceCount": definition.resources.len(),
    })
}

fn resource(definition: &ResourceDefinition) -> Value {
    json!({
        "id": definition.id,
        "name": definition.name,
        "operations": operations(definition.operations).trim_matches('-'),
        "multiple": definition.multiple,
        "mandatory": definition.mandatory,
        "type": definition.data_type.map(|data_type| data_type.to_string()),
        "range": definition.range,
        "units": definition.units,
        "description": definition.description,
    })
}

/// ` (0..100, /100)`: what is enforced, or else the range as it is written.
fn limits(definition: &ResourceDefinition) -> String {
    let mut limits = Vec::new();
    match &definition.constraint {
        Constraint::None if definition.range.is_empty() => {}
        Constraint::None => {
            let words: Vec<&str> = definition.range.split_whitespace().collect();
            limits.push(format!("not enforced: {}", words.join(" ")));
        }
        constraint => limits.push(constraint.to_string()),
    }
    if !definition.units.is_empty() {
        limits.push(format!("unit {}", definition.units));
    }
    match limits.is_empty() {
        true => String::new(),
        false => format!(" ({})", limits.join("; ")),
    }
}

const fn operations(operations: Operations) -> &'static str {
    match (operations.read, operations.write, operations.execute) {
        (_, _, true) => "E",
        (true, true, _) => "RW",
        (true, false, _) => "R",
        (false, true, _) => "W",
        (false, false, _) => "-",
    }
}

const fn instances(multiple: bool) -> &'static str {
    if multiple { "multiple" } else { "single" }
}

const fn presence(mandatory: bool) -> &'static str {
    if mandatory { "mandatory" } else { "optional" }
}

fn data_type(definition: &ResourceDefinition) -> String {
    definition
        .data_type
        .map_or_else(|| "-".into(), |data_type| data_type.to_string())
}

/// Columns as wide as their longest cell; the last one is free.
fn table<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        let widest = cells.map(|cell| cell.chars().count()).max();
        let title = head.get(column).map_or(0, |title| title.len());
        widest.unwrap_or_default().max(title)
    };
    let widths: Vec<usize> = (0..N).map(width).collect();
    let line = |cells: Vec<&str>| {
        let cells = cells.iter().zip(&widths);
        let line: String = cells
            .map(|(cell, width)| format!("{cell:<width$}  "))
            .collect();
        line.trim_end().to_owned()
    };
    let mut lines = vec![line(head.to_vec())];
    lines.extend(
        rows.iter()
            .map(|row| line(row.iter().map(String::as_str).collect())),
    );
    lines.join("\n")
}

/// Wraps each line of a text.
fn wrap(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        for word in paragraph.split_whitespace() {
            if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > WIDTH {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_they_must_be() {
        let rows = [
            ["1".to_owned(), "Lamp".to_owned()],
            ["42769".to_owned(), "X".to_owned()],
        ];
        assert_eq!(
            table(["ID", "NAME"], &rows),
            "ID     NAME\n1      Lamp\n42769  X"
        );
    }

    #[test]
    fn an_object_shows_what_its_definition_says() {
        let registry = Registry::core();
        let device = registry.latest(3).expect("a core object");
        let text = text(device, &["1.2".into()]);
        assert!(
            text.contains("object 3, version 1.2 of 1.2, urn:oma:lwm2m:oma:3:1.2"),
            "{text}"
        );
        let line = text
            .lines()
            .find(|line| line.starts_with("9 "))
            .expect("resource 9");
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(words[..4], ["9", "R", "single", "optional"]);
        assert!(
            line.ends_with("Battery Level (0..100; unit /100)"),
            "{line}"
        );
    }
}
