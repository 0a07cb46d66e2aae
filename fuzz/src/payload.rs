//! The payload formats: what decodes is encoded and decoded again, in its own format and in all
//! others, and is what other libraries say.

use lwm2m_codec::{
    ContentFormat, DecodeError, Decoder, EncodeError, Encoder, Floats, Instances, Keys, Layout,
    MAX_RECORDS, Names, Path, TranscodeError, transcode,
};

use crate::{
    Verdict, allowed, differential,
    input::{Input, Owned, TypesOf},
};

/// The formats that carry many values.
pub(crate) const TREES: [ContentFormat; 7] = [
    ContentFormat::TLV,
    ContentFormat::SENML_JSON,
    ContentFormat::SENML_CBOR,
    ContentFormat::SENML_ETCH_JSON,
    ContentFormat::SENML_ETCH_CBOR,
    ContentFormat::OMA_JSON,
    ContentFormat::LWM2M_CBOR,
];

/// Room for whatever is encoded: in JSON a byte may become six.
const ROOM_PER_BYTE: usize = 8;
const ROOM_PER_RECORD: usize = 128;
/// The smallest float in plain decimals.
const ROOM_PER_FLOAT: usize = 352;

macro_rules! formats {
    ($($target:ident = $format:ident, $about:literal;)*) => {
        $(
            #[doc = concat!("Decodes any bytes as ", $about, ".")]
            ///
            /// # Panics
            /// If a promise of the decoder or of an encoder is broken.
            pub fn $target(data: &[u8]) -> Verdict {
                run(ContentFormat::$format, data)
            }
        )*
    };
}

formats! {
    text = TEXT, "one text value";
    opaque = OPAQUE, "one opaque value";
    cbor = CBOR, "one CBOR value";
    tlv = TLV, "TLV";
    oma_json = OMA_JSON, "OMA JSON";
    senml_json = SENML_JSON, "SenML JSON";
    senml_cbor = SENML_CBOR, "SenML CBOR";
    senml_etch_json = SENML_ETCH_JSON, "SenML-ETCH JSON";
    senml_etch_cbor = SENML_ETCH_CBOR, "SenML-ETCH CBOR";
    lwm2m_cbor = LWM2M_CBOR, "LwM2M CBOR";
}

fn run(format: ContentFormat, data: &[u8]) -> Verdict {
    let Some(input) = Input::new(data) else {
        return Verdict::Refused;
    };
    let records = decode_all(&input, format);
    differential::check(format, &input, records.as_deref().ok());
    let Ok(records) = records else {
        return Verdict::Refused;
    };
    if input.any_root {
        // The names may begin with different roots, which no encoder writes.
        return Verdict::Accepted;
    }
    let base = match format.canonical() {
        ContentFormat::TLV => input.base,
        _ if format.is_single_value() => input.base,
        _ => Path::ROOT,
    };
    again(format, base, &records);
    for other in TREES {
        for layout in LAYOUTS {
            through_layout(other, base, layout, &records);
        }
        through(other, base, &records);
        transcoded(&input, format, other, base, &records);
    }
    Verdict::Accepted
}

/// Decodes to the end; the errors lie inside the payload, and nothing comes after one.
fn decode_all(input: &Input<'_>, format: ContentFormat) -> Result<Vec<Owned>, DecodeError> {
    let checked = |error: DecodeError| {
        assert!(error.offset <= input.payload.len(), "{error}");
        assert!(!error.to_string().is_empty());
        error
    };
    let mut decoder = input.decoder(format).map_err(checked)?;
    let mut records = Vec::new();
    let mut failure = None;
    for record in decoder.by_ref() {
        assert_eq!(failure, None, "a record after an error");
        match record {
            Ok(record) => {
                assert!(!input.within_base || input.base.contains(&record.path));
                look_at(&record);
                records.push(Owned::of(&record));
            }
            Err(error) => failure = Some(checked(error)),
        }
    }
    assert!(decoder.next().is_none(), "the iterator is fused");
    assert!(records.len() <= MAX_RECORDS);
    match failure {
        Some(error) => Err(error),
        None => Ok(records),
    }
}

/// Lengths and copies of a value agree with its iterators.
fn look_at(record: &lwm2m_codec::Record<'_>) {
    use lwm2m_codec::Value;
    match record.value {
        Some(Value::String(text) | Value::CoreLink(text)) => {
            let whole = text.to_string();
            assert_eq!(text.len(), whole.len());
            assert_eq!(text.is_empty(), whole.is_empty());
            let mut buf = vec![0; whole.len()];
            assert_eq!(text.copy_to(&mut buf), Some(whole.as_str()));
            assert!(text.as_plain().is_none_or(|plain| plain == whole));
        }
        Some(Value::Opaque(bytes)) => {
            let whole: Vec<u8> = bytes.iter().collect();
            assert_eq!(bytes.len(), whole.len());
            assert_eq!(bytes.is_empty(), whole.is_empty());
            let mut buf = vec![0; whole.len()];
            assert_eq!(bytes.copy_to(&mut buf), Some(whole.as_slice()));
        }
        _ => {}
    }
}

/// Encodes in the format that the records came in: they decode to the same, and encoding that
/// gives the same bytes.
fn again(format: ContentFormat, base: Path, records: &[Owned]) {
    let Some(bytes) = through(format, base, records) else {
        return;
    };
    let types = TypesOf::of(records);
    let again: Vec<Owned> = decoded(format, base, &bytes, &types).expect("just decoded");
    let second = encode(format, base, Layout::default(), &again).expect("the same records");
    assert_eq!(bytes, second, "bytes of {format} after two round trips");
}

/// Transcodes without owned records in between: the bytes are those of the records.
fn transcoded(
    input: &Input<'_>,
    from: ContentFormat,
    to: ContentFormat,
    base: Path,
    records: &[Owned],
) {
    let mut buf = vec![0; size(records)];
    let Ok(encoder) = Encoder::new(to, base, &mut buf) else {
        return;
    };
    let decoder = input.decoder(from).expect("just decoded");
    match (
        transcode(decoder, encoder),
        encode(to, base, Layout::default(), records),
    ) {
        (Ok(len), bytes) => assert_eq!(bytes.as_deref(), Ok(&buf[..len])),
        // A place that is asked for is none that is empty.
        (Err(TranscodeError::Encode(EncodeError::NotExpressible { path, .. })), _)
            if from.has_containers() != to.has_containers()
                && records.iter().any(|r| r.path == path && r.value.is_none()) => {}
        (Err(TranscodeError::Encode(error)), bytes) => assert_eq!(bytes, Err(error)),
        (Err(other), _) => panic!("{other}"),
    }
}

/// Encodes records and decodes them, if the format can carry them; they must be the same.
pub(crate) fn through(format: ContentFormat, base: Path, records: &[Owned]) -> Option<Vec<u8>> {
    through_layout(format, base, Layout::default(), records)
}

/// Encodes in a layout and decodes, as [`through`].
pub(crate) fn through_layout(
    format: ContentFormat,
    base: Path,
    layout: Layout,
    records: &[Owned],
) -> Option<Vec<u8>> {
    let bytes = match encode(format, base, layout, records) {
        Ok(bytes) => bytes,
        Err(
            EncodeError::NotExpressible { .. }
            | EncodeError::OutOfOrder { .. }
            | EncodeError::OutsideBase { .. },
        ) => return None,
        Err(other) => panic!("{format}: {other}"),
    };
    if allowed::types_differ_in_one_resource(records)
        || allowed::has_value_above_resources(records)
        || allowed::is_no_payload(format, &bytes)
    {
        return None;
    }
    let types = TypesOf::of(records);
    let got = match decoded(format, base, &bytes, &types) {
        Ok(got) => got,
        Err(error) => panic!("{format} of {records:?}: {error} in {bytes:02x?}"),
    };
    // What the encoder takes for granted.
    let implied = match layout.instances {
        Instances::Written if format == ContentFormat::TLV && base.len() == 2 => base.truncated(1),
        _ => base,
    };
    let want: Vec<Owned> = records
        .iter()
        .filter(|record| !allowed::needs_no_element(format, implied, record, records))
        .cloned()
        .collect();
    assert!(
        allowed::same(format, &got, &want),
        "{format} from {base}: {bytes:02x?}\n got {got:?}\nwant {want:?}"
    );
    Some(bytes)
}

fn decoded(
    format: ContentFormat,
    base: Path,
    bytes: &[u8],
    types: &TypesOf,
) -> Result<Vec<Owned>, DecodeError> {
    Decoder::new(format, base, bytes, types)?
        .map(|record| record.map(|record| Owned::of(&record)))
        .collect()
}

fn encode(
    format: ContentFormat,
    base: Path,
    layout: Layout,
    records: &[Owned],
) -> Result<Vec<u8>, EncodeError> {
    let mut buf = vec![0; size(records)];
    let mut encoder = Encoder::with_layout(format, base, &mut buf, layout)?;
    for record in records {
        encoder.push(&record.record())?;
    }
    let len = encoder.finish()?;
    buf.truncate(len);
    Ok(buf)
}

/// The layouts that differ from the default.
pub(crate) const LAYOUTS: [Layout; 2] = [
    Layout {
        names: Names::Absolute,
        keys: Keys::Flat,
        floats: Floats::Double,
        instances: Instances::Written,
    },
    Layout {
        names: Names::Absolute,
        keys: Keys::Nested,
        floats: Floats::Shortest,
        instances: Instances::Written,
    },
];

fn size(records: &[Owned]) -> usize {
    records.iter().map(room).sum::<usize>() + ROOM_PER_RECORD
}

fn room(record: &Owned) -> usize {
    use crate::input::OwnedValue;
    let len = match &record.value {
        Some(OwnedValue::Text(text) | OwnedValue::Link(text)) => text.len(),
        Some(OwnedValue::Bytes(bytes)) => bytes.len(),
        _ => 0,
    };
    // Value and time may both be floats.
    ROOM_PER_RECORD + 2 * ROOM_PER_FLOAT + len * ROOM_PER_BYTE
}
