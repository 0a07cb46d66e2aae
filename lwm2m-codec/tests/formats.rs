//! What the decoders tolerate and what they refuse; which shapes the encoders write.

mod common;

use lwm2m_codec::{
    ContentFormat, DecodeError, DecodeErrorKind, Decoder, EncodeError, Encoder, MAX_ID, NoTypes,
    ObjectLink, Path, Record, Type, TypeOf, Value,
};

const SENML_JSON: ContentFormat = ContentFormat::SENML_JSON;
const SENML_CBOR: ContentFormat = ContentFormat::SENML_CBOR;
const TLV: ContentFormat = ContentFormat::TLV;
const LWM2M_CBOR: ContentFormat = ContentFormat::LWM2M_CBOR;

fn path(text: &str) -> Path {
    text.parse().unwrap()
}

/// The records as text: path, `@` time, `=` value.
fn decode_as(
    format: ContentFormat,
    base: &str,
    payload: &[u8],
    types: &dyn TypeOf,
) -> Result<String, DecodeError> {
    let mut text = Vec::new();
    for record in Decoder::new(format, path(base), payload, types)? {
        let record = record?;
        let time = record.time.map(|t| format!("@{t}")).unwrap_or_default();
        let value = record.value.map(|v| format!("={v:?}")).unwrap_or_default();
        text.push(format!("{}{time}{value}", record.path));
    }
    Ok(text.join(" "))
}

fn decode(format: ContentFormat, payload: &[u8]) -> Result<String, DecodeError> {
    decode_as(format, "/", payload, &NoTypes)
}

fn json(payload: &str) -> Result<String, DecodeError> {
    decode(SENML_JSON, payload.as_bytes())
}

fn cbor(hex: &str) -> Result<String, DecodeError> {
    decode(SENML_CBOR, &common::hex(hex))
}

fn tlv(base: &str, hex: &str) -> Result<String, DecodeError> {
    let integer = |_| Some(Type::Integer);
    decode_as(TLV, base, &common::hex(hex), &integer)
}

fn encode(
    format: ContentFormat,
    base: &str,
    records: &[(&str, Option<Value<'_>>)],
) -> Result<Vec<u8>, EncodeError> {
    let mut buf = vec![0; 256];
    let mut encoder = Encoder::new(format, path(base), &mut buf)?;
    for (at, value) in records {
        let (path, value) = (path(at), *value);
        encoder.push(&Record {
            path,
            time: None,
            value,
        })?;
    }
    let len = encoder.finish()?;
    buf.truncate(len);
    Ok(buf)
}

const ONE: Option<Value<'static>> = Some(Value::Integer(1));

#[test]
fn base_fields_hold_until_they_are_replaced() {
    assert_eq!(
        json(
            r#"[{"bn":"/3/0/","bt":100,"n":"9","v":1},{"n":"10","v":2,"t":-1},
               {"bn":"/4/0/","bt":5,"n":"2","v":3},{"t":1,"bv":10,"n":"3","v":4},{"n":"4","v":0.5}]"#
        )
        .unwrap(),
        "/3/0/9@100=Integer(1) /3/0/10@99=Integer(2) /4/0/2@5=Integer(3) \
         /4/0/3@6=Integer(14) /4/0/4@5=Float(10.5)"
    );
}

#[test]
fn names_may_lack_the_leading_slash_and_escape_it() {
    assert_eq!(
        json(r#"[{"bn":"3/0/","n":"9","v":1}]"#).unwrap(),
        "/3/0/9=Integer(1)"
    );
    assert_eq!(
        json(r#"[{"n":"\/3\/0\/9","v":1}]"#).unwrap(),
        "/3/0/9=Integer(1)"
    );
    assert_eq!(
        json(r#"[{"\u006e":"/3/0/9","v":1}]"#).unwrap(),
        "/3/0/9=Integer(1)"
    );
}

#[test]
fn numbers_fit_the_type_of_the_definition() {
    let number = |text: &str, wanted: Type| {
        let payload = format!(r#"[{{"n":"/3/0/9","v":{text}}}]"#);
        let types = |_| Some(wanted);
        decode_as(SENML_JSON, "/", payload.as_bytes(), &types)
    };
    assert_eq!(number("22", Type::Float).unwrap(), "/3/0/9=Float(22.0)");
    assert_eq!(
        number("2.2e1", Type::Integer).unwrap(),
        "/3/0/9=Integer(22)"
    );
    assert_eq!(
        number("22.0", Type::Unsigned).unwrap(),
        "/3/0/9=Unsigned(22)"
    );
    assert_eq!(
        number("1e9", Type::Time).unwrap(),
        "/3/0/9=Time(1000000000)"
    );
    for (text, wanted) in [
        ("22.5", Type::Integer),
        ("-1", Type::Unsigned),
        ("1e30", Type::Integer),
        ("1", Type::Boolean),
        ("1", Type::String),
    ] {
        let error = number(text, wanted).unwrap_err();
        assert_eq!(error.kind, DecodeErrorKind::InvalidValue(wanted), "{text}");
    }
}

#[test]
fn senml_json_that_breaks_a_rule_is_refused() {
    for payload in [
        "",
        "[",
        "{}",
        "[]x",
        r#"[{"n":"/3/0/9","v":1},]"#,
        r#"[{"n":"/3/0/9","v":1,"vs":"x"}]"#,
        r#"[{"n":"/3/0/9","x_":1}]"#,
        r#"[{"n":"/3/0/9","v":1,"bver":11}]"#,
        r#"[{"n":"/3/0/9","v":"1"}]"#,
        r#"[{"n":"/3/0/9","vd":"AQ!"}]"#,
        r#"[{"n":"/3/0/9","vlo":"3"}]"#,
        r#"[{"v":1}]"#,
        r#"[{"n":"/3/0/9" "v":1}]"#,
    ] {
        assert!(json(payload).is_err(), "{payload}");
    }
    assert_eq!(json(" [ ] ").unwrap(), "");
    assert_eq!(
        json(r#"[{"n":"/3/0/9","v":1,"x":{"y":[1,"2"]},"u":"%","ut":1}]"#).unwrap(),
        "/3/0/9=Integer(1)"
    );
}

#[test]
fn every_number_of_cbor_is_read() {
    // Tag 4 [-1, 224], half, float of an integer, negative, 64 bits.
    for (value, text) in [
        ("c4822018e0", "Float(22.4)"),
        ("f94d80", "Float(22.0)"),
        ("fa41b00000", "Float(22.0)"),
        ("3831", "Integer(-50)"),
        ("1bffffffffffffffff", "Unsigned(18446744073709551615)"),
        ("c11a5182428f", "Time(1367491215)"),
        ("d9d9f71864", "Integer(100)"),
        ("f6", "Null"),
    ] {
        let got = cbor(&format!("81a200662f332f302f3902{value}")).unwrap();
        assert_eq!(got, format!("/3/0/9={text}"), "{value}");
    }
    // Base time as a decimal fraction, as Leshan writes it.
    assert_eq!(
        cbor("81a322c4822019271000662f332f302f390201").unwrap(),
        "/3/0/9@1000=Integer(1)"
    );
}

#[test]
fn senml_cbor_of_indefinite_length_is_read() {
    assert!(
        cbor("9fbf007f632f332f632f302f6139ff0201ffff").is_err(),
        "the chunks join to two slashes"
    );
    assert_eq!(
        cbor("9fbf007f632f332f63302f39ff0201ffff").unwrap(),
        "/3/0/9=Integer(1)"
    );
}

#[test]
fn a_negative_time_beyond_53_bits_is_rounded_once() {
    let record = "81a20067".to_owned() + "2f332f302f3134" + "063b0023666666666685";
    assert_eq!(cbor(&record).unwrap(), "/3/0/14@-9964214175557254");
}

#[test]
fn a_second_name_of_a_record_is_refused() {
    let second = DecodeErrorKind::Unexpected("a second name");
    let error = json(r#"[{"n":"/3/0/9","v":1,"n":"/3/0/9"}]"#).unwrap_err();
    assert_eq!(error, DecodeError::new(21, second));
    // The first one is not even UTF-8.
    let error = cbor("81a30061ff0067 2f332f302f39 0201".replace(' ', "").as_str()).unwrap_err();
    assert_eq!(error, DecodeError::new(5, second));
    let oma = br#"{"bn":"/","e":[{"n":"3/0/9","n":"3/0/9","v":1}]}"#;
    let error = decode(ContentFormat::OMA_JSON, oma).unwrap_err();
    assert_eq!(error, DecodeError::new(28, second));
}

#[test]
fn senml_cbor_that_breaks_a_rule_is_refused() {
    for payload in [
        "",
        "a0",
        "81",
        "8101",
        "8000",
        "81a200662f332f302f39036131026131",
        "81a200662f332f302f390304",
        "81a200662f332f302f3962785f01",
        "81a300662f332f302f3902010203",
        "81a200662f332f302f3902c249010000000000000000",
        "81a200662f332f302f39021c",
    ] {
        assert!(cbor(payload).is_err(), "{payload}");
    }
}

#[test]
fn zephyrs_dates_and_links_are_read() {
    let types = |path: Path| {
        Some(match path.resource_id()? {
            13 => Type::Time,
            _ => Type::ObjectLink,
        })
    };
    let payload = common::hex("a183030005643a303a30");
    assert!(decode_as(LWM2M_CBOR, "/", &payload, &types).is_err());
    let payload = common::hex("a18303000564333a3000");
    assert_eq!(
        decode_as(LWM2M_CBOR, "/", &payload, &types).unwrap(),
        "/3/0/5=ObjectLink(ObjectLink { object: 3, instance: 0 })"
    );
    let payload = common::hex("c074323031332d30352d30325431303a34303a31355a");
    assert_eq!(
        decode_as(ContentFormat::CBOR, "/3/0/13", &payload, &types).unwrap(),
        "/3/0/13=Time(1367491215)"
    );
}

#[test]
fn tlv_is_read_with_and_without_its_containers() {
    assert_eq!(tlv("/3", "0300c10964").unwrap(), "/3/0/9=Integer(100)");
    assert_eq!(tlv("/3/0", "c10964").unwrap(), "/3/0/9=Integer(100)");
    assert_eq!(tlv("/3/0", "0300c10964").unwrap(), "/3/0/9=Integer(100)");
    assert_eq!(tlv("/3/0/6", "8306410101").unwrap(), "/3/0/6/1=Integer(1)");
    assert_eq!(tlv("/3/0/6", "410101").unwrap(), "/3/0/6/1=Integer(1)");
    assert_eq!(tlv("/3/0/6/1", "410101").unwrap(), "/3/0/6/1=Integer(1)");
    assert_eq!(
        tlv("/3/0/6/1", "8306410101").unwrap(),
        "/3/0/6/1=Integer(1)"
    );
    assert_eq!(tlv("/3/0", "").unwrap(), "");
    // Without a number the device will choose one.
    assert_eq!(
        tlv("/3", "c10964").unwrap(),
        format!("/3/{MAX_ID}/9=Integer(100)")
    );
}

#[test]
fn tlv_outside_its_base_or_its_container_is_refused() {
    for (base, hex) in [
        ("/3/1", "0300c10964"),
        ("/3/0/6", "c10964"),
        ("/3/0/6/1", "410201"),
        ("/3/0", "410201"),
        ("/3", "410201"),
        ("/3", "0300c10964c10964"),
        ("/3/0", "8309c10964"),
        ("/3/0", "8209410101"),
        ("/3/0", "c309010203"),
        ("/3/0", "c009"),
        ("/3/0", "c8"),
        ("/3/0", "e909"),
        ("/3/0", "d00901"),
    ] {
        assert!(tlv(base, hex).is_err(), "{base} {hex}");
    }
    assert!(tlv("/", "c10964").is_err());
    let error = tlv("/3/0", "c10964c30a01").unwrap_err();
    assert_eq!(error.offset, 6);
}

#[test]
fn a_record_outside_of_the_base_is_refused_on_request() {
    let payload = br#"[{"n":"/3/0/9","v":1},{"n":"/4/0/9","v":1}]"#;
    let mut decoder = Decoder::new(SENML_JSON, Path::object(3), payload, &NoTypes)
        .unwrap()
        .within_base();
    assert!(decoder.next().unwrap().is_ok());
    let error = decoder.next().unwrap().unwrap_err();
    assert_eq!(error.kind, DecodeErrorKind::OutsideBase);
    assert_eq!(decoder.next(), None);
}

#[test]
fn another_resource_instance_in_tlv_is_outside_of_the_one_that_was_asked_for() {
    // Resource 11 with the instances 0 and 5, for a request to instance 0.
    let payload = [0x86, 11, 0x41, 0, 1, 0x41, 5, 2];
    let base = Path::resource(3, 0, 11).child(0).unwrap();
    let decoder = || Decoder::new(ContentFormat::TLV, base, &payload, &NoTypes).unwrap();
    assert_eq!(decoder().filter(Result::is_ok).count(), 2);
    let mut strict = decoder().within_base();
    assert!(strict.next().unwrap().is_ok());
    let error = strict.next().unwrap().unwrap_err();
    assert_eq!(
        (error.offset, error.kind),
        (5, DecodeErrorKind::OutsideBase)
    );
    let mut seen = 0;
    let visited = decoder().within_base().visit(|_| {
        seen += 1;
        Ok::<(), lwm2m_codec::DecodeError>(())
    });
    assert!(visited.is_err() && seen == 1);
}

#[test]
fn oma_json_without_base_name_is_relative_to_the_request() {
    let payload = br#"{"e":[{"n":"9","v":1},{"n":"3","sv":"AQ=="}]}"#;
    let types = |path: Path| (path.resource_id() == Some(3)).then_some(Type::Opaque);
    assert_eq!(
        decode_as(ContentFormat(1543), "/3/0", payload, &types).unwrap(),
        "/3/0/9=Integer(1) /3/0/3=Opaque(0x01)"
    );
    for wrong in [&br#"{"bn":"/"}"#[..], br#"{"e":[}"#, br#"{"e":[]}]"#, b"[]"] {
        assert!(decode(ContentFormat::OMA_JSON, wrong).is_err());
    }
}

#[test]
fn a_single_value_lives_at_a_resource() {
    for format in [
        ContentFormat::TEXT,
        ContentFormat::OPAQUE,
        ContentFormat::CBOR,
    ] {
        let error = Decoder::new(format, Path::instance(3, 0), b"1", &NoTypes).err();
        assert_eq!(error.map(|e| e.kind), Some(DecodeErrorKind::InvalidPath));
        let error = encode(format, "/3/0", &[("/3/0/9", ONE)]).unwrap_err();
        assert!(matches!(error, EncodeError::NotExpressible { .. }));
    }
    let string = |_| Some(Type::String);
    assert!(decode_as(ContentFormat::OPAQUE, "/3/0/1", b"x", &string).is_err());
    assert!(decode_as(ContentFormat::CBOR, "/3/0/9", b"\x01\x01", &NoTypes).is_err());
    assert!(encode(ContentFormat::OPAQUE, "/3/0/9", &[("/3/0/9", ONE)]).is_err());
    assert!(encode(ContentFormat::TEXT, "/3/0/9", &[]).is_err());
}

#[test]
fn an_unknown_format_is_refused() {
    let format = ContentFormat(9999);
    assert_eq!(
        decode(format, b"").unwrap_err().kind,
        DecodeErrorKind::UnsupportedFormat(format)
    );
    assert_eq!(
        encode(format, "/", &[]),
        Err(EncodeError::UnsupportedFormat(format))
    );
}

#[test]
fn tlv_is_written_in_the_shape_of_its_base() {
    let ri = [("/3/0/6/1", ONE)];
    assert_eq!(
        encode(TLV, "/3", &ri).unwrap(),
        common::hex("05008306410101")
    );
    assert_eq!(encode(TLV, "/3/0", &ri).unwrap(), common::hex("8306410101"));
    assert_eq!(
        encode(TLV, "/3/0/6", &ri).unwrap(),
        common::hex("8306410101")
    );
    assert_eq!(encode(TLV, "/3/0/6/1", &ri).unwrap(), common::hex("410101"));
    assert_eq!(
        encode(TLV, "/3", &[("/3/65535/9", ONE)]).unwrap(),
        common::hex("c10901")
    );
    assert_eq!(
        encode(TLV, "/3/0", &[("/3/0", None)]).unwrap(),
        common::hex("")
    );
    assert_eq!(
        encode(
            TLV,
            "/3",
            &[("/3/0", None), ("/3/0/6", None), ("/3/1", None)]
        )
        .unwrap(),
        common::hex("020080060001")
    );
}

#[test]
fn records_in_the_wrong_order_or_place_are_refused() {
    let two = |format, a, b| encode(format, "/3", &[(a, ONE), (b, ONE)]).unwrap_err();
    for format in [TLV, LWM2M_CBOR] {
        let error = two(format, "/3/0/9", "/3/0/1");
        assert_eq!(
            error,
            EncodeError::OutOfOrder {
                path: path("/3/0/1")
            }
        );
        let error = two(format, "/3/0/9", "/3/0/9");
        assert_eq!(
            error,
            EncodeError::OutOfOrder {
                path: path("/3/0/9")
            }
        );
        let error = two(format, "/3/0/9", "/3/0/9/1");
        assert!(matches!(error, EncodeError::NotExpressible { .. }));
        let error = two(format, "/3/0/9", "/4/0/1");
        assert!(matches!(error, EncodeError::OutsideBase { .. }));
    }
    assert!(encode(TLV, "/", &[]).is_err());
    assert!(encode(TLV, "/3", &[("/3/0/9", Some(Value::Null))]).is_err());
    assert!(encode(SENML_JSON, "/", &[("/3/0/9", Some(Value::Float(f64::NAN)))]).is_err());
}

#[test]
fn senml_changes_its_base_name_where_it_must() {
    let text = |base, records: &[_]| String::from_utf8(encode(SENML_JSON, base, records).unwrap());
    assert_eq!(
        text("/3/0", &[("/3/0", None), ("/3/0/9", ONE)]).unwrap(),
        r#"[{"bn":"/3/0"},{"n":"/9","v":1}]"#
    );
    assert_eq!(
        text("/3/0", &[("/3/0/9", ONE), ("/3/0", None), ("/3/0/9", ONE)]).unwrap(),
        r#"[{"bn":"/3/0/","n":"9","v":1},{"bn":"/3/0"},{"n":"/9","v":1}]"#
    );
    assert_eq!(text("/3/0", &[]).unwrap(), "[]");
}

#[test]
fn a_record_of_the_root_keeps_the_base_name() {
    let records = [("/3/0/9", ONE), ("/", ONE), ("/4/0/2", ONE)];
    for format in [SENML_CBOR, SENML_JSON, ContentFormat::OMA_JSON] {
        let bytes = encode(format, "/", &records).unwrap();
        assert_eq!(
            decode(format, &bytes).unwrap(),
            "/3/0/9=Integer(1) /=Integer(1) /4/0/2=Integer(1)"
        );
    }
}

#[test]
fn counts_and_lengths_that_need_more_bytes_move_what_follows() {
    for format in [TLV, SENML_CBOR, LWM2M_CBOR] {
        let paths: Vec<String> = (0..300).map(|id| format!("/3303/0/{id}")).collect();
        let records: Vec<_> = paths.iter().map(|path| (path.as_str(), ONE)).collect();
        let mut buf = vec![0; 8192];
        let mut encoder = Encoder::new(format, Path::object(3303), &mut buf).unwrap();
        for (path, value) in &records {
            encoder
                .push(&Record::new(path.parse().unwrap(), value.unwrap()))
                .unwrap();
        }
        let len = encoder.finish().unwrap();
        let types = |_| Some(Type::Integer);
        let decoder = Decoder::new(format, Path::object(3303), &buf[..len], &types).unwrap();
        let decoded: Vec<String> = decoder.map(|r| r.unwrap().path.to_string()).collect();
        assert_eq!(decoded, paths, "{format}");
    }
}

#[test]
fn a_gateway_prefix_stands_in_front() {
    let mut buf = [0; 64];
    for (base, bytes) in [
        ("/3/0", "a183636430310300a10901"),
        ("/", "a163643031a103a100a10901"),
    ] {
        let mut encoder = Encoder::new(LWM2M_CBOR, path(base), &mut buf)
            .unwrap()
            .root("/d01");
        encoder
            .push(&Record::new(path("/3/0/9"), Value::Integer(1)))
            .unwrap();
        let len = encoder.finish().unwrap();
        assert_eq!(buf[..len], common::hex(bytes), "{base}");
        let mut decoder = Decoder::new(LWM2M_CBOR, Path::ROOT, &buf[..len], &NoTypes)
            .unwrap()
            .root("/d01");
        assert_eq!(decoder.next().unwrap().unwrap().path, path("/3/0/9"));
        assert_eq!(decoder.next(), None);
        let other = Decoder::new(LWM2M_CBOR, Path::ROOT, &buf[..len], &NoTypes).unwrap();
        assert!(other.root("/d02").next().unwrap().is_err());
    }
}

#[test]
fn an_object_link_is_written_in_decimals() {
    let link = Some(Value::ObjectLink(ObjectLink::NULL));
    let json = encode(SENML_JSON, "/65/0/1", &[("/65/0/1", link)]).unwrap();
    assert_eq!(json, br#"[{"bn":"/65/0/1","vlo":"65535:65535"}]"#);
}
