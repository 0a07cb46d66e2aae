//! The same work done by other crates.

use minicbor::{Decoder, data::Type};

/// Fields of a SenML record as minicbor borrows them.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct SenmlFields<'a> {
    /// Base name.
    pub base_name: Option<&'a str>,
    /// Base time.
    pub base_time: Option<f64>,
    /// Name.
    pub name: Option<&'a str>,
    /// Time.
    pub time: Option<f64>,
    /// Number.
    pub number: Option<f64>,
    /// Text.
    pub text: Option<&'a str>,
    /// True or false.
    pub boolean: Option<bool>,
    /// Bytes.
    pub data: Option<&'a [u8]>,
}

/// Reads a SenML CBOR pack with minicbor, borrowing; names are not resolved to paths.
///
/// # Errors
/// As minicbor says.
pub fn minicbor_senml<'a>(
    payload: &'a [u8],
    mut each: impl FnMut(&SenmlFields<'a>),
) -> Result<(), minicbor::decode::Error> {
    let mut decoder = Decoder::new(payload);
    let records = decoder.array()?.unwrap_or(0);
    for _ in 0..records {
        let mut fields = SenmlFields::default();
        for _ in 0..decoder.map()?.unwrap_or(0) {
            match decoder.i8()? {
                -2 => fields.base_name = Some(decoder.str()?),
                -3 => fields.base_time = Some(number(&mut decoder)?),
                0 => fields.name = Some(decoder.str()?),
                2 => fields.number = Some(number(&mut decoder)?),
                3 => fields.text = Some(decoder.str()?),
                4 => fields.boolean = Some(decoder.bool()?),
                6 => fields.time = Some(number(&mut decoder)?),
                8 => fields.data = Some(decoder.bytes()?),
                _ => decoder.skip()?,
            }
        }
        each(&fields);
    }
    Ok(())
}

fn number(decoder: &mut Decoder<'_>) -> Result<f64, minicbor::decode::Error> {
    match decoder.datatype()? {
        Type::F16 => decoder.f16().map(f64::from),
        Type::F32 => decoder.f32().map(f64::from),
        Type::F64 => decoder.f64(),
        _ => decoder.i64().map(|number| number as f64),
    }
}

/// Walks over all items of a CBOR payload with minicbor, borrowing; returns their number.
///
/// # Errors
/// As minicbor says.
pub fn minicbor_tokens(payload: &[u8]) -> Result<usize, minicbor::decode::Error> {
    let mut count = 0;
    for token in Decoder::new(payload).tokens() {
        std::hint::black_box(&token?);
        count += 1;
    }
    Ok(count)
}

/// Reads CBOR into ciborium's tree.
///
/// # Panics
/// If it is no CBOR.
pub fn ciborium_value(payload: &[u8]) -> ciborium::Value {
    ciborium::from_reader(payload).expect("CBOR")
}

/// Reads JSON into serde_json's tree.
///
/// # Panics
/// If it is no JSON.
pub fn json_value(payload: &[u8]) -> serde_json::Value {
    serde_json::from_slice(payload).expect("JSON")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::READINGS;

    #[test]
    fn minicbor_reads_the_readings_that_we_read() {
        let mut numbers = Vec::new();
        minicbor_senml(READINGS.payloads[0].2, |fields| {
            numbers.extend(fields.number);
        })
        .unwrap();
        let ours: Vec<_> = READINGS
            .decoded()
            .iter()
            .filter_map(|record| record.value?.as_f64())
            .collect();
        assert_eq!(numbers, ours);
    }
}
