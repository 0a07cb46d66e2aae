//! The layouts that encoders offer, and transcoding.

use lwm2m_codec::{
    ContentFormat, DecodeErrorKind, Decoder, EncodeError, Encoder, Floats, Instances, Keys, Layout,
    Names, NoTypes, Path, Record, TranscodeError, Type, Value, transcode,
};

const BASE: Path = Path::instance(3303, 0);

fn encode(format: ContentFormat, base: Path, layout: Layout, records: &[Record<'_>]) -> Vec<u8> {
    let mut buf = vec![0; 256];
    let mut encoder = Encoder::with_layout(format, base, &mut buf, layout).unwrap();
    for record in records {
        encoder.push(record).unwrap();
    }
    let len = encoder.finish().unwrap();
    buf.truncate(len);
    buf
}

/// Types of the resources of the tests.
fn sensor(path: Path) -> Option<Type> {
    match path.resource_id() {
        Some(5700) => Some(Type::Float),
        Some(6 | 9) => Some(Type::Integer),
        _ => None,
    }
}

fn decode(format: ContentFormat, base: Path, payload: &[u8]) -> Vec<Record<'_>> {
    Decoder::new(format, base, payload, &sensor)
        .unwrap()
        .map(Result::unwrap)
        .collect()
}

/// A float and a resource with instances.
fn records() -> [Record<'static>; 3] {
    let multiple = Path::resource(3303, 0, 6);
    [
        Record::new(multiple.child(1).unwrap(), Value::Integer(1)),
        Record::new(multiple.child(2).unwrap(), Value::Integer(2)),
        Record::new(Path::resource(3303, 0, 5700), Value::Float(1.5)),
    ]
}

#[test]
fn every_layout_decodes_to_the_same() {
    let records = records();
    for format in [
        ContentFormat::TLV,
        ContentFormat::SENML_JSON,
        ContentFormat::SENML_CBOR,
        ContentFormat::OMA_JSON,
        ContentFormat::LWM2M_CBOR,
    ] {
        for names in [Names::Base, Names::Absolute] {
            for keys in [Keys::Base, Keys::Nested, Keys::Flat] {
                for floats in [Floats::Shortest, Floats::Double] {
                    for instances in [Instances::Implied, Instances::Written] {
                        let layout = Layout {
                            names,
                            keys,
                            floats,
                            instances,
                        };
                        let bytes = encode(format, BASE, layout, &records);
                        assert_eq!(decode(format, BASE, &bytes), records, "{format} {layout:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn names_are_absolute_on_request() {
    let layout = Layout {
        names: Names::Absolute,
        ..Layout::default()
    };
    let bytes = encode(ContentFormat::SENML_JSON, BASE, layout, &records()[..1]);
    assert_eq!(bytes, br#"[{"n":"/3303/0/6/1","v":1}]"#);
    let bytes = encode(ContentFormat::SENML_CBOR, BASE, layout, &records()[2..]);
    assert_eq!(bytes, b"\x81\xa2\x00\x6c/3303/0/5700\x02\xf9\x3e\x00");
}

#[test]
fn keys_are_nested_or_flat_on_request() {
    let layout = |keys| Layout {
        keys,
        ..Layout::default()
    };
    let encode = |keys| encode(ContentFormat::LWM2M_CBOR, BASE, layout(keys), &records());
    let object = b"\x19\x0c\xe7";
    let value = b"\x19\x16\x44\xf9\x3e\x00";
    let nested = [
        b"\xa1",
        &object[..],
        b"\xa1\x00\xa2\x06\xa2\x01\x01\x02\x02",
        value,
    ];
    assert_eq!(encode(Keys::Nested), nested.concat());
    let flat = [
        b"\xa3\x84",
        &object[..],
        b"\x00\x06\x01\x01\x84",
        object,
        b"\x00\x06\x02\x02\x83",
        object,
        b"\x00",
        value,
    ];
    assert_eq!(encode(Keys::Flat), flat.concat());
}

#[test]
fn a_flat_place_stays_only_if_nothing_lies_in_it() {
    let layout = Layout {
        keys: Keys::Flat,
        ..Layout::default()
    };
    let format = ContentFormat::LWM2M_CBOR;
    let value = Record::new(Path::resource(3, 0, 9), Value::Integer(1));
    let records = [
        Record::path_only(Path::ROOT),
        Record::path_only(Path::instance(3, 0)),
        value,
        Record::path_only(Path::instance(3, 1)),
    ];
    let bytes = encode(format, Path::ROOT, layout, &records);
    assert_eq!(bytes, b"\xa2\x83\x03\x00\x09\x01\x82\x03\x01\xa0");
    assert_eq!(decode(format, Path::ROOT, &bytes), [value, records[3]]);
    // A gateway's prefix stands in every key.
    let mut buf = [0; 32];
    let mut encoder = Encoder::with_layout(format, Path::ROOT, &mut buf, layout)
        .unwrap()
        .root("/d01");
    encoder.push(&value).unwrap();
    let len = encoder.finish().unwrap();
    assert_eq!(buf[..len], *b"\xa1\x84\x63d01\x03\x00\x09\x01");
}

#[test]
fn floats_have_64_bits_on_request() {
    let layout = Layout {
        floats: Floats::Double,
        ..Layout::default()
    };
    let record = [Record::new(
        Path::resource(3303, 0, 5700),
        Value::Float(1.5),
    )];
    let bytes = encode(ContentFormat::CBOR, record[0].path, layout, &record);
    assert_eq!(bytes, b"\xfb\x3f\xf8\0\0\0\0\0\0");
    let bytes = encode(ContentFormat::TLV, BASE, layout, &record);
    assert_eq!(bytes, b"\xe8\x16\x44\x08\x3f\xf8\0\0\0\0\0\0");
    let nan = [Record::new(record[0].path, Value::Float(f64::NAN))];
    let bytes = encode(ContentFormat::CBOR, record[0].path, layout, &nan);
    assert_eq!(bytes[..3], *b"\xfb\x7f\xf8");
}

#[test]
fn an_object_instance_is_written_on_request() {
    let layout = Layout {
        instances: Instances::Written,
        ..Layout::default()
    };
    let record = [Record::new(Path::resource(3, 0, 9), Value::Integer(1))];
    let bytes = encode(ContentFormat::TLV, Path::instance(3, 0), layout, &record);
    assert_eq!(bytes, b"\x03\x00\xc1\x09\x01");
    // Below an instance there is no room for one.
    let bytes = encode(ContentFormat::TLV, record[0].path, layout, &record);
    assert_eq!(bytes, b"\xc1\x09\x01");
}

fn transcoded(
    from: ContentFormat,
    payload: &[u8],
    to: ContentFormat,
) -> Result<Vec<u8>, TranscodeError> {
    let mut buf = vec![0; 128];
    let base = Path::instance(3, 0);
    let decoder = Decoder::new(from, base, payload, &NoTypes)?;
    let encoder = Encoder::new(to, base, &mut buf)?;
    let len = transcode(decoder, encoder)?;
    buf.truncate(len);
    Ok(buf)
}

#[test]
fn what_another_format_can_not_carry_is_named() {
    let json = ContentFormat::SENML_JSON;
    let path = Path::resource(3, 0, 9);
    let not_expressible = |path, format| {
        Err(TranscodeError::Encode(EncodeError::NotExpressible {
            path,
            format,
        }))
    };
    assert_eq!(
        transcoded(
            json,
            br#"[{"n":"/3/0/9","v":1},{"n":"/3/0/2","v":1}]"#,
            ContentFormat::TLV
        ),
        Err(TranscodeError::Encode(EncodeError::OutOfOrder {
            path: Path::resource(3, 0, 2)
        }))
    );
    for format in [ContentFormat::TLV, ContentFormat::LWM2M_CBOR] {
        let timed = br#"[{"n":"/3/0/9","v":1,"t":1}]"#;
        assert_eq!(
            transcoded(json, timed, format),
            not_expressible(path, format)
        );
        // A path that is asked for is not an empty resource.
        let asked = br#"[{"n":"/3/0/9"}]"#;
        assert_eq!(
            transcoded(json, asked, format),
            not_expressible(path, format)
        );
    }
    let empty = transcoded(ContentFormat::TLV, b"\x80\x09", ContentFormat::SENML_CBOR);
    assert_eq!(empty, not_expressible(path, ContentFormat::SENML_CBOR));
    let kept = transcoded(ContentFormat::TLV, b"\x80\x09", ContentFormat::LWM2M_CBOR);
    assert_eq!(kept.unwrap(), b"\xa1\x82\x03\x00\xa1\x09\xa0");
    let broken = transcoded(json, b"[{]", ContentFormat::TLV).unwrap_err();
    let TranscodeError::Decode(error) = broken else {
        panic!("{broken:?}");
    };
    assert_eq!(error.offset, 2);
    assert!(matches!(error.kind, DecodeErrorKind::Expected(_)));
    assert_eq!(broken.to_string(), error.to_string());
}
