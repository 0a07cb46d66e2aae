//! The file EF LwM2M_Bootstrap: vectors, and what is written is read again.

use lwm2m_bootstrap::smartcard::{CardFile, CardObject, FileErrorKind, FileTooLong, Strictness};
use lwm2m_codec::{ContentFormat, Encoder, Path, Record, Value, Version};
use lwm2m_model::{OwnedValue, Registry};
use proptest::prelude::*;
use serde_json::Value as Json;

fn vectors() -> Vec<Json> {
    let all: Json = serde_json::from_str(include_str!("data/smartcard.json")).unwrap();
    all.as_array().unwrap().clone()
}

fn vector(id: &str) -> (Json, Vec<u8>) {
    let vector = vectors().into_iter().find(|v| v["id"] == id).unwrap();
    let bytes = hex(vector["data"].as_str().unwrap());
    (vector, bytes)
}

fn hex(text: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(digit).collect()
}

fn values(file: &CardFile) -> Vec<(Path, OwnedValue)> {
    let registry = Registry::core();
    let types = |path: Path| {
        let definition = registry.latest(path.object_id()?)?;
        definition.resource(path.resource_id()?)?.data_type
    };
    file.information(&types, None).unwrap().values
}

#[test]
fn every_vector_of_a_file_is_read_and_written_as_it_says() {
    let files = vectors();
    let files: Vec<&Json> = files
        .iter()
        .filter(|v| v["id"].as_str().unwrap().starts_with("sc-bootstrap"))
        .collect();
    assert_eq!(files.len(), 7);
    for vector in files {
        let id = vector["id"].as_str().unwrap();
        let bytes = hex(vector["data"].as_str().unwrap());
        let padded = id == "sc-bootstrap-padded";
        let strictness = match padded {
            true => Strictness::Lenient,
            false => Strictness::Strict,
        };
        let parsed = CardFile::parse(&bytes, strictness);
        assert_eq!(parsed.is_ok(), vector["ok"].as_bool().unwrap(), "{id}");
        let Ok(file) = parsed else { continue };
        let again = file.encode().unwrap();
        match vector["roundtrip"].as_bool().unwrap() {
            true => assert_eq!(*again, bytes, "{id}"),
            false => assert_eq!(*again, vector_bytes("sc-bootstrap-implicit"), "{id}"),
        }
    }
}

fn vector_bytes(id: &str) -> Vec<u8> {
    vector(id).1
}

#[test]
fn the_values_of_the_vectors_are_those_of_their_tables() {
    for id in ["sc-bootstrap-anjay-doc", "sc-bootstrap-implicit"] {
        let (vector, bytes) = vector(id);
        let file = CardFile::parse(&bytes, Strictness::Strict).unwrap();
        let found = values(&file);
        let mut expected = 0;
        for object in vector["decoded"]["objects"].as_array().unwrap() {
            for resource in object["resources"].as_array().unwrap() {
                let path: Path = resource[0].as_str().unwrap().parse().unwrap();
                let raw = hex(resource[1].as_str().unwrap());
                let value = found.iter().find(|(at, _)| *at == path);
                assert!(is_coded_as(value.unwrap().1.as_value(), &raw), "{path}");
                expected += 1;
            }
        }
        assert_eq!(found.len(), expected, "{id}");
    }
}

/// True if TLV has these bytes for a value.
fn is_coded_as(value: Value<'_>, raw: &[u8]) -> bool {
    let number = |number: i64| {
        let bytes = number.to_be_bytes();
        bytes.ends_with(raw) && bytes[..8 - raw.len()].iter().all(|byte| *byte == 0)
    };
    match value {
        Value::String(text) => text.chars().eq(std::str::from_utf8(raw).unwrap().chars()),
        Value::Opaque(bytes) => bytes.iter().eq(raw.iter().copied()),
        Value::Boolean(flag) => raw == [u8::from(flag)],
        Value::Integer(value) => number(value),
        Value::Unsigned(value) => number(i64::try_from(value).unwrap()),
        _ => false,
    }
}

#[test]
fn versions_are_told() {
    let file = CardFile::parse(&vector_bytes("sc-bootstrap-explicit"), Strictness::Strict).unwrap();
    let versions: Vec<_> = file.objects.iter().map(|o| (o.id, o.version)).collect();
    let version = Some(Version { major: 1, minor: 2 });
    assert_eq!(versions, [(0, version), (1, version)]);
}

#[test]
fn a_file_that_ends_anywhere_is_refused_with_the_offset_of_its_end() {
    let whole = vector_bytes("sc-bootstrap-explicit");
    for length in 0..whole.len() {
        for strictness in [Strictness::Strict, Strictness::Lenient] {
            let error = CardFile::parse(&whole[..length], strictness).unwrap_err();
            assert_eq!(error.offset, length, "{error}");
            assert!(matches!(error.kind, FileErrorKind::Truncated(_)), "{error}");
        }
    }
}

#[test]
fn what_is_wrong_is_told_with_its_offset() {
    let wrong = |bytes: &[u8]| CardFile::parse(bytes, Strictness::Strict).unwrap_err();
    let cases: [(&[u8], &str); 7] = [
        (
            &[0, 0, 0, 0, 0xff],
            "byte 4: there are bytes behind the content",
        ),
        (&[0xff; 8], "byte 0: the file is erased"),
        (
            &[0, 0, 0, 1, 7],
            "byte 4: the objects don't end where the size says",
        ),
        (
            &[0, 1, 0, 5, 0xff, 0xff, 0, 0, 0],
            "byte 4: 65535 is no object id",
        ),
        (
            &[0, 2, 0, 10, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0],
            "byte 9: object 1 comes twice",
        ),
        (
            &[0, 1, 0, 4, 0, 1, 0, 0],
            "byte 8: the file ends within a length",
        ),
        (
            &[0, 1, 0, 6, 0, 1, 0, 0, 1, 0xe0],
            "byte 10: the instances can't be decoded: ",
        ),
    ];
    for (bytes, text) in cases {
        let error = wrong(bytes).to_string();
        assert!(error.starts_with(text), "{error}");
    }
    assert_eq!(wrong(&vec![0; 32_769]).kind, FileErrorKind::TooLong);
}

#[test]
fn padding_and_an_erased_file_are_for_the_lenient() {
    let padded = vector_bytes("sc-bootstrap-padded");
    let error = CardFile::parse(&padded, Strictness::Strict).unwrap_err();
    assert_eq!((error.offset, error.kind), (240, FileErrorKind::Trailing));
    assert!(CardFile::parse(&padded, Strictness::Lenient).is_ok());
    let blank = CardFile::parse(&[0xff; 64], Strictness::Lenient);
    assert_eq!(blank, Ok(CardFile::default()));
}

#[test]
fn a_file_of_more_than_32_kb_is_not_made() {
    let object = |id, length| CardObject {
        id,
        version: None,
        instances: vec![0; length].into(),
    };
    let file = |objects| CardFile { objects };
    let long = file(vec![object(3, 65_536)]).encode().unwrap_err();
    assert_eq!(long, FileTooLong::Object(3));
    let long = file(vec![object(3, 20_000), object(4, 20_000)]).encode();
    assert_eq!(long.unwrap_err(), FileTooLong::File);
    let most = file(vec![object(3, 32_768 - 4 - 5)]).encode().unwrap();
    assert_eq!(most.len(), 32_768);
}

#[test]
fn keys_are_not_shown() {
    let file = CardFile::parse(&vector_bytes("sc-bootstrap-anjay-doc"), Strictness::Strict);
    let text = format!("{:?}", file.unwrap());
    assert!(text.contains("SecretBytes(94 bytes)"), "{text}");
}

/// An object with some instances of opaque resources.
fn objects() -> impl Strategy<Value = Vec<CardObject>> {
    let version = prop::option::of((1..=u8::MAX, any::<u8>()));
    let resource = (any::<u16>(), prop::collection::vec(any::<u8>(), 0..40));
    let instance = (
        0..0xffff_u16,
        prop::collection::btree_map(any::<u16>(), resource, 1..4),
    );
    let object = (version, prop::collection::vec(instance, 0..3));
    let map = prop::collection::btree_map(0..0xffff_u16, object, 0..4);
    map.prop_map(|objects| {
        type Content<I> = (Option<(u8, u8)>, Vec<I>);
        let object = |(id, (version, instances)): (u16, Content<_>)| {
            let instances: std::collections::BTreeMap<u16, _> = instances.into_iter().collect();
            let mut buf = vec![0; 4096];
            let base = Path::object(id);
            let mut encoder = Encoder::new(ContentFormat::TLV, base, &mut buf).unwrap();
            for (instance, resources) in &instances {
                let resources: &std::collections::BTreeMap<u16, (u16, Vec<u8>)> = resources;
                for (resource, (_, bytes)) in resources {
                    let path = Path::resource(id, *instance, *resource);
                    let record = Record::new(path, Value::opaque(bytes));
                    encoder.push(&record).unwrap();
                }
            }
            let length = encoder.finish().unwrap();
            CardObject {
                id,
                version: version.map(|(major, minor)| Version { major, minor }),
                instances: buf[..length].into(),
            }
        };
        objects.into_iter().map(object).collect()
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_again_and_written_the_same(
        objects in objects(),
        padding in prop::collection::vec(prop_oneof![Just(0_u8), Just(0xff)], 0..20),
    ) {
        let file = CardFile { objects };
        let bytes = file.encode().unwrap();
        let read = CardFile::parse(&bytes, Strictness::Strict).unwrap();
        prop_assert_eq!(&read, &file);
        prop_assert_eq!(&*read.encode().unwrap(), &*bytes);
        let padded = [&bytes[..], &padding].concat();
        prop_assert_eq!(CardFile::parse(&padded, Strictness::Lenient).unwrap(), file);
    }
}
