//! Sends instances with random values of every object through every payload format.
//!
//! `cargo xtask registry-check` writes this crate. The list of objects stands at the end.

use std::{
    env, fs,
    hint::black_box,
    sync::atomic::{AtomicUsize, Ordering},
    time::Instant,
};

use lwm2m_codec::{ContentFormat, Decoder, Encoder, ObjectLink, Path, Record, Type};
use lwm2m_model::{
    Constraint, Field, ObjectDefinition, ObjectInstance, OwnedValue, Reason, ResourceDefinition,
    from_records, xml,
};
use proptest::{
    collection::btree_map,
    option,
    prelude::*,
    test_runner::{Config, TestCaseError, TestRunner},
};

const FORMATS: [ContentFormat; 4] = [
    ContentFormat::TLV,
    ContentFormat::SENML_CBOR,
    ContentFormat::SENML_JSON,
    ContentFormat::LWM2M_CBOR,
];

/// Random instances of each object and version.
const CASES: u32 = 16;

/// Instance that the payloads are about.
const INSTANCE: u16 = 7;

/// Room for a payload.
const BUFFER: usize = 64 * 1024;

/// Longest random string or opaque, unless the range wants more.
const LENGTH: usize = 40;

/// Where a value goes: resource and Resource Instance.
type Values = Vec<(u16, Option<u16>, OwnedValue)>;

/// Checks an object, and adds the payloads that went there and back.
fn check<T: ObjectInstance + PartialEq>(payloads: &AtomicUsize) {
    let config = Config {
        cases: CASES,
        failure_persistence: None,
        ..Config::default()
    };
    let result = TestRunner::new(config).run(&values(T::DEFINITION), |values| {
        let mut instance = T::default();
        for (id, ri, value) in &values {
            let field = instance.field_mut(*id).expect("a field for every type");
            field
                .set(*ri, value.as_value())
                .expect("a value of its type");
        }
        for format in FORMATS {
            let payload = encode(T::DEFINITION, &|id| instance.field(id), format);
            let Some(payload) = payload else { continue };
            let records = decode(T::DEFINITION, format, &payload)?;
            let records = records
                .iter()
                .map(|(path, value)| Record::new(*path, value.as_value()));
            let reading = from_records::<T>(INSTANCE, records);
            prop_assert_eq!(&reading.value, &instance, "{:?}", format);
            payloads.fetch_add(1, Ordering::Relaxed);
            let odd = |reason| reason != Reason::NotReadable;
            prop_assert!(!reading.remarks.iter().any(|remark| odd(remark.reason)));
            // Multiple-instance resources may be empty, and then nothing tells of them.
            let multiple = |id: &u16| T::DEFINITION.resource(*id).is_some_and(|r| r.multiple);
            let missing = reading.missing.iter().any(|id| !multiple(id));
            prop_assert!(!missing);
        }
        Ok(())
    });
    if let Err(error) = result {
        let ObjectDefinition { id, version, .. } = T::DEFINITION;
        panic!("object {id}, version {version}: {error}");
    }
}

/// Writes all values; `None` if there is none.
fn encode<'f>(
    definition: &ObjectDefinition,
    field: &dyn Fn(u16) -> Option<&'f dyn Field>,
    format: ContentFormat,
) -> Option<Vec<u8>> {
    let base = Path::instance(definition.id, INSTANCE);
    let mut payload = vec![0; BUFFER];
    let mut encoder = Encoder::new(format, base, &mut payload).expect("a format of instances");
    let mut count = 0;
    for resource in definition.resources.iter() {
        let Some(field) = field(resource.id) else {
            continue;
        };
        let path = Path::resource(definition.id, INSTANCE, resource.id);
        let mut push = |path, ri| {
            if let Some(value) = field.get(ri) {
                count += 1;
                encoder.push(&Record::new(path, value)).expect("a record");
            }
        };
        match field.is_multiple() {
            false => push(path, None),
            true => {
                let mut after = None;
                while let Some(ri) = field.next_instance(after) {
                    push(path.child(ri).expect("a resource instance"), Some(ri));
                    after = Some(ri);
                }
            }
        }
    }
    let len = encoder.finish().expect("room for all values");
    payload.truncate(len);
    (count > 0).then_some(payload)
}

fn decode(
    definition: &ObjectDefinition,
    format: ContentFormat,
    payload: &[u8],
) -> Result<Vec<(Path, OwnedValue)>, TestCaseError> {
    let types = |path: Path| definition.resource(path.resource_id()?)?.data_type;
    let base = Path::instance(definition.id, INSTANCE);
    let fail = |error| TestCaseError::fail(format!("{format:?}: {error}: {payload:02x?}"));
    Decoder::new(format, base, payload, &types)
        .map_err(fail)?
        .map(|record| {
            let record = record.map_err(fail)?;
            let value = record.value.and_then(OwnedValue::from_value);
            Ok((record.path, value.expect("a value in every record")))
        })
        .collect()
}

/// Values for all resources that can have some, within their ranges.
fn values(definition: &'static ObjectDefinition) -> impl Strategy<Value = Values> {
    let resources = definition
        .resources
        .iter()
        .filter(|resource| resource.data_type.is_some());
    let each: Vec<BoxedStrategy<Values>> = resources.map(of_resource).collect();
    each.prop_map(|each| each.into_iter().flatten().collect())
}

fn of_resource(resource: &'static ResourceDefinition) -> BoxedStrategy<Values> {
    let id = resource.id;
    let value = value(resource);
    if resource.multiple {
        let many = btree_map(0..u16::MAX, value, 0..4);
        return many
            .prop_map(move |many| many.into_iter().map(|(ri, v)| (id, Some(ri), v)).collect())
            .boxed();
    }
    match resource.mandatory {
        true => value.prop_map(move |value| vec![(id, None, value)]).boxed(),
        false => option::of(value)
            .prop_map(move |value| value.into_iter().map(|v| (id, None, v)).collect())
            .boxed(),
    }
}

fn value(resource: &ResourceDefinition) -> BoxedStrategy<OwnedValue> {
    let (lengths, numbers) = limits(&resource.constraint);
    let number = move || match &numbers {
        Some(list) => prop::sample::select(list.clone()).boxed(),
        None => any::<i64>().boxed(),
    };
    let integer = match &resource.constraint {
        Constraint::Integer { min, max } => (*min..=*max).boxed(),
        _ => number(),
    };
    match resource.data_type.expect("a resource with a value") {
        Type::Integer => integer.prop_map(OwnedValue::Integer).boxed(),
        Type::Time => integer.prop_map(OwnedValue::Time).boxed(),
        Type::Unsigned => match &resource.constraint {
            Constraint::None => any::<u64>().prop_map(OwnedValue::Unsigned).boxed(),
            _ => integer
                .prop_map(|number| OwnedValue::Unsigned(number.max(0).unsigned_abs()))
                .boxed(),
        },
        Type::Float => match resource.constraint {
            Constraint::Float { min, max } => (min..=max).prop_map(OwnedValue::Float).boxed(),
            _ => prop::num::f64::NORMAL.prop_map(OwnedValue::Float).boxed(),
        },
        Type::Boolean => any::<bool>().prop_map(OwnedValue::Boolean).boxed(),
        Type::String => match &resource.constraint {
            Constraint::OneOfText(texts) => prop::sample::select(texts.to_vec())
                .prop_map(|text| OwnedValue::String(text.into()))
                .boxed(),
            _ => (any::<String>(), lengths)
                .prop_map(|(text, length)| OwnedValue::String(fit(&text, length)))
                .boxed(),
        },
        Type::Opaque => lengths
            .prop_flat_map(|length| prop::collection::vec(any::<u8>(), length))
            .prop_map(OwnedValue::Opaque)
            .boxed(),
        Type::ObjectLink => any::<(u16, u16)>()
            .prop_map(|(object, instance)| {
                OwnedValue::ObjectLink(ObjectLink::new(object, instance))
            })
            .boxed(),
        Type::CoreLink => any::<(u16, u8)>()
            .prop_map(|(object, pmin)| OwnedValue::CoreLink(format!("</{object}/0>;pmin={pmin}")))
            .boxed(),
    }
}

/// Lengths in bytes, and listed numbers, that a constraint allows.
fn limits(constraint: &Constraint) -> (BoxedStrategy<usize>, Option<Vec<i64>>) {
    match constraint {
        Constraint::Length { min, max } => ((*min..=(*max).min(min + LENGTH)).boxed(), None),
        Constraint::OneOf(list) => {
            let lengths: Vec<usize> = list.iter().filter_map(|n| (*n).try_into().ok()).collect();
            let lengths = match lengths.is_empty() {
                true => Just(0).boxed(),
                false => prop::sample::select(lengths).boxed(),
            };
            (lengths, Some(list.to_vec()))
        }
        _ => ((0..=LENGTH).boxed(), None),
    }
}

/// Cuts or fills a text to a length in bytes.
fn fit(text: &str, length: usize) -> String {
    let mut fitting = String::new();
    for letter in text.chars() {
        if fitting.len() + letter.len_utf8() > length {
            break;
        }
        fitting.push(letter);
    }
    fitting.extend(std::iter::repeat_n('x', length - fitting.len()));
    fitting
}

/// Prints how long it takes to read all files, whose paths are listed in a file.
#[test]
fn load() {
    let list = env::var_os("REGISTRY_FILES").expect("the list of files");
    let list = fs::read_to_string(list).expect("the list of files");
    let start = Instant::now();
    let mut count = 0;
    for path in list.lines() {
        let text = fs::read_to_string(path).expect("a file of the registry");
        black_box(xml::parse(&text).expect("a definition"));
        count += 1;
    }
    println!(
        "loaded: {count} files in {:.3} s",
        start.elapsed().as_secs_f64()
    );
}
