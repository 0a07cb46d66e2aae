//! Work grows with the length of the input and not faster, also for the worst inputs.
//!
//! Work is counted, not timed: how far a decoder has read after each record, and how often it asks
//! for a type. A decoder that went back over what it has read would show the same place twice.

use std::cell::Cell;

use lwm2m_codec::{ContentFormat, Decoder, Path, Type, link::Links};

/// A payload of `count` elements, made to be as bad as its kind can be.
type Payload = fn(usize) -> Vec<u8>;

const WORST: [(&str, ContentFormat, Payload); 9] = [
    ("short records", ContentFormat::SENML_JSON, |count| {
        let records = vec![r#"{"n":"3/0/9","v":1}"#; count];
        format!("[{}]", records.join(",")).into_bytes()
    }),
    ("a base name each", ContentFormat::SENML_JSON, |count| {
        let records = vec![r#"{"bn":"/3/0/","n":"9","vs":"\u0041"}"#; count];
        format!("[{}]", records.join(",")).into_bytes()
    }),
    ("fields to skip", ContentFormat::SENML_JSON, |count| {
        let skipped = [r#""x":[[[[1]]]]"#; 8].join(",");
        let records = vec![format!(r#"{{"n":"3/0/9","v":1,{skipped}}}"#); count];
        format!("[{}]", records.join(",")).into_bytes()
    }),
    ("indefinite lengths", ContentFormat::SENML_CBOR, |count| {
        let record = b"\xbf\x00\x7f\x62/3\x64/0/9\xff\x03\x7f\x61a\x61b\xff\xff";
        [b"\x9f", &record.repeat(count)[..], b"\xff"].concat()
    }),
    ("nested maps", ContentFormat::LWM2M_CBOR, |count| {
        let object = b"\x03\xbf\x00\xbf\x06\xbf\x01\x01\xff\xff\xff";
        [b"\xbf", &object.repeat(count)[..], b"\xff"].concat()
    }),
    ("long keys", ContentFormat::LWM2M_CBOR, |count| {
        let entry = b"\x9f\x03\x00\x06\x01\xff\x01";
        [b"\xbf", &entry.repeat(count)[..], b"\xff"].concat()
    }),
    ("containers", ContentFormat::TLV, |count| {
        b"\x86\x06\x41\x00\x01\x41\x01\x05".repeat(count)
    }),
    ("long lengths", ContentFormat::TLV, |count| {
        b"\xf8\x00\x09\x00\x00\x01\x01".repeat(count)
    }),
    (
        "records before their base",
        ContentFormat::OMA_JSON,
        |count| {
            let records = vec![r#"{"n":"9","v":1}"#; count];
            format!(r#"{{"e":[{}],"bn":"/3/0/"}}"#, records.join(",")).into_bytes()
        },
    ),
];

/// What a decoder did.
#[derive(Debug, PartialEq)]
struct Work {
    records: usize,
    lookups: usize,
    /// Places at which records ended, each further than the one before.
    advances: usize,
}

fn work(format: ContentFormat, payload: &[u8]) -> Work {
    let lookups = Cell::new(0);
    let types = |path: Path| {
        lookups.set(lookups.get() + 1);
        (path.resource_id() == Some(9)).then_some(Type::Integer)
    };
    let untyped = |_| {
        lookups.set(lookups.get() + 1);
        None
    };
    let base = Path::instance(3, 0);
    let decoder = Decoder::new(format, base, payload, &types).unwrap();
    let mut decoder = match decoder.clone().all(|record| record.is_ok()) {
        true => decoder,
        false => Decoder::new(format, base, payload, &untyped).unwrap(),
    };
    lookups.set(0);
    let (mut records, mut advances, mut last) = (0, 0, 0);
    while let Some(record) = decoder.next() {
        record.unwrap();
        records += 1;
        let at = offset(&decoder);
        assert!(at >= last && at <= payload.len(), "{at} after {last}");
        advances += usize::from(at > last);
        last = at;
    }
    Work {
        records,
        lookups: lookups.get(),
        advances,
    }
}

/// How far a decoder has read, as its `Debug` form says.
fn offset(decoder: &Decoder<'_>) -> usize {
    let text = format!("{decoder:?}");
    let (_, rest) = text.split_once("offset: ").unwrap();
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap()
}

#[test]
fn twice_the_payload_is_twice_the_work() {
    const COUNT: usize = 1000;
    for (name, format, payload) in WORST {
        let once = work(format, &payload(COUNT));
        let twice = work(format, &payload(2 * COUNT));
        assert!(once.records >= COUNT, "{name}: {once:?}");
        assert!(once.lookups <= once.records, "{name}: {once:?}");
        assert_eq!(twice.records, 2 * once.records, "{name}");
        assert!(
            twice.lookups <= 2 * once.lookups,
            "{name}: {once:?} {twice:?}"
        );
        assert_eq!(twice.advances, 2 * once.advances, "{name}");
    }
}

#[test]
fn links_are_read_once_each() {
    let payload = "</3/0>;a=\"\\\"\";b,".repeat(1000) + "</>";
    let targets = Links::new(payload.as_bytes()).map(|link| link.unwrap().target);
    // Each target lies behind the one before.
    let places: Vec<usize> = targets
        .map(|target| target.as_ptr() as usize - payload.as_ptr() as usize)
        .collect();
    assert_eq!(places.len(), 1001);
    assert!(places.is_sorted());
}

#[test]
fn bounds_stop_what_is_endless() {
    use lwm2m_codec::{DecodeErrorKind, MAX_RECORDS, NoTypes, link::MAX_LINKS};
    let limit = |payload: &[u8], format| {
        let result = Decoder::new(format, Path::instance(3, 0), payload, &NoTypes)
            .unwrap()
            .find_map(Result::err);
        result.map(|error| error.kind)
    };
    let records = |format: ContentFormat, element: &[u8], count: usize| {
        let exact = element.repeat(count);
        limit(&exact, format)
    };
    let exceeded = |what, limit| Some(DecodeErrorKind::LimitExceeded { what, limit });
    let element = b"\xc1\x09\x01";
    assert_eq!(records(ContentFormat::TLV, element, MAX_RECORDS), None);
    assert_eq!(
        records(ContentFormat::TLV, element, MAX_RECORDS + 1),
        exceeded("records", MAX_RECORDS)
    );
    for depth in [8, 9, 10, 100_000] {
        let json = format!(
            r#"[{{"n":"3","x":{}1{}}}]"#,
            "[".repeat(depth),
            "]".repeat(depth)
        );
        let cbor = [
            b"\x81\xa2\x00\x613\x18\x63",
            &b"\x81".repeat(depth)[..],
            b"\x01",
        ]
        .concat();
        let want = match depth {
            8 => None,
            _ => exceeded("nested values", 8),
        };
        assert_eq!(
            limit(json.as_bytes(), ContentFormat::SENML_JSON),
            want,
            "{depth}"
        );
        assert_eq!(
            limit(&cbor, ContentFormat::SENML_CBOR).is_some(),
            want.is_some(),
            "{depth}"
        );
    }
    let links = "</3>,".repeat(MAX_LINKS) + "</3>";
    let error = Links::new(links.as_bytes()).find_map(Result::err).unwrap();
    assert_eq!(Some(error.kind), exceeded("links", MAX_LINKS));
}
