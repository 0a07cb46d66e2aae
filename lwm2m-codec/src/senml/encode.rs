//! Writes SenML.

use crate::{
    ContentFormat, EncodeError, Names, Path, Record, Value,
    bytes::Alphabet,
    cbor::{self, major, short},
    json, number,
    out::{Out, short_name},
};

/// Writes SenML in JSON or CBOR.
///
/// The base name is the base path: `"/3/0/"` before names such as `"9"`. A pack for the root has
/// none in JSON, in ETCH bodies and in lists of paths, where it would save nothing.
#[derive(Debug)]
pub(crate) struct SenmlEncoder<'r> {
    format: ContentFormat,
    root: &'r str,
    base: Path,
    base_time: Option<f64>,
    names: Names,
    state: State,
    count: u64,
}

/// The base name in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing was written.
    Start,
    /// None: names are absolute.
    Absolute,
    /// The base path itself.
    Base,
    /// The base path and a slash.
    BaseSlash,
}

impl<'r> SenmlEncoder<'r> {
    pub(crate) const fn new(format: ContentFormat, base: Path, names: Names) -> Self {
        Self {
            format,
            root: "",
            base,
            base_time: None,
            names,
            state: State::Start,
            count: 0,
        }
    }

    pub(crate) fn set_root(&mut self, root: &'r str) {
        self.root = root.trim_end_matches('/');
    }

    pub(crate) fn set_base_time(&mut self, seconds: f64) {
        self.base_time = Some(seconds);
    }

    pub(crate) const fn format(&self) -> ContentFormat {
        self.format
    }

    const fn is_json(&self) -> bool {
        matches!(
            self.format,
            ContentFormat::SENML_JSON | ContentFormat::SENML_ETCH_JSON
        )
    }

    const fn is_etch(&self) -> bool {
        matches!(
            self.format,
            ContentFormat::SENML_ETCH_JSON | ContentFormat::SENML_ETCH_CBOR
        )
    }

    /// Writes records for as long as nothing but values of the base comes, which is an Object
    /// Instance, with short ids; returns the first record that is not one, and those behind it.
    #[inline(never)]
    pub(crate) fn usual_records<'i, 'v: 'i, I: Iterator<Item = &'i Record<'v>>>(
        &mut self,
        out: &mut Out<'_>,
        mut records: I,
    ) -> Result<(Option<&'i Record<'v>>, I), EncodeError> {
        if self.state != State::BaseSlash || self.base.len() != 2 {
            return Ok((records.next(), records));
        }
        let is_json = self.is_json();
        let shared = out;
        let out = &mut shared.reborrow();
        let odd = loop {
            let Some(record) = records.next() else {
                break None;
            };
            let (Some(value), Some(_)) = (&record.value, record.path.place_below(self.base)) else {
                break Some(record);
            };
            let (Some(name), Ok(time)) = (short_name(record.path), self.time(record)) else {
                break Some(record);
            };
            self.count = self.count.wrapping_add(1);
            if !is_json {
                write_short_cbor(out, name, value, time)?;
            } else if !write_short_json(out, name, value, time)? {
                return Err(EncodeError::NotExpressible {
                    path: record.path,
                    format: self.format,
                });
            }
        };
        let len = out.len();
        shared.resume(len);
        Ok((odd, records))
    }

    /// The time that a record states; an error for one that can't be written.
    #[inline(always)]
    fn time(&self, record: &Record<'_>) -> Result<Option<f64>, ()> {
        // A base time would give a time to a record that has none.
        let time = match (self.base_time, record.time) {
            (Some(base), Some(time)) => Some(time - base).filter(|t| *t != 0.0),
            (Some(_), None) => return Err(()),
            (None, time) => time,
        };
        match time {
            Some(time) if !time.is_finite() => Err(()),
            time => Ok(time),
        }
    }

    #[inline(never)]
    pub(crate) fn push(
        &mut self,
        out: &mut Out<'_>,
        record: &Record<'_>,
    ) -> Result<(), EncodeError> {
        let not_expressible = EncodeError::NotExpressible {
            path: record.path,
            format: self.format,
        };
        let Ok(time) = self.time(record) else {
            return Err(not_expressible);
        };
        let first = self.state == State::Start;
        let base_name = self.base_name(record);
        let entry = Entry {
            base_name: base_name.map(|slash| (self.root, self.base, slash)),
            base_time: self.base_time.filter(|_| first),
            name: self.name(record.path),
            value: record.value,
            time,
        };
        self.count = self.count.saturating_add(1);
        if self.is_json() {
            out.byte(if first { b'[' } else { b',' })?;
            if !write_json(out, &entry)? {
                return Err(not_expressible);
            }
            Ok(())
        } else {
            if first {
                // The count of records is filled in at the end.
                out.byte(major::ARRAY << 5)?;
            }
            write_cbor(out, &entry)
        }
    }

    /// Decides on a new base name: whether it gets a slash; `None` if it stays as it is.
    fn base_name(&mut self, record: &Record<'_>) -> Option<bool> {
        let is_base = record.path == self.base;
        let next = match self.state {
            State::Absolute => State::Absolute,
            State::Start if self.names == Names::Absolute => State::Absolute,
            State::Start if self.base.is_root() => {
                let useful = !self.is_json() && !self.is_etch() && !is_base;
                if useful && record.value.is_some() {
                    State::BaseSlash
                } else {
                    State::Absolute
                }
            }
            // The root's own name ends with a slash.
            State::BaseSlash if self.base.is_root() => State::BaseSlash,
            State::Start | State::BaseSlash if is_base => State::Base,
            State::Start => State::BaseSlash,
            state => state,
        };
        if next == self.state || next == State::Absolute {
            self.state = next;
            return None;
        }
        self.state = next;
        Some(next == State::BaseSlash)
    }

    /// The name below the base name in force; `None` if that is the whole name.
    fn name(&self, path: Path) -> Option<NameText<'r>> {
        let (root, skip, slash) = match self.state {
            State::Start | State::Absolute => (self.root, 0, true),
            State::Base => ("", self.base.len(), true),
            State::BaseSlash => ("", self.base.len(), false),
        };
        if matches!(self.state, State::Base | State::BaseSlash) && path == self.base {
            return None;
        }
        Some(NameText {
            root,
            path,
            skip,
            slash,
        })
    }

    pub(crate) fn finish(&self, out: &mut Out<'_>) -> Result<(), EncodeError> {
        match (self.is_json(), self.state == State::Start) {
            (true, true) => out.put(b"[]"),
            (true, false) => out.byte(b']'),
            (false, true) => out.byte(major::ARRAY << 5),
            (false, false) => cbor::set_count(out, 0, major::ARRAY, self.count),
        }
    }
}

/// A name: a root, then the ids of a path from one level on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NameText<'r> {
    pub(crate) root: &'r str,
    pub(crate) path: Path,
    /// Number of ids that the base name holds already.
    pub(crate) skip: usize,
    /// Whether it begins with a slash.
    pub(crate) slash: bool,
}

impl NameText<'_> {
    #[inline]
    pub(crate) fn write(&self, out: &mut Out<'_>) -> Result<(), EncodeError> {
        if self.skip.wrapping_add(1) == self.path.len() && !self.slash && self.root.is_empty() {
            // Nearly every name: the last id.
            return out.id(self.path.last_id().unwrap_or(0));
        }
        self.write_any(out)
    }

    #[inline(never)]
    fn write_any(&self, out: &mut Out<'_>) -> Result<(), EncodeError> {
        out.put(self.root.as_bytes())?;
        let mut slash = self.slash;
        for id in self.path.ids().iter().skip(self.skip) {
            if slash {
                out.byte(b'/')?;
            }
            slash = true;
            out.id(*id)?;
        }
        if self.path.is_root() && self.root.is_empty() {
            out.byte(b'/')?;
        }
        Ok(())
    }
}

/// A record, ready to be written.
struct Entry<'r, 'v> {
    /// Root, base path and whether a slash follows.
    base_name: Option<(&'r str, Path, bool)>,
    base_time: Option<f64>,
    name: Option<NameText<'r>>,
    value: Option<Value<'v>>,
    time: Option<f64>,
}

pub(crate) fn write_base_name(
    out: &mut Out<'_>,
    (root, base, slash): (&str, Path, bool),
) -> Result<(), EncodeError> {
    let name = NameText {
        root,
        path: base,
        skip: 0,
        slash: true,
    };
    name.write(out)?;
    if slash && !(base.is_root() && root.is_empty()) {
        out.byte(b'/')?;
    }
    Ok(())
}

/// Writes a record as an object; false if its value has no JSON form.
fn write_json(out: &mut Out<'_>, entry: &Entry<'_, '_>) -> Result<bool, EncodeError> {
    out.byte(b'{')?;
    let start = out.len();
    if let Some(base_name) = entry.base_name {
        out.put(b"\"bn\":\"")?;
        write_base_name(out, base_name)?;
        out.byte(b'"')?;
    }
    if let Some(time) = entry.base_time {
        json_key(out, start, b"\"bt\":")?;
        if !number::write_float(out, time)? {
            return Ok(false);
        }
    }
    if let Some(name) = &entry.name {
        json_key(out, start, b"\"n\":\"")?;
        name.write(out)?;
        out.byte(b'"')?;
    }
    if let Some(value) = &entry.value {
        if out.len() > start {
            out.byte(b',')?;
        }
        if !write_json_value(out, value)? {
            return Ok(false);
        }
    }
    if let Some(time) = entry.time {
        json_key(out, start, b"\"t\":")?;
        if !number::write_float(out, time)? {
            return Ok(false);
        }
    }
    out.byte(b'}')?;
    Ok(true)
}

pub(crate) fn json_key(out: &mut Out<'_>, start: usize, key: &[u8]) -> Result<(), EncodeError> {
    if out.len() > start {
        out.byte(b',')?;
    }
    out.put(key)
}

/// Writes a record of name, value and time that is not the first; false if its value has no JSON
/// form.
#[inline(always)]
fn write_short_json(
    out: &mut Out<'_>,
    (name, len): (u64, usize),
    value: &Value<'_>,
    time: Option<f64>,
) -> Result<bool, EncodeError> {
    out.literal(b",{\"n\":\"")?;
    out.word(name, len)?;
    match value {
        Value::String(text) | Value::CoreLink(text) => {
            out.literal(b"\",\"vs\":")?;
            out.apart(|out| json::write_string(out, *text))?;
        }
        Value::Integer(number) | Value::Time(number) => {
            out.literal(b"\",\"v\":")?;
            out.signed(*number)?;
        }
        Value::Float(number) => {
            out.literal(b"\",\"v\":")?;
            if !out.apart(|out| number::write_float(out, *number))? {
                return Ok(false);
            }
        }
        value => {
            out.literal(b"\",")?;
            if !out.apart(|out| write_json_value(out, value))? {
                return Ok(false);
            }
        }
    }
    if let Some(time) = time {
        out.literal(b",\"t\":")?;
        if !out.apart(|out| number::write_float(out, time))? {
            return Ok(false);
        }
    }
    out.byte(b'}')?;
    Ok(true)
}

fn write_json_value(out: &mut Out<'_>, value: &Value<'_>) -> Result<bool, EncodeError> {
    match value {
        Value::String(text) | Value::CoreLink(text) => {
            out.put(b"\"vs\":")?;
            json::write_string(out, *text)?;
        }
        Value::Integer(number) | Value::Time(number) => {
            out.put(b"\"v\":")?;
            out.signed(*number)?;
        }
        Value::Unsigned(number) => {
            out.put(b"\"v\":")?;
            out.unsigned(*number)?;
        }
        Value::Float(number) => {
            out.put(b"\"v\":")?;
            return number::write_float(out, *number);
        }
        Value::Boolean(false) => out.put(b"\"vb\":false")?,
        Value::Boolean(true) => out.put(b"\"vb\":true")?,
        Value::Opaque(bytes) => {
            out.put(b"\"vd\":\"")?;
            out.base64(*bytes, Alphabet::Url)?;
            out.byte(b'"')?;
        }
        Value::ObjectLink(link) => {
            out.put(b"\"vlo\":\"")?;
            out.display(link)?;
            out.byte(b'"')?;
        }
        Value::Null => out.put(b"\"v\":null")?,
    }
    Ok(true)
}

/// Writes a record of name, value and time that is not the first.
#[inline(always)]
fn write_short_cbor(
    out: &mut Out<'_>,
    (name, len): (u64, usize),
    value: &Value<'_>,
    time: Option<f64>,
) -> Result<(), EncodeError> {
    // The head of the map, the label of the name and the head of its text.
    let map = if time.is_some() { 0xa3 } else { 0xa2 };
    let head: u64 = (map << 16) | 0x60 | len as u64;
    out.word(head << 40, 3)?;
    out.word(name, len)?;
    write_cbor_label(out, value)?;
    if !short::write_value(out, value) {
        out.apart(|out| cbor::write_value(out, value))?;
    }
    if let Some(time) = time {
        out.byte(6)?;
        out.apart(|out| cbor::write_time(out, time))?;
    }
    Ok(())
}

/// Writes a record as a map.
fn write_cbor(out: &mut Out<'_>, entry: &Entry<'_, '_>) -> Result<(), EncodeError> {
    let count = usize::from(entry.base_name.is_some())
        .wrapping_add(usize::from(entry.base_time.is_some()))
        .wrapping_add(usize::from(entry.name.is_some()))
        .wrapping_add(usize::from(entry.value.is_some()))
        .wrapping_add(usize::from(entry.time.is_some()));
    cbor::write_head(out, major::MAP, count as u64)?;
    if let Some(base_name) = entry.base_name {
        cbor::write_integer(out, -2)?;
        cbor::write_as_text(out, |out| write_base_name(out, base_name))?;
    }
    if let Some(time) = entry.base_time {
        cbor::write_integer(out, -3)?;
        cbor::write_time(out, time)?;
    }
    if let Some(name) = &entry.name {
        cbor::write_integer(out, 0)?;
        cbor::write_as_text(out, |out| name.write(out))?;
    }
    if let Some(value) = &entry.value {
        write_cbor_label(out, value)?;
        cbor::write_value(out, value)?;
    }
    if let Some(time) = entry.time {
        cbor::write_integer(out, 6)?;
        cbor::write_time(out, time)?;
    }
    Ok(())
}

#[inline(always)]
fn write_cbor_label(out: &mut Out<'_>, value: &Value<'_>) -> Result<(), EncodeError> {
    out.byte(match value {
        Value::ObjectLink(_) => return out.apart(|out| cbor::write_text(out, "vlo".into())),
        Value::String(_) | Value::CoreLink(_) => 3,
        Value::Boolean(_) => 4,
        Value::Opaque(_) => 8,
        _ => 2,
    })
}
