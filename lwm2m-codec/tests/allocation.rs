//! Neither decoding nor encoding allocates, in any format.
#![allow(unsafe_code)]

mod common;

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

use lwm2m_codec::{
    ContentFormat, DecodeError, Decoder, Encoder, ObjectLink, Path, Record, Type, TypeOf, Value,
    coap::{Message, MessageWriter},
    transcode,
};

/// Counts the allocations of each thread.
struct Counting;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.with(|count| count.set(count.get() + 1));
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations(work: impl FnOnce()) -> usize {
    let before = COUNT.with(Cell::get);
    work();
    COUNT.with(Cell::get) - before
}

/// Types of the resources of object 3.
fn device(path: Path) -> Option<Type> {
    Some(match path.resource_id()? {
        0..=3 | 14..=16 => Type::String,
        6..=11 => Type::Integer,
        13 => Type::Time,
        _ => return None,
    })
}

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

/// Encodes and decodes records both ways, and counts the allocations of each.
fn through(
    format: ContentFormat,
    base: Path,
    records: &[Record<'_>],
    types: &dyn TypeOf,
) -> [usize; 4] {
    let (mut buf, mut one_by_one) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    let (mut len, mut count) = (0, 0);
    let pushing = allocations(|| {
        let mut encoder = Encoder::new(format, base, &mut one_by_one).unwrap();
        for record in records {
            encoder.push(record).unwrap();
        }
        encoder.finish().unwrap();
    });
    let pushing_all = allocations(|| {
        let mut encoder = Encoder::new(format, base, &mut buf).unwrap();
        encoder.push_all(records).unwrap();
        len = encoder.finish().unwrap();
    });
    let iterating = allocations(|| {
        let decoder = Decoder::new(format, base, &buf[..len], types).unwrap();
        assert!(decoder.map(Result::unwrap).eq(records.iter().copied()));
    });
    let visiting = allocations(|| {
        let mut decoder = Decoder::new(format, base, &buf[..len], types).unwrap();
        let visited = decoder.visit(|record| {
            assert_eq!(Some(&record), records.get(count));
            count += 1;
            Ok::<(), DecodeError>(())
        });
        visited.unwrap();
    });
    assert_eq!(count, records.len(), "{format}");
    [pushing, pushing_all, iterating, visiting]
}

#[test]
fn the_device_object_is_decoded_and_encoded_without_allocation() {
    let tlv = common::group("tlv").remove(0).data;
    let base = Path::instance(3, 0);
    let records: Vec<Record<'_>> = Decoder::new(ContentFormat::TLV, base, &tlv, &device)
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(records.len(), 16);
    for format in TREES {
        assert_eq!(through(format, base, &records, &device), [0; 4], "{format}");
        let mut buf = [0; 512];
        let mut encoder = Encoder::new(format, base, &mut buf).unwrap();
        encoder.push_all(&records).unwrap();
        let len = encoder.finish().unwrap();
        let mut other = [0; 512];
        let transcoding = allocations(|| {
            let decoder = Decoder::new(format, base, &buf[..len], &device).unwrap();
            let encoder = Encoder::new(ContentFormat::TLV, base, &mut other).unwrap();
            assert_eq!(transcode(decoder, encoder), Ok(tlv.len()));
        });
        assert_eq!(transcoding, 0, "{format}");
        assert_eq!(other[..tlv.len()], tlv, "{format}");
    }
    // The counter does count.
    assert_eq!(allocations(|| drop(std::hint::black_box(Box::new(1)))), 1);
}

#[test]
fn values_of_every_type_are_decoded_and_encoded_without_allocation() {
    let opaque = [7; 5000];
    let values = [
        Value::string("with \"quotes\" and é"),
        Value::Integer(i64::MIN),
        Value::Unsigned(u64::MAX),
        Value::Float(0.1),
        Value::Float(6.02e23),
        Value::Boolean(true),
        Value::opaque(&opaque),
        Value::Time(1_700_000_000),
        Value::ObjectLink(ObjectLink::new(3, 0)),
        Value::CoreLink("</3/0>".into()),
    ];
    let base = Path::instance(33333, 0);
    let records: Vec<_> = (0u16..)
        .zip(values)
        .map(|(id, value)| Record::new(Path::resource(33333, 0, id * 300), value))
        .collect();
    let types = |path: Path| {
        let value = values.get(usize::from(path.resource_id()? / 300))?;
        value.data_type()
    };
    for format in TREES {
        assert_eq!(through(format, base, &records, &types), [0; 4], "{format}");
    }
    for (format, value) in [
        (ContentFormat::TEXT, Value::Float(0.1)),
        (ContentFormat::OPAQUE, Value::opaque(&opaque)),
        (ContentFormat::CBOR, Value::string("text")),
    ] {
        let path = Path::resource(33333, 0, 0);
        let types = |_: Path| value.data_type();
        let record = [Record::new(path, value)];
        assert_eq!(through(format, path, &record, &types), [0; 4], "{format}");
    }
}

#[test]
fn coap_messages_are_parsed_and_written_without_allocation() {
    let data = b"\x44\x02\x12\x34abcd\xb2rd\x11\x28\x35ep=ab\x03b=U\xff</1/0>";
    let mut buf = [0; 64];
    let mut len = 0;
    let count = allocations(|| {
        let message = Message::parse(data).unwrap();
        let (kind, code, id) = (message.message_type(), message.code(), message.id());
        let mut writer = MessageWriter::new(&mut buf, kind, code, id, message.token()).unwrap();
        for option in message.options() {
            writer.option(option.number, option.value).unwrap();
        }
        len = writer.payload(message.payload()).unwrap();
    });
    assert_eq!(&buf[..len], data);
    assert_eq!(count, 0);
}
