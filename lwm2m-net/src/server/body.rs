//! What a Write or a Create carries.

use lwm2m_codec::{ContentFormat, EncodeError, Encoder, MAX_ID, Path, Version};
use lwm2m_model::{OwnedValue, Registry, coerce};
use lwm2m_server::Registration;

use super::{Record, RequestError};

/// Size of the first buffer; it doubles while the payload does not fit.
const FIRST_BUFFER: usize = 1024;

/// Longest payload, in bytes.
const MAX_BUFFER: usize = 1 << 20;

/// What to write: a value, several values, or bytes.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Body {
    /// One value, at the path of the request.
    Value(OwnedValue),
    /// Values at absolute paths.
    Records(Vec<Record>),
    /// Bytes in a format, sent as they are.
    Raw(ContentFormat, Vec<u8>),
}

macro_rules! from {
    ($($value:ty),* $(,)?) => {
        $(impl From<$value> for Body {
            fn from(value: $value) -> Self {
                Self::Value(value.into())
            }
        })*
    };
}

from! {
    OwnedValue, &str, String, i64, u64, f64, bool, &[u8], Vec<u8>, lwm2m_codec::ObjectLink,
}

impl From<Vec<Record>> for Body {
    fn from(records: Vec<Record>) -> Self {
        Self::Records(records)
    }
}

impl Body {
    /// Encodes for a device; `format` is the one that was asked for.
    pub(super) fn encode(
        &self,
        base: Path,
        format: Option<ContentFormat>,
        device: &Registration,
        registry: &Registry,
    ) -> Result<(ContentFormat, Vec<u8>), RequestError> {
        let single;
        let records = match self {
            Self::Raw(own, bytes) => return Ok((format.unwrap_or(*own), bytes.clone())),
            Self::Value(value) => {
                single = [Record::new(base, value.clone())];
                &single[..]
            }
            Self::Records(records) => records,
        };
        let format = format.unwrap_or_else(|| default_format(records, base, device));
        let mut records = records.to_vec();
        for record in &mut records {
            fit(record, device, registry);
        }
        // TLV and LwM2M CBOR want them so.
        records.sort_by_key(|record| record.path);
        Ok((format, encode(&records, base, format, &device.root)?))
    }
}

/// Gives a value the type that the object's definition wants, if it can be given.
fn fit(record: &mut Record, device: &Registration, registry: &Registry) {
    let types = registry.types(|object| device.version_of(object));
    let wanted = lwm2m_codec::TypeOf::type_of(&types, record.path);
    if let (Some(wanted), Some(value)) = (wanted, &record.value)
        && let Some(value) = coerce(value.as_value(), wanted).and_then(OwnedValue::from_value)
    {
        record.value = Some(value);
    }
}

/// What every device of a version understands: one value as text or bytes, more of them as TLV,
/// or as SenML CBOR from LwM2M 1.1 on if the device announces it, and from 1.2 on.
fn default_format(records: &[Record], base: Path, device: &Registration) -> ContentFormat {
    // SenML can't write an empty resource; an instance without id is common in TLV only.
    let special =
        |record: &Record| record.value.is_none() || record.path.instance_id() == Some(MAX_ID);
    match records {
        [
            Record {
                path,
                value: Some(value),
                ..
            },
        ] if *path == base => match value {
            OwnedValue::Opaque(_) | OwnedValue::Secret(_) => ContentFormat::OPAQUE,
            _ => ContentFormat::TEXT,
        },
        _ if base.is_root() => composite_format(device),
        _ if records.iter().any(special) => ContentFormat::TLV,
        _ if device.version >= Version::V1_2 => composite_format(device),
        _ if device.formats.contains(&ContentFormat::SENML_CBOR) => ContentFormat::SENML_CBOR,
        _ => ContentFormat::TLV,
    }
}

/// The format of composite operations: SenML CBOR, unless the device announces JSON only.
pub(super) fn composite_format(device: &Registration) -> ContentFormat {
    let announced = |format| device.formats.contains(&format);
    match announced(ContentFormat::SENML_JSON) && !announced(ContentFormat::SENML_CBOR) {
        true => ContentFormat::SENML_JSON,
        false => ContentFormat::SENML_CBOR,
    }
}

fn encode(
    records: &[Record],
    base: Path,
    format: ContentFormat,
    root: &str,
) -> Result<Vec<u8>, EncodeError> {
    let mut size = FIRST_BUFFER;
    loop {
        let mut buf = vec![0; size];
        match encode_into(records, base, format, root, &mut buf) {
            Ok(len) => {
                buf.truncate(len);
                return Ok(buf);
            }
            Err(EncodeError::BufferTooSmall { .. }) if size < MAX_BUFFER => size *= 2,
            Err(error) => return Err(error),
        }
    }
}

fn encode_into(
    records: &[Record],
    base: Path,
    format: ContentFormat,
    root: &str,
    buf: &mut [u8],
) -> Result<usize, EncodeError> {
    let mut encoder = Encoder::new(format, base, buf)?.root(root);
    for record in records {
        encoder.push(&record.as_record())?;
    }
    encoder.finish()
}
