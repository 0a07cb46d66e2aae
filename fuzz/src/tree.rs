//! A tree of values that a device could have, through every format.

use std::collections::BTreeMap;

use arbitrary::{Arbitrary, Result, Unstructured};
use lwm2m_codec::{ContentFormat, ObjectLink, Path, Value};

use crate::{
    Verdict,
    input::{Owned, OwnedValue},
    payload::{TREES, through},
};

/// The ids below one object and what is there, in the order of the ids.
type Instances = BTreeMap<u16, BTreeMap<u16, Resource>>;

#[derive(Debug, Arbitrary)]
enum Resource {
    Single(Leaf),
    Multiple(BTreeMap<u16, Leaf>),
}

#[derive(Debug, Arbitrary)]
enum Leaf {
    Text(String),
    Link(Vec<(u16, u16)>),
    Bytes(Vec<u8>),
    Float(f64),
    Single(f32),
    Integer(i64),
    Small(i16),
    Unsigned(u64),
    Boolean(bool),
    Time(i64),
    ObjectLink(u16, u16),
}

impl Leaf {
    fn value(self) -> OwnedValue {
        OwnedValue::Other(match self {
            Self::Text(text) => return OwnedValue::Text(text),
            Self::Link(links) => {
                let links: Vec<String> = links.iter().map(|(o, i)| format!("</{o}/{i}>")).collect();
                return OwnedValue::Link(links.join(","));
            }
            Self::Bytes(bytes) => return OwnedValue::Bytes(bytes),
            Self::Float(number) => return float(number),
            Self::Single(number) => return float(f64::from(number)),
            Self::Integer(number) => Value::Integer(number),
            Self::Small(number) => Value::Integer(i64::from(number)),
            Self::Unsigned(number) => Value::Unsigned(number),
            Self::Boolean(value) => Value::Boolean(value),
            Self::Time(seconds) => Value::Time(seconds),
            Self::ObjectLink(object, instance) => {
                Value::ObjectLink(ObjectLink::new(object, instance))
            }
        })
    }
}

/// A number that every format can carry: JSON knows no others.
fn float(number: f64) -> OwnedValue {
    let finite = if number.is_finite() { number } else { 0.5 };
    OwnedValue::Float(finite.to_bits())
}

/// Encodes any tree in every format: none may refuse it, and it decodes to the same.
///
/// # Panics
/// If a tree differs after a round trip, or can't be expressed.
pub fn tree(data: &[u8]) -> Verdict {
    let Ok((base, object, records)) = records(&mut Unstructured::new(data)) else {
        return Verdict::Refused;
    };
    if records.is_empty() {
        return Verdict::Refused;
    }
    for format in TREES {
        let bytes = through(format, base, &records);
        assert!(bytes.is_some(), "{format} from {base}: {records:?}");
        if format != ContentFormat::TLV {
            assert!(
                through(format, Path::ROOT, &records).is_some(),
                "{format} of {object}"
            );
        }
    }
    Verdict::Accepted
}

/// A base path and the records below it.
fn records(bytes: &mut Unstructured<'_>) -> Result<(Path, u16, Vec<Owned>)> {
    // 65535 stands for "no instance" (TS-Core §7.4).
    let id = |bytes: &mut Unstructured<'_>| bytes.int_in_range(0..=u16::MAX - 1);
    let object = id(bytes)?;
    let depth = bytes.int_in_range(1..=4usize)?;
    let instances = Instances::arbitrary(bytes)?;
    let mut records = Vec::new();
    for (instance, resources) in instances {
        for (resource, values) in resources {
            let Some(path) = Path::from_ids(&[object, instance, resource]) else {
                continue;
            };
            let mut push = |path, leaf: Leaf| {
                records.push(Owned {
                    path,
                    time: None,
                    value: Some(leaf.value()),
                });
            };
            match values {
                Resource::Single(leaf) => push(path, leaf),
                // All instances of a resource have one type: that of the first.
                Resource::Multiple(leaves) => {
                    let mut first = None;
                    for (instance, leaf) in leaves {
                        let kind = std::mem::discriminant(&leaf);
                        if let Some(path) = path.child(instance)
                            && *first.get_or_insert(kind) == kind
                        {
                            push(path, leaf);
                        }
                    }
                }
            }
        }
    }
    records.retain(|record| !record.path.ids().contains(&u16::MAX));
    let base = records
        .first()
        .map_or(Path::object(object), |first| first.path.truncated(depth));
    records.retain(|record| base.contains(&record.path));
    Ok((base, object, records))
}
