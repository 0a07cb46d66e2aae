//! From the records of a payload to a struct, with nothing lost on the way.

use alloc::{collections::BTreeMap, vec::Vec};

use lwm2m_codec::{Path, Record};

use crate::{Field, ObjectInstance, OwnedValue, field::FieldError, is_secret};

/// What the records of an instance came to.
///
/// A device may know more resources than the struct, or fewer, or send values that its own
/// definition forbids. All of that is normal between versions and vendors, and none of it is an
/// error; what to make of it is up to the application.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Reading<T> {
    /// The instance. Mandatory resources that are `missing` have their defaults.
    pub value: T,
    /// Mandatory resources that a server can read and that no record brought.
    pub missing: Vec<u16>,
    /// Records that are not in the value as they came, and why.
    pub remarks: Vec<Remark>,
}

impl<T> Reading<T> {
    /// True if every record is in the value, and no mandatory one is missing.
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty() && self.remarks.is_empty()
    }
}

/// A record that needs a remark.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Remark {
    /// Path of the record.
    pub path: Path,
    /// Its value; `None` if it had none.
    pub value: Option<OwnedValue>,
    /// What is the matter.
    pub reason: Reason,
}

/// Why a record is not in the value as it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// It belongs to another instance or object, for example by an object link.
    #[error("the record belongs to another instance")]
    Elsewhere,
    /// The definition has no such resource: a newer version, or the vendor's own.
    #[error("the definition has no such resource")]
    UnknownResource,
    /// The definition gives the resource no value: it is executable.
    #[error("the resource has no value")]
    NoValue,
    /// The definition lets no server read the resource, and yet its value came. It is in the value.
    #[error("the definition does not let servers read the resource")]
    NotReadable,
    /// The field does not take the value.
    #[error("{0}")]
    Field(FieldError),
    /// The value is outside of the range of the definition. It is in the value all the same.
    #[error("the value is outside of the range of the definition")]
    OutOfRange,
    /// Another record of the same resource is newer, and its value counts.
    #[error("there is a newer value of the resource")]
    Outdated,
}

/// Makes a struct of the records of an instance.
///
/// Of several values of a resource the one with the latest time counts, and the last one of equal
/// times.
///
/// ```
/// use lwm2m_codec::{Path, Record, Value};
/// use lwm2m_model::{Reason, from_records, objects::Temperature};
///
/// let records = [
///     Record::new(Path::resource(3303, 0, 5700), Value::Float(21.5)),
///     Record::new(Path::resource(3303, 0, 26241), Value::string("of the vendor")),
/// ];
/// let reading = from_records::<Temperature>(0, records);
/// assert_eq!(reading.value.sensor_value, 21.5);
/// assert_eq!(reading.remarks[0].reason, Reason::UnknownResource);
/// ```
pub fn from_records<'a, T: ObjectInstance>(
    instance: u16,
    records: impl IntoIterator<Item = Record<'a>>,
) -> Reading<T> {
    let mut value = T::default();
    let place = Path::instance(T::DEFINITION.id, instance);
    let (mut remarks, mut times) = (Vec::new(), BTreeMap::new());
    for record in records {
        for (path, value, reason) in take(&mut value, place, &record, &mut times) {
            remarks.push(Remark {
                path,
                value,
                reason,
            });
        }
    }
    let came = |id| {
        let path = Path::resource(T::DEFINITION.id, instance, id);
        times.keys().any(|taken| path.contains(taken))
    };
    let wanted = T::DEFINITION
        .resources
        .iter()
        .filter(|resource| resource.mandatory && resource.operations.read);
    let missing = wanted
        .filter(|resource| resource.data_type.is_some() && !came(resource.id))
        .map(|resource| resource.id)
        .collect();
    Reading {
        value,
        missing,
        remarks,
    }
}

type Told = (Path, Option<OwnedValue>, Reason);

/// Puts a record into its field, and says what there is to say.
fn take<T: ObjectInstance>(
    instance: &mut T,
    place: Path,
    record: &Record<'_>,
    times: &mut BTreeMap<Path, Option<f64>>,
) -> Vec<Told> {
    let path = record.path;
    let owned = || {
        let secret = path
            .resource_id()
            .is_some_and(|id| path.object_id().is_some_and(|object| is_secret(object, id)));
        let value = record.value.and_then(OwnedValue::from_value)?;
        Some(if secret { value.into_secret() } else { value })
    };
    let told = |reason| Vec::from([(path, owned(), reason)]);
    if !place.contains(&path) {
        return told(Reason::Elsewhere);
    }
    let Some(id) = path.resource_id() else {
        // An empty instance.
        return Vec::new();
    };
    let Some(resource) = T::DEFINITION.resource(id) else {
        return told(Reason::UnknownResource);
    };
    let Some(field) = instance.field_mut(id) else {
        return told(Reason::NoValue);
    };
    let Some(value) = record.value else {
        // An empty multiple-instance resource.
        times.entry(path).or_insert(record.time);
        return match field.is_multiple() {
            true => Vec::new(),
            false => told(Reason::NoValue),
        };
    };
    let before = times.get(&path).copied();
    if before.is_some_and(|before| before > record.time) {
        return told(Reason::Outdated);
    }
    let ri = path.resource_instance_id();
    let old = before
        .and_then(|_| field.get(ri))
        .and_then(OwnedValue::from_value);
    if let Err(error) = Field::set(field, ri, value) {
        return told(Reason::Field(error));
    }
    times.insert(path, record.time);
    let mut remarks = Vec::new();
    if old.is_some() {
        remarks.push((path, old, Reason::Outdated));
    }
    if !resource.operations.read {
        remarks.push((path, owned(), Reason::NotReadable));
    }
    let fits = field
        .get(ri)
        .is_none_or(|value| resource.constraint.allows(&value));
    if !fits {
        remarks.push((path, owned(), Reason::OutOfRange));
    }
    remarks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objects::{Device, Security, Temperature, TestObject};
    use alloc::vec;
    use lwm2m_codec::{Type, Value};

    fn sensor(id: u16, value: Value<'_>) -> Record<'_> {
        Record::new(Path::resource(3303, 0, id), value)
    }

    fn reasons<T>(reading: &Reading<T>) -> Vec<(Path, Reason)> {
        let remarks = reading.remarks.iter();
        remarks.map(|remark| (remark.path, remark.reason)).collect()
    }

    #[test]
    fn an_instance_that_fits_has_no_remarks() {
        let records = [
            sensor(5700, Value::Integer(21)),
            sensor(5701, Value::string("Cel")),
        ];
        let reading = from_records::<Temperature>(0, records);
        assert!(reading.is_complete());
        assert_eq!(reading.value.sensor_value, 21.0);
        assert_eq!(reading.value.sensor_units.as_deref(), Some("Cel"));
    }

    #[test]
    fn what_the_struct_does_not_know_is_told_and_not_lost() {
        let records = [
            sensor(5700, Value::string("warm")),
            sensor(9999, Value::Integer(7)),
            sensor(5605, Value::Integer(1)),
            sensor(6049, Value::Integer(101)),
            Record::new(Path::resource(3303, 1, 5700), Value::Float(1.0)),
        ];
        let reading = from_records::<Temperature>(0, records);
        let at = |id| Path::resource(3303, 0, id);
        assert_eq!(
            reasons(&reading),
            [
                (at(5700), Reason::Field(FieldError::Type(Type::Float))),
                (at(9999), Reason::UnknownResource),
                (at(5605), Reason::NoValue),
                (at(6049), Reason::OutOfRange),
                (Path::resource(3303, 1, 5700), Reason::Elsewhere),
            ]
        );
        assert_eq!(reading.remarks[1].value, Some(OwnedValue::Integer(7)));
        assert_eq!(reading.value.measurement_quality_level, Some(101));
        assert_eq!(reading.missing, [5700]);
    }

    #[test]
    fn mandatory_resources_that_did_not_come_are_named() {
        let reading = from_records::<Device>(0, []);
        assert_eq!(reading.missing, [11, 16]);
        let empty = Record::path_only(Path::resource(3, 0, 11));
        let reading = from_records::<Device>(0, [empty]);
        assert_eq!((reading.missing, reading.remarks), (vec![16], vec![]));
    }

    #[test]
    fn the_latest_of_several_values_counts() {
        let at = |time, value| Record {
            time: Some(time),
            ..sensor(5700, Value::Float(value))
        };
        let reading = from_records::<Temperature>(0, [at(10.0, 1.0), at(20.0, 2.0), at(5.0, 0.5)]);
        assert_eq!(reading.value.sensor_value, 2.0);
        let values: Vec<_> = reading
            .remarks
            .into_iter()
            .map(|r| (r.value, r.reason))
            .collect();
        assert_eq!(
            values,
            [
                (Some(OwnedValue::Float(1.0)), Reason::Outdated),
                (Some(OwnedValue::Float(0.5)), Reason::Outdated),
            ]
        );
    }

    #[test]
    fn instances_of_a_resource_come_by_their_ids() {
        let path = Path::resource(3442, 4, 1120);
        let records = [
            Record::new(path.child(7).unwrap(), Value::Integer(1)),
            Record::new(path, Value::Integer(2)),
        ];
        let reading = from_records::<TestObject>(4, records);
        assert_eq!(reading.value.multiple_integer_value.get(&7), Some(&1));
        assert_eq!(
            reasons(&reading),
            [(path, Reason::Field(FieldError::InstanceMissing))]
        );
    }

    #[test]
    fn a_key_in_a_remark_is_not_printed() {
        let record = Record::new(Path::resource(0, 0, 5), Value::opaque(b"hunter2"));
        let reading = from_records::<Security>(0, [record]);
        assert_eq!(reading.remarks[0].reason, Reason::NotReadable);
        assert!(!std::format!("{reading:?}").contains("104, 117"));
    }
}
