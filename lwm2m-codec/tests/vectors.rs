//! Every vector decodes to its meaning, encodes to its bytes, or is refused.

mod common;

use common::{Expected, Vector, borrowed, expected, group, to_expected, types};
use lwm2m_codec::{
    ContentFormat, DecodeError, Decoder, Encoder, NoTypes, Path, Record, TypeOf, link::Links,
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
