//! The loops for usual records do the same as the calls for one record.

use lwm2m_codec::{
    ContentFormat, DecodeError, Decoder, EncodeError, Encoder, ObjectLink, Path, Record, Type,
    Value,
};
use proptest::{collection, prelude::*};

const FORMATS: [ContentFormat; 7] = [
    ContentFormat::TLV,
    ContentFormat::SENML_JSON,
    ContentFormat::SENML_CBOR,
    ContentFormat::SENML_ETCH_JSON,
    ContentFormat::SENML_ETCH_CBOR,
    ContentFormat::OMA_JSON,
    ContentFormat::LWM2M_CBOR,
];

const TYPES: [Type; 9] = [
    Type::String,
    Type::Integer,
    Type::Float,
    Type::Boolean,
    Type::Time,
    Type::Unsigned,
    Type::Opaque,
    Type::ObjectLink,
    Type::CoreLink,
];

/// Any instance of any object: the id of a resource tells its type.
fn type_of(path: Path) -> Option<Type> {
    match path.resource_id()? {
        // A resource of which nothing is known.
        39 => None,
        id => TYPES.get(usize::from(id) % TYPES.len()).copied(),
    }
}

/// What a record is made of.
#[derive(Debug, Clone)]
struct Seed {
    path: Path,
    number: i64,
    text: String,
    time: Option<f64>,
    /// A record without a value, now and then.
    is_place: bool,
}

fn seed() -> impl Strategy<Value = Seed> {
    let instance = prop_oneof![20 => Just(0u16), 1 => 0..3u16];
    let resource = prop_oneof![12 => 0..40u16, 1 => any::<u16>()];
    let ri = prop_oneof![2 => Just(None), 1 => (0..4u16).prop_map(Some), 1 => any::<u16>().prop_map(Some)];
    let number = prop_oneof![-300..300i64, any::<i64>(), any::<i32>().prop_map(i64::from)];
    let text = prop_oneof![4 => "[ -~]{0,40}", 1 => ".{0,10}", 1 => "[a-z]{200,300}"];
    let time = prop_oneof![8 => Just(None), 1 => (0..2_000_000_000u32).prop_map(|t| Some(f64::from(t) / 4.0))];
    let place = prop_oneof![15 => Just(false), 1 => Just(true)];
    (instance, resource, ri, number, text, time, place).prop_map(
        |(instance, resource, ri, number, text, time, is_place)| Seed {
            path: match ri {
                None => Path::resource(3, instance, resource),
                Some(ri) => Path::resource_instance(3, instance, resource, ri),
            },
            number,
            text,
            time,
            is_place,
        },
    )
}

/// Seeds in path order, but for one in ten lists; with one time for all, or with none.
fn seeds() -> impl Strategy<Value = Vec<Seed>> {
    (collection::vec(seed(), 0..24), 0..10u8, 0..4u8).prop_map(|(mut seeds, order, times)| {
        if order > 0 {
            seeds.sort_by_key(|seed| seed.path);
            seeds.dedup_by_key(|seed| seed.path);
            // A resource is either a value or has instances.
            seeds.dedup_by(|later, earlier| earlier.path.contains(&later.path));
        }
        match times {
            0 => {}
            1 => seeds.iter_mut().for_each(|seed| seed.time = Some(1.7e9)),
            _ => seeds.iter_mut().for_each(|seed| seed.time = None),
        }
        seeds
    })
}

fn record(seed: &Seed) -> Record<'_> {
    let number = seed.number;
    let value = match type_of(seed.path).unwrap_or(Type::Integer) {
        Type::String => Value::string(&seed.text),
        Type::CoreLink => Value::CoreLink(seed.text.as_str().into()),
        Type::Opaque => Value::opaque(seed.text.as_bytes()),
        Type::Integer => Value::Integer(number),
        Type::Time => Value::Time(number),
        Type::Unsigned => Value::Unsigned(number.unsigned_abs()),
        Type::Boolean => Value::Boolean(number & 1 == 1),
        Type::ObjectLink => Value::ObjectLink(ObjectLink::new(number as u16, 7)),
        Type::Float => Value::Float(match number & 7 {
            0 => f64::from_bits(number as u64),
            1 => f64::from(f32::from_bits(number as u32)),
            2 | 3 => (number >> 3) as f64 / 1e3,
            4 => (number >> 40) as f64 / 1e6,
            _ => (number >> 3) as f64 / 8.0,
        }),
    };
    Record {
        path: seed.path,
        time: seed.time,
        value: (!seed.is_place).then_some(value),
    }
}

/// How many bytes were written, and which.
type Encoded = Result<Vec<u8>, EncodeError>;

fn encode(
    format: ContentFormat,
    base: Path,
    size: usize,
    base_time: Option<f64>,
    push: impl FnOnce(&mut Encoder<'_>) -> Result<(), EncodeError>,
) -> Encoded {
    let mut buf = vec![0; size];
    let mut encoder = Encoder::new(format, base, &mut buf)?;
    if let Some(time) = base_time {
        encoder = encoder.base_time(time);
    }
    push(&mut encoder)?;
    let len = encoder.finish()?;
    buf.truncate(len);
    Ok(buf)
}

/// All records up to the first error, as text: NaN is not equal to itself.
fn one_by_one(decoder: Result<Decoder<'_>, DecodeError>) -> Vec<String> {
    let decoder = match decoder {
        Ok(decoder) => decoder,
        Err(error) => return vec![error.to_string()],
    };
    decoder.map(|record| format!("{record:?}")).collect()
}

fn by_visit(decoder: Result<Decoder<'_>, DecodeError>) -> Vec<String> {
    let mut decoder = match decoder {
        Ok(decoder) => decoder,
        Err(error) => return vec![error.to_string()],
    };
    let mut all = Vec::new();
    let end = decoder.visit(|record| {
        all.push(format!("{:?}", Ok::<_, DecodeError>(record)));
        Ok(())
    });
    if let Err(error) = end {
        all.push(format!("{:?}", Err::<Record<'_>, DecodeError>(error)));
    }
    assert_eq!(decoder.next(), None, "nothing is left");
    all
}

fn assert_same(format: ContentFormat, base: Path, payload: &[u8]) -> Result<(), TestCaseError> {
    for within in [false, true] {
        let decoder = || {
            let decoder = Decoder::new(format, base, payload, &type_of);
            match within {
                true => decoder.map(Decoder::within_base),
                false => decoder,
            }
        };
        prop_assert_eq!(by_visit(decoder()), one_by_one(decoder()), "{}", format);
    }
    Ok(())
}

proptest! {
    #[test]
    fn many_records_are_written_as_one_by_one(
        seeds in seeds(),
        room in 0..700usize,
        base in 0..3usize,
    ) {
        let records: Vec<_> = seeds.iter().map(record).collect();
        let base = Path::instance(3, 0).truncated(base);
        let time = records.first().and_then(|record| record.time);
        for format in FORMATS {
            for size in [room, 1 << 16] {
                let each = encode(format, base, size, time, |encoder| {
                    records.iter().try_for_each(|record| encoder.push(record))
                });
                let all = encode(format, base, size, time, |encoder| encoder.push_all(&records));
                // In a part of the records, too.
                let (head, tail) = records.split_at(records.len() / 2);
                let parts = encode(format, base, size, time, |encoder| {
                    encoder.push_all(head)?;
                    tail.iter().take(1).try_for_each(|record| encoder.push(record))?;
                    encoder.push_all(tail.iter().skip(1))
                });
                prop_assert_eq!(&all, &each, "{} in {}", format, size);
                prop_assert_eq!(&parts, &each, "{} in {}", format, size);
            }
        }
    }

    #[test]
    fn visited_records_are_those_of_the_iterator(
        seeds in seeds(),
        base in 0..3usize,
        cut in any::<prop::sample::Index>(),
        changes in collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let base = Path::instance(3, 0).truncated(base);
        let records: Vec<_> = seeds.iter().map(record).collect();
        for format in FORMATS {
            // As many as can be written.
            let mut payload = Vec::new();
            for count in (0..=records.len()).rev() {
                let part = records.get(..count).unwrap_or_default();
                let encoded = encode(format, base, 1 << 16, None, |encoder| encoder.push_all(part));
                if let Ok(encoded) = encoded {
                    payload = encoded;
                    break;
                }
            }
            assert_same(format, base, &payload)?;
            // The same under another base, cut off, and with wrong bytes.
            assert_same(format, Path::resource(3, 0, 6), &payload)?;
            if payload.is_empty() {
                continue;
            }
            assert_same(format, base, payload.get(..cut.index(payload.len())).unwrap_or_default())?;
            let mut changed = payload.clone();
            for (place, byte) in &changes {
                let place = place.index(changed.len());
                changed[place] = *byte;
                assert_same(format, base, &changed)?;
            }
        }
    }
}

#[test]
fn an_error_of_the_visitor_ends_the_records() {
    let mut decoder = Decoder::new(
        ContentFormat::TLV,
        Path::instance(3, 0),
        &[0xc1, 1, 5, 0xc1, 10, 6],
        &type_of,
    )
    .unwrap();
    let stop = DecodeError::new(77, lwm2m_codec::DecodeErrorKind::InvalidPath);
    assert_eq!(decoder.visit(|_| Err(stop)), Err(stop));
    assert_eq!(decoder.next(), None);
}
