//! Bootstrap-Write (TS-Core §6.1.7.4).

use alloc::{collections::BTreeSet, string::ToString};

use lwm2m_coap::Draft;
use lwm2m_codec::{
    DecodeError, DecodeErrorKind, Decoder, MAX_ID, Path, Record, Value,
    coap::{Code, Message},
};
use lwm2m_model::{Failure, ResourceDefinition, Tree};

use super::{Answer, Refusal};
use crate::view::{id, resources};

/// Writes to an object, an instance or a resource, whether it exists or not. Operations and
/// access rights don't count.
pub(super) fn write(tree: &mut Tree, path: Path, message: &Message<'_>, body: &[u8]) -> Answer {
    if !(1..=3).contains(&path.len()) {
        return Err(Refusal::bad_request(
            "Bootstrap-Write takes an object, an instance or a resource",
        ));
    }
    let format = message
        .content_format()
        .ok_or(Refusal::bad_request("the Content-Format is missing"))?;
    let object = path.object_id().unwrap_or(MAX_ID);
    let format = format.canonical();
    if format.is_single_value() && path.len() < 3 {
        return Err(Refusal::new(
            Code::UNSUPPORTED_CONTENT_FORMAT,
            "the format carries one value only",
        ));
    }
    // Types and constraints come from a copy, while the tree changes.
    let definition = tree.definition(object).cloned();
    let definition = definition.ok_or(Refusal::bad_request("the object is not supported"))?;
    let resource = path.resource_id();
    if resource.is_some_and(|resource| definition.resource(resource).is_none()) {
        return Err(Refusal::bad_request("the resource is not supported"));
    }
    let types = |path: Path| definition.resource(path.resource_id()?)?.data_type;
    let decoder = Decoder::new(format, path, body, &types).map_err(decode_refusal)?;
    let mut prepared = BTreeSet::new();
    if let [_, instance, ..] = *path.ids() {
        prepare(tree, path, instance)?;
        prepared.insert(instance);
    }
    for record in decoder.within_base() {
        let record = record.map_err(decode_refusal)?;
        let instance = record.path.instance_id();
        let instance = instance.ok_or(Refusal::bad_request("a record names no instance"))?;
        if prepared.insert(instance) {
            prepare(tree, path, instance)?;
        }
        if let Some(resource) = record.path.resource_id() {
            let resource = definition.resource(resource);
            write_record(tree, &record, resource).map_err(|failure| Refusal::change(&failure))?;
        }
    }
    Ok(Draft::new(Code::CHANGED))
}

/// Readies an instance, or a resource of it, to be written.
fn prepare(tree: &mut Tree, target: Path, instance: u16) -> Result<(), Refusal> {
    let object = target.object_id().unwrap_or(MAX_ID);
    if instance == MAX_ID {
        return Err(Refusal::bad_request("65535 is not an instance id"));
    }
    let result = match target.resource_id() {
        _ if !tree.contains(Path::instance(object, instance)) => {
            tree.create(object, Some(instance)).map(drop)
        }
        Some(_) => prepare_resource(tree, target),
        None => prepare_instance(tree, object, instance),
    };
    result.map_err(|failure| Refusal::change(&failure))
}

fn decode_refusal(error: DecodeError) -> Refusal {
    let code = match error.kind {
        DecodeErrorKind::UnsupportedFormat(_) => Code::UNSUPPORTED_CONTENT_FORMAT,
        _ => Code::BAD_REQUEST,
    };
    Refusal::new(code, error.to_string())
}

/// Takes the values of an instance: what the payload leaves out must not be there afterwards.
fn prepare_instance(tree: &mut Tree, object: u16, instance: u16) -> Result<(), Failure> {
    let ids = match tree.get(object) {
        Some(object) => resources(object, instance),
        None => return Ok(()),
    };
    for resource in ids {
        let path = Path::resource(object, instance, resource);
        let Some(definition) = tree.resource_definition(path) else {
            continue;
        };
        // What only the device knows, such as its serial number, is not the server's to take.
        let operations = definition.operations;
        let own = operations.read && !operations.write && !id::is_account_object(object);
        if definition.data_type.is_none() || own {
            continue;
        }
        match tree.clear(path) {
            // A value that the object computes stays.
            Err(failure) if failure.code == Code::METHOD_NOT_ALLOWED => {}
            result => result?,
        }
    }
    Ok(())
}

/// Takes the Resource Instances of a resource.
fn prepare_resource(tree: &mut Tree, path: Path) -> Result<(), Failure> {
    let definition = tree.resource_definition(path);
    let multiple = definition.is_some_and(|definition| definition.multiple);
    if multiple && tree.contains(path) {
        tree.clear(path)?;
    }
    Ok(())
}

/// Writes a value; what the definition does not know is skipped.
pub(crate) fn write_record(
    tree: &mut Tree,
    record: &Record<'_>,
    definition: Option<&ResourceDefinition>,
) -> Result<(), Failure> {
    // TS-Core §6.1.7.4: unknown resources in a payload are no error.
    let Some(definition) = definition else {
        return Ok(());
    };
    match record.value {
        // Servers in the field write "" to optional resources that they leave unset.
        Some(value) if !definition.mandatory && is_unset(definition, &value) => Ok(()),
        Some(value) => tree.write(record.path, value),
        None => tree.write_empty(record.path),
    }
}

/// True for an empty text or opaque where the definition allows none.
fn is_unset(definition: &ResourceDefinition, value: &Value<'_>) -> bool {
    let empty = match value {
        Value::String(text) => text.chars().next().is_none(),
        Value::Opaque(bytes) => bytes.iter().next().is_none(),
        _ => false,
    };
    empty && !definition.constraint.allows(value)
}
