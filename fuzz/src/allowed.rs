//! What may differ, and why: every exception from equality has its name here.

use std::collections::HashMap;

use lwm2m_codec::{ContentFormat, Path, Value, arguments::Arguments};

use crate::input::{Owned, OwnedValue};

/// Records of one resource with values of different types: no object definition knows both types,
/// so that the formats without types can't tell them apart.
pub(crate) fn types_differ_in_one_resource(records: &[Owned]) -> bool {
    let mut types = HashMap::new();
    records
        .iter()
        .filter_map(|record| Some((record.path.truncated(3), record.data_type()?)))
        .any(|(resource, found)| *types.entry(resource).or_insert(found) != found)
}

/// A value at a path that is no resource: decoders ask no definition for its type.
pub(crate) fn has_value_above_resources(records: &[Owned]) -> bool {
    records
        .iter()
        .any(|record| record.value.is_some() && record.path.len() < 3)
}

/// Nothing at all in LwM2M CBOR is an answer without payload, since its outermost map has at least
/// one entry (TS-Core §7.5.4); an empty payload is not decoded.
pub(crate) fn is_no_payload(format: ContentFormat, bytes: &[u8]) -> bool {
    format == ContentFormat::LWM2M_CBOR && bytes.is_empty()
}

/// An instance or a resource without value that is named before others below it: they bring it
/// along. The base itself needs no element either.
pub(crate) fn needs_no_element(
    format: ContentFormat,
    base: Path,
    record: &Owned,
    records: &[Owned],
) -> bool {
    record.value.is_none()
        && format.has_containers()
        && (record.path == base && is_implied(format, base)
            || records
                .iter()
                .any(|other| other.path != record.path && record.path.contains(&other.path)))
}

/// A base without an element of its own: in TLV all but resources, elsewhere the root.
fn is_implied(format: ContentFormat, base: Path) -> bool {
    match format {
        ContentFormat::TLV => base.len() < 3,
        _ => base.is_root(),
    }
}

/// The records are equal, but for what a format can't keep.
pub(crate) fn same(format: ContentFormat, got: &[Owned], want: &[Owned]) -> bool {
    got.len() == want.len()
        && got.iter().zip(want).all(|(got, want)| {
            got == want
                || (got.path == want.path
                    && times_equal(got.time, want.time)
                    && values_equal(format, got.value.as_ref(), want.value.as_ref()))
        })
}

/// A time of -0 is 0: SenML writes whole seconds as integers.
fn times_equal(got: Option<f64>, want: Option<f64>) -> bool {
    got == want
}

fn values_equal(
    format: ContentFormat,
    got: Option<&OwnedValue>,
    want: Option<&OwnedValue>,
) -> bool {
    match (got, want) {
        (Some(OwnedValue::Float(got)), Some(OwnedValue::Float(want))) => {
            let (got, want) = (f64::from_bits(*got), f64::from_bits(*want));
            // All NaNs are one, and text knows no sign of zero.
            (got.is_nan() && want.is_nan()) || got == want
        }
        (got, want) => got == want || null_is_nothing(format, got, want),
    }
}

/// LwM2M CBOR and OMA JSON write no value where there is null; see `Value::Null`.
fn null_is_nothing(
    format: ContentFormat,
    got: Option<&OwnedValue>,
    want: Option<&OwnedValue>,
) -> bool {
    format == ContentFormat::LWM2M_CBOR
        && got.is_none()
        && want == Some(&OwnedValue::Other(Value::Null))
}

/// Blanks in the value of an Execute argument are tolerated, but never written (TS-Core §6.3.5).
pub(crate) fn a_value_has_a_blank(arguments: &Arguments<'_>) -> bool {
    arguments
        .iter()
        .any(|(_, value)| value.is_some_and(|value| value.contains(' ')))
}
