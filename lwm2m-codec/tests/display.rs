//! What values, types, versions and errors print.

use lwm2m_codec::{
    ContentFormat, DecodeError, DecodeErrorKind, Decoder, EncodeError, NoTypes, ObjectLink,
    ParseObjectLinkError, ParseVersionError, Path, Type, TypeOf, Value, Version,
};

#[test]
fn every_value_prints_for_people_and_knows_its_type() {
    let link = ObjectLink::new(3, 0);
    for (value, text, data_type, number) in [
        (Value::string("a b"), "a b", Type::String, None),
        (Value::Integer(-1), "-1", Type::Integer, Some(-1.0)),
        (Value::Unsigned(7), "7", Type::Unsigned, Some(7.0)),
        (Value::Float(0.5), "0.5", Type::Float, Some(0.5)),
        (Value::Boolean(true), "true", Type::Boolean, None),
        (Value::opaque(&[0, 255]), "00ff", Type::Opaque, None),
        (Value::Time(60), "60", Type::Time, Some(60.0)),
        (Value::ObjectLink(link), "3:0", Type::ObjectLink, None),
        (Value::CoreLink("</3>".into()), "</3>", Type::CoreLink, None),
    ] {
        assert_eq!(value.to_string(), text);
        assert_eq!(value.data_type(), Some(data_type));
        assert_eq!(value.as_f64(), number, "{text}");
        assert!(!data_type.to_string().is_empty());
    }
    assert_eq!(Value::Null.to_string(), "null");
    assert_eq!(Value::Null.data_type(), None);
    assert_eq!(NoTypes.type_of(Path::resource(3, 0, 9)), None);
}

#[test]
fn object_links_and_versions_are_read_strictly() {
    assert_eq!("65535:65535".parse(), Ok(ObjectLink::default()));
    assert_eq!("FFFF:FFFF".parse(), Ok(ObjectLink::NULL));
    for wrong in ["3", "3:", ":0", "3:x", "+3:0", "65536:0"] {
        let parsed: Result<ObjectLink, _> = wrong.parse();
        assert_eq!(parsed, Err(ParseObjectLinkError), "{wrong}");
    }
    assert_eq!("1.2".parse(), Ok(Version::V1_2));
    assert_eq!(Version::V1_1.to_string(), "1.1");
    for wrong in ["1", "1.", "1.256", "+1.0", "1.0.0"] {
        let parsed: Result<Version, _> = wrong.parse();
        assert_eq!(parsed, Err(ParseVersionError), "{wrong}");
    }
}

#[test]
fn errors_say_where_and_what() {
    let path = Path::resource(3, 0, 9);
    let decode = |kind| DecodeError::new(5, kind).to_string();
    for (text, want) in [
        (
            decode(DecodeErrorKind::UnexpectedEnd("a name")),
            "at byte 5: the payload ends where a name was expected",
        ),
        (
            decode(DecodeErrorKind::InvalidValue(Type::Time)),
            "at byte 5: the value is not a valid time",
        ),
        (
            decode(DecodeErrorKind::LimitExceeded {
                what: "links",
                limit: 8,
            }),
            "at byte 5: more than 8 links",
        ),
        (
            decode(DecodeErrorKind::UnsupportedFormat(ContentFormat(9))),
            "at byte 5: content format 9 is not supported",
        ),
        (
            EncodeError::OutOfOrder { path }.to_string(),
            "record /3/0/9 is out of order",
        ),
        (
            EncodeError::NotExpressible {
                path,
                format: ContentFormat::TLV,
            }
            .to_string(),
            "/3/0/9 can't be expressed in content format tlv (11542)",
        ),
        (
            EncodeError::OutsideBase {
                path,
                base: Path::object(4),
            }
            .to_string(),
            "record /3/0/9 is outside of /4",
        ),
        (
            EncodeError::InvalidArgument(3).to_string(),
            "argument 3 is not allowed",
        ),
    ] {
        assert_eq!(text, want);
    }
}

#[test]
fn a_decoder_shows_where_it_is_and_no_payload() {
    for (format, payload) in [
        (ContentFormat::TLV, &b"\xc1\x09\x64"[..]),
        (ContentFormat::SENML_JSON, br#"[{"n":"/3/0/9","v":100}]"#),
        (
            ContentFormat::SENML_CBOR,
            b"\x81\xa2\x00\x66/3/0/9\x02\x18\x64",
        ),
        (
            ContentFormat::OMA_JSON,
            br#"{"bn":"/3/0/","e":[{"n":"9","v":100}]}"#,
        ),
        (ContentFormat::LWM2M_CBOR, b"\xa1\x83\x03\x00\x09\x18\x64"),
    ] {
        let base = Path::instance(3, 0);
        let mut decoder = Decoder::new(format, base, payload, &NoTypes)
            .unwrap()
            .any_root();
        assert_eq!(decoder.last_root(), None, "{format}");
        assert!(decoder.next().unwrap().is_ok(), "{format}");
        let shown = format!("{decoder:?}");
        assert!(
            shown.starts_with("Decoder { base: /3/0, offset: "),
            "{shown}"
        );
        assert!(!shown.contains("100"), "{shown}");
        assert_eq!(decoder.next(), None, "{format}");
        assert!(format!("{decoder:?}").contains("offset: 0"), "{format}");
        assert_eq!(decoder.last_root(), None, "{format}");
    }
}
