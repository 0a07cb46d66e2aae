//! Payloads: the same instance in every format, and the definition that tells its types.

use std::sync::LazyLock;

use lwm2m_codec::{ContentFormat, Decoder, Encoder, Path, Record, Type, Value};
use lwm2m_model::{ObjectDefinition, Operations, ResourceDefinition, objects::DEFINITIONS};

/// An Object Instance in the formats that the benchmarks compare.
#[derive(Debug)]
pub struct Corpus {
    /// Name in the table.
    pub name: &'static str,
    /// Path of the instance.
    pub base: Path,
    /// Definition of the object.
    pub definition: &'static ObjectDefinition,
    /// The payloads, with the name of their format.
    pub payloads: Vec<(ContentFormat, &'static str, &'static [u8])>,
    /// Number of records in each payload.
    pub records: usize,
}

impl Corpus {
    /// The records of the first payload.
    pub fn decoded(&self) -> Vec<Record<'static>> {
        let (format, _, payload) = self.payloads[0];
        decode(format, self.base, payload, self.definition)
    }
}

/// The names that the table gives to the formats.
const FORMATS: [(ContentFormat, &str); 5] = [
    (ContentFormat::TLV, "TLV"),
    (ContentFormat::SENML_CBOR, "SenML CBOR"),
    (ContentFormat::SENML_JSON, "SenML JSON"),
    (ContentFormat::LWM2M_CBOR, "LwM2M CBOR"),
    (ContentFormat::OMA_JSON, "OMA JSON"),
];

macro_rules! payloads {
    ($name:literal) => {
        [
            include_bytes!(concat!("../corpus/payload/", $name, ".tlv")).as_slice(),
            include_bytes!(concat!("../corpus/payload/", $name, ".cbor")),
            include_bytes!(concat!("../corpus/payload/", $name, ".json")),
            include_bytes!(concat!("../corpus/payload/", $name, ".lcbor")),
        ]
    };
}

/// The Device object of the standard's examples: 16 values.
pub static DEVICE: LazyLock<Corpus> = LazyLock::new(|| {
    let definition = core_definition(3);
    from_files(
        ("Device", 16),
        Path::instance(3, 0),
        definition,
        payloads!("device"),
    )
});

/// A hundred resources: of ten each four integers, three floats, two strings and a boolean.
pub static HUNDRED: LazyLock<Corpus> = LazyLock::new(|| {
    let resources = (0..100).map(|id| {
        let data_type = match id % 10 {
            0..=3 => Type::Integer,
            4..=6 => Type::Float,
            7 | 8 => Type::String,
            _ => Type::Boolean,
        };
        resource(id, data_type)
    });
    let definition = ObjectDefinition {
        id: 33333,
        resources: resources.collect(),
        ..core_definition(3).clone()
    };
    let definition = Box::leak(Box::new(definition));
    from_files(
        ("100 resources", 100),
        Path::instance(33333, 0),
        definition,
        payloads!("r100"),
    )
});

/// Twenty readings of one sensor, ten seconds apart, as a device sends them by Send.
pub static READINGS: LazyLock<Corpus> = LazyLock::new(|| {
    let base = Path::instance(3303, 0);
    let records: Vec<_> = (0..20u8)
        .map(|index| Record {
            time: Some(1_700_000_000.0 - 10.0 * f64::from(19 - index)),
            // A sensor of single precision.
            ..Record::new(
                Path::resource(3303, 0, 5700),
                Value::Float(f64::from(21.1f32 + 0.05 * f32::from(index))),
            )
        })
        .collect();
    let encoded = |(format, name)| {
        let mut buf = vec![0; 4096];
        let mut encoder = Encoder::new(format, base, &mut buf)
            .expect("SenML stands at an instance")
            .base_time(1_700_000_000.0);
        for record in &records {
            encoder.push(record).expect("a reading with a time");
        }
        let len = encoder.finish().expect("room for it");
        buf.truncate(len);
        (format, name, &*buf.leak())
    };
    Corpus {
        name: "20 readings",
        base,
        definition: core_definition(3303),
        payloads: vec![encoded(FORMATS[1]), encoded(FORMATS[2])],
        records: 20,
    }
});

/// One opaque resource of 20 kB.
pub static OPAQUE: LazyLock<Corpus> = LazyLock::new(|| {
    let bytes: Vec<u8> = (0..20_000u32)
        .map(|i| (i.wrapping_mul(167) >> 3) as u8)
        .collect();
    let definition = ObjectDefinition {
        id: 33334,
        resources: vec![resource(0, Type::Opaque)].into(),
        ..core_definition(3).clone()
    };
    let base = Path::instance(33334, 0);
    let record = Record::new(Path::resource(33334, 0, 0), Value::opaque(&bytes));
    let payloads = FORMATS
        .iter()
        .map(|(format, name)| (*format, *name, &*encode(*format, base, &[record]).leak()))
        .collect();
    Corpus {
        name: "20 kB opaque",
        base,
        definition: Box::leak(Box::new(definition)),
        payloads,
        records: 1,
    }
});

fn from_files(
    (name, records): (&'static str, usize),
    base: Path,
    definition: &'static ObjectDefinition,
    files: [&'static [u8]; 4],
) -> Corpus {
    let mut payloads: Vec<_> = FORMATS
        .iter()
        .zip(files)
        .map(|((format, name), payload)| (*format, *name, payload))
        .collect();
    // OMA JSON is too old to have a file: it is made from the first.
    let (format, oma_json) = FORMATS[4];
    let decoded = decode(ContentFormat::TLV, base, files[0], definition);
    let encoded = encode(format, base, &decoded);
    payloads.push((format, oma_json, encoded.leak()));
    Corpus {
        name,
        base,
        definition,
        payloads,
        records,
    }
}

/// Decodes a whole payload.
///
/// # Panics
/// If it can't be decoded.
pub fn decode<'a>(
    format: ContentFormat,
    base: Path,
    payload: &'a [u8],
    definition: &'a ObjectDefinition,
) -> Vec<Record<'a>> {
    Decoder::new(format, base, payload, definition)
        .and_then(Iterator::collect)
        .expect("a payload of the corpus is valid")
}

/// Encodes records.
///
/// # Panics
/// If they can't be encoded in 64 kB.
pub fn encode(format: ContentFormat, base: Path, records: &[Record<'_>]) -> Vec<u8> {
    let mut buf = vec![0; 1 << 16];
    let mut encoder = Encoder::new(format, base, &mut buf).expect("a base that the format allows");
    for record in records {
        encoder
            .push(record)
            .expect("a record that the format can carry");
    }
    let len = encoder.finish().expect("room for it");
    buf.truncate(len);
    buf
}

fn core_definition(id: u16) -> &'static ObjectDefinition {
    DEFINITIONS
        .iter()
        .find(|definition| definition.id == id)
        .expect("a core object")
}

fn resource(id: u16, data_type: Type) -> ResourceDefinition {
    ResourceDefinition {
        id,
        name: "".into(),
        description: "".into(),
        operations: Operations::RW,
        multiple: false,
        mandatory: false,
        data_type: Some(data_type),
        constraint: Default::default(),
        range: "".into(),
        units: "".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_payload_of_a_corpus_holds_the_same_records() {
        for corpus in [&DEVICE, &HUNDRED, &READINGS, &OPAQUE] {
            let records = corpus.decoded();
            assert_eq!(records.len(), corpus.records, "{}", corpus.name);
            for (format, name, payload) in &corpus.payloads {
                let decoded = decode(*format, corpus.base, payload, corpus.definition);
                assert_eq!(decoded, records, "{} {name}", corpus.name);
            }
        }
    }

    #[test]
    fn the_device_has_the_lengths_of_the_standards_examples() {
        let lengths: Vec<_> = DEVICE.payloads.iter().map(|(_, _, p)| p.len()).collect();
        assert_eq!(lengths[..4], [121, 196, 384, 118]);
    }

    #[test]
    fn encoding_the_device_gives_the_file_again() {
        for (format, name, payload) in &DEVICE.payloads {
            let encoded = encode(*format, DEVICE.base, &DEVICE.decoded());
            assert_eq!(encoded, *payload, "{name}");
        }
    }
}
