//! The JSON of object definitions.

use lwm2m_model::{ObjectDefinition, ResourceDefinition};
use serde_json::{Value, json};

use super::node::type_name;

/// Writes a definition.
pub(crate) fn specification(definition: &ObjectDefinition) -> Value {
    json!({
        "name": definition.name,
        "id": definition.id,
        "instancetype": if definition.multiple { "multiple" } else { "single" },
        "mandatory": definition.mandatory,
        "version": definition.version.to_string(),
        "lwm2mversion": definition.lwm2m_version.to_string(),
        "urn": definition.urn,
        "description": definition.description,
        "description2": "",
        "resourcedefs": definition.resources.iter().map(resource).collect::<Vec<_>>(),
    })
}

fn resource(definition: &ResourceDefinition) -> Value {
    let operations = definition.operations;
    let letters: String = [
        (operations.read, 'R'),
        (operations.write, 'W'),
        (operations.execute, 'E'),
    ]
    .into_iter()
    .filter_map(|(allowed, letter)| allowed.then_some(letter))
    .collect();
    json!({
        "id": definition.id,
        "name": definition.name,
        "operations": if letters.is_empty() { "NONE" } else { letters.as_str() },
        "instancetype": if definition.multiple { "multiple" } else { "single" },
        "mandatory": definition.mandatory,
        "type": type_name(definition.data_type),
        "range": definition.range,
        "units": definition.units,
        "description": definition.description,
    })
}
