//! OMA JSON of LwM2M 1.0: `application/vnd.oma.lwm2m+json` (TS 1.0 §6.4.4).

use crate::{
    ContentFormat, DecodeError, EncodeError, Path, Record, Text, Value,
    bytes::Alphabet,
    decoder::Rules,
    json::{Reader, write_string},
    name::{Piece, Root},
    number,
    out::Out,
    raw::Raw,
    senml::{Fields, NameText, Pack, json_key, write_base_name},
};

/// Reads OMA JSON in two passes, because base name and base time may follow the records.
#[derive(Debug, Clone)]
pub(crate) struct OmaJsonDecoder<'a> {
    reader: Reader<'a>,
    pack: Pack<'a>,
    base: Path,
    base_name: Option<Text<'a>>,
    first: bool,
}

impl<'a> OmaJsonDecoder<'a> {
    pub(crate) fn new(base: Path, payload: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(payload)?;
        let (mut base_name, mut base_time, mut records) = (None, None, None);
        reader.require(b'{', "an object")?;
        let mut first = true;
        while reader.more(&mut first, b'}')? {
            match reader.key()?.as_plain() {
                Some("bn") => base_name = Some(reader.string()?),
                Some("bt") => base_time = Some(reader.float()?),
                Some("e") if records.is_none() => {
                    let at = reader.pos();
                    reader.skip()?;
                    records = Some(at);
                }
                _ => reader.skip()?,
            }
        }
        reader.end()?;
        let mut reader = reader.at(records.ok_or_else(|| reader.expected("the records, e"))?);
        reader.require(b'[', "an array")?;
        let mut pack = Pack::new();
        pack.set_base(base);
        pack.base_time = base_time;
        Ok(Self {
            reader,
            pack,
            base,
            base_name,
            first: true,
        })
    }

    pub(crate) fn set_root(&mut self, root: Root<'a>) {
        self.pack.set_root(root);
        if self.base_name.is_none() {
            self.pack.set_base(self.base);
        }
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
        let reader = &mut self.reader;
        if !reader.more(&mut self.first, b']')? {
            return Ok(false);
        }
        let at = reader.pos();
        reader.require(b'{', "an object")?;
        if let Some(name) = self.base_name.take() {
            self.pack.read_base_name(Piece::of(name), at)?;
        }
        let mut fields = Fields::default();
        let mut first = true;
        while reader.more(&mut first, b'}')? {
            field(reader, &mut fields)?;
        }
        self.pack.resolve(&fields, rules, record, at)
    }
}

fn field<'a>(reader: &mut Reader<'a>, fields: &mut Fields<'a>) -> Result<(), DecodeError> {
    let at = reader.pos();
    let value = match reader.key()?.as_plain() {
        Some("n") => {
            return fields.set_name(Piece::of(reader.string()?), at);
        }
        Some("t") => {
            fields.time = Some(reader.float()?);
            return Ok(());
        }
        Some("v") => reader.number()?,
        Some("bv") => Raw::Boolean(u64::from(reader.boolean()?)),
        Some("ov") => Raw::Link(reader.string()?),
        // Strings and base64 share a label: the type decides.
        Some("sv") => Raw::TextOrBase64(reader.string()?),
        _ => return reader.skip(),
    };
    fields.set_value(value, at)
}

/// Writes OMA JSON.
#[derive(Debug)]
pub(crate) struct OmaJsonEncoder<'r> {
    root: &'r str,
    base: Path,
    /// Whether the base name ends with a slash; `None` before the first record.
    slash: Option<bool>,
}

impl<'r> OmaJsonEncoder<'r> {
    pub(crate) const fn new(base: Path) -> Self {
        Self {
            root: "",
            base,
            slash: None,
        }
    }

    pub(crate) fn set_root(&mut self, root: &'r str) {
        self.root = root.trim_end_matches('/');
    }

    #[inline(never)]
    pub(crate) fn push(
        &mut self,
        out: &mut Out<'_>,
        record: &Record<'_>,
    ) -> Result<(), EncodeError> {
        let not_expressible = EncodeError::NotExpressible {
            path: record.path,
            format: ContentFormat::OMA_JSON,
        };
        let Some(value) = record.value else {
            return Err(not_expressible);
        };
        let is_base = record.path == self.base;
        // The root's own name ends with a slash.
        let ends_with_slash = !is_base || self.base.is_root();
        let slash = match self.slash {
            // No name can take the slash of the base name back.
            Some(true) if !ends_with_slash => return Err(not_expressible),
            Some(slash) => {
                out.byte(b',')?;
                slash
            }
            None => {
                self.begin(out, ends_with_slash)?;
                ends_with_slash
            }
        };
        out.byte(b'{')?;
        let start = out.len();
        if !is_base {
            out.put(b"\"n\":\"")?;
            let name = NameText {
                root: "",
                path: record.path,
                skip: self.base.len(),
                slash: !slash,
            };
            name.write(out)?;
            out.byte(b'"')?;
        }
        let mut written = write_value(out, start, &value)?;
        if let Some(time) = record.time {
            json_key(out, start, b"\"t\":")?;
            written &= number::write_float(out, time)?;
        }
        if !written {
            return Err(not_expressible);
        }
        out.byte(b'}')
    }

    fn begin(&mut self, out: &mut Out<'_>, slash: bool) -> Result<(), EncodeError> {
        self.slash = Some(slash);
        out.put(b"{\"bn\":\"")?;
        write_base_name(out, (self.root, self.base, slash))?;
        out.put(b"\",\"e\":[")
    }

    pub(crate) fn finish(&mut self, out: &mut Out<'_>) -> Result<(), EncodeError> {
        if self.slash.is_none() {
            self.begin(out, true)?;
        }
        out.put(b"]}")
    }
}

/// Writes label and value; false if the value has no form here.
fn write_value(out: &mut Out<'_>, start: usize, value: &Value<'_>) -> Result<bool, EncodeError> {
    match value {
        Value::String(text) | Value::CoreLink(text) => {
            json_key(out, start, b"\"sv\":")?;
            write_string(out, *text)?;
        }
        Value::Integer(number) | Value::Time(number) => {
            json_key(out, start, b"\"v\":")?;
            out.signed(*number)?;
        }
        Value::Unsigned(number) => {
            json_key(out, start, b"\"v\":")?;
            out.unsigned(*number)?;
        }
        Value::Float(number) => {
            json_key(out, start, b"\"v\":")?;
            return number::write_float(out, *number);
        }
        Value::Boolean(value) => {
            json_key(out, start, b"\"bv\":")?;
            out.put(if *value { b"true" } else { b"false" })?;
        }
        Value::Opaque(bytes) => {
            json_key(out, start, b"\"sv\":\"")?;
            out.base64(*bytes, Alphabet::Standard)?;
            out.byte(b'"')?;
        }
        Value::ObjectLink(link) => {
            json_key(out, start, b"\"ov\":\"")?;
            out.display(link)?;
            out.byte(b'"')?;
        }
        Value::Null => return Ok(false),
    }
    Ok(true)
}
