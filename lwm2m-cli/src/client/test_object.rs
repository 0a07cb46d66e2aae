//! The values of the test object, and what its executable resources do.

use std::collections::BTreeMap;

use lwm2m_codec::{ObjectLink, arguments::Arguments};
use lwm2m_model::{CoreLink, Time, objects::TestObject};

/// The values that an instance starts with and that Reset values brings back.
pub(crate) fn initial() -> TestObject {
    TestObject {
        string_value: Some("initial value".into()),
        integer_value: Some(1024),
        unsigned_integer_value: Some(1 << 63),
        float_value: Some(std::f64::consts::PI),
        boolean_value: Some(true),
        opaque_value: Some(vec![0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef]),
        // 2000-01-01T00:00:00Z.
        time_value: Some(Time(946_684_800)),
        obj_link_value: Some(ObjectLink::new(3, 0)),
        core_lnk_value: Some(CoreLink("</3442>".into())),
        multiple_string_value: pair("initial value 1".into(), "initial value 2".into()),
        multiple_integer_value: pair(2048, 4096),
        multiple_unsigned_integer_value: pair(1 << 62, u64::MAX),
        multiple_float_value: pair(1.25, -2.5),
        multiple_boolean_value: pair(true, false),
        multiple_opaque_value: pair(vec![0x01, 0x23], vec![0xfe, 0xdc]),
        multiple_time_value: pair(Time(946_684_800), Time(1_577_836_800)),
        multiple_obj_link_value: pair(ObjectLink::new(3, 0), ObjectLink::NULL),
        multiple_core_lnk_value: pair(CoreLink("</3>".into()), CoreLink("</3442/0>".into())),
        ..TestObject::default()
    }
}

/// The values after Clear values.
pub(crate) fn cleared() -> TestObject {
    TestObject {
        string_value: Some(String::new()),
        integer_value: Some(0),
        unsigned_integer_value: Some(0),
        float_value: Some(0.0),
        boolean_value: Some(false),
        opaque_value: Some(Vec::new()),
        time_value: Some(Time(0)),
        obj_link_value: Some(ObjectLink::NULL),
        core_lnk_value: Some(CoreLink(String::new())),
        ..TestObject::default()
    }
}

/// The values after Randomize values, out of random bytes.
pub(crate) fn random(bytes: [u8; 16]) -> TestObject {
    let number = u64::from_le_bytes(bytes.first_chunk().copied().unwrap_or_default());
    let small = i64::from(bytes[8]);
    let values = initial();
    let numbered = |id: u16| id < u16::from(bytes[9] % 4);
    TestObject {
        string_value: Some(crate::hex::encode(&bytes)),
        integer_value: Some(number.cast_signed()),
        unsigned_integer_value: Some(number),
        float_value: Some(f64::from(bytes[10]) / 8.0 - 16.0),
        boolean_value: Some(bytes[11] & 1 == 1),
        opaque_value: Some(bytes.to_vec()),
        time_value: Some(Time(946_684_800 + small * 86_400)),
        multiple_integer_value: (0..4)
            .filter(|id| numbered(*id))
            .map(|id| (id, small))
            .collect(),
        multiple_string_value: (0..4)
            .filter(|id| numbered(*id))
            .map(|id| (id, format!("value {small} of {id}")))
            .collect(),
        ..values
    }
}

/// The arguments as Exec With Arguments keeps them: by digit, without values as empty text.
pub(crate) fn arguments_list(arguments: &[u8]) -> BTreeMap<u16, String> {
    let arguments = Arguments::parse(arguments).unwrap_or_default();
    let listed = arguments.iter();
    listed
        .map(|(digit, value)| (digit.into(), value.unwrap_or_default().to_owned()))
        .collect()
}

fn pair<T>(one: T, two: T) -> BTreeMap<u16, T> {
    BTreeMap::from([(0, one), (1, two)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_listed_by_their_digits() {
        let list = arguments_list(b"2='x y',0");
        assert_eq!(
            list,
            BTreeMap::from([(0, String::new()), (2, "x y".into())])
        );
    }

    #[test]
    fn random_values_come_from_the_bytes_alone() {
        let values = random([7; 16]);
        assert_eq!(values, random([7; 16]));
        assert_ne!(values, random([8; 16]));
        assert_eq!(values.multiple_integer_value.len(), 3);
    }
}
