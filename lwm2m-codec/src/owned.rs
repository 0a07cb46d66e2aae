//! Records that own what they hold, for tools: as JSON by serde_json, as CBOR by ciborium.
//!
//! ```
//! use lwm2m_codec::{ContentFormat, Decoder, Path, Type, owned::{self, OwnedRecord}};
//! let types = |_| Some(Type::Integer);
//! let base = Path::instance(3, 0);
//! let decoder = Decoder::new(ContentFormat::TLV, base, &[0xc1, 9, 100], &types)?;
//! let records: Vec<OwnedRecord> = decoder
//!     .map(|record| record.map(|record| OwnedRecord::from(&record)))
//!     .collect::<Result<_, _>>()?;
//! let json = owned::to_json(&records)?;
//! assert_eq!(json, r#"[{"path":"/3/0/9","value":{"integer":100}}]"#);
//! assert_eq!(owned::from_json(&json)?, records);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use alloc::{
    string::{String, ToString},
    vec::Vec,
};
use core::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{ObjectLink, Path, Record, Text, Value};

/// A record that owns its value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnedRecord {
    /// Absolute path, written as text: `"/3/0/9"`.
    #[serde(with = "as_text")]
    pub path: Path,
    /// Time of the value in seconds, as in [`Record::time`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<f64>,
    /// The value, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<OwnedValue>,
}

impl OwnedRecord {
    /// The record, borrowed.
    pub fn as_record(&self) -> Record<'_> {
        Record {
            path: self.path,
            time: self.time,
            value: self.value.as_ref().map(OwnedValue::as_value),
        }
    }
}

impl From<&Record<'_>> for OwnedRecord {
    fn from(record: &Record<'_>) -> Self {
        Self {
            path: record.path,
            time: record.time,
            value: record.value.as_ref().map(OwnedValue::from),
        }
    }
}

/// A value that owns its text or bytes, written with the name of its type: `{"integer":95}`.
///
/// JSON writes bytes in hexadecimal digits, and has no form for numbers that are not finite.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
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
    Opaque(#[serde(with = "as_bytes")] Vec<u8>),
    /// Seconds since 1970.
    Time(i64),
    /// Link to an Object Instance, written as text: `"3:0"`.
    ObjectLink(#[serde(with = "as_text")] ObjectLink),
    /// CoRE links as link-format text.
    CoreLink(String),
    /// `null`, which removes a resource instance in a SenML patch.
    Null,
}

impl OwnedValue {
    /// The value, borrowed.
    pub fn as_value(&self) -> Value<'_> {
        match self {
            Self::String(text) => Value::string(text),
            Self::Integer(number) => Value::Integer(*number),
            Self::Unsigned(number) => Value::Unsigned(*number),
            Self::Float(number) => Value::Float(*number),
            Self::Boolean(value) => Value::Boolean(*value),
            Self::Opaque(bytes) => Value::opaque(bytes),
            Self::Time(seconds) => Value::Time(*seconds),
            Self::ObjectLink(link) => Value::ObjectLink(*link),
            Self::CoreLink(text) => Value::CoreLink(Text::new(text)),
            Self::Null => Value::Null,
        }
    }
}

impl From<&Value<'_>> for OwnedValue {
    fn from(value: &Value<'_>) -> Self {
        match value {
            Value::String(text) => Self::String(text.to_string()),
            Value::Integer(number) => Self::Integer(*number),
            Value::Unsigned(number) => Self::Unsigned(*number),
            Value::Float(number) => Self::Float(*number),
            Value::Boolean(value) => Self::Boolean(*value),
            Value::Opaque(bytes) => Self::Opaque(bytes.iter().collect()),
            Value::Time(seconds) => Self::Time(*seconds),
            Value::ObjectLink(link) => Self::ObjectLink(*link),
            Value::CoreLink(text) => Self::CoreLink(text.to_string()),
            Value::Null => Self::Null,
        }
    }
}

/// Says why owned records can't be written or read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OwnedError {
    /// The text is no JSON, or no list of records.
    #[error("line {line}, column {column}: expected a list of records")]
    Json {
        /// Line, from 1.
        line: usize,
        /// Column in bytes, from 1.
        column: usize,
    },
    /// The bytes are no CBOR, or no list of records.
    #[error("expected a list of records in CBOR")]
    Cbor {
        /// Where the bytes stop to be CBOR, if that is known.
        offset: Option<usize>,
    },
}

/// Writes records as JSON.
///
/// # Errors
/// None today: every record has a form.
pub fn to_json(records: &[OwnedRecord]) -> Result<String, OwnedError> {
    serde_json::to_string(records).map_err(|error| json_error(&error))
}

/// Reads records from JSON.
///
/// # Errors
/// [`OwnedError::Json`].
pub fn from_json(text: &str) -> Result<Vec<OwnedRecord>, OwnedError> {
    serde_json::from_str(text).map_err(|error| json_error(&error))
}

/// Writes records as CBOR.
///
/// # Errors
/// None today: every record has a form.
pub fn to_cbor(records: &[OwnedRecord]) -> Result<Vec<u8>, OwnedError> {
    let mut bytes = Vec::new();
    ciborium::into_writer(records, &mut bytes).map_err(|_| OwnedError::Cbor { offset: None })?;
    Ok(bytes)
}

/// Reads records from CBOR; nothing may follow them.
///
/// # Errors
/// [`OwnedError::Cbor`].
pub fn from_cbor(bytes: &[u8]) -> Result<Vec<OwnedRecord>, OwnedError> {
    let mut rest = bytes;
    let records = ciborium::from_reader(&mut rest).map_err(|error| OwnedError::Cbor {
        offset: match error {
            ciborium::de::Error::Syntax(offset) => Some(offset),
            ciborium::de::Error::Semantic(offset, _) => offset,
            _ => None,
        },
    })?;
    match rest.is_empty() {
        true => Ok(records),
        false => Err(OwnedError::Cbor {
            offset: Some(bytes.len().saturating_sub(rest.len())),
        }),
    }
}

fn json_error(error: &serde_json::Error) -> OwnedError {
    OwnedError::Json {
        line: error.line(),
        column: error.column(),
    }
}

/// What prints and parses as text.
mod as_text {
    use super::{Deserialize, Deserializer, Serializer, String, de, fmt};
    use core::str::FromStr;

    pub(super) fn serialize<T: fmt::Display, S: Serializer>(
        value: &T,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(super) fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
    where
        T: FromStr<Err: fmt::Display>,
        D: Deserializer<'de>,
    {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// Bytes: hexadecimal digits for people, else bytes.
mod as_bytes {
    use super::{Deserializer, Serializer, String, Vec, de, fmt};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        if !serializer.is_human_readable() {
            return serializer.serialize_bytes(bytes);
        }
        let digits = bytes
            .iter()
            .flat_map(|byte| [byte >> 4, byte & 15])
            .filter_map(|digit| char::from_digit(u32::from(digit), 16));
        serializer.serialize_str(&digits.collect::<String>())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<u8>, D::Error> {
        match deserializer.is_human_readable() {
            true => deserializer.deserialize_str(Bytes),
            false => deserializer.deserialize_byte_buf(Bytes),
        }
    }

    struct Bytes;

    impl de::Visitor<'_> for Bytes {
        type Value = Vec<u8>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("pairs of hexadecimal digits, or bytes")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Vec<u8>, E> {
            let digit = |byte: u8| char::from(byte).to_digit(16);
            let bytes = text.as_bytes().chunks(2).map(|pair| {
                let [high, low] = pair else { return None };
                let byte = (digit(*high)? << 4) | digit(*low)?;
                u8::try_from(byte).ok()
            });
            bytes
                .collect::<Option<_>>()
                .ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
        }

        fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
            Ok(bytes.to_vec())
        }
    }
}
