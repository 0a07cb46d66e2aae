//! Neither decoding nor encoding allocates.
#![allow(unsafe_code)]

mod common;

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

use lwm2m_codec::{ContentFormat, Decoder, Encoder, Path, Record, Type, transcode};

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

#[test]
fn the_device_object_is_decoded_and_encoded_without_allocation() {
    let tlv = common::group("tlv").remove(0).data;
    let base = Path::instance(3, 0);
    let records: Vec<Record<'_>> = Decoder::new(ContentFormat::TLV, base, &tlv, &device)
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(records.len(), 16);
    for format in [
        ContentFormat::TLV,
        ContentFormat::SENML_JSON,
        ContentFormat::SENML_CBOR,
        ContentFormat::OMA_JSON,
        ContentFormat::LWM2M_CBOR,
    ] {
        let mut buf = [0; 512];
        let mut len = 0;
        let encoding = allocations(|| {
            let mut encoder = Encoder::new(format, base, &mut buf).unwrap();
            for record in &records {
                encoder.push(record).unwrap();
            }
            len = encoder.finish().unwrap();
        });
        let decoding = allocations(|| {
            let decoder = Decoder::new(format, base, &buf[..len], &device).unwrap();
            assert!(decoder.map(Result::unwrap).eq(records.iter().copied()));
        });
        assert_eq!((encoding, decoding), (0, 0), "{format}");
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
