//! Formats that carry one value: text, opaque, CBOR.

use crate::{
    Bytes, ContentFormat, DecodeError, DecodeErrorKind, EncodeError, Path, Record, Type, Value,
    bytes::Alphabet, cbor, decoder::Rules, number, out::Out, raw,
};

/// Decodes the one value of a payload (TS-Core §7.5.1–§7.5.3); false if that was done before.
#[inline(never)]
pub(crate) fn decode<'a>(
    format: ContentFormat,
    payload: &mut Option<&'a [u8]>,
    rules: &mut Rules<'_>,
    record: &mut Record<'a>,
) -> Result<bool, DecodeError> {
    let Some(payload) = payload.take() else {
        return Ok(false);
    };
    let base = rules.base();
    let wanted = rules.type_of(base);
    let value = match format {
        ContentFormat::TEXT => text(payload, wanted.unwrap_or(Type::String)),
        ContentFormat::OPAQUE => match wanted {
            None | Some(Type::Opaque) => Ok(Value::Opaque(Bytes::new(payload))),
            Some(other) => Err(DecodeError::new(0, DecodeErrorKind::InvalidValue(other))),
        },
        _ => {
            record.set_path(base);
            return cbor_value(payload, wanted, &mut record.value).map(|()| true);
        }
    };
    record.set(base, value?);
    Ok(true)
}

fn text(payload: &[u8], wanted: Type) -> Result<Value<'_>, DecodeError> {
    let text = core::str::from_utf8(payload)
        .map_err(|error| DecodeError::new(error.valid_up_to(), DecodeErrorKind::InvalidUtf8))?;
    raw::from_text(text, wanted).ok_or(DecodeError::new(0, DecodeErrorKind::InvalidValue(wanted)))
}

fn cbor_value<'a>(
    payload: &'a [u8],
    wanted: Option<Type>,
    place: &mut Option<Value<'a>>,
) -> Result<(), DecodeError> {
    let mut reader = cbor::Reader::new(payload);
    let raw = reader.value()?;
    reader.end()?;
    raw.store(wanted, place)
        .map_err(|kind| DecodeError::new(0, kind))
}

/// Writes the one value, unless that was done before.
#[inline(never)]
pub(crate) fn push(
    out: &mut Out<'_>,
    format: ContentFormat,
    base: Path,
    written: &mut bool,
    record: &Record<'_>,
) -> Result<(), EncodeError> {
    let not_expressible = EncodeError::NotExpressible {
        path: record.path,
        format,
    };
    if *written || record.path != base {
        return Err(not_expressible);
    }
    *written = true;
    let value = match record.value {
        Some(value) if record.time.is_none() => value,
        _ => return Err(not_expressible),
    };
    let expressed = match (format, value) {
        (ContentFormat::OPAQUE, Value::Opaque(bytes)) => out.bytes(bytes).map(|()| true),
        // The value itself says that it is a time: Leshan refuses one without the tag.
        (ContentFormat::CBOR, Value::Time(seconds)) => {
            cbor::write_epoch(out, seconds).map(|()| true)
        }
        (ContentFormat::CBOR, value) => cbor::write_value(out, &value).map(|()| true),
        (ContentFormat::TEXT, value) => write_text(out, &value),
        _ => Ok(false),
    };
    if expressed? {
        Ok(())
    } else {
        Err(not_expressible)
    }
}

/// Writes a value as text; false if it has none.
fn write_text(out: &mut Out<'_>, value: &Value<'_>) -> Result<bool, EncodeError> {
    match value {
        Value::String(text) | Value::CoreLink(text) => out.text(*text)?,
        Value::Integer(number) | Value::Time(number) => out.signed(*number)?,
        Value::Unsigned(number) => out.unsigned(*number)?,
        Value::Float(number) => return number::write_float(out, *number),
        Value::Boolean(value) => out.byte(if *value { b'1' } else { b'0' })?,
        Value::Opaque(bytes) => out.base64(*bytes, Alphabet::Standard)?,
        Value::ObjectLink(link) => out.display(link)?,
        Value::Null => return Ok(false),
    }
    Ok(true)
}
