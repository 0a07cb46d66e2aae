//! From a struct to the records of a payload.

use core::iter;

use lwm2m_codec::{Path, Record};

use crate::{ObjectInstance, ResourceDefinition};

/// Gives the values of an instance as records, in the order of its definition; `wanted` says of
/// which resources.
///
/// Optional resources without a value and multiple-instance resources without instances give
/// none.
///
/// ```
/// use lwm2m_codec::{Path, Value};
/// use lwm2m_model::{objects::Server, to_records};
///
/// let server = Server { short_server_id: 1, lifetime: 300, ..Default::default() };
/// let mut records = to_records(0, &server, |resource| resource.operations.write);
/// let first = records.next().unwrap();
/// assert_eq!(first.path, Path::resource(1, 0, 1));
/// assert_eq!(first.value, Some(Value::Integer(300)));
/// ```
pub fn to_records<'v, T: ObjectInstance>(
    instance: u16,
    value: &'v T,
    wanted: impl Fn(&ResourceDefinition) -> bool,
) -> impl Iterator<Item = Record<'v>> {
    let resources = T::DEFINITION.resources.iter();
    let fields = resources
        .filter(move |resource| wanted(resource))
        .filter_map(|resource| Some((resource.id, value.field(resource.id)?)));
    fields.flat_map(move |(id, field)| {
        let path = Path::resource(T::DEFINITION.id, instance, id);
        let single = iter::once(None).filter(move |_| !field.is_multiple());
        let first = field.is_multiple().then(|| field.next_instance(None));
        let multiple = iter::successors(first.flatten(), move |ri| field.next_instance(Some(*ri)));
        single
            .chain(multiple.map(Some))
            .filter_map(move |ri| match ri {
                None => Some(Record::new(path, field.get(None)?)),
                Some(id) => Some(Record::new(path.child(id)?, field.get(ri)?)),
            })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        from_records,
        objects::{Device, TestObject},
    };
    use std::{collections::BTreeMap, vec::Vec};

    #[test]
    fn a_struct_is_the_same_after_it_was_records() {
        let value = TestObject {
            multiple_integer_value: BTreeMap::from([(3, 30), (9, -90)]),
            string_value: Some("a".into()),
            ..Default::default()
        };
        let records = to_records(4, &value, |_| true);
        let reading = from_records::<TestObject>(4, records);
        assert_eq!(reading.value, value);
        assert_eq!(
            reading.remarks.iter().map(|r| r.path).collect::<Vec<_>>(),
            []
        );
    }

    #[test]
    fn only_the_resources_that_are_wanted_become_records() {
        let device = Device {
            manufacturer: Some("Acme".into()),
            utc_offset: Some("+02:00".into()),
            ..Default::default()
        };
        let paths = |write| -> Vec<Path> {
            let wanted = move |resource: &ResourceDefinition| resource.operations.write == write;
            to_records(0, &device, wanted).map(|r| r.path).collect()
        };
        assert_eq!(paths(true), [Path::resource(3, 0, 14)]);
        assert!(paths(false).contains(&Path::resource(3, 0, 0)));
    }
}
