//! Reads SenML CBOR.

use super::{Fields, Label, Pack, check_version, critical};
use crate::{
    DecodeError, DecodeErrorKind, MAX_RECORDS, Record,
    cbor::{Reader, major, short},
    decoder::Rules,
    name::{Root, ids_below},
    raw::Raw,
};

/// A map of one field.
const MIN_RECORD: usize = 3;

/// Labels of nearly all fields (RFC 8428 §6, table 4), each a whole item.
mod label {
    use crate::Type;

    pub(super) const NAME: u8 = 0;
    pub(super) const VALUE: u8 = 2;
    pub(super) const STRING: u8 = 3;
    pub(super) const BOOLEAN: u8 = 4;
    pub(super) const TIME: u8 = 6;
    pub(super) const DATA: u8 = 8;
    /// -2.
    pub(super) const BASE_NAME: u8 = 0x21;
    /// -3.
    pub(super) const BASE_TIME: u8 = 0x22;

    /// The label of a value.
    pub(super) const fn of(data_type: Type) -> u8 {
        match data_type {
            Type::String | Type::CoreLink => STRING,
            Type::Integer | Type::Unsigned | Type::Float | Type::Time => VALUE,
            Type::Boolean => BOOLEAN,
            // An object link's has no number.
            Type::Opaque | Type::ObjectLink => DATA,
        }
    }
}

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

    /// Passes records on for as long as nothing but base name, base time, name, a value of the type
    /// wanted and time comes, in this order and in short forms. What is left, and what is wrong, is
    /// for [`Self::next_record`], which reads its record anew.
    #[inline(never)]
    pub(crate) fn usual_records<E>(
        &mut self,
        rules: &mut Rules<'_>,
        each: &mut impl FnMut(Record<'a>) -> Result<(), E>,
    ) -> Result<(), E> {
        // So few records need not be counted.
        let few = self.reader.payload_len() / MIN_RECORD <= MAX_RECORDS;
        let Some(mut left) = self.left.filter(|_| few && self.pack.is_usual()) else {
            return Ok(());
        };
        let mut base = self.pack.usual_base(rules);
        let mut rest = self.reader.rest();
        while left > 0 {
            let [head @ 0xa2..=0xa5, body @ ..] = rest else {
                break;
            };
            let (mut fields, mut body) = (head & 7, body);
            if let [label::BASE_NAME, name @ ..] = body {
                let Some((name, after)) = short::string(name, major::TEXT) else {
                    break;
                };
                if !self.pack.read_usual_base_name(name) {
                    break;
                }
                base = self.pack.usual_base(rules);
                (body, fields) = (after, fields.wrapping_sub(1));
            }
            if let [label::BASE_TIME, time @ ..] = body {
                let Some((seconds, after)) = short::integer(time) else {
                    break;
                };
                self.pack.base_time = Some(seconds as f64);
                (body, fields) = (after, fields.wrapping_sub(1));
            }
            let (Some(base), [label::NAME, name @ ..]) = (base, body) else {
                break;
            };
            let Some((name, body)) = short::string(name, major::TEXT) else {
                break;
            };
            let Some(path) = ids_below(base, name) else {
                break;
            };
            let (Some(wanted), Some((label, body))) = (rules.type_of(path), body.split_first())
            else {
                break;
            };
            if *label != label::of(wanted) {
                break;
            }
            let Some((value, mut after)) = short::value(body, wanted) else {
                break;
            };
            let mut time = self.pack.base_time;
            if fields == 3 {
                let [label::TIME, body @ ..] = after else {
                    break;
                };
                let Some((seconds, rest)) = short::integer(body) else {
                    break;
                };
                time = Some(time.unwrap_or(0.0) + seconds as f64);
                after = rest;
            } else if fields != 2 {
                break;
            }
            rest = after;
            left = left.wrapping_sub(1);
            let value = Some(value);
            each(Record { path, time, value })?;
        }
        self.left = Some(left);
        self.reader.set_rest(rest);
        Ok(())
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
            if !usual_field(&mut reader, &mut fields)? {
                let (pack, mut copy) = (&mut self.pack, fields);
                reader.apart(|reader| field(reader, pack, &mut copy))?;
                fields = copy;
            }
        }
        self.reader = reader;
        self.pack.resolve(&fields, rules, record, at)
    }
}

/// Reads one of the fields of which nearly all records consist, in the form that encoders choose;
/// false, reading nothing, for any other.
#[inline(always)]
fn usual_field<'a>(reader: &mut Reader<'a>, fields: &mut Fields<'a>) -> Result<bool, DecodeError> {
    use label::{BOOLEAN, NAME, STRING, TIME, VALUE};
    let [label, first, ..] = *reader.rest() else {
        return Ok(false);
    };
    match (label, first >> 5) {
        (NAME, major::TEXT) if fields.name.is_none() => {
            reader.take(1)?;
            fields.name = Some(reader.name()?);
        }
        (STRING, major::TEXT)
        | (VALUE, major::UNSIGNED | major::NEGATIVE | major::OTHER)
        | (BOOLEAN, major::OTHER)
            if fields.value.is_none() =>
        {
            let mut ahead = *reader;
            ahead.take(1)?;
            match (label, ahead.value()?) {
                (STRING, raw @ Raw::Text(_))
                | (VALUE, raw @ (Raw::Integer(_) | Raw::Float(_)))
                | (BOOLEAN, raw @ Raw::Boolean(_)) => fields.value = Some(raw),
                _ => return Ok(false),
            }
            *reader = ahead;
        }
        (TIME, major::UNSIGNED | major::NEGATIVE) => {
            reader.take(1)?;
            let head = reader.head()?;
            fields.time = Some(match head.major {
                // Added as an integer, so that it is rounded once.
                major::NEGATIVE => -(head.value.saturating_add(1) as f64),
                _ => head.value as f64,
            });
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// Reads any field.
#[inline(never)]
fn field<'a>(
    reader: &mut Reader<'a>,
    pack: &mut Pack<'a>,
    fields: &mut Fields<'a>,
) -> Result<(), DecodeError> {
    let label_at = reader.pos();
    let label = label(reader)?;
    let at = reader.pos();
    match label {
        Label::Name => fields.set_name(reader.name()?, label_at)?,
        Label::BaseName => pack.read_base_name(reader.name()?, at)?,
        Label::Time => fields.time = Some(reader.number()?),
        Label::BaseTime => pack.base_time = Some(reader.number()?),
        Label::BaseValue => pack.base_value = reader.number()?,
        Label::BaseVersion => check_version(reader.number()?, at)?,
        Label::Ignored => reader.skip()?,
        Label::Critical => return Err(critical(label_at)),
        value_label => match value(value_label, reader.value()?) {
            Some(value) => fields.set_value(value, label_at)?,
            None => {
                let kind = DecodeErrorKind::Expected("a value of its label");
                return Err(DecodeError::new(at, kind));
            }
        },
    }
    Ok(())
}

fn label(reader: &mut Reader<'_>) -> Result<Label, DecodeError> {
    const LONGEST: usize = 32;
    let at = reader.pos();
    let head = reader.head()?;
    Ok(match head.major {
        major::UNSIGNED => Label::from_number(i64::try_from(head.value).unwrap_or(i64::MAX)),
        major::NEGATIVE => Label::from_number(i64::try_from(head.value).map_or(i64::MIN, |n| !n)),
        major::TEXT => {
            let mut buf = [0; LONGEST];
            let key = reader.text_of(head)?;
            match key.as_plain().or_else(|| key.copy_to(&mut buf)) {
                // Only `vlo` has no number (TS-Core §7.5.7).
                Some("vlo") => Label::LinkValue,
                Some(key) if key.ends_with('_') => Label::Critical,
                _ => Label::Ignored,
            }
        }
        _ => return Err(DecodeError::new(at, DecodeErrorKind::Expected("a label"))),
    })
}

/// The value, if it is of the kind that its label says.
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
