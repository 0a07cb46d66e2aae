//! Checks of values against resource definitions.

use alloc::{borrow::Cow, format};
use core::fmt;

use lwm2m_codec::{Path, Type, Value};

use crate::{Constraint, Failure, ResourceDefinition, coerce};

/// Checks that a value may be written to `path`, and converts it to the type of the resource.
///
/// # Errors
/// 4.05 for an executable resource or a Resource Instance of a single-instance one (TS-Transport
/// §6.4.4), 4.00 if the type or the range does not fit (TS-Core §6.3.3); the reason names it.
///
/// An empty string or opaque says that an optional resource has no value, whatever its range:
/// bootstrap servers write /0/x/8 so, whose keys have at least 16 bytes.
pub(crate) fn value<'a>(
    definition: &ResourceDefinition,
    path: Path,
    value: Value<'a>,
) -> Result<Value<'a>, Failure> {
    let data_type = definition.data_type.ok_or(Failure::not_allowed(path))?;
    match (definition.multiple, path.resource_instance_id()) {
        (false, Some(_)) => return Err(Failure::not_allowed(path)),
        (true, None) => {
            return Err(Failure::bad_request(
                path,
                "the resource has resource instances",
            ));
        }
        _ => {}
    }
    let value = coerce(value, data_type)
        .ok_or_else(|| Failure::bad_request(path, format!("expected {}", Article(data_type))))?;
    let says_nothing = !definition.mandatory && length(&value) == Some(0);
    if says_nothing || definition.constraint.allows(&value) {
        Ok(value)
    } else {
        Err(out_of_range(definition, path))
    }
}

/// Why there is nothing at `path`: 4.05 for a Resource Instance of a single-instance resource
/// (TS-Transport §6.4.4), 4.04 elsewhere.
pub(crate) fn absent(definition: Option<&ResourceDefinition>, path: Path) -> Failure {
    let too_deep = path.resource_instance_id().is_some() && definition.is_some_and(|d| !d.multiple);
    if too_deep {
        Failure::not_allowed(path)
    } else {
        Failure::not_found(path)
    }
}

/// 4.00: a value is outside of the range, which the reason names. The value may be a secret and
/// stays out.
pub(crate) fn out_of_range(definition: &ResourceDefinition, path: Path) -> Failure {
    let constraint = &definition.constraint;
    let bytes = matches!(definition.data_type, Some(Type::String | Type::Opaque));
    Failure::bad_request(
        path,
        match constraint {
            Constraint::OneOf(_) if bytes => format!("expected a length in bytes of {constraint}"),
            _ => format!("expected {constraint}"),
        },
    )
}

impl Constraint {
    /// True if the constraint lets a value of the resource's type pass.
    ///
    /// Bounds apply to the length in bytes of a string or opaque, and to the number otherwise.
    /// Types without either, such as booleans, always pass.
    pub fn allows(&self, value: &Value<'_>) -> bool {
        match self {
            Self::None => true,
            Self::Integer { min, max } => {
                number(value).is_none_or(|n| (i128::from(*min)..=i128::from(*max)).contains(&n))
            }
            Self::Float { min, max } => value.as_f64().is_none_or(|n| (*min..=*max).contains(&n)),
            Self::Length { min, max } => {
                length(value).is_none_or(|len| (*min..=*max).contains(&len))
            }
            Self::OneOf(list) => match length(value).and_then(|len| i128::try_from(len).ok()) {
                Some(len) => list.iter().any(|item| i128::from(*item) == len),
                None => number(value).is_none_or(|n| list.iter().any(|i| i128::from(*i) == n)),
            },
            Self::OneOfText(list) => match value {
                Value::String(text) => list.iter().any(|item| item.chars().eq(text.chars())),
                _ => true,
            },
        }
    }
}

impl fmt::Display for Constraint {
    /// Writes what is expected: `0..100`, `a length of 0..255 bytes`, `one of 1, 2`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("any value"),
            Self::Integer { min, max } => write!(f, "{min}..{max}"),
            Self::Float { min, max } => write!(f, "{min}..{max}"),
            Self::Length { min, max } if min == max => write!(f, "a length of {min} bytes"),
            Self::Length { min, max } => write!(f, "a length of {min}..{max} bytes"),
            Self::OneOf(list) => one_of(f, list.iter()),
            Self::OneOfText(list) => one_of(f, list.iter().map(Quoted)),
        }
    }
}

fn one_of(
    f: &mut fmt::Formatter<'_>,
    items: impl Iterator<Item = impl fmt::Display>,
) -> fmt::Result {
    f.write_str("one of ")?;
    for (index, item) in items.enumerate() {
        let separator = if index == 0 { "" } else { ", " };
        write!(f, "{separator}{item}")?;
    }
    Ok(())
}

/// A text in quotes.
struct Quoted<'a>(&'a Cow<'static, str>);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0)
    }
}

/// An integer of any type, without loss.
fn number(value: &Value<'_>) -> Option<i128> {
    match value {
        Value::Integer(number) | Value::Time(number) => Some(i128::from(*number)),
        Value::Unsigned(number) => Some(i128::from(*number)),
        _ => None,
    }
}

/// Length of a string or opaque in bytes.
fn length(value: &Value<'_>) -> Option<usize> {
    match value {
        Value::String(text) | Value::CoreLink(text) => Some(match text.as_plain() {
            Some(plain) => plain.len(),
            None => text.chars().map(char::len_utf8).sum(),
        }),
        Value::Opaque(bytes) => Some(match bytes.as_plain() {
            Some(plain) => plain.len(),
            None => bytes.iter().count(),
        }),
        _ => None,
    }
}

/// A type with its article.
struct Article(Type);

impl fmt::Display for Article {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let article = match self.0 {
            Type::Integer | Type::Unsigned | Type::Opaque | Type::ObjectLink => "an",
            _ => "a",
        };
        write!(f, "{article} {}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{string::ToString, vec};

    #[test]
    fn integer_bounds_are_included_and_hold_for_unsigned_values() {
        let constraint = Constraint::Integer { min: 0, max: 100 };
        assert!(constraint.allows(&Value::Integer(0)) && constraint.allows(&Value::Unsigned(100)));
        assert!(!constraint.allows(&Value::Integer(-1)));
        assert!(!constraint.allows(&Value::Unsigned(u64::MAX)));
        assert_eq!(constraint.to_string(), "0..100");
    }

    #[test]
    fn a_length_counts_bytes_of_text() {
        let constraint = Constraint::Length { min: 0, max: 2 };
        assert!(constraint.allows(&Value::string("ö")));
        assert!(!constraint.allows(&Value::string("öx")));
        assert!(!constraint.allows(&Value::opaque(&[0; 3])));
        assert_eq!(constraint.to_string(), "a length of 0..2 bytes");
    }

    #[test]
    fn a_list_holds_numbers_or_lengths() {
        let constraint = Constraint::OneOf(Cow::Borrowed(&[16, 32]));
        assert!(constraint.allows(&Value::Integer(32)) && !constraint.allows(&Value::Integer(17)));
        assert!(constraint.allows(&Value::opaque(&[0; 16])));
        assert!(!constraint.allows(&Value::opaque(&[0; 17])));
        assert_eq!(constraint.to_string(), "one of 16, 32");
    }

    #[test]
    fn a_list_of_texts_holds_exactly_these() {
        let constraint = Constraint::OneOfText(vec!["on".into(), "off".into()].into());
        assert!(constraint.allows(&Value::string("off")));
        assert!(!constraint.allows(&Value::string("of")));
        assert!(!constraint.allows(&Value::string("On")));
        assert_eq!(constraint.to_string(), "one of \"on\", \"off\"");
    }

    #[test]
    fn a_float_range_refuses_nan() {
        let constraint = Constraint::Float { min: 0.0, max: 1.0 };
        assert!(constraint.allows(&Value::Float(1.0)));
        assert!(!constraint.allows(&Value::Float(f64::NAN)));
    }
}
