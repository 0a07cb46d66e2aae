//! Reads SenML JSON.

use super::{Fields, Label, Pack, check_version, critical, data};
use crate::{
    DecodeError, MAX_RECORDS, Record, Text, Type, Value,
    decoder::Rules,
    json::{Reader, plain_len, short_number},
    name::{Piece, Root, ids_to_quote},
    raw::Raw,
};

/// Braces and a comma.
const MIN_RECORD: usize = 3;

#[derive(Debug, Clone)]
pub(crate) struct SenmlJsonDecoder<'a> {
    reader: Reader<'a>,
    pack: Pack<'a>,
    first: bool,
}

impl<'a> SenmlJsonDecoder<'a> {
    pub(crate) fn new(payload: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(payload)?;
        reader.require(b'[', "an array")?;
        Ok(Self {
            reader,
            pack: Pack::new(),
            first: true,
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
    /// wanted and time comes, in this order, without blanks and escapes. What is left, and what is
    /// wrong, is for [`Self::next_record`], which reads its record anew.
    #[inline(never)]
    pub(crate) fn usual_records<E>(
        &mut self,
        rules: &mut Rules<'_>,
        each: &mut impl FnMut(Record<'a>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut rest = self.reader.rest();
        // So few records need not be counted.
        if rest.len() / MIN_RECORD > MAX_RECORDS || !self.pack.is_usual() {
            return Ok(());
        }
        while let (true, [b'{', body @ ..]) | (false, [b',', b'{', body @ ..]) = (self.first, rest)
        {
            let Some((record, after)) = self.usual_record(rules, body) else {
                break;
            };
            self.first = false;
            rest = after;
            each(record)?;
        }
        self.reader.set_left(rest.len());
        Ok(())
    }

    /// Reads a record whose brace was read, and returns what follows.
    #[inline(always)]
    fn usual_record(
        &mut self,
        rules: &mut Rules<'_>,
        body: &'a [u8],
    ) -> Option<(Record<'a>, &'a [u8])> {
        let mut rest = body;
        if let Some(after) = rest.strip_prefix(b"\"bn\":\"") {
            let (name, after) = after.split_at_checked(plain_len(after))?;
            if !self.pack.read_usual_base_name(name) {
                return None;
            }
            rest = after.strip_prefix(b"\",")?;
        }
        if let Some(after) = rest.strip_prefix(b"\"bt\":") {
            let (time, after) = short_number(after)?;
            self.pack.base_time = Some(time.float());
            rest = after.strip_prefix(b",")?;
        }
        let base = self.pack.usual_base(rules)?;
        let (path, rest) = ids_to_quote(base, rest.strip_prefix(b"\"n\":\"")?)?;
        let (value, rest) = self.usual_value(rules.type_of(path)?, rest.strip_prefix(b",\"v")?)?;
        let mut time = self.pack.base_time;
        let rest = match rest {
            [b'}', rest @ ..] => rest,
            _ => {
                let (offset, rest) = short_number(rest.strip_prefix(b",\"t\":")?)?;
                time = Some(time.unwrap_or(0.0) + offset.float());
                rest.strip_prefix(b"}")?
            }
        };
        let value = Some(value);
        Some((Record { path, time, value }, rest))
    }

    /// Reads a value of the type wanted; of its label, the first letter was read.
    #[inline(always)]
    fn usual_value(&self, wanted: Type, label: &'a [u8]) -> Option<(Value<'a>, &'a [u8])> {
        let number = || short_number(label.strip_prefix(b"\":")?);
        Some(match wanted {
            Type::String => {
                let text = label.strip_prefix(b"s\":\"")?;
                let rest = text.get(plain_len(text)..)?;
                let value = self.reader.between(text.len(), rest.len())?;
                (Value::string(value), rest.strip_prefix(b"\"")?)
            }
            Type::Integer | Type::Time => {
                let (number, rest) = number()?;
                let value = number.integer();
                let value = match (wanted, number.places) {
                    (Type::Integer, 0) => Value::Integer(value),
                    (_, 0) => Value::Time(value),
                    _ => return None,
                };
                (value, rest)
            }
            Type::Float => match number() {
                Some((number, rest)) => (Value::Float(number.float()), rest),
                None => {
                    let mut reader = self.reader;
                    reader.set_left(label.strip_prefix(b"\":")?.len());
                    match reader.any_number() {
                        Ok(Raw::Float(value)) => (Value::Float(value), reader.rest()),
                        _ => return None,
                    }
                }
            },
            Type::Boolean => {
                let word = label.strip_prefix(b"b\":")?;
                match word.strip_prefix(b"true") {
                    Some(rest) => (Value::Boolean(true), rest),
                    None => (Value::Boolean(false), word.strip_prefix(b"false")?),
                }
            }
            _ => return None,
        })
    }

    #[inline(never)]
    pub(crate) fn next_record(
        &mut self,
        rules: &mut Rules<'_>,
        record: &mut Record<'a>,
    ) -> Result<bool, DecodeError> {
        // A copy, which can stay in registers.
        let mut reader = self.reader;
        if !reader.more(&mut self.first, b']')? {
            reader.end()?;
            return Ok(false);
        }
        let at = reader.pos();
        reader.require(b'{', "an object")?;
        let mut fields = Fields::default();
        let mut first = true;
        while reader.more(&mut first, b'}')? {
            field(&mut reader, &mut self.pack, &mut fields)?;
        }
        self.reader = reader;
        self.pack.resolve(&fields, rules, record, at)
    }
}

#[inline(always)]
fn field<'a>(
    reader: &mut Reader<'a>,
    pack: &mut Pack<'a>,
    fields: &mut Fields<'a>,
) -> Result<(), DecodeError> {
    let at = reader.pos();
    let value = match label(reader.key()?) {
        Label::Name => return fields.set_name(Piece::of(reader.string()?), at),
        Label::BaseName => return pack.read_base_name(Piece::of(reader.string()?), at),
        Label::Time => {
            fields.time = Some(reader.float()?);
            return Ok(());
        }
        Label::BaseTime => {
            pack.base_time = Some(reader.float()?);
            return Ok(());
        }
        Label::BaseValue => {
            pack.base_value = reader.float()?;
            return Ok(());
        }
        Label::BaseVersion => return check_version(reader.float()?, at),
        Label::Ignored => return reader.apart(Reader::skip),
        Label::Critical => return Err(critical(at)),
        Label::Value if reader.null() => Raw::Null,
        Label::Value => reader.number()?,
        Label::StringValue => Raw::Text(reader.string()?),
        Label::BooleanValue => Raw::Boolean(u64::from(reader.boolean()?)),
        Label::LinkValue => Raw::Link(reader.string()?),
        Label::DataValue => data(reader.string()?, at)?,
    };
    fields.set_value(value, at)
}

/// A label written with escapes is resolved first: `"\u006e"` is a name as well.
#[inline]
fn label(key: Text<'_>) -> Label {
    const LONGEST: usize = 32;
    let mut buf = [0; LONGEST];
    match key.as_plain() {
        Some(key) => Label::from_text(key),
        None => match key.copy_to(&mut buf) {
            Some(key) => Label::from_text(key),
            None if key.chars().last() == Some('_') => Label::Critical,
            None => Label::Ignored,
        },
    }
}
