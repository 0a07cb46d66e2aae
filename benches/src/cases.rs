//! What is measured: ours and the rivals', as loops that run a given number of times.

use std::{fmt, hint::black_box};

use lwm2m_codec::{
    ContentFormat, DecodeError, Decoder, Encoder, Path, Record, TypeOf, Value,
    coap::{Message, MessageWriter},
};

use crate::{
    coap::{CONTENT, GET, REGISTER_180},
    corpus::{Corpus, DEVICE, HUNDRED, OPAQUE, READINGS},
    rivals,
};

/// Does some work a number of times.
pub struct Work(Box<dyn FnMut(u32)>);

impl Work {
    fn new<T>(mut once: impl FnMut() -> T + 'static) -> Self {
        Self(Box::new(move |times| {
            for _ in 0..times {
                black_box(once());
            }
        }))
    }

    /// Does the work this number of times.
    pub fn run(&mut self, times: u32) {
        (self.0)(times);
    }
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Work")
    }
}

/// What must be reached.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Floor {
    /// At most so many units.
    Units(f64),
    /// At most so many times the cost per record of the case of this name.
    PerRecord(&'static str, f64),
}

/// One row of the table.
#[derive(Debug)]
pub struct Case {
    /// What is done.
    pub name: String,
    /// Length of the payload or message.
    pub bytes: usize,
    /// Number of records in it.
    pub records: usize,
    /// Our way to do it.
    pub ours: Work,
    /// Other crates' ways.
    pub rivals: Vec<(&'static str, Work)>,
    /// What must be reached, if that is laid down.
    pub floor: Option<Floor>,
}

/// The unit of all figures: coap-lite parses a registration of 180 bytes.
pub fn unit() -> Work {
    Work::new(|| coap_lite::Packet::from_bytes(black_box(REGISTER_180)).is_ok())
}

/// Floors in units of the cases that have one.
const FLOORS: &[(&str, f64)] = &[
    ("CoAP Register parse and walk", 0.20),
    ("CoAP Register write", 0.20),
    ("Device TLV decode", 0.6),
    ("Device TLV encode", 0.5),
    ("Device SenML CBOR decode", 1.4),
    ("Device SenML CBOR encode", 1.0),
    ("20 readings SenML CBOR decode", 1.6),
    ("Device SenML JSON decode", 3.2),
    ("Device SenML JSON encode", 2.0),
    ("Device LwM2M CBOR decode", 1.0),
    ("Device LwM2M CBOR encode", 0.8),
];

/// A hundred resources may cost this much more per record than the Device.
const HUNDRED_FLOORS: &[(&str, &str)] = &[
    ("100 resources TLV decode", "Device TLV decode"),
    ("100 resources TLV encode", "Device TLV encode"),
    (
        "100 resources SenML CBOR decode",
        "Device SenML CBOR decode",
    ),
    (
        "100 resources SenML CBOR encode",
        "Device SenML CBOR encode",
    ),
    (
        "100 resources SenML JSON decode",
        "Device SenML JSON decode",
    ),
    (
        "100 resources SenML JSON encode",
        "Device SenML JSON encode",
    ),
    (
        "100 resources LwM2M CBOR decode",
        "Device LwM2M CBOR decode",
    ),
    (
        "100 resources LwM2M CBOR encode",
        "Device LwM2M CBOR encode",
    ),
];
const HUNDRED_FACTOR: f64 = 1.3;

fn floor(name: &str) -> Option<Floor> {
    let units = FLOORS.iter().find(|(of, _)| *of == name);
    let per_record = HUNDRED_FLOORS.iter().find(|(of, _)| *of == name);
    units
        .map(|(_, units)| Floor::Units(*units))
        .or(per_record.map(|(_, device)| Floor::PerRecord(device, HUNDRED_FACTOR)))
}

/// All rows in the order of the table.
pub fn all() -> Vec<Case> {
    let mut cases = coap();
    for corpus in [&DEVICE, &READINGS, &HUNDRED, &OPAQUE] {
        for (format, name, payload) in &corpus.payloads {
            cases.push(decode_case(corpus, *format, name, payload));
            cases.push(encode_case(corpus, *format, name, payload));
        }
    }
    for case in &mut cases {
        case.floor = floor(&case.name);
    }
    cases
}

fn case(name: impl Into<String>, bytes: usize, records: usize, ours: Work) -> Case {
    Case {
        name: name.into(),
        bytes,
        records,
        ours,
        rivals: Vec::new(),
        floor: None,
    }
}

fn coap() -> Vec<Case> {
    let mut cases: Vec<Case> = [
        ("CoAP Register", REGISTER_180),
        ("CoAP GET", GET),
        ("CoAP 2.05", CONTENT),
    ]
    .into_iter()
    .flat_map(|(name, data)| [parse_case(name, data), write_case(name, data)])
    .collect();
    for case in &mut cases {
        case.records = 1;
    }
    cases
}

fn parse_case(name: &str, data: &'static [u8]) -> Case {
    let ours = Work::new(move || walk(black_box(data)));
    let theirs = Work::new(move || coap_lite::Packet::from_bytes(black_box(data)).is_ok());
    Case {
        rivals: vec![("coap-lite", theirs)],
        ..case(format!("{name} parse and walk"), data.len(), 1, ours)
    }
}

/// Parses a message and reads token, every option and the payload.
fn walk(data: &[u8]) -> usize {
    let Ok(message) = Message::parse(data) else {
        return 0;
    };
    let options: usize = message
        .options()
        .map(|option| usize::from(option.number.0) + option.value.len())
        .sum();
    message.token().as_bytes().len() + options + message.payload().len()
}

fn write_case(name: &str, data: &'static [u8]) -> Case {
    let message = Message::parse(data).expect("a message");
    let options: Vec<_> = message.options().collect();
    let mut buf = vec![0; 256];
    let ours = Work::new(move || {
        let (kind, code, id) = (message.message_type(), message.code(), message.id());
        let mut writer = MessageWriter::new(&mut buf, kind, code, id, message.token())?;
        for option in black_box(&options) {
            writer.option(option.number, option.value)?;
        }
        writer.payload(message.payload())
    });
    let packet = coap_lite::Packet::from_bytes(data).expect("a message");
    let theirs = Work::new(move || black_box(&packet).to_bytes());
    Case {
        rivals: vec![("coap-lite", theirs)],
        ..case(format!("{name} write"), data.len(), 1, ours)
    }
}

fn decode_case(
    corpus: &'static Corpus,
    format: ContentFormat,
    name: &str,
    payload: &'static [u8],
) -> Case {
    let (base, definition) = (corpus.base, corpus.definition);
    let ours = Work::new(move || consume(format, base, black_box(payload), definition));
    let rivals = match format {
        ContentFormat::SENML_CBOR => vec![
            (
                "minicbor",
                Work::new(move || minicbor_senml(black_box(payload))),
            ),
            ("ciborium", ciborium_decode(payload)),
        ],
        ContentFormat::LWM2M_CBOR => vec![
            (
                "minicbor",
                Work::new(move || rivals::minicbor_tokens(black_box(payload)).ok()),
            ),
            ("ciborium", ciborium_decode(payload)),
        ],
        ContentFormat::SENML_JSON | ContentFormat::OMA_JSON => vec![(
            "serde_json",
            Work::new(move || rivals::json_value(black_box(payload))),
        )],
        _ => Vec::new(),
    };
    Case {
        rivals,
        ..case(
            format!("{} {name} decode", corpus.name),
            payload.len(),
            corpus.records,
            ours,
        )
    }
}

fn ciborium_decode(payload: &'static [u8]) -> Work {
    Work::new(move || rivals::ciborium_value(black_box(payload)))
}

fn minicbor_senml(payload: &[u8]) -> usize {
    let mut sum = 0;
    let read = rivals::minicbor_senml(payload, |fields| {
        sum += black_box(fields).name.map_or(0, str::len);
    });
    sum + usize::from(read.is_ok())
}

/// Decodes a payload and reads path, time and value of every record.
fn consume(format: ContentFormat, base: Path, payload: &[u8], types: &dyn TypeOf) -> u64 {
    let mut sum = 0;
    let Ok(decoder) = &mut Decoder::new(format, base, payload, types) else {
        return 0;
    };
    let read = decoder.visit(|record| {
        sum ^= digest(&record);
        Ok::<(), DecodeError>(())
    });
    match read {
        Ok(()) => sum,
        Err(_) => 0,
    }
}

/// Reads what a record holds; text and bytes by their place and length.
#[inline(always)]
fn digest(record: &Record<'_>) -> u64 {
    let path = record.path.last_id().unwrap_or(0);
    let time = record.time.map_or(0, f64::to_bits);
    let value = match record.value {
        Some(Value::Integer(value) | Value::Time(value)) => value as u64,
        Some(Value::Unsigned(value)) => value,
        Some(Value::Float(value)) => value.to_bits(),
        Some(Value::Boolean(value)) => u64::from(value),
        Some(Value::String(text) | Value::CoreLink(text)) => {
            text.as_plain_bytes().map_or(1, |text| text.len() as u64)
        }
        Some(Value::Opaque(bytes)) => bytes.as_plain().map_or(1, |bytes| bytes.len() as u64),
        Some(Value::ObjectLink(link)) => u64::from(link.object ^ link.instance),
        _ => 0,
    };
    u64::from(path) ^ time ^ value
}

fn encode_case(
    corpus: &'static Corpus,
    format: ContentFormat,
    name: &str,
    payload: &'static [u8],
) -> Case {
    let (base, records) = (corpus.base, corpus.decoded());
    let base_time = records.last().and_then(|record| record.time);
    let mut buf = vec![0; 1 << 15];
    let ours = match base_time {
        Some(time) => Work::new(move || {
            let mut encoder = Encoder::new(format, base, &mut buf)?.base_time(time);
            encoder.push_all(black_box(&records))?;
            encoder.finish()
        }),
        None => Work::new(move || {
            let mut encoder = Encoder::new(format, base, &mut buf)?;
            encoder.push_all(black_box(&records))?;
            encoder.finish()
        }),
    };
    let rivals = match format {
        ContentFormat::SENML_CBOR | ContentFormat::LWM2M_CBOR => {
            let value = rivals::ciborium_value(payload);
            let work = Work::new(move || {
                let mut out = Vec::new();
                ciborium::into_writer(black_box(&value), &mut out).map(|()| out)
            });
            vec![("ciborium", work)]
        }
        ContentFormat::SENML_JSON | ContentFormat::OMA_JSON => {
            let value = rivals::json_value(payload);
            let work = Work::new(move || serde_json::to_vec(black_box(&value)));
            vec![("serde_json", work)]
        }
        _ => Vec::new(),
    };
    Case {
        rivals,
        ..case(
            format!("{} {name} encode", corpus.name),
            payload.len(),
            corpus.records,
            ours,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_floor_belongs_to_a_case() {
        let cases = all();
        let names: Vec<&str> = cases.iter().map(|case| case.name.as_str()).collect();
        let hundred = HUNDRED_FLOORS.iter().flat_map(|(of, device)| [of, device]);
        for name in FLOORS.iter().map(|(name, _)| name).chain(hundred) {
            assert!(names.contains(name), "{name}");
        }
    }

    #[test]
    fn every_work_runs() {
        for mut case in all() {
            case.ours.run(1);
            for (_, rival) in &mut case.rivals {
                rival.run(1);
            }
        }
    }

    #[test]
    fn a_payload_that_is_consumed_was_decoded() {
        for corpus in [&DEVICE, &READINGS, &HUNDRED, &OPAQUE] {
            for (format, name, payload) in &corpus.payloads {
                let sum = consume(*format, corpus.base, payload, corpus.definition);
                let wanted = corpus.decoded().iter().fold(0, |sum, r| sum ^ digest(r));
                let base64 = corpus.name == OPAQUE.name && name.contains("JSON");
                assert!(sum == wanted || base64, "{} {name}", corpus.name);
            }
        }
    }
}
