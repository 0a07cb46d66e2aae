//! The same records through every format, and arbitrary bytes through every decoder.

mod common;

use std::collections::BTreeMap;

use common::{Expected, Owned, borrowed, to_expected};
use lwm2m_codec::{
    Attributes, Bytes, ContentFormat, Decoder, Encoder, NoTypes, ObjectLink, Path, Record, Text,
    Type, Value, arguments::Arguments, link::Links,
};
use proptest::{collection, prelude::*};

const FORMATS: [ContentFormat; 13] = [
    ContentFormat::TEXT,
    ContentFormat::OPAQUE,
    ContentFormat::CBOR,
    ContentFormat::TLV,
    ContentFormat::SENML_JSON,
    ContentFormat::SENML_CBOR,
    ContentFormat::SENML_ETCH_JSON,
    ContentFormat::SENML_ETCH_CBOR,
    ContentFormat::OMA_JSON,
    ContentFormat::LWM2M_CBOR,
    ContentFormat(1542),
    ContentFormat(1543),
    ContentFormat::LINK,
];

/// The formats that carry many values.
const TREES: [ContentFormat; 7] = [
    ContentFormat::TLV,
    ContentFormat::SENML_JSON,
    ContentFormat::SENML_CBOR,
    ContentFormat::SENML_ETCH_JSON,
    ContentFormat::SENML_ETCH_CBOR,
    ContentFormat::OMA_JSON,
    ContentFormat::LWM2M_CBOR,
];

fn value() -> impl Strategy<Value = Owned> {
    prop_oneof![
        ".{0,40}".prop_map(Owned::Text),
        "(</[0-9]>){0,3}".prop_map(Owned::Link),
        collection::vec(any::<u8>(), 0..300).prop_map(Owned::Bytes),
        any::<i64>().prop_map(|v| Owned::Other(Value::Integer(v))),
        any::<i16>().prop_map(|v| Owned::Other(Value::Integer(v.into()))),
        any::<u64>().prop_map(|v| Owned::Other(Value::Unsigned(v))),
        any::<u8>().prop_map(|v| Owned::Other(Value::Unsigned(v.into()))),
        any::<f64>().prop_map(|v| Owned::Other(Value::Float(v))),
        any::<f32>().prop_map(|v| Owned::Other(Value::Float(v.into()))),
        any::<bool>().prop_map(|v| Owned::Other(Value::Boolean(v))),
        any::<i64>().prop_map(|v| Owned::Other(Value::Time(v))),
        (any::<u16>(), any::<u16>())
            .prop_map(|(o, i)| Owned::Other(Value::ObjectLink(ObjectLink::new(o, i)))),
    ]
}

/// A resource: one value, or values by instance.
fn resource() -> impl Strategy<Value = BTreeMap<Option<u16>, Owned>> {
    prop_oneof![
        3 => value().prop_map(|value| BTreeMap::from([(None, value)])),
        1 => collection::btree_map((0..65535u16).prop_map(Some), value(), 1..4),
    ]
}

/// Instances of one object, in ascending order.
fn object() -> impl Strategy<Value = Vec<Expected>> {
    let id = prop_oneof![0..300u16, 0..65535u16];
    let instance = collection::btree_map(id, resource(), 1..40);
    collection::btree_map(0..1000u16, instance, 1..4).prop_map(|instances| {
        let mut records = Vec::new();
        for (instance, resources) in instances {
            for (resource, values) in resources {
                for (ri, value) in values {
                    let path = Path::resource(3303, instance, resource);
                    let path = ri.map_or(Some(path), |ri| path.child(ri)).unwrap();
                    records.push((path.to_string(), None, Some(value)));
                }
            }
        }
        records
    })
}

fn encode(format: ContentFormat, base: Path, records: &[Expected]) -> Vec<u8> {
    let mut buf = vec![0; 1 << 20];
    let mut encoder = Encoder::new(format, base, &mut buf).unwrap();
    for (path, _, value) in records {
        let path = path.parse().unwrap();
        let value = borrowed(value.as_ref().unwrap());
        encoder.push(&Record::new(path, value)).unwrap();
    }
    let len = encoder.finish().unwrap();
    buf.truncate(len);
    buf
}

fn through(format: ContentFormat, base: Path, records: &[Expected]) -> Vec<Expected> {
    let bytes = encode(format, base, records);
    let types = common::types(records);
    Decoder::new(format, base, &bytes, &types)
        .unwrap()
        .within_base()
        .map(|record| to_expected(&record.unwrap(), ""))
        .collect()
}

proptest! {
    #[test]
    fn a_tree_is_the_same_through_every_format(records in object()) {
        for format in TREES {
            prop_assert_eq!(&through(format, Path::object(3303), &records), &records, "{}", format);
        }
        // A wider base changes names only.
        for format in [ContentFormat::SENML_JSON, ContentFormat::LWM2M_CBOR] {
            prop_assert_eq!(&through(format, Path::ROOT, &records), &records, "{}", format);
        }
    }

    #[test]
    fn an_instance_is_the_same_through_every_format(records in object()) {
        let base: Path = records[0].0.parse::<Path>().unwrap().truncated(2);
        let inside: Vec<Expected> = records
            .into_iter()
            .filter(|(path, ..)| base.contains(&path.parse().unwrap()))
            .collect();
        for format in TREES {
            prop_assert_eq!(&through(format, base, &inside), &inside, "{}", format);
        }
    }

    #[test]
    fn one_value_is_the_same_through_every_format(value in value()) {
        for path in ["/3303/0/5700", "/3303/0/5700/1"] {
            let base: Path = path.parse().unwrap();
            let records = [(base.to_string(), None, Some(value.clone()))];
            for format in TREES.into_iter().chain([ContentFormat::CBOR, ContentFormat::TEXT]) {
                let got = through(format, base, &records);
                prop_assert_eq!(got.as_slice(), &records, "{}", format);
            }
        }
    }

    #[test]
    fn no_bytes_make_a_decoder_panic(
        bytes in collection::vec(any::<u8>(), 0..120),
        depth in 0..=4usize,
        wanted in 0..9usize,
    ) {
        run_all(&bytes, depth, wanted);
    }

    #[test]
    fn no_damaged_payload_makes_a_decoder_panic(
        records in object(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        wanted in 0..9usize,
    ) {
        for format in TREES {
            let mut bytes = encode(format, Path::object(3303), &records);
            let at = at.index(bytes.len());
            bytes[at] = byte;
            run(format, Path::object(3303), &bytes, wanted);
        }
    }

    #[test]
    fn no_text_makes_a_parser_panic(text in "[</>;=,\"0-9a-z\\\\'. ]{0,60}") {
        for link in Links::new(text.as_bytes()).filter_map(Result::ok) {
            let _ = (link.path(), link.dim(), link.ver(), link.ct().count());
            let _ = Attributes::from_link(&link);
            prop_assert!(link.params().all(|(name, _)| !name.is_empty()));
        }
        let _ = Attributes::parse(text.split('&'));
        if let Ok(arguments) = Arguments::parse(text.as_bytes()) {
            prop_assert!(arguments.iter().count() <= 10);
        }
    }

    #[test]
    fn a_short_buffer_is_an_error_and_not_a_panic(records in object(), size in 0..200usize) {
        for format in TREES {
            let mut buf = vec![0; size];
            let Ok(mut encoder) = Encoder::new(format, Path::object(3303), &mut buf) else {
                continue;
            };
            let mut result = Ok(());
            for (path, _, value) in &records {
                let value = borrowed(value.as_ref().unwrap());
                result = result
                    .and_then(|()| encoder.push(&Record::new(path.parse().unwrap(), value)));
            }
            let _ = result.and_then(|()| encoder.finish().map(drop));
        }
    }
}

const TYPES: [Type; 9] = [
    Type::String,
    Type::Integer,
    Type::Unsigned,
    Type::Float,
    Type::Boolean,
    Type::Opaque,
    Type::Time,
    Type::ObjectLink,
    Type::CoreLink,
];

fn run_all(bytes: &[u8], depth: usize, wanted: usize) {
    for format in FORMATS {
        run(
            format,
            Path::resource_instance(3, 0, 6, 1).truncated(depth),
            bytes,
            wanted,
        );
    }
}

/// Decodes, looks at every value, and encodes it again.
fn run(format: ContentFormat, base: Path, bytes: &[u8], wanted: usize) {
    let types = |_| Some(TYPES[wanted]);
    for known in [true, false] {
        let decoder = match known {
            true => Decoder::new(format, base, bytes, &types),
            false => Decoder::new(format, base, bytes, &NoTypes).map(Decoder::any_root),
        };
        let Ok(decoder) = decoder else { continue };
        let mut errors = 0;
        for record in decoder {
            match record {
                Ok(record) => look_at(&record),
                Err(error) => {
                    errors += 1;
                    assert!(error.offset <= bytes.len(), "{error} of {}", bytes.len());
                }
            }
        }
        assert!(errors <= 1, "an error ends the records");
    }
}

fn look_at(record: &Record<'_>) {
    match record.value {
        Some(Value::String(text)) => {
            assert_eq!(text.len(), text.to_string().len());
            assert!(text.copy_to(&mut vec![0; text.len()]).is_some());
        }
        Some(Value::Opaque(bytes)) => {
            assert_eq!(bytes.len(), bytes.iter().count());
            assert!(bytes.copy_to(&mut vec![0; bytes.len()]).is_some());
        }
        _ => {}
    }
}

#[test]
fn a_text_in_any_form_equals_its_plain_form() {
    let plain = "a\"é\n";
    let json = br#"[{"n":"/3/0/0","vs":"a\"\u00e9\n"}]"#;
    let cbor = b"\x81\xa2\x00\x66/3/0/0\x03\x7f\x62a\"\x63\xc3\xa9\n\xff";
    for (format, payload) in [
        (ContentFormat::SENML_JSON, &json[..]),
        (ContentFormat::SENML_CBOR, cbor),
    ] {
        let record = Decoder::new(format, Path::ROOT, payload, &NoTypes)
            .unwrap()
            .next()
            .unwrap()
            .unwrap();
        assert_eq!(record.value, Some(Value::string(plain)), "{format}");
        // What is written is plain again.
        let mut buf = [0; 64];
        let mut encoder = Encoder::new(ContentFormat::TEXT, record.path, &mut buf).unwrap();
        encoder.push(&record).unwrap();
        let len = encoder.finish().unwrap();
        assert_eq!(&buf[..len], plain.as_bytes());
    }
    assert_eq!(
        Bytes::from_base64(Text::new("AQI=")),
        Some(Bytes::new(&[1, 2]))
    );
}
