//! The core objects of LwM2M 1.2 and two common others as structs, generated from
//! `definitions/*.xml`.
//!
//! ```
//! use lwm2m_codec::{Path, Value};
//! use lwm2m_model::{Tree, Typed, objects::{Device, Temperature, device}};
//!
//! let mut tree = Tree::new();
//! tree.insert(Typed::new().with(0, Device {
//!     manufacturer: Some("Acme".into()),
//!     supported_binding_and_modes: "U".into(),
//!     ..Device::default()
//! }));
//! tree.insert(Typed::new().with(0, Temperature { sensor_value: 21.5, ..Temperature::default() }));
//!
//! // What a server writes is checked; what the device changes is noted for observers.
//! tree.write(Path::resource(3, 0, device::ids::TIMEZONE), Value::string("Europe/Berlin"))?;
//! tree.update(0, |sensor: &mut Temperature| sensor.sensor_value = 22.0);
//! assert_eq!(tree.take_changes().last(), Some(&Path::resource(3303, 0, 5700)));
//! # Ok::<(), lwm2m_model::Failure>(())
//! ```

// `cargo xtask codegen` formats these files.
#[rustfmt::skip]
mod generated;

pub use generated::*;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Field, ObjectInstance, SecretBytes, Time};
    use lwm2m_codec::{ObjectLink, Value, Version};
    use std::format;

    #[test]
    fn every_definition_has_sorted_resources_and_its_own_urn() {
        assert!(DEFINITIONS.is_sorted_by(|one, two| one.id < two.id));
        for definition in DEFINITIONS {
            assert!(
                definition
                    .resources
                    .is_sorted_by(|one, two| one.id < two.id)
            );
            let id = format!(":{}", definition.id);
            assert!(definition.urn.contains(&id), "{}", definition.urn);
        }
    }

    #[test]
    fn the_core_objects_have_the_versions_of_lwm2m_1_2() {
        for definition in DEFINITIONS.iter().filter(|definition| definition.id <= 7) {
            let implied = crate::ver::implied_version(Version::V1_2, definition.id);
            assert_eq!(implied, Some(definition.version), "{}", definition.name);
        }
    }

    fn check<T: ObjectInstance>() {
        let mut instance = T::default();
        for resource in T::DEFINITION.resources.iter() {
            let Some(field) = instance.field_mut(resource.id) else {
                assert!(resource.operations.execute, "{}", resource.name);
                continue;
            };
            assert_eq!(Some(field.data_type()), resource.data_type);
            assert_eq!(field.is_multiple(), resource.multiple);
            assert_eq!(field.has_value(), resource.mandatory && !resource.multiple);
        }
        assert!(instance.field(9999).is_none());
    }

    #[test]
    fn every_struct_has_the_fields_of_its_definition() {
        check::<Security>();
        check::<Server>();
        check::<AccessControl>();
        check::<Device>();
        check::<ConnectivityMonitoring>();
        check::<FirmwareUpdate>();
        check::<Location>();
        check::<ConnectivityStatistics>();
        check::<Temperature>();
        check::<TestObject>();
    }

    #[test]
    fn keys_are_secret() {
        let security = Security {
            secret_key: SecretBytes::from(&[0x5e; 16][..]),
            ..Security::default()
        };
        let printed = format!("{security:?}");
        assert!(
            printed.contains("secret_key: SecretBytes(16 bytes)") && !printed.contains("94, 94")
        );
    }

    #[test]
    fn a_value_of_every_type_is_written_and_read() {
        let mut object = TestObject::default();
        for (id, value) in [
            (110, Value::string("initial value")),
            (120, Value::Integer(1024)),
            (125, Value::Unsigned(1 << 63)),
            (130, Value::Float(-2.5)),
            (140, Value::Boolean(true)),
            (150, Value::opaque(&[0x01, 0x23])),
            (160, Value::Time(946_684_800)),
            (170, Value::ObjectLink(ObjectLink::new(3, 0))),
            (180, Value::CoreLink("</3442>".into())),
        ] {
            object.field_mut(id).unwrap().set(None, value).unwrap();
            assert_eq!(object.field(id).unwrap().get(None), Some(value));
            let multiple = object.field_mut(id + 1000).unwrap();
            multiple.set(Some(3), value).unwrap();
            assert_eq!(Field::get(multiple, Some(3)), Some(value));
        }
        assert_eq!(object.time_value, Some(Time(946_684_800)));
        assert_eq!(object.multiple_integer_value.get(&3), Some(&1024));
    }
}
