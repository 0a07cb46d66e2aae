//! From what a file says to values of resources.

use alloc::vec::Vec;

use lwm2m_codec::{Path, Type};
use lwm2m_model::{ObjectDefinition, OwnedValue, SecretBytes, is_secret};
use zeroize::Zeroizing;

use super::{
    error::{ConfigErrorKind, ExpectedValue},
    form::Node,
};

/// Collects the values that `node` gives to `path` and what lies below it.
pub(super) fn collect(
    definition: &ObjectDefinition,
    path: Path,
    node: &Node,
    values: &mut Vec<(Path, OwnedValue)>,
) -> Result<(), ConfigErrorKind> {
    let wants = |expected| Err(ConfigErrorKind::Value { path, expected });
    let resource = match path.resource_id() {
        Some(id) => Some(
            definition
                .resource(id)
                .ok_or(ConfigErrorKind::UnknownResource(path))?,
        ),
        None => None,
    };
    let table = match resource {
        None => true,
        Some(resource) => resource.multiple && path.len() == 3,
    };
    match (node, table) {
        (Node::Table(nodes), true) => nodes.iter().try_for_each(|(id, node)| {
            let child = path.child(*id).ok_or(ConfigErrorKind::WritePath)?;
            collect(definition, child, node, values)
        }),
        (_, true) => wants(ExpectedValue::Table),
        (node, false) => match resource.and_then(|resource| resource.data_type) {
            None => wants(ExpectedValue::Nothing),
            Some(data_type) => match one(path, node, data_type) {
                Some(value) => {
                    values.push((path, value));
                    Ok(())
                }
                None => wants(ExpectedValue::One(data_type)),
            },
        },
    }
}

fn one(path: Path, node: &Node, data_type: Type) -> Option<OwnedValue> {
    Some(match (data_type, node) {
        (Type::String, Node::Text(text)) => OwnedValue::String(text.as_str().into()),
        (Type::CoreLink, Node::Text(text)) => OwnedValue::CoreLink(text.as_str().into()),
        (Type::ObjectLink, Node::Text(text)) => OwnedValue::ObjectLink(text.parse().ok()?),
        (Type::Opaque, Node::Text(text)) => {
            let bytes = hex_or_text(text)?;
            match path.object_id().zip(path.resource_id()) {
                Some((object, resource)) if is_secret(object, resource) => {
                    OwnedValue::Secret(SecretBytes::from(bytes.as_slice()))
                }
                _ => OwnedValue::Opaque(bytes.to_vec()),
            }
        }
        (Type::Integer, Node::Integer(number)) => OwnedValue::Integer(*number),
        (Type::Time, Node::Integer(number)) => OwnedValue::Time(*number),
        (Type::Unsigned, Node::Integer(number)) => {
            OwnedValue::Unsigned(u64::try_from(*number).ok()?)
        }
        (Type::Float, Node::Float(number)) => OwnedValue::Float(*number),
        (Type::Float, Node::Integer(number)) => OwnedValue::Float(*number as f64),
        (Type::Boolean, Node::Boolean(flag)) => OwnedValue::Boolean(*flag),
        _ => return None,
    })
}

/// Reads bytes written in hexadecimal, or as text behind `text:`.
pub(super) fn hex_or_text(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    match text.strip_prefix("text:") {
        Some(text) => Some(Zeroizing::new(text.as_bytes().to_vec())),
        None => hex(text),
    }
}

/// Reads an identity: text, or bytes in hexadecimal behind `hex:`.
pub(super) fn text_or_hex(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    match text.strip_prefix("hex:") {
        Some(digits) => hex(digits),
        None => Some(Zeroizing::new(text.as_bytes().to_vec())),
    }
}

fn hex(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let digits = text.as_bytes();
    if digits.len() % 2 != 0 {
        return None;
    }
    // The whole length at once: a buffer that grows leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(digits.len() / 2));
    let digit = |byte: u8| char::from(byte).to_digit(16);
    for pair in digits.chunks_exact(2) {
        let [high, low] = pair else { return None };
        bytes.push((digit(*high)? * 16 + digit(*low)?) as u8);
    }
    Some(bytes)
}
