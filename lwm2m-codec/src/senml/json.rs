//! Reads SenML JSON.

use super::{Fields, Label, Pack, check_version, critical, data};
use crate::{
    DecodeError, Record, Text,
    decoder::Rules,
    json::Reader,
    name::{Piece, Root},
    raw::Raw,
};

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
