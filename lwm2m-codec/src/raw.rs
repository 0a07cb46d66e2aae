//! From what a format says to the value that the object definition wants.

use crate::{Bytes, DecodeErrorKind, ObjectLink, Text, Type, Value, number};

/// A value as a self-describing format writes it.
// As wide a tag as in `Value`, for the same reason.
#[derive(Debug, Clone, Copy)]
#[repr(usize)]
pub(crate) enum Raw<'a> {
    Integer(i64),
    /// Above the range of `i64`.
    Unsigned(u64),
    Float(f64),
    /// 0 or 1: a narrower field would make a copy of any other value fall into parts.
    Boolean(u64),
    Text(Text<'a>),
    /// Text that may be base64, where the definition says opaque (OMA JSON).
    TextOrBase64(Text<'a>),
    /// Text that is an object link by its label.
    Link(Text<'a>),
    Bytes(Bytes<'a>),
    /// A date by its CBOR tag.
    Date(i64),
    Null,
}

impl<'a> Raw<'a> {
    /// Makes the value, of the type wanted if one is known (TS-Core App. C), in place: a value
    /// that is returned would be put together in one place and copied to another.
    #[inline(always)]
    pub(crate) fn store(
        self,
        wanted: Option<Type>,
        place: &mut Option<Value<'a>>,
    ) -> Result<(), DecodeErrorKind> {
        let Some(wanted) = wanted else {
            *place = Some(self.untyped()?);
            return Ok(());
        };
        match (wanted, self) {
            (Type::String, Self::Text(text)) => *place = Some(Value::String(text)),
            (Type::Integer, Self::Integer(value)) => *place = Some(Value::Integer(value)),
            (Type::Time, Self::Integer(value)) => *place = Some(Value::Time(value)),
            (Type::Float, Self::Float(value)) => *place = Some(Value::Float(value)),
            (Type::Float, Self::Integer(value)) => *place = Some(Value::Float(value as f64)),
            (Type::Boolean, Self::Boolean(value)) => *place = Some(Value::Boolean(value != 0)),
            (Type::Opaque, Self::Bytes(bytes)) => *place = Some(Value::Opaque(bytes)),
            (wanted, raw) => match raw.rare(wanted) {
                Some(value) => *place = Some(value),
                None => return Err(DecodeErrorKind::InvalidValue(wanted)),
            },
        }
        Ok(())
    }

    #[inline(never)]
    fn untyped(self) -> Result<Value<'a>, DecodeErrorKind> {
        Ok(match self {
            Self::Integer(value) => Value::Integer(value),
            Self::Unsigned(value) => Value::Unsigned(value),
            Self::Float(value) => Value::Float(value),
            Self::Boolean(value) => Value::Boolean(value != 0),
            Self::Text(text) | Self::TextOrBase64(text) => Value::String(text),
            Self::Link(text) => Value::ObjectLink(
                object_link(text).ok_or(DecodeErrorKind::InvalidValue(Type::ObjectLink))?,
            ),
            Self::Bytes(bytes) => Value::Opaque(bytes),
            Self::Date(seconds) => Value::Time(seconds),
            Self::Null => Value::Null,
        })
    }

    /// Converts what is not of the type wanted as it stands.
    #[inline(never)]
    fn rare(self, wanted: Type) -> Option<Value<'a>> {
        Some(match (wanted, self) {
            (_, Self::Null) => Value::Null,
            (Type::String, Self::TextOrBase64(text)) => Value::String(text),
            (Type::CoreLink, Self::Text(text) | Self::TextOrBase64(text)) => Value::CoreLink(text),
            (Type::Integer, raw) => Value::Integer(raw.integer()?),
            (Type::Unsigned, Self::Unsigned(value)) => Value::Unsigned(value),
            (Type::Unsigned, raw) => Value::Unsigned(u64::try_from(raw.integer()?).ok()?),
            (Type::Float, Self::Unsigned(value)) => Value::Float(value as f64),
            (Type::Opaque, Self::TextOrBase64(text)) => Value::Opaque(Bytes::from_base64(text)?),
            (Type::Time, Self::Date(seconds)) => Value::Time(seconds),
            (Type::Time, Self::Text(text)) => Value::Time(number::parse_date(text)?),
            (Type::Time, raw) => Value::Time(raw.integer()?),
            (Type::ObjectLink, Self::Link(text) | Self::Text(text) | Self::TextOrBase64(text)) => {
                Value::ObjectLink(object_link(text)?)
            }
            _ => return None,
        })
    }

    /// The number, if it is integral: some encoders write integers as floats.
    #[inline]
    fn integer(self) -> Option<i64> {
        match self {
            Self::Integer(value) => Some(value),
            Self::Float(value) => number::exact_i64(value),
            _ => None,
        }
    }
}

/// Parses `3:0`; Zephyr sends a trailing NUL.
#[inline(never)]
fn object_link(text: Text<'_>) -> Option<ObjectLink> {
    let mut buf = [0; 16];
    let text = text.resolve(&mut buf)?;
    text.strip_suffix('\0').unwrap_or(text).parse().ok()
}

/// Makes the value of a text/plain payload (TS-Core §7.5.1).
pub(crate) fn from_text(text: &str, wanted: Type) -> Option<Value<'_>> {
    Some(match wanted {
        Type::String => Value::string(text),
        Type::CoreLink => Value::CoreLink(Text::new(text)),
        Type::Integer => Value::Integer(text.parse().ok()?),
        Type::Time => Value::Time(text.parse().ok()?),
        Type::Unsigned => Value::Unsigned(text.parse().ok()?),
        Type::Float => Value::Float(number::parse_float(text)?),
        Type::Boolean => Value::Boolean(match text {
            "0" => false,
            "1" => true,
            _ => return None,
        }),
        Type::Opaque => Value::Opaque(Bytes::from_base64(Text::new(text))?),
        Type::ObjectLink => Value::ObjectLink(text.parse().ok()?),
    })
}
