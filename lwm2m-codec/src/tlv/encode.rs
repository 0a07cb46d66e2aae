//! Writes TLV.

use super::Kind;
use crate::{ContentFormat, EncodeError, MAX_ID, Path, Record, Value, encoder::Last, out::Out};

/// An Object Instance and a Multiple Resource.
const MAX_CONTAINERS: usize = 2;
/// Longest value: 24 bits of length (TS-Core §7.5.5).
const MAX_LENGTH: usize = 0xff_ffff;

/// A container whose length is not known yet.
#[derive(Debug, Clone, Copy)]
struct Container {
    path: Path,
    /// Offset of the type byte.
    header: usize,
    /// Offset of the first element.
    start: usize,
}

#[derive(Debug)]
pub(crate) struct TlvEncoder {
    base: Path,
    open: [Container; MAX_CONTAINERS],
    depth: usize,
}

impl TlvEncoder {
    pub(crate) fn new(base: Path) -> Result<Self, EncodeError> {
        if base.is_root() {
            return Err(not_expressible(base));
        }
        let none = Container {
            header: 0,
            start: 0,
            path: Path::ROOT,
        };
        Ok(Self {
            base,
            open: [none; MAX_CONTAINERS],
            depth: 0,
        })
    }

    /// Writes records for as long as nothing but values of the base comes, which is an Object
    /// Instance; returns the first record that is not
    /// one, and those behind it.
    ///
    /// Nearly every payload consists of these. They need no more than a glance at the last path.
    #[inline(never)]
    pub(crate) fn usual_records<'r, 'v: 'r, I: Iterator<Item = &'r Record<'v>>>(
        &mut self,
        out: &mut Out<'_>,
        last: &mut Last,
        mut records: I,
    ) -> Result<(Option<&'r Record<'v>>, I), EncodeError> {
        let instance = self.base;
        let Some(mut taken) = last
            .last_place_below(instance)
            .filter(|_| instance.len() == 2)
        else {
            return Ok((records.next(), records));
        };
        // Below an Object Instance, there is no container but one Multiple Resource: its place, or
        // -1 if none is open, the offset of its type byte, and that of its first element.
        let (mut multiple, mut header, mut start) = match self.innermost() {
            Some(open) => (
                open.path.place_below(instance).unwrap_or(-1),
                open.header,
                open.start,
            ),
            None => (-1, 0, 0),
        };
        let mut previous = None;
        let shared = out;
        let out = &mut shared.reborrow();
        let odd = loop {
            let Some(record) = records.next() else {
                break None;
            };
            let place = record.path.place_below(instance);
            let Some(place) = place.filter(|place| *place > taken) else {
                break Some(record);
            };
            let (Some(value), None) = (&record.value, record.time) else {
                break Some(record);
            };
            let resource = place & !0xffff;
            let (kind, id) = match record.path.len() {
                3 => {
                    if multiple >= 0 {
                        close(out, header, start, record.path)?;
                        multiple = -1;
                    }
                    taken = place | 0xffff;
                    (Kind::Resource, place >> 16)
                }
                4 => {
                    if multiple != resource {
                        if multiple >= 0 {
                            close(out, header, start, record.path)?;
                        }
                        header = out.len();
                        open(out, Kind::Multiple, record.path.truncated(3))?;
                        start = out.len();
                        multiple = resource;
                    }
                    taken = place;
                    (Kind::ResourceInstance, place & 0xffff)
                }
                _ => break Some(record),
            };
            if !short_leaf(out, kind, id as u16, value) {
                out.apart(|out| leaf(out, record.path, value))?;
            }
            previous = Some(record);
        };
        let len = out.len();
        shared.resume(len);
        if let Some(previous) = previous {
            self.depth = 0;
            if let (0.., [place, ..]) = (multiple, &mut self.open) {
                let path = instance.child_of_instance((multiple >> 16) as u16);
                *place = Container {
                    path,
                    header,
                    start,
                };
                self.depth = 1;
            }
            last.set_value(previous.path);
        }
        Ok((odd, records))
    }

    /// Writes a record; `last` is the one before, unless this one is a value beside it.
    #[inline(never)]
    pub(crate) fn push(
        &mut self,
        out: &mut Out<'_>,
        record: &Record<'_>,
        last: Option<&Last>,
    ) -> Result<(), EncodeError> {
        if last.is_some() || record.time.is_some() {
            self.go_to(out, record, last)?;
        }
        match &record.value {
            Some(value) => leaf(out, record.path, value),
            None => Ok(()),
        }
    }

    /// Checks that a record may come here, closes the containers that do not hold it, and opens
    /// those in which it stands.
    #[inline(never)]
    fn go_to(
        &mut self,
        out: &mut Out<'_>,
        record: &Record<'_>,
        last: Option<&Last>,
    ) -> Result<(), EncodeError> {
        let path = record.path;
        match last {
            Some(last) => last.check(record, ContentFormat::TLV)?,
            None => return Err(not_expressible(path)),
        }
        let container = match (record.value.is_some(), path.len()) {
            (true, 3) => path.truncated(2),
            (true, 4) => path.truncated(3),
            // The base itself needs no container of its own, unless it is a resource.
            (false, 1 | 2) if path == self.base => path,
            (false, 2 | 3) => path,
            _ => return Err(not_expressible(path)),
        };
        while let Some(innermost) = self.innermost() {
            if innermost.path.contains(&path) {
                break;
            }
            self.depth = self.depth.wrapping_sub(1);
            close(out, innermost.header, innermost.start, innermost.path)?;
        }
        // Nearly every container: a Multiple Resource of an instance whose place is known.
        if container.len() == 3 && self.base.len() == 2 {
            return match self.depth {
                0 => self.open(out, Kind::Multiple, container),
                _ => Ok(()),
            };
        }
        self.open_down_to(out, container)
    }

    pub(crate) fn finish(&mut self, out: &mut Out<'_>) -> Result<(), EncodeError> {
        while let Some(innermost) = self.innermost() {
            self.depth = self.depth.wrapping_sub(1);
            close(out, innermost.header, innermost.start, innermost.path)?;
        }
        Ok(())
    }

    #[inline(always)]
    fn innermost(&self) -> Option<Container> {
        self.open.get(self.depth.wrapping_sub(1)).copied()
    }

    /// Opens the containers from the innermost one down to `path`, where the base does not
    /// imply them.
    #[inline(never)]
    fn open_down_to(&mut self, out: &mut Out<'_>, path: Path) -> Result<(), EncodeError> {
        let open = self.innermost().map_or(0, |container| container.path.len());
        // A base of an instance implies its Object Instance; so does a resource. A base of a
        // resource instance implies its Multiple Resource as well.
        let implied = match self.base.len() {
            1 => 1,
            4 => 3,
            _ => 2,
        };
        for len in open.max(implied).saturating_add(1)..=path.len() {
            let path = path.truncated(len);
            let kind = if len == 2 {
                Kind::Instance
            } else {
                Kind::Multiple
            };
            // The device will number this instance (Create): its resources stand alone.
            if kind == Kind::Instance && path.last_id() == Some(MAX_ID) {
                continue;
            }
            self.open(out, kind, path)?;
        }
        Ok(())
    }

    #[inline]
    fn open(&mut self, out: &mut Out<'_>, kind: Kind, path: Path) -> Result<(), EncodeError> {
        let header = out.len();
        open(out, kind, path)?;
        if let Some(place) = self.open.get_mut(self.depth) {
            *place = Container {
                path,
                header,
                start: out.len(),
            };
            self.depth = self.depth.wrapping_add(1);
        }
        Ok(())
    }
}

/// Begins a container: type byte and id.
#[inline(always)]
fn open(out: &mut Out<'_>, kind: Kind, path: Path) -> Result<(), EncodeError> {
    out.apart(|out| header(out, kind, path, 0))
}

/// Fills the length of a container in, moving its elements where the length needs bytes of its
/// own; `path` is for the error.
#[inline(always)]
fn close(out: &mut Out<'_>, header: usize, start: usize, path: Path) -> Result<(), EncodeError> {
    let len = out.len().wrapping_sub(start);
    if len <= 7 {
        out.add_bits(header, len as u8);
        return Ok(());
    }
    if len <= 16 && out.insert_byte(start, len as u8) {
        out.add_bits(header, 1 << 3);
        return Ok(());
    }
    out.apart(|out| insert_length(out, header, start))
        .map_err(|error| error.unwrap_or(not_expressible(path)))
}

#[inline(never)]
fn insert_length(
    out: &mut Out<'_>,
    header: usize,
    start: usize,
) -> Result<(), Option<EncodeError>> {
    let len = out.len().wrapping_sub(start);
    let [_, high, mid, low] = (len as u32).to_be_bytes();
    let (bits, field) = match len {
        0..=0xff => (1 << 3, &[low][..]),
        0x100..=0xffff => (2 << 3, &[mid, low][..]),
        0x1_0000..=MAX_LENGTH => (3 << 3, &[high, mid, low][..]),
        _ => return Err(None),
    };
    out.add_bits(header, bits);
    out.insert(start, field).map_err(Some)
}

const fn not_expressible(path: Path) -> EncodeError {
    EncodeError::NotExpressible {
        path,
        format: ContentFormat::TLV,
    }
}

/// Writes a header, put together in one register.
#[inline]
fn header(out: &mut Out<'_>, kind: Kind, path: Path, len: usize) -> Result<(), EncodeError> {
    let id = path.last_id().unwrap_or(0);
    if id <= 0xff && len <= 0xff {
        // Nearly every header: two bytes, or three.
        let (word, width) = match len {
            0..=7 => (0, 2),
            _ => ((1 << 59) | ((len as u64) << 40), 3),
        };
        let first = u64::from(kind.bits()) | if width == 2 { len as u64 } else { 0 };
        return out.word(word | (first << 56) | (u64::from(id) << 48), width);
    }
    let (id_bits, wide) = match id {
        0..=0xff => (8u32, 0),
        _ => (16, 0x20),
    };
    let (len_bits, in_type_byte, field) = match len {
        0..=7 => (0u32, len as u8, 0),
        8..=0xff => (8, 1 << 3, len as u64),
        0x100..=0xffff => (16, 2 << 3, len as u64),
        0x1_0000..=MAX_LENGTH => (24, 3 << 3, len as u64),
        _ => return Err(not_expressible(path)),
    };
    let first = u64::from(kind.bits() | wide | in_type_byte);
    let word = first.wrapping_shl(id_bits) | u64::from(id);
    let word = word.wrapping_shl(len_bits) | field;
    let bits = id_bits.wrapping_add(len_bits).wrapping_add(8);
    let word = word.wrapping_shl(64u32.wrapping_sub(bits));
    out.word(word, (bits / 8) as usize)
}

/// Writes a value as nearly every one is: with an id of one byte, and in one piece; false, having
/// written nothing, for any other.
#[inline(always)]
fn short_leaf(out: &mut Out<'_>, kind: Kind, id: u16, value: &Value<'_>) -> bool {
    let Ok(id) = u8::try_from(id) else {
        return false;
    };
    let Some(window) = out.window() else {
        return false;
    };
    let head = (u64::from(kind.bits()) << 56) | (u64::from(id) << 48);
    let bytes = match value {
        Value::String(text) | Value::CoreLink(text) => text.as_plain_bytes(),
        Value::Opaque(bytes) => bytes.as_plain(),
        number => {
            // Other layouts do without this loop.
            let Some((bits, width)) = number_bits(number, false) else {
                return false;
            };
            // Type byte, id and value fit in one word, the value behind two bytes.
            let (value, size) = match width {
                1 => ((1 << 56) | (bits & 0xff) << 40, 3),
                2 => ((2 << 56) | (bits & 0xffff) << 32, 4),
                4 => ((4 << 56) | (bits & 0xffff_ffff) << 16, 6),
                _ => return false,
            };
            *window = (head | value).to_be_bytes();
            out.advance(size);
            return true;
        }
    };
    let Some(bytes) = bytes else {
        return false;
    };
    let (word, size) = match bytes.len() {
        len @ 0..=7 => (head | ((len as u64) << 56), 2usize),
        len @ 8..=0xff => (head | (1 << 59) | ((len as u64) << 40), 3),
        _ => return false,
    };
    *window = word.to_be_bytes();
    out.advance(size);
    if out.short(bytes).is_ok() {
        return true;
    }
    out.truncate(out.len().wrapping_sub(size));
    false
}

/// Writes a value in its shortest form (TS-Core §7.5.5, App. C).
#[inline(never)]
fn leaf(out: &mut Out<'_>, path: Path, value: &Value<'_>) -> Result<(), EncodeError> {
    let kind = match path.len() {
        3 => Kind::Resource,
        _ => Kind::ResourceInstance,
    };
    match value {
        Value::String(text) | Value::CoreLink(text) => {
            header(out, kind, path, text.len())?;
            return out.text(*text);
        }
        Value::Opaque(bytes) => {
            header(out, kind, path, bytes.len())?;
            return out.bytes(*bytes);
        }
        _ => {}
    }
    let bits = number_bits(value, out.has_doubles());
    let (bits, width) = bits.ok_or(not_expressible(path))?;
    header(out, kind, path, width)?;
    let unused = 64usize.wrapping_sub(width.wrapping_mul(8)) as u32;
    out.word(bits.wrapping_shl(unused), width)
}

/// The bits of a value of fixed size, and how many bytes they take; floating point numbers are 64
/// bits always if `doubles` says so.
#[inline(always)]
fn number_bits(value: &Value<'_>, doubles: bool) -> Option<(u64, usize)> {
    Some(match value {
        Value::Integer(number) | Value::Time(number) => {
            // Numbers and their complements need the same width: the sign and what differs.
            let magnitude = (number ^ (number >> 63)) as u64;
            (*number as u64, width(magnitude << 1))
        }
        Value::Unsigned(number) => (*number, width(*number)),
        Value::Float(number) => {
            let single = *number as f32;
            if (f64::from(single) == *number || number.is_nan()) && !doubles {
                (u64::from(single.to_bits()), 4)
            } else {
                (number.to_bits(), 8)
            }
        }
        Value::Boolean(value) => (u64::from(*value), 1),
        Value::ObjectLink(link) => {
            let bits = (u64::from(link.object) << 16) | u64::from(link.instance);
            (bits, 4)
        }
        _ => return None,
    })
}

/// How many bytes a number takes: 1, 2, 4 or 8.
#[inline(always)]
const fn width(number: u64) -> usize {
    match number {
        0..=0xff => 1,
        0x100..=0xffff => 2,
        0x1_0000..=0xffff_ffff => 4,
        _ => 8,
    }
}
