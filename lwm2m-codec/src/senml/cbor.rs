//! Reads SenML CBOR.

use super::{Fields, Label, Pack, check_version, critical};
use crate::{
    DecodeError, DecodeErrorKind, Record,
    cbor::{Head, Reader, major},
    decoder::Rules,
    name::Root,
    raw::Raw,
};

#[derive(Debug, Clone)]
pub(crate) struct SenmlCborDecoder<'a> {
    reader: Reader<'a>,
    pack: Pack<'a>,
    left: Option<u64>,
}

impl<'a> SenmlCborDecoder<'a> {
    pub(crate) fn new(payload: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(payload);
        let head = reader.head()?;
        if head.major != major::ARRAY {
            return Err(DecodeError::new(0, DecodeErrorKind::Expected("an array")));
        }
        Ok(Self {
            reader,
            pack: Pack::new(),
            left: head.count(),
        })
    }

    pub(crate) fn set_root(&mut self, root: Root<'a>) {
        self.pack.set_root(root);
    }

    pub(crate) const fn last_root(&self) -> Option<&'a str> {
        self.pack.last_root
    }

    pub(crate) const fn pos(&self) -> usize {
        self.reader.pos()
    }

    #[inline(never)]
    pub(crate) fn next_record(
        &mut self,
        rules: &mut Rules<'_>,
        record: &mut Record<'a>,
    ) -> Result<bool, DecodeError> {
        // A copy, which can stay in registers.
        let mut reader = self.reader;
        if !reader.more(&mut self.left) {
            reader.end()?;
            return Ok(false);
        }
        let at = reader.pos();
        let head = reader.head()?;
        if head.major != major::MAP {
            return Err(DecodeError::new(at, DecodeErrorKind::Expected("a map")));
        }
        let mut fields = Fields::default();
        let mut left = head.count();
        while reader.more(&mut left) {
            field(&mut reader, &mut fields)?;
        }
        self.reader = reader;
        self.pack.resolve(&fields, rules, record, at)
    }
}

#[inline(always)]
fn label(reader: &mut Reader<'_>) -> Result<Label, DecodeError> {
    let at = reader.pos();
    let head = reader.head()?;
    Ok(match head.major {
        major::UNSIGNED => Label::from_number(i64::try_from(head.value).unwrap_or(i64::MAX)),
        major::NEGATIVE => Label::from_number(i64::try_from(head.value).map_or(i64::MIN, |n| !n)),
        major::TEXT => return reader.apart(|reader| text_label(reader, head)),
        _ => return Err(DecodeError::new(at, DecodeErrorKind::Expected("a label"))),
    })
}

#[cold]
fn text_label(reader: &mut Reader<'_>, head: Head) -> Result<Label, DecodeError> {
    const LONGEST: usize = 32;
    let mut buf = [0; LONGEST];
    let key = reader.text_of(head)?;
    Ok(match key.as_plain().or_else(|| key.copy_to(&mut buf)) {
        // Only `vlo` has no number (TS-Core §7.5.7).
        Some("vlo") => Label::LinkValue,
        Some(key) if key.ends_with('_') => Label::Critical,
        _ => Label::Ignored,
    })
}

#[inline(always)]
fn field<'a>(reader: &mut Reader<'a>, fields: &mut Fields<'a>) -> Result<(), DecodeError> {
    let label_at = reader.pos();
    let label = label(reader)?;
    let at = reader.pos();
    match label {
        Label::Name => fields.name = Some(reader.name()?),
        Label::BaseName => fields.base_name = Some(reader.name()?),
        Label::Time => fields.time = Some(reader.number()?),
        Label::BaseTime | Label::BaseValue | Label::BaseVersion => {
            let number = reader.apart(Reader::number)?;
            base_number(label, number, at, fields)?;
        }
        Label::Ignored => reader.apart(Reader::skip)?,
        Label::Critical => return Err(critical(label_at)),
        value_label => match value(value_label, reader.value()?) {
            Some(value) => fields.set_value(value, label_at)?,
            None => return Err(no_value_of_label(at)),
        },
    }
    Ok(())
}

/// Takes a number that comes at most once in most packs.
fn base_number(
    label: Label,
    number: f64,
    at: usize,
    fields: &mut Fields<'_>,
) -> Result<(), DecodeError> {
    match label {
        Label::BaseTime => fields.base_time = Some(number),
        Label::BaseValue => fields.base_value = Some(number),
        _ => check_version(number, at)?,
    }
    Ok(())
}

#[cold]
fn no_value_of_label(at: usize) -> DecodeError {
    DecodeError::new(at, DecodeErrorKind::Expected("a value of its label"))
}

/// The value, if it is of the kind that its label says.
#[inline(always)]
fn value(label: Label, raw: Raw<'_>) -> Option<Raw<'_>> {
    match (label, raw) {
        (Label::Value, Raw::Integer(_) | Raw::Unsigned(_) | Raw::Float(_))
        | (Label::Value, Raw::Date(_) | Raw::Null)
        // Zephyr writes a Time as a date.
        | (Label::StringValue, Raw::Text(_) | Raw::Date(_))
        | (Label::BooleanValue, Raw::Boolean(_))
        | (Label::DataValue, Raw::Bytes(_)) => Some(raw),
        (Label::LinkValue, Raw::Text(text)) => Some(Raw::Link(text)),
        _ => None,
    }
}
