//! Writes TLV.

use super::Kind;
use crate::{ContentFormat, EncodeError, MAX_ID, Path, Record, Value, out::Out};

/// An Object Instance and a Multiple Resource.
const MAX_CONTAINERS: usize = 2;
/// Longest value: 24 bits of length (TS-Core §7.5.5).
const MAX_LENGTH: usize = 0xff_ffff;

/// A container whose length is not known yet.
#[derive(Debug, Clone, Copy)]
struct Container {
    /// Offset of the type byte.
    header: usize,
    /// Offset of the first element.
    start: usize,
    path: Path,
}

#[derive(Debug)]
pub(crate) struct TlvEncoder {
    base: Path,
    open: [Container; MAX_CONTAINERS],
    depth: usize,
    last: Last,
}

/// The last record.
#[derive(Debug, Clone, Copy)]
struct Last {
    path: Path,
    kind: LastKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LastKind {
    /// There is none.
    None,
    /// An empty container.
    Place,
    /// A value.
    Value,
}

impl Last {
    const NONE: Self = Self {
        path: Path::ROOT,
        kind: LastKind::None,
    };

    /// True for a value whose path differs from `path` in nothing but a lower last id.
    #[inline]
    fn is_older_sibling_of(&self, path: Path) -> bool {
        self.kind == LastKind::Value && self.path.is_older_sibling_of(path)
    }
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
            last: Last::NONE,
        })
    }

    #[inline(never)]
    pub(crate) fn push(
        &mut self,
        out: &mut Out<'_>,
        record: &Record<'_>,
    ) -> Result<(), EncodeError> {
        let path = record.path;
        let kind = match (&record.value, path.len()) {
            (Some(_), 3) => Kind::Resource,
            (Some(_), 4) => Kind::ResourceInstance,
            _ => return self.odd(out, record),
        };
        // Nearly every record is a later sibling of the last one.
        if record.time.is_some() || !self.last.is_older_sibling_of(path) {
            self.check(record)?;
            self.go_to(out, path, path.truncated(path.len().wrapping_sub(1)))?;
        }
        self.last = Last {
            path,
            kind: LastKind::Value,
        };
        match &record.value {
            Some(value) => leaf(out, kind, path, value),
            None => Ok(()),
        }
    }

    /// Checks that a record may follow the last one, and has no time.
    #[inline(never)]
    fn check(&self, record: &Record<'_>) -> Result<(), EncodeError> {
        let (path, last) = (record.path, self.last.path);
        if self.last.kind != LastKind::None && path <= last {
            return Err(EncodeError::OutOfOrder { path });
        }
        let below_value = self.last.kind == LastKind::Value && last.contains(&path);
        if below_value || record.time.is_some() {
            return Err(not_expressible(path));
        }
        Ok(())
    }

    /// Opens an empty Object Instance or Multiple Resource; anything else has no place here.
    #[inline(never)]
    fn odd(&mut self, out: &mut Out<'_>, record: &Record<'_>) -> Result<(), EncodeError> {
        let path = record.path;
        self.check(record)?;
        match (&record.value, path.len()) {
            // The base itself needs no container of its own, unless it is a resource.
            (None, 1 | 2) if path == self.base => {}
            (None, 2 | 3) => {}
            _ => return Err(not_expressible(path)),
        }
        self.go_to(out, path, path)?;
        self.last = Last {
            path,
            kind: LastKind::Place,
        };
        Ok(())
    }

    /// Closes the containers that do not hold `path`, and opens those down to `container`.
    #[inline(never)]
    fn go_to(&mut self, out: &mut Out<'_>, path: Path, container: Path) -> Result<(), EncodeError> {
        self.close_all_but_parents_of(out, path)?;
        self.open_down_to(out, container)
    }

    pub(crate) fn finish(mut self, out: &mut Out<'_>) -> Result<(), EncodeError> {
        while self.depth > 0 {
            self.close(out)?;
        }
        Ok(())
    }

    fn innermost(&self) -> Option<Container> {
        self.open.get(self.depth.checked_sub(1)?).copied()
    }

    fn close_all_but_parents_of(
        &mut self,
        out: &mut Out<'_>,
        path: Path,
    ) -> Result<(), EncodeError> {
        while let Some(container) = self.innermost() {
            if container.path.contains(&path) {
                break;
            }
            self.close(out)?;
        }
        Ok(())
    }

    /// Opens the containers from the innermost one down to `path`, where the base does not
    /// imply them.
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
            let id = path.last_id().unwrap_or(0);
            // The device will number this instance (Create): its resources stand alone.
            if kind == Kind::Instance && id == MAX_ID {
                continue;
            }
            self.open(out, kind, path, id)?;
        }
        Ok(())
    }

    fn open(
        &mut self,
        out: &mut Out<'_>,
        kind: Kind,
        path: Path,
        id: u16,
    ) -> Result<(), EncodeError> {
        let header = out.len();
        put_id(out, kind.bits(), id)?;
        if let Some(place) = self.open.get_mut(self.depth) {
            *place = Container {
                header,
                start: out.len(),
                path,
            };
            self.depth = self.depth.saturating_add(1);
        }
        Ok(())
    }

    /// Fills the length of the innermost container in, moving its elements where the length
    /// needs bytes of its own.
    fn close(&mut self, out: &mut Out<'_>) -> Result<(), EncodeError> {
        let Some(container) = self.innermost() else {
            return Ok(());
        };
        self.depth = self.depth.saturating_sub(1);
        let len = out.len().saturating_sub(container.start);
        let (bits, bytes, count) = length(len).ok_or(not_expressible(container.path))?;
        let first = out.written(container.header).first().copied().unwrap_or(0);
        out.set(container.header, first | bits);
        out.insert(container.start, bytes.get(..count).unwrap_or_default())
    }
}

const fn not_expressible(path: Path) -> EncodeError {
    EncodeError::NotExpressible {
        path,
        format: ContentFormat::TLV,
    }
}

/// Writes type byte and id; the length bits are left 0.
fn put_id(out: &mut Out<'_>, bits: u8, id: u16) -> Result<(), EncodeError> {
    match u8::try_from(id) {
        Ok(id) => out.put(&[bits, id]),
        Err(_) => {
            let [high, low] = id.to_be_bytes();
            out.put(&[bits | 0x20, high, low])
        }
    }
}

/// The length bits of the type byte, and the length field with its size.
fn length(len: usize) -> Option<(u8, [u8; 3], usize)> {
    if len > MAX_LENGTH {
        return None;
    }
    let [_, high, mid, low] = (len as u32).to_be_bytes();
    Some(match len {
        0..=7 => (low, [0; 3], 0),
        8..=0xff => (1 << 3, [low, 0, 0], 1),
        0x100..=0xffff => (2 << 3, [mid, low, 0], 2),
        _ => (3 << 3, [high, mid, low], 3),
    })
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

/// Writes a value in its shortest form (TS-Core §7.5.5, App. C).
#[inline]
fn leaf(out: &mut Out<'_>, kind: Kind, path: Path, value: &Value<'_>) -> Result<(), EncodeError> {
    let (bits, width) = match value {
        Value::String(text) | Value::CoreLink(text) => {
            header(out, kind, path, text.len())?;
            return out.text(*text);
        }
        Value::Opaque(bytes) => {
            header(out, kind, path, bytes.len())?;
            return out.bytes(*bytes);
        }
        Value::Integer(number) | Value::Time(number) => {
            // Numbers and their complements need the same width: the sign and what differs.
            let magnitude = (number ^ (number >> 63)) as u64;
            (*number as u64, width(magnitude << 1))
        }
        Value::Unsigned(number) => (*number, width(*number)),
        Value::Float(number) => {
            let single = *number as f32;
            if (f64::from(single) == *number || number.is_nan()) && !out.has_doubles() {
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
        Value::Null => return Err(not_expressible(path)),
    };
    let unused = 64usize.wrapping_sub(width.wrapping_mul(8)) as u32;
    let value = bits.wrapping_shl(unused);
    let id = path.last_id().unwrap_or(0);
    if width <= 4 && id <= 0xff {
        // Type byte, id and value fit in one register.
        let first = u64::from(kind.bits()) | width as u64;
        let word = (first << 56) | (u64::from(id) << 48) | (value >> 16);
        return out.word(word, width.wrapping_add(2));
    }
    header(out, kind, path, width)?;
    out.word(value, width)
}

/// How many bytes a number takes: 1, 2, 4 or 8.
#[inline]
const fn width(number: u64) -> usize {
    match number {
        0..=0xff => 1,
        0x100..=0xffff => 2,
        0x1_0000..=0xffff_ffff => 4,
        _ => 8,
    }
}
