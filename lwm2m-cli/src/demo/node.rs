//! What the server's JSON must be for what the device has, made from the device's own structs.

use lwm2m_codec::{Path, Value as Lwm2mValue};
use lwm2m_model::{ObjectInstance, OwnedValue, ResourceDefinition};
use serde_json::{Map, Value, json};

use crate::hex;

/// The node of an instance: everything that a server may read.
pub(crate) fn instance<T: ObjectInstance>(id: u16, values: &T) -> Value {
    let readable = T::DEFINITION
        .resources
        .iter()
        .filter(|resource| resource.operations.read);
    let resources: Vec<Value> = readable
        .filter_map(|definition| resource(values, definition.id))
        .collect();
    json!({ "id": id, "kind": "instance", "resources": resources })
}

/// The node of a resource, if it has a value.
pub(crate) fn resource<T: ObjectInstance>(values: &T, id: u16) -> Option<Value> {
    let definition: &ResourceDefinition = T::DEFINITION.resource(id)?;
    let field = values.field(id).filter(|field| field.has_value())?;
    let data_type = type_name(definition);
    if !definition.multiple {
        let value = json_value(field.get(None)?);
        return Some(
            json!({ "id": id, "kind": "singleResource", "type": data_type, "value": value }),
        );
    }
    let mut instances = Map::new();
    let mut after = None;
    while let Some(instance) = field.next_instance(after) {
        instances.insert(instance.to_string(), json_value(field.get(Some(instance))?));
        after = Some(instance);
    }
    Some(json!({ "id": id, "kind": "multiResource", "type": data_type, "values": instances }))
}

/// The node of a resource with one value in its JSON form.
pub(crate) fn single(id: u16, data_type: &str, value: impl Into<Value>) -> Value {
    json!({ "id": id, "kind": "singleResource", "type": data_type, "value": value.into() })
}

/// The links of an object or instance as Discover lists them by default (TS-Core §6.3.2): the
/// instance and its resources, executable ones included.
pub(crate) fn links<T: ObjectInstance>(values: &T, executable: &[u16]) -> Vec<String> {
    let object = T::DEFINITION.id;
    let exists = |id: u16| {
        executable.contains(&id) || values.field(id).is_some_and(|field| field.has_value())
    };
    let resources = T::DEFINITION
        .resources
        .iter()
        .filter(|resource| exists(resource.id));
    let mut links = vec![
        Path::object(object).to_string(),
        Path::instance(object, 0).to_string(),
    ];
    links.extend(resources.map(|resource| Path::resource(object, 0, resource.id).to_string()));
    links
}

fn type_name(definition: &ResourceDefinition) -> &'static str {
    use lwm2m_codec::Type;
    match definition.data_type {
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

/// Numbers travel as text, bytes as hex, times as dates.
fn json_value(value: Lwm2mValue<'_>) -> Value {
    match OwnedValue::from_value(value) {
        Some(OwnedValue::String(text) | OwnedValue::CoreLink(text)) => json!(text),
        Some(OwnedValue::Integer(number)) => json!(number.to_string()),
        Some(OwnedValue::Unsigned(number)) => json!(number.to_string()),
        Some(OwnedValue::Float(number)) => json!(number.to_string()),
        Some(OwnedValue::Boolean(flag)) => json!(flag),
        Some(OwnedValue::Opaque(bytes)) => json!(hex::encode(&bytes)),
        Some(OwnedValue::Time(seconds)) => json!(date(seconds)),
        Some(OwnedValue::ObjectLink(link)) => {
            json!({ "objectId": link.object, "objectInstanceId": link.instance })
        }
        _ => Value::Null,
    }
}

/// The dates among the test object's values, written out by hand.
fn date(seconds: i64) -> &'static str {
    match seconds {
        946_684_800 => "2000-01-01T00:00:00Z",
        1_577_836_800 => "2020-01-01T00:00:00Z",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lwm2m_model::objects::Temperature;

    #[test]
    fn an_instance_lists_what_is_readable_and_there() {
        let sensor = Temperature {
            sensor_value: 21.5,
            sensor_units: Some("Cel".into()),
            ..Temperature::default()
        };
        let node = instance(3, &sensor);
        assert_eq!(
            node,
            json!({ "id": 3, "kind": "instance", "resources": [
                { "id": 5700, "kind": "singleResource", "type": "float", "value": "21.5" },
                { "id": 5701, "kind": "singleResource", "type": "string", "value": "Cel" },
            ]})
        );
        assert_eq!(
            links(&sensor, &[5605])[2..],
            ["/3303/0/5605", "/3303/0/5700", "/3303/0/5701"]
        );
    }
}
