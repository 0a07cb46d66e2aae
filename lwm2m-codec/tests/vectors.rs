//! Every vector decodes to its meaning, encodes to its bytes, or is refused.

mod common;

use common::{Expected, Vector, borrowed, expected, group, to_expected, types};
use lwm2m_codec::{
    Attributes, ContentFormat, DecodeError, DecodeErrorKind, Decoder, Encoder, NoTypes, Path,
    Record, TypeOf,
    arguments::{self, Arguments},
    coap::{self, Frame, Message, MessageWriter, Signal, SignalError, TcpMessage, TcpWriter},
    link::Links,
};

/// Where a single value of the vectors lives.
const SINGLE: &str = "/42769/0/1";

fn decode(vector: &Vector, base: Path, types: &dyn TypeOf) -> Result<Vec<Expected>, DecodeError> {
    let format = ContentFormat(vector.format.unwrap());
    Decoder::new(format, base, &vector.data, types)?
        .map(|record| Ok(to_expected(&record?, "")))
        .collect()
}

fn encode(format: ContentFormat, base: Path, records: &[Expected]) -> Vec<u8> {
    let mut buf = vec![0; 4096];
    let mut encoder = Encoder::new(format, base, &mut buf).unwrap();
    for (path, time, value) in records {
        encoder
            .push(&Record {
                path: path.parse().unwrap(),
                time: *time,
                value: value.as_ref().map(borrowed),
            })
            .unwrap();
    }
    let len = encoder.finish().unwrap();
    buf.truncate(len);
    buf
}

fn check_records(vector: &Vector, base: Path) {
    let id = &vector.id;
    if !vector.ok {
        let types = |_| None;
        assert!(decode(vector, base, &types).is_err(), "{id} must fail");
        return;
    }
    let want = expected(&vector.decoded);
    let types = types(&want);
    let got = decode(vector, base, &types);
    assert_eq!(got.as_ref(), Ok(&want), "{id}");
    if vector.roundtrip {
        let format = ContentFormat(vector.format.unwrap());
        let bytes = encode(format, base, &want);
        assert_eq!(
            String::from_utf8_lossy(&bytes),
            String::from_utf8_lossy(&vector.data),
            "{id}"
        );
        assert_eq!(bytes, vector.data, "{id}");
    }
}

#[test]
fn tlv_vectors() {
    for vector in group("tlv") {
        let base = vector.path.parse().unwrap();
        if vector.id.starts_with("tlv-own-bool") {
            // What is wrong with these two is their type.
            let types = |_| Some(lwm2m_codec::Type::Boolean);
            assert!(decode(&vector, base, &types).is_err(), "{}", vector.id);
            continue;
        }
        check_records(&vector, base);
    }
}

#[test]
fn single_value_vectors() {
    let base: Path = SINGLE.parse().unwrap();
    for mut vector in group("single") {
        if vector.ok {
            vector.decoded[0][0] = SINGLE.into();
            check_records(&vector, base);
            continue;
        }
        // The type that the text is no value of stands in its id.
        let types = |_| {
            Some(match vector.id.as_str() {
                "text-err-bool" => lwm2m_codec::Type::Boolean,
                "text-err-int" | "text-err-intfloat" => lwm2m_codec::Type::Integer,
                "text-err-lnk" => lwm2m_codec::Type::ObjectLink,
                "text-err-b64" => lwm2m_codec::Type::Opaque,
                other => panic!("unknown vector {other}"),
            })
        };
        assert!(decode(&vector, base, &types).is_err(), "{}", vector.id);
    }
}

#[test]
fn link_format_vectors() {
    for vector in group("link") {
        let links: Result<Vec<String>, DecodeError> = Links::new(&vector.data)
            .map(|link| {
                let link = link?;
                let path = link.path().map(|path| path.to_string());
                let mut text = path.unwrap_or(link.target.into());
                for (name, value) in link.params() {
                    text = match value {
                        None => format!("{text};{name}"),
                        Some(value) if matches!(name, "rt" | "uri") => {
                            format!("{text};{name}=\"{value}\"")
                        }
                        Some(value) if value.chars().any(|c| c == ' ') => {
                            format!("{text};{name}=\"{value}\"")
                        }
                        Some(value) => format!("{text};{name}={value}"),
                    };
                }
                Ok(text)
            })
            .collect();
        match vector.ok {
            false => assert!(links.is_err(), "{}", vector.id),
            true => {
                let want: Vec<String> =
                    serde_json::from_value(vector.decoded["links"].clone()).unwrap();
                assert_eq!(links, Ok(want), "{}", vector.id);
            }
        }
        if vector.roundtrip {
            assert_eq!(rewritten_links(&vector.data), vector.data, "{}", vector.id);
        }
    }
}

fn rewritten_links(data: &[u8]) -> Vec<u8> {
    let mut buf = vec![0; data.len()];
    let mut writer = lwm2m_codec::link::LinkWriter::new(&mut buf);
    for link in Links::new(data).map(Result::unwrap) {
        writer.link(link.path().unwrap()).unwrap();
        for (name, value) in link.params() {
            writer.attr(name, value.unwrap()).unwrap();
        }
    }
    let len = writer.finish().unwrap();
    buf.truncate(len);
    buf
}

#[test]
fn without_types_a_tlv_value_is_opaque() {
    let vector = group("tlv").remove(0);
    let base = vector.path.parse().unwrap();
    let records = decode(&vector, base, &NoTypes).unwrap();
    assert!(
        records
            .iter()
            .all(|(_, _, value)| matches!(value, Some(common::Owned::Bytes(_))))
    );
}

/// Vectors that are printed with blanks, which no encoder writes: their records are encoded and
/// decoded again instead.
const PRINTED_WITH_BLANKS: [&str; 2] = ["senml-json-fetch-bn", "senml-json-bspack"];

#[test]
fn senml_json_vectors() {
    for mut vector in group("senml-json") {
        match vector.id.as_str() {
            id if PRINTED_WITH_BLANKS.contains(&id) => {
                vector.roundtrip = false;
                check_records(&vector, Path::ROOT);
                let want = expected(&vector.decoded);
                vector.data = encode(ContentFormat::SENML_JSON, Path::ROOT, &want);
                check_records(&vector, Path::ROOT);
            }
            "senml-json-history" => check_history(&vector),
            "senml-json-gateway" => check_gateway(&vector),
            "senml-json-alt-path" => {
                let types = |_| None;
                let records: Result<Vec<Expected>, DecodeError> =
                    Decoder::new(ContentFormat::SENML_JSON, Path::ROOT, &vector.data, &types)
                        .unwrap()
                        .root("/lwm2m")
                        .map(|record| Ok(to_expected(&record?, "")))
                        .collect();
                assert_eq!(records, Ok(expected(&vector.decoded)), "{}", vector.id);
                assert!(decode(&vector, Path::ROOT, &types).is_err());
            }
            // Its meaning is what the device does with it; these are the records.
            "senml-json-write-34" => {
                vector.decoded = serde_json::json!([
                    ["/34/0/1/1", "string", "Yellow"],
                    ["/34/0/1/3", "string", "Blue"]
                ]);
                check_records(&vector, Path::ROOT);
            }
            "senml-json-gateway-fetch-as-printed" => {
                // Not the prefix is wrong, but the two slashes that join.
                let format = ContentFormat::SENML_JSON;
                let mut decoder = Decoder::new(format, Path::ROOT, &vector.data, &NoTypes)
                    .unwrap()
                    .any_root();
                assert!(decoder.next().unwrap().is_ok());
                assert_eq!(
                    decoder.next().unwrap().unwrap_err().kind,
                    DecodeErrorKind::InvalidPath
                );
                assert_eq!(decoder.next(), None);
            }
            // A Send names no path of its own.
            "senml-json-send" => check_records(&vector, Path::ROOT),
            _ => check_records(&vector, base(&vector)),
        }
    }
}

fn base(vector: &Vector) -> Path {
    vector.path.parse().unwrap_or(Path::ROOT)
}

/// The base name and the base time of this vector are not those of its request.
fn check_history(vector: &Vector) {
    let want = expected(&vector.decoded);
    let types = types(&want);
    assert_eq!(decode(vector, base(vector), &types).as_ref(), Ok(&want));
    let mut buf = vec![0; 512];
    let mut encoder = Encoder::new(ContentFormat::SENML_JSON, Path::object(72), &mut buf)
        .unwrap()
        .base_time(25_462_634.0);
    for (path, time, value) in &want {
        let record = Record {
            path: path.parse().unwrap(),
            time: *time,
            value: value.as_ref().map(borrowed),
        };
        encoder.push(&record).unwrap();
    }
    let len = encoder.finish().unwrap();
    assert_eq!(
        String::from_utf8_lossy(&buf[..len]),
        String::from_utf8_lossy(&vector.data)
    );
}

/// Decodes with any root, and encodes with the one found.
fn check_gateway(vector: &Vector) {
    let format = ContentFormat(vector.format.unwrap());
    let want = expected(&vector.decoded);
    let types = types(&want);
    let mut decoder = Decoder::new(format, Path::ROOT, &vector.data, &types)
        .unwrap()
        .any_root();
    let mut records = Vec::new();
    let mut roots = Vec::new();
    while let Some(record) = decoder.next() {
        let root = format!("/{}", decoder.last_root().unwrap());
        records.push(to_expected(&record.unwrap(), &root));
        roots.push(root);
    }
    assert_eq!(records, want, "{}", vector.id);
    if vector.roundtrip {
        let mut buf = vec![0; 512];
        let mut encoder = Encoder::new(format, Path::instance(3303, 0), &mut buf)
            .unwrap()
            .root(&roots[0]);
        for (path, time, value) in &records {
            let path = path
                .strip_prefix(roots[0].as_str())
                .unwrap()
                .parse()
                .unwrap();
            let value = value.as_ref().map(borrowed);
            let time = *time;
            encoder.push(&Record { path, time, value }).unwrap();
        }
        let len = encoder.finish().unwrap();
        assert_eq!(buf[..len], vector.data, "{}", vector.id);
    }
}

#[test]
fn senml_cbor_vectors() {
    for vector in group("senml-cbor") {
        if vector.id == "senml-cbor-rfc8428-ex3" {
            // Its names are no LwM2M paths, which is what decoding must say.
            let error = decode(&vector, Path::ROOT, &NoTypes).unwrap_err();
            assert_eq!(error.kind, DecodeErrorKind::InvalidPath);
            continue;
        }
        check_records(&vector, base(&vector));
    }
}

#[test]
fn oma_json_vectors() {
    let hierarchy = group("senml-json")
        .into_iter()
        .find(|vector| vector.id == "senml-json-hierarchy-65");
    for mut vector in group("oma-json") {
        if vector.id == "oma-json-hierarchy-65" {
            vector.decoded = hierarchy.as_ref().unwrap().decoded.clone();
        }
        check_records(&vector, base(&vector));
    }
}

#[test]
fn lwm2m_cbor_vectors() {
    for vector in group("lwm2m-cbor") {
        match vector.id.as_str() {
            "lwc-gateway" => check_gateway(&vector),
            _ => check_records(&vector, base(&vector)),
        }
    }
}

#[test]
fn query_vectors() {
    for vector in group("query") {
        let text = std::str::from_utf8(&vector.data).unwrap();
        let id = vector.id.as_str();
        match id.split_once('-').unwrap().0 {
            "attr" => check_attributes(&vector, text),
            "exec" => check_arguments(&vector),
            "reg" | "bs" | "bspack" => check_uri(&vector, text),
            other => panic!("unknown kind of vector {other}"),
        }
    }
}

fn check_attributes(vector: &Vector, text: &str) {
    let attributes = Attributes::parse(text.split('&'));
    let valid = attributes.is_ok_and(|attributes| attributes.is_consistent());
    assert_eq!(valid, vector.ok, "{}", vector.id);
    if !vector.ok {
        return;
    }
    let want = vector.decoded.as_object().unwrap();
    let set = want.values().filter(|value| !value.is_null()).count();
    let attributes = attributes.unwrap();
    assert_eq!(attributes.iter().count(), set, "{}", vector.id);
    for (name, value) in want {
        let got = match name.as_str() {
            "pmin" => attributes.pmin.map(f64::from),
            "pmax" => attributes.pmax.map(f64::from),
            "gt" => attributes.gt,
            "lt" => attributes.lt,
            "st" => attributes.st,
            other => panic!("unknown attribute {other}"),
        };
        assert_eq!(got, value.as_f64(), "{} {name}", vector.id);
    }
}

fn check_arguments(vector: &Vector) {
    let parsed = Arguments::parse(&vector.data);
    assert_eq!(parsed.is_ok(), vector.ok, "{}", vector.id);
    if !vector.ok {
        return;
    }
    let parsed = parsed.unwrap();
    let want: Vec<(u8, Option<String>)> =
        serde_json::from_value(vector.decoded["args"].clone()).unwrap();
    let want: Vec<_> = want
        .iter()
        .map(|(digit, value)| (*digit, value.as_deref()))
        .collect();
    assert_eq!(parsed.iter().collect::<Vec<_>>(), want, "{}", vector.id);
    let mut buf = [0; 64];
    let len = arguments::write(parsed.iter(), &mut buf).unwrap();
    assert_eq!(buf[..len], vector.data, "{}", vector.id);
}

/// Sends the URI through a message and reads its queries back.
fn check_uri(vector: &Vector, text: &str) {
    let (path, query) = text.strip_prefix('/').unwrap().split_once('?').unwrap();
    let mut buf = [0; 128];
    let kind = coap::MessageType::Confirmable;
    let id = coap::MessageId(1);
    let mut writer =
        MessageWriter::new(&mut buf, kind, coap::Code::POST, id, coap::Token::EMPTY).unwrap();
    writer
        .option(coap::OptionNumber::URI_PATH, path.as_bytes())
        .unwrap();
    for segment in query.split('&') {
        writer
            .option(coap::OptionNumber::URI_QUERY, segment.as_bytes())
            .unwrap();
    }
    let len = writer.finish();
    let message = Message::parse(&buf[..len]).unwrap();
    assert!(message.uri_path().eq([Some(path)]));
    let got: serde_json::Map<String, serde_json::Value> = message
        .uri_query()
        .map(|query| match query.unwrap().split_once('=') {
            Some((name, value)) => (name.into(), value.into()),
            None => (query.unwrap().into(), serde_json::Value::Null),
        })
        .collect();
    assert_eq!(
        serde_json::Value::Object(got),
        vector.decoded,
        "{}",
        vector.id
    );
}

#[test]
fn coap_vectors() {
    /// A user data header and a WSP push stand before this message.
    const WAP_HEADER: usize = 13;
    for vector in group("coap") {
        let data = match vector.id.as_str() {
            "coap-sms-trigger-wap" => &vector.data[WAP_HEADER..],
            _ => &vector.data,
        };
        let message = Message::parse(data);
        assert_eq!(message.is_ok(), vector.ok, "{}", vector.id);
        let Ok(message) = message else { continue };
        let mut buf = vec![0; data.len()];
        let mut writer = MessageWriter::new(
            &mut buf,
            message.message_type(),
            message.code(),
            message.id(),
            message.token(),
        )
        .unwrap();
        for option in message.options() {
            writer.option(option.number, option.value).unwrap();
        }
        let len = writer.payload(message.payload()).unwrap();
        assert_eq!(&buf[..len], data, "{}", vector.id);
    }
}

/// Only the first bytes of a message of 306 bytes are printed.
const CUT: &str = "tcp-own-len269";

#[test]
fn coap_tcp_vectors() {
    for mut vector in group("coap-tcp") {
        if vector.id == CUT {
            let max = 1152;
            assert_eq!(
                Frame::find(&vector.data, max),
                Ok(Frame::Incomplete { missing: 298 })
            );
            vector.data.resize(306, b'a');
        }
        let len = vector.data.len();
        assert_eq!(
            Frame::find(&vector.data, len),
            Ok(Frame::Complete { len }),
            "{}",
            vector.id
        );
        let message = TcpMessage::parse(&vector.data).unwrap();
        let mut buf = vec![0; len];
        let mut writer = TcpWriter::new(&mut buf, message.code(), message.token()).unwrap();
        for option in message.options() {
            writer.option(option.number, option.value).unwrap();
        }
        assert_eq!(writer.payload(message.payload()), Ok(len), "{}", vector.id);
        assert_eq!(buf, vector.data, "{}", vector.id);
        check_signal(&vector.id, &message);
    }
}

/// What the vectors' texts say of their messages.
fn check_signal(id: &str, message: &TcpMessage<'_>) {
    let capabilities = |max_message_size, block_wise| {
        Some(Ok(Signal::Capabilities {
            max_message_size,
            block_wise,
        }))
    };
    let want: Option<Result<Signal, SignalError>> = match id {
        "tcp-8323-ping" => Some(Ok(Signal::Ping { custody: false })),
        "tcp-8323-pong" => Some(Ok(Signal::Pong { custody: false })),
        "tcp-own-csm" => capabilities(Some(1152), true),
        "tcp-own-csm-empty" => capabilities(None, false),
        "tcp-own-abort" => Some(Ok(Signal::Abort {
            bad_csm_option: Some(2),
        })),
        "tcp-8323-203" | "tcp-own-len13" | CUT => None,
        other => panic!("unknown vector {other}"),
    };
    assert_eq!(message.signal(), want, "{id}");
}

/// Vectors of the published set that are not in the file of this crate: how their ids begin, how
/// many there are, and why.
const EXCEPTIONS: [(&str, usize, &str); 4] = [
    (
        "sc",
        11,
        "files of smartcards: lwm2m-bootstrap/tests/smartcard_file.rs",
    ),
    (
        "kdf",
        2,
        "key derivation: lwm2m-bootstrap/tests/cellular_keys.rs",
    ),
    (
        "mqtt",
        4,
        "the transport over MQTT, which this project does not have",
    ),
    ("pid", 3, "profile ids: lwm2m-server reads them as text"),
];

/// The groups that the tests of this file check.
const CHECKED: [&str; 10] = [
    "coap",
    "coap-tcp",
    "link",
    "lwm2m-cbor",
    "oma-json",
    "query",
    "senml-cbor",
    "senml-json",
    "single",
    "tlv",
];

/// Vectors of the published set.
const ALL: usize = 235;

#[test]
fn every_vector_is_checked_except_those_of_other_crates() {
    let all = common::all();
    for (name, count, why) in EXCEPTIONS {
        println!("not checked here: {count} vectors {name}-*: {why}");
        let prefix = format!("{name}-");
        assert!(all.iter().all(|vector| !vector.id.starts_with(&prefix)));
    }
    let excepted: usize = EXCEPTIONS.iter().map(|(_, count, _)| count).sum();
    assert_eq!(all.len() + excepted, ALL);
    let checked: usize = CHECKED.iter().map(|name| group(name).len()).sum();
    assert_eq!(checked, all.len(), "a group has no test");
}
