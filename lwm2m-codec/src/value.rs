//! Values of resources, borrowed from the payload they came in.

use core::{fmt, str::FromStr};

use crate::{Bytes, MAX_ID, Path, Text};

/// Data type of a resource (TS-Core App. C).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Type {
    /// UTF-8 text.
    String,
    /// Signed integer of up to 64 bits.
    Integer,
    /// Unsigned integer of up to 64 bits (LwM2M 1.1).
    Unsigned,
    /// IEEE 754 floating point number of 32 or 64 bits.
    Float,
    /// True or false.
    Boolean,
    /// Bytes.
    Opaque,
    /// Seconds since 1970-01-01T00:00:00Z.
    Time,
    /// Link to an Object Instance.
    ObjectLink,
    /// CoRE links (LwM2M 1.1).
    CoreLink,
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::String => "string",
            Self::Integer => "integer",
            Self::Unsigned => "unsigned integer",
            Self::Float => "float",
            Self::Boolean => "boolean",
            Self::Opaque => "opaque",
            Self::Time => "time",
            Self::ObjectLink => "object link",
            Self::CoreLink => "core link",
        })
    }
}

/// Tells the type of the resource at a path, where the format does not say it (TLV, text).
///
/// The object definitions of `lwm2m-model` implement it, and so does every
/// `Fn(Path) -> Option<Type>`.
pub trait TypeOf {
    /// Returns the type of the resource or resource instance at `path`, if it is known.
    ///
    /// All instances of a resource have its type (TS-Core §7.4): decoders may ask once for them.
    fn type_of(&self, path: Path) -> Option<Type>;
}

impl<F: Fn(Path) -> Option<Type>> TypeOf for F {
    fn type_of(&self, path: Path) -> Option<Type> {
        self(path)
    }
}

/// Knows no type: values keep what the format says, or are opaque.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoTypes;

impl TypeOf for NoTypes {
    fn type_of(&self, _: Path) -> Option<Type> {
        None
    }
}

/// A value of a resource or resource instance.
// With a tag as wide as a register every field starts at its boundary: a copy then reads what was
// written as a whole, where a narrow tag makes it straddle two writes and wait for both.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
#[repr(usize)]
pub enum Value<'a> {
    /// UTF-8 text.
    String(Text<'a>),
    /// Signed integer.
    Integer(i64),
    /// Unsigned integer.
    Unsigned(u64),
    /// Floating point number.
    Float(f64),
    /// True or false.
    Boolean(bool),
    /// Bytes.
    Opaque(Bytes<'a>),
    /// Seconds since 1970.
    Time(i64),
    /// Link to an Object Instance.
    ObjectLink(ObjectLink),
    /// CoRE links as link-format text.
    CoreLink(Text<'a>),
    /// `null`: in a SenML patch it removes the resource instance (RFC 8790).
    Null,
}

impl<'a> Value<'a> {
    /// Makes a string value.
    pub const fn string(text: &'a str) -> Self {
        Self::String(Text::new(text))
    }

    /// Makes an opaque value.
    pub const fn opaque(bytes: &'a [u8]) -> Self {
        Self::Opaque(Bytes::new(bytes))
    }

    /// The type of this value; `None` for null.
    pub const fn data_type(&self) -> Option<Type> {
        Some(match self {
            Self::String(_) => Type::String,
            Self::Integer(_) => Type::Integer,
            Self::Unsigned(_) => Type::Unsigned,
            Self::Float(_) => Type::Float,
            Self::Boolean(_) => Type::Boolean,
            Self::Opaque(_) => Type::Opaque,
            Self::Time(_) => Type::Time,
            Self::ObjectLink(_) => Type::ObjectLink,
            Self::CoreLink(_) => Type::CoreLink,
            Self::Null => return None,
        })
    }

    /// The value as a number, as notification conditions (gt, lt, st) compare it.
    pub const fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Integer(value) | Self::Time(value) => Some(*value as f64),
            Self::Unsigned(value) => Some(*value as f64),
            Self::Float(value) => Some(*value),
            _ => None,
        }
    }
}

impl fmt::Display for Value<'_> {
    /// Writes the value for people: text as it is, bytes in hexadecimal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::String(text) | Self::CoreLink(text) => fmt::Display::fmt(text, f),
            Self::Integer(value) | Self::Time(value) => fmt::Display::fmt(value, f),
            Self::Unsigned(value) => fmt::Display::fmt(value, f),
            Self::Float(value) => fmt::Display::fmt(value, f),
            Self::Boolean(value) => fmt::Display::fmt(value, f),
            Self::Opaque(bytes) => fmt::Display::fmt(bytes, f),
            Self::ObjectLink(link) => fmt::Display::fmt(link, f),
            Self::Null => f.write_str("null"),
        }
    }
}

/// A link to an Object Instance, written `3:0` (TS-Core App. C).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectLink {
    /// Object ID.
    pub object: u16,
    /// Object Instance ID.
    pub instance: u16,
}

impl ObjectLink {
    /// The null link, `65535:65535`.
    pub const NULL: Self = Self::new(MAX_ID, MAX_ID);

    /// Makes a link.
    pub const fn new(object: u16, instance: u16) -> Self {
        Self { object, instance }
    }
}

impl Default for ObjectLink {
    /// The null link.
    fn default() -> Self {
        Self::NULL
    }
}

impl fmt::Display for ObjectLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.object, self.instance)
    }
}

/// Says that a text is not `object ":" instance` with ids of 16 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected an object link such as 3:0")]
pub struct ParseObjectLinkError;

impl FromStr for ObjectLink {
    type Err = ParseObjectLinkError;

    /// Parses `3:0`; `FFFF:FFFF`, which the standard also prints, is the null link.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.eq_ignore_ascii_case("ffff:ffff") {
            return Ok(Self::NULL);
        }
        let id = |part: &str| {
            if part.bytes().all(|b| b.is_ascii_digit()) {
                part.parse().ok()
            } else {
                None
            }
        };
        text.split_once(':')
            .and_then(|(object, instance)| Some(Self::new(id(object)?, id(instance)?)))
            .ok_or(ParseObjectLinkError)
    }
}
