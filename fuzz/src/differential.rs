//! The same payload read by other libraries: whatever we accept, they do, and say the same.

use ciborium::Value as Cbor;
use lwm2m_codec::ContentFormat;
use serde_json::Value as Json;

use crate::input::{Input, Owned};

/// Compares with ciborium or serde_json, where the format is one of theirs.
///
/// `records` are ours, if we accept the payload.
pub(crate) fn check(format: ContentFormat, input: &Input<'_>, records: Option<&[Owned]>) {
    let Some(records) = records else { return };
    match format {
        ContentFormat::SENML_JSON | ContentFormat::SENML_ETCH_JSON => {
            if let Some(Json::Array(pack)) = json(input.payload) {
                assert_eq!(pack.len(), records.len(), "records of a pack");
            }
        }
        ContentFormat::OMA_JSON => {
            let elements = json(input.payload)
                .and_then(|object| object.get("e").and_then(Json::as_array).map(Vec::len));
            // Of a repeated key serde_json keeps the last one, we the first.
            if let Some(elements) = elements.filter(|_| !is_repeated(input.payload, b"\"e\"")) {
                assert_eq!(elements, records.len(), "records of e");
            }
        }
        ContentFormat::SENML_CBOR | ContentFormat::SENML_ETCH_CBOR => {
            if let Some(Cbor::Array(pack)) = cbor(input.payload) {
                assert_eq!(pack.len(), records.len(), "records of a pack");
            }
        }
        ContentFormat::LWM2M_CBOR if !input.payload.is_empty() => {
            if let Some(value) = cbor(input.payload) {
                assert!(value.is_map(), "{value:?}");
            }
        }
        ContentFormat::CBOR => {
            let _ = cbor(input.payload);
        }
        _ => {}
    }
}

/// Reads JSON that we accept: serde_json must as well, but for what is allowed.
fn json(payload: &[u8]) -> Option<Json> {
    match serde_json::from_slice(payload) {
        Ok(value) => Some(value),
        Err(error) if is_out_of_range(&error) => None,
        Err(error) => panic!("serde_json refuses what we accept: {error}"),
    }
}

/// serde_json keeps no number beyond the range of `f64`, not even in a field that we skip.
fn is_out_of_range(error: &serde_json::Error) -> bool {
    error.to_string().starts_with("number out of range")
}

/// Reads CBOR that we accept: ciborium must as well.
fn cbor(payload: &[u8]) -> Option<Cbor> {
    let mut rest = payload;
    match ciborium::from_reader(&mut rest) {
        Ok(value) => {
            assert!(rest.is_empty(), "ciborium leaves {} bytes", rest.len());
            Some(value)
        }
        Err(error) if is_beyond_ciborium(&error) => None,
        Err(error) => panic!("ciborium refuses what we accept: {error:?}"),
    }
}

/// Well-formed CBOR that ciborium has no value for, in a field that we skip: simple values without
/// a meaning, large bignums.
fn is_beyond_ciborium<E>(error: &ciborium::de::Error<E>) -> bool {
    matches!(error, ciborium::de::Error::Semantic(..))
}

/// True if a key may stand there twice.
fn is_repeated(payload: &[u8], key: &[u8]) -> bool {
    let count = |bytes: &[u8]| payload.windows(bytes.len()).filter(|w| *w == bytes).count();
    // Keys may be written with escapes.
    count(key) > 1 || count(b"\\u") > 0
}
