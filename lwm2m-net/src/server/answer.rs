//! What a device answers, decoded and owned.

use std::{str, time::Duration};

use lwm2m_codec::{ContentFormat, DecodeError, Decoder, Path, coap::Code, link::Links};
use lwm2m_model::{OwnedValue, Registry};
use lwm2m_server::{ObservationId, Registration};

/// A value of a payload that owns its bytes; see [`lwm2m_codec::Record`].
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Absolute path.
    pub path: Path,
    /// Time of the value in seconds, if the payload states one.
    pub time: Option<f64>,
    /// The value; `None` for an empty instance or an empty multiple-instance resource.
    pub value: Option<OwnedValue>,
}

impl Record {
    /// Makes a record of a value without a time.
    pub fn new(path: Path, value: impl Into<OwnedValue>) -> Self {
        Self {
            path,
            time: None,
            value: Some(value.into()),
        }
    }

    /// This record, borrowed.
    pub fn as_record(&self) -> lwm2m_codec::Record<'_> {
        lwm2m_codec::Record {
            path: self.path,
            time: self.time,
            value: self.value.as_ref().map(OwnedValue::as_value),
        }
    }
}

impl From<lwm2m_codec::Record<'_>> for Record {
    fn from(record: lwm2m_codec::Record<'_>) -> Self {
        Self {
            path: record.path,
            time: record.time,
            value: record.value.and_then(OwnedValue::from_value),
        }
    }
}

/// The answer of a device to a request.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Answer {
    /// Response code.
    pub code: Code,
    /// Format of the payload.
    pub format: Option<ContentFormat>,
    /// Payload: values, links, or text for people if the code is an error.
    pub payload: Vec<u8>,
    /// The values of a Read or an Observe.
    pub records: Vec<Record>,
    /// Path of a created instance.
    pub location: Option<Path>,
    /// The observation that the device accepted.
    pub observation: Option<ObservationId>,
    /// Bytes of all CoAP messages to the device since the request was made, in clear.
    pub bytes_sent: u64,
    /// Bytes of all CoAP messages from the device since the request was made, in clear.
    pub bytes_received: u64,
    /// Time from the request to the answer.
    pub duration: Duration,
}

impl Answer {
    /// True for 2.xx.
    pub const fn is_success(&self) -> bool {
        self.code.is_success()
    }

    /// The first value.
    pub fn value(&self) -> Option<&OwnedValue> {
        self.records.iter().find_map(|record| record.value.as_ref())
    }

    /// The value at a path.
    pub fn value_at(&self, path: Path) -> Option<&OwnedValue> {
        let record = self.records.iter().find(|record| record.path == path);
        record.and_then(|record| record.value.as_ref())
    }

    /// The links that answer a Discover.
    pub fn links(&self) -> Links<'_> {
        Links::new(match self.format {
            Some(ContentFormat::LINK) => &self.payload,
            _ => &[],
        })
    }

    /// Why the device refused, in its words.
    pub fn diagnostic(&self) -> Option<&str> {
        let text = str::from_utf8(&self.payload).ok()?;
        (!self.is_success() && !text.is_empty()).then_some(text)
    }
}

/// Decodes a payload as far as it goes: by the definitions that fit the versions of the device's
/// objects.
pub(super) fn decode(
    format: Option<ContentFormat>,
    base: Path,
    payload: &[u8],
    device: &Registration,
    registry: &Registry,
) -> (Vec<Record>, Option<DecodeError>) {
    let types = registry.types(|object| device.version_of(object));
    let format = match format {
        Some(format) => format,
        None if payload.is_empty() => return (Vec::new(), None),
        // RFC 7252 §5.5.2 leaves it to guess; only text goes without a format.
        None => ContentFormat::TEXT,
    };
    let mut decoder = match Decoder::new(format, base, payload, &types) {
        Ok(decoder) => decoder.root(&device.root),
        Err(error) => return (Vec::new(), Some(error)),
    };
    let mut records = Vec::new();
    let end = decoder.visit(|record| {
        records.push(record.into());
        Ok::<(), DecodeError>(())
    });
    (records, end.err())
}
