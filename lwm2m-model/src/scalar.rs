//! Rust types of single values, and the conversions that are allowed between types.

use alloc::{string::String, vec::Vec};
use core::fmt;

use lwm2m_codec::{Bytes, ObjectLink, Text, Type, Value};

use crate::SecretBytes;

/// Seconds since 1970-01-01T00:00:00Z, negative before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub i64);

/// CoRE links as link-format text, such as `</3442>` (RFC 6690).
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CoreLink(pub String);

/// A Rust type that holds one value of a resource.
pub trait Scalar: Clone + Default + fmt::Debug + Send + 'static {
    /// The LwM2M type.
    const TYPE: Type;

    /// This value.
    fn as_value(&self) -> Value<'_>;

    /// Makes one of a value, converted where [`coerce`] allows it.
    fn from_value(value: Value<'_>) -> Option<Self>;
}

/// Converts a value to a type where nothing is lost but the notation; `None` elsewhere.
///
/// Formats without type information, such as a SenML number for a Float resource, need it:
/// numbers convert if the value stays exact (integers become the nearest float), text becomes a
/// link if it parses as one. Booleans and bytes convert to nothing else (TS-Core App. C).
pub fn coerce(value: Value<'_>, to: Type) -> Option<Value<'_>> {
    match to {
        Type::String => text(&value).map(Value::String),
        Type::CoreLink => text(&value).map(Value::CoreLink),
        Type::Integer => signed(&value).map(Value::Integer),
        Type::Time => signed(&value).map(Value::Time),
        Type::Unsigned => unsigned(&value).map(Value::Unsigned),
        Type::Float => match value {
            Value::Float(_) => Some(value),
            Value::Integer(number) => Some(Value::Float(number as f64)),
            Value::Unsigned(number) => Some(Value::Float(number as f64)),
            _ => None,
        },
        Type::ObjectLink => match value {
            Value::ObjectLink(_) => Some(value),
            Value::String(text) => link(&text).map(Value::ObjectLink),
            _ => None,
        },
        Type::Boolean | Type::Opaque => (value.data_type() == Some(to)).then_some(value),
    }
}

fn text<'a>(value: &Value<'a>) -> Option<Text<'a>> {
    match value {
        Value::String(text) | Value::CoreLink(text) => Some(*text),
        _ => None,
    }
}

fn signed(value: &Value<'_>) -> Option<i64> {
    // 2⁶³ as a float is exact; the largest i64 is not.
    const BOUND: f64 = 9_223_372_036_854_775_808.0;
    match *value {
        Value::Integer(number) | Value::Time(number) => Some(number),
        Value::Unsigned(number) => number.try_into().ok(),
        Value::Float(number) if (-BOUND..BOUND).contains(&number) => {
            let whole = number as i64;
            (whole as f64 == number).then_some(whole)
        }
        _ => None,
    }
}

fn unsigned(value: &Value<'_>) -> Option<u64> {
    const BOUND: f64 = 18_446_744_073_709_551_616.0;
    match *value {
        Value::Unsigned(number) => Some(number),
        Value::Integer(number) | Value::Time(number) => number.try_into().ok(),
        Value::Float(number) if (0.0..BOUND).contains(&number) => {
            let whole = number as u64;
            (whole as f64 == number).then_some(whole)
        }
        _ => None,
    }
}

/// The longest object link: `65535:65535`.
const MAX_LINK: usize = 11;

fn link(text: &Text<'_>) -> Option<ObjectLink> {
    let plain: String = text.chars().take(MAX_LINK + 1).collect();
    plain.parse().ok()
}

pub(crate) fn to_string(text: &Text<'_>) -> String {
    match text.as_plain() {
        Some(plain) => plain.into(),
        None => text.chars().collect(),
    }
}

pub(crate) fn to_vec(bytes: &Bytes<'_>) -> Vec<u8> {
    match bytes.as_plain() {
        Some(plain) => plain.to_vec(),
        None => bytes.iter().collect(),
    }
}

macro_rules! scalar {
    ($rust:ty, $type:ident, |$this:ident| $value:expr, $pattern:pat => $made:expr) => {
        impl Scalar for $rust {
            const TYPE: Type = Type::$type;

            fn as_value(&self) -> Value<'_> {
                let $this = self;
                $value
            }

            fn from_value(value: Value<'_>) -> Option<Self> {
                match coerce(value, Self::TYPE)? {
                    $pattern => Some($made),
                    _ => None,
                }
            }
        }
    };
}

scalar!(String, String, |s| Value::string(s), Value::String(text) => to_string(&text));
scalar!(i64, Integer, |s| Value::Integer(*s), Value::Integer(number) => number);
scalar!(u64, Unsigned, |s| Value::Unsigned(*s), Value::Unsigned(number) => number);
scalar!(f64, Float, |s| Value::Float(*s), Value::Float(number) => number);
scalar!(bool, Boolean, |s| Value::Boolean(*s), Value::Boolean(flag) => flag);
scalar!(Vec<u8>, Opaque, |s| Value::opaque(s), Value::Opaque(bytes) => to_vec(&bytes));
scalar!(
    SecretBytes, Opaque, |s| Value::opaque(s.expose()),
    Value::Opaque(bytes) => to_vec(&bytes).into()
);
scalar!(Time, Time, |s| Value::Time(s.0), Value::Time(seconds) => Self(seconds));
scalar!(ObjectLink, ObjectLink, |s| Value::ObjectLink(*s), Value::ObjectLink(link) => link);
scalar!(
    CoreLink, CoreLink, |s| Value::CoreLink(Text::new(&s.0)),
    Value::CoreLink(text) => Self(to_string(&text))
);

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn round_trip<T: Scalar + PartialEq>(value: T) {
        assert_eq!(value.as_value().data_type(), Some(T::TYPE));
        assert_eq!(T::from_value(value.as_value()), Some(value));
    }

    #[test]
    fn every_scalar_survives_a_round_trip() {
        round_trip(String::from("Öl"));
        round_trip(-7_i64);
        round_trip(u64::MAX);
        round_trip(21.5_f64);
        round_trip(true);
        round_trip(vec![0_u8, 255]);
        round_trip(SecretBytes::from(vec![1, 2]));
        round_trip(Time(-1));
        round_trip(ObjectLink::new(3, 0));
        round_trip(CoreLink("</3>".into()));
    }

    #[test]
    fn numbers_convert_only_if_they_stay_exact() {
        assert_eq!(i64::from_value(Value::Float(1e3)), Some(1000));
        assert_eq!(i64::from_value(Value::Float(1.5)), None);
        assert_eq!(i64::from_value(Value::Float(f64::NAN)), None);
        assert_eq!(i64::from_value(Value::Float(9.3e18)), None);
        assert_eq!(i64::from_value(Value::Unsigned(u64::MAX)), None);
        assert_eq!(u64::from_value(Value::Integer(-1)), None);
        assert_eq!(
            u64::from_value(Value::Float(18_446_744_073_709_551_616.0)),
            None
        );
        assert_eq!(f64::from_value(Value::Integer(-2)), Some(-2.0));
        assert_eq!(Time::from_value(Value::Unsigned(5)), Some(Time(5)));
    }

    #[test]
    fn text_becomes_a_link_if_it_parses() {
        assert_eq!(
            ObjectLink::from_value(Value::string("3:0")),
            Some(ObjectLink::new(3, 0))
        );
        assert_eq!(
            ObjectLink::from_value(Value::string("65535:65535")),
            Some(ObjectLink::NULL)
        );
        assert_eq!(ObjectLink::from_value(Value::string("65535:655350")), None);
        assert_eq!(
            CoreLink::from_value(Value::string("</3>")),
            Some(CoreLink("</3>".into()))
        );
    }

    #[test]
    fn booleans_and_bytes_are_nothing_else() {
        assert_eq!(bool::from_value(Value::Integer(1)), None);
        assert_eq!(Vec::<u8>::from_value(Value::string("x")), None);
        assert_eq!(String::from_value(Value::Integer(1)), None);
        assert_eq!(i64::from_value(Value::Null), None);
    }
}
