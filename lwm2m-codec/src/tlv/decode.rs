//! Reads TLV.

use super::Kind;
use crate::{
    Bytes, DecodeError, DecodeErrorKind, MAX_ID, ObjectLink, Path, Record, Text, Type, TypeOf,
    Value,
};

/// An Object Instance holds Multiple Resources, which hold values: two containers at most.
const MAX_CONTAINERS: usize = 2;

/// What is around an open container.
#[derive(Debug, Clone, Copy)]
struct Container {
    limit: usize,
    parent: Path,
}

#[derive(Debug, Clone)]
pub(crate) struct TlvDecoder<'a> {
    bytes: &'a [u8],
    pos: usize,
    base: Path,
    /// Where the innermost container ends.
    limit: usize,
    /// Path of the innermost container; at the top level, that of the last element's parent.
    parent: Path,
    /// What is around the open containers, innermost last.
    open: [Container; MAX_CONTAINERS],
    depth: usize,
    /// For an object as base: whether its resources come without Object Instance.
    bare: Option<bool>,
}

impl<'a> TlvDecoder<'a> {
    pub(crate) fn new(base: Path, bytes: &'a [u8]) -> Result<Self, DecodeError> {
        if base.is_root() {
            // TLV has no level for objects.
            return Err(DecodeError::new(0, DecodeErrorKind::InvalidPath));
        }
        let none = Container {
            limit: 0,
            parent: Path::ROOT,
        };
        Ok(Self {
            bytes,
            pos: 0,
            base,
            limit: bytes.len(),
            parent: Path::ROOT,
            open: [none; MAX_CONTAINERS],
            depth: 0,
            bare: None,
        })
    }

    pub(crate) const fn pos(&self) -> usize {
        self.pos
    }

    #[inline]
    pub(crate) fn next_record(
        &mut self,
        types: &dyn TypeOf,
    ) -> Result<Option<Record<'a>>, DecodeError> {
        loop {
            if self.pos >= self.limit {
                if !self.close() {
                    return Ok(None);
                }
                continue;
            }
            let at = self.pos;
            let header = self.bytes.get(at..self.limit).unwrap_or_default();
            let Some((kind, id, start, len)) = split_header(header) else {
                return Err(self.truncated(at));
            };
            let start = at.saturating_add(start);
            let end = start.saturating_add(len);
            if end > self.limit {
                return Err(DecodeError::new(
                    self.limit,
                    DecodeErrorKind::UnexpectedEnd("the value"),
                ));
            }
            let depth = kind.depth();
            if self.parent.len().saturating_add(1) != depth || self.depth == 0 {
                self.check_top_level(depth, at)?;
            }
            let path = self.parent.child_or_self(id);
            if depth <= self.base.len() && !path.contains(&self.base) {
                return Err(DecodeError::new(at, DecodeErrorKind::OutsideBase));
            }
            if !kind.is_container() {
                self.pos = end;
                let bytes = self.bytes.get(start..end).unwrap_or_default();
                return match value(bytes, types.type_of(path)) {
                    Ok(value) => Ok(Some(Record::new(path, value))),
                    Err(kind) => Err(DecodeError::new(start, kind)),
                };
            }
            self.pos = start;
            if start == end {
                return Ok(Some(Record::path_only(path)));
            }
            self.open(end, path);
        }
    }

    /// Opens a container. The order of nesting was checked, so there is room for it.
    fn open(&mut self, end: usize, path: Path) {
        if let Some(place) = self.open.get_mut(self.depth) {
            *place = Container {
                limit: self.limit,
                parent: self.parent,
            };
            self.depth = self.depth.saturating_add(1);
            self.limit = end;
            self.parent = path;
        }
    }

    /// Goes back to what is around the innermost container; false at the end of the payload.
    fn close(&mut self) -> bool {
        self.depth = self.depth.wrapping_sub(1);
        let Some(outer) = self.open.get(self.depth) else {
            self.depth = 0;
            return false;
        };
        self.limit = outer.limit;
        self.parent = outer.parent;
        true
    }

    /// Checks that an element of this depth may stand here, and finds its parent from the base
    /// if it stands at the top level.
    fn check_top_level(&mut self, depth: usize, at: usize) -> Result<(), DecodeError> {
        let above = depth.saturating_sub(1);
        let parent = match self.depth {
            0 => self.top_level_parent(above),
            _ => None,
        };
        match parent {
            Some(parent) => {
                self.parent = parent;
                Ok(())
            }
            None => {
                let kind = DecodeErrorKind::Unexpected("this kind of element");
                Err(DecodeError::new(at, kind))
            }
        }
    }

    /// Says what is missing of the header at `at`.
    #[cold]
    fn truncated(&self, at: usize) -> DecodeError {
        let header = self.bytes.get(at..self.limit).unwrap_or_default();
        let wide = header.first().is_some_and(|first| first & 0x20 != 0);
        let what = match header.len() {
            1 => "an identifier",
            2 if wide => "an identifier",
            _ => "a length",
        };
        DecodeError::new(self.limit, DecodeErrorKind::UnexpectedEnd(what))
    }

    #[inline]
    fn top_level_parent(&mut self, above: usize) -> Option<Path> {
        let Some(object) = self.base.object_id().filter(|_| self.base.len() == 1) else {
            return (self.base.len() >= above).then(|| self.base.truncated(above));
        };
        // Resources below an object belong to an instance that the device will number
        // (Create, TS-Core §6.3.6); they can't stand beside numbered instances.
        let bare = above == 2;
        if above > 2 || self.bare.is_some_and(|before| before != bare) {
            return None;
        }
        self.bare = Some(bare);
        Some(if bare {
            Path::instance(object, MAX_ID)
        } else {
            self.base
        })
    }
}

/// Splits the header off: kind, id, its own length and that of the value.
#[inline]
fn split_header(bytes: &[u8]) -> Option<(Kind, u16, usize, usize)> {
    let (&first, rest) = bytes.split_first()?;
    let (id, rest, width) = if first & 0x20 == 0 {
        let (&id, rest) = rest.split_first()?;
        (u16::from(id), rest, 2usize)
    } else {
        let (id, rest) = rest.split_first_chunk()?;
        (u16::from_be_bytes(*id), rest, 3)
    };
    let (len, more) = match ((first >> 3) & 3, rest) {
        (0, _) => (usize::from(first & 7), 0),
        (1, [len, ..]) => (usize::from(*len), 1),
        (2, [high, low, ..]) => (usize::from(u16::from_be_bytes([*high, *low])), 2),
        (3, [high, mid, low, ..]) => {
            let len = u32::from_be_bytes([0, *high, *mid, *low]);
            (usize::try_from(len).unwrap_or(usize::MAX), 3)
        }
        _ => return None,
    };
    Some((
        Kind::from_type_byte(first),
        id,
        width.saturating_add(more),
        len,
    ))
}

/// Makes the value of its bytes (TS-Core §7.5.5, App. C); opaque if the type is unknown.
#[inline]
fn value(bytes: &[u8], wanted: Option<Type>) -> Result<Value<'_>, DecodeErrorKind> {
    let Some(wanted) = wanted else {
        return Ok(Value::opaque(bytes));
    };
    let invalid = DecodeErrorKind::InvalidValue(wanted);
    let text = || core::str::from_utf8(bytes).map_err(|_| DecodeErrorKind::InvalidUtf8);
    Ok(match wanted {
        Type::String => Value::string(text()?),
        Type::CoreLink => Value::CoreLink(Text::new(text()?)),
        Type::Integer => Value::Integer(signed(bytes).ok_or(invalid)?),
        Type::Time => Value::Time(signed(bytes).ok_or(invalid)?),
        Type::Unsigned => Value::Unsigned(unsigned(bytes).ok_or(invalid)?),
        Type::Float => Value::Float(float(bytes).ok_or(invalid)?),
        Type::Boolean => Value::Boolean(match bytes {
            [0] => false,
            [1] => true,
            _ => return Err(invalid),
        }),
        Type::Opaque => Value::Opaque(Bytes::new(bytes)),
        Type::ObjectLink => match *bytes {
            [a, b, c, d] => Value::ObjectLink(ObjectLink::new(
                u16::from_be_bytes([a, b]),
                u16::from_be_bytes([c, d]),
            )),
            _ => return Err(invalid),
        },
    })
}

fn signed(bytes: &[u8]) -> Option<i64> {
    Some(match *bytes {
        [a] => i64::from(a as i8),
        [a, b] => i64::from(i16::from_be_bytes([a, b])),
        [a, b, c, d] => i64::from(i32::from_be_bytes([a, b, c, d])),
        _ => i64::from_be_bytes(bytes.try_into().ok()?),
    })
}

fn unsigned(bytes: &[u8]) -> Option<u64> {
    Some(match *bytes {
        [a] => u64::from(a),
        [a, b] => u64::from(u16::from_be_bytes([a, b])),
        [a, b, c, d] => u64::from(u32::from_be_bytes([a, b, c, d])),
        _ => u64::from_be_bytes(bytes.try_into().ok()?),
    })
}

fn float(bytes: &[u8]) -> Option<f64> {
    Some(match *bytes {
        [a, b, c, d] => f64::from(f32::from_be_bytes([a, b, c, d])),
        _ => f64::from_be_bytes(bytes.try_into().ok()?),
    })
}
