//! Values that own their bytes.

use alloc::{string::String, vec::Vec};

use lwm2m_codec::{ObjectLink, Text, Type, Value};

use crate::{
    SecretBytes,
    scalar::{to_string, to_vec},
};

/// A value of a resource that owns its text and bytes.
///
/// ```
/// use lwm2m_codec::Value;
/// use lwm2m_model::OwnedValue;
/// let value = OwnedValue::from("on");
/// assert_eq!(value.as_value(), Value::string("on"));
/// assert_eq!(OwnedValue::from_value(Value::Integer(7)), Some(OwnedValue::Integer(7)));
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum OwnedValue {
    /// UTF-8 text.
    String(String),
    /// Signed integer.
    Integer(i64),
    /// Unsigned integer.
    Unsigned(u64),
    /// Floating point number.
    Float(f64),
    /// True or false.
    Boolean(bool),
    /// Bytes.
    Opaque(Vec<u8>),
    /// Bytes of key material.
    Secret(SecretBytes),
    /// Seconds since 1970.
    Time(i64),
    /// Link to an Object Instance.
    ObjectLink(ObjectLink),
    /// CoRE links as link-format text.
    CoreLink(String),
}

impl OwnedValue {
    /// Copies a borrowed value; `None` for null.
    pub fn from_value(value: Value<'_>) -> Option<Self> {
        Some(match value {
            Value::String(text) => Self::String(to_string(&text)),
            Value::Integer(number) => Self::Integer(number),
            Value::Unsigned(number) => Self::Unsigned(number),
            Value::Float(number) => Self::Float(number),
            Value::Boolean(flag) => Self::Boolean(flag),
            Value::Opaque(bytes) => Self::Opaque(to_vec(&bytes)),
            Value::Time(seconds) => Self::Time(seconds),
            Value::ObjectLink(link) => Self::ObjectLink(link),
            Value::CoreLink(text) => Self::CoreLink(to_string(&text)),
            _ => return None,
        })
    }

    /// The value that a resource of a type starts with: 0, false, nothing, the null link.
    pub fn initial(data_type: Type) -> Self {
        match data_type {
            Type::String => Self::String(String::new()),
            Type::Integer => Self::Integer(0),
            Type::Unsigned => Self::Unsigned(0),
            Type::Float => Self::Float(0.0),
            Type::Boolean => Self::Boolean(false),
            Type::Opaque => Self::Opaque(Vec::new()),
            Type::Time => Self::Time(0),
            Type::ObjectLink => Self::ObjectLink(ObjectLink::NULL),
            Type::CoreLink => Self::CoreLink(String::new()),
        }
    }

    /// This value, borrowed.
    pub fn as_value(&self) -> Value<'_> {
        match self {
            Self::String(text) => Value::string(text),
            Self::Integer(number) => Value::Integer(*number),
            Self::Unsigned(number) => Value::Unsigned(*number),
            Self::Float(number) => Value::Float(*number),
            Self::Boolean(flag) => Value::Boolean(*flag),
            Self::Opaque(bytes) => Value::opaque(bytes),
            Self::Secret(bytes) => Value::opaque(bytes.expose()),
            Self::Time(seconds) => Value::Time(*seconds),
            Self::ObjectLink(link) => Value::ObjectLink(*link),
            Self::CoreLink(text) => Value::CoreLink(Text::new(text)),
        }
    }

    /// Turns bytes into [`OwnedValue::Secret`]; leaves all else.
    pub(crate) fn into_secret(self) -> Self {
        match self {
            Self::Opaque(bytes) => Self::Secret(bytes.into()),
            other => other,
        }
    }
}

macro_rules! from {
    ($($rust:ty => $variant:ident),* $(,)?) => {
        $(impl From<$rust> for OwnedValue {
            fn from(value: $rust) -> Self {
                Self::$variant(value.into())
            }
        })*
    };
}

from! {
    &str => String, String => String, i64 => Integer, u64 => Unsigned, f64 => Float,
    bool => Boolean, &[u8] => Opaque, Vec<u8> => Opaque, SecretBytes => Secret,
    ObjectLink => ObjectLink,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_of_every_type_is_copied_as_it_is() {
        for data_type in [
            Type::String,
            Type::Integer,
            Type::Unsigned,
            Type::Float,
            Type::Boolean,
            Type::Opaque,
            Type::Time,
            Type::ObjectLink,
            Type::CoreLink,
        ] {
            let value = OwnedValue::initial(data_type);
            assert_eq!(value.as_value().data_type(), Some(data_type));
            assert_eq!(OwnedValue::from_value(value.as_value()), Some(value));
        }
        assert_eq!(OwnedValue::from_value(Value::Null), None);
    }

    #[test]
    fn a_secret_reads_as_bytes() {
        let secret = OwnedValue::from(&[1_u8, 2][..]).into_secret();
        assert_eq!(secret.as_value(), Value::opaque(&[1, 2]));
        assert_eq!(std::format!("{secret:?}"), "Secret(SecretBytes(2 bytes))");
    }
}
