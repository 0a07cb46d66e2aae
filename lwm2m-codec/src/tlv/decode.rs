//! Reads TLV.

use super::Kind;
use crate::{
    Bytes, DecodeError, DecodeErrorKind, MAX_ID, ObjectLink, Path, Record, Text, Type, Value,
    decoder::Rules,
};

/// An Object Instance holds Multiple Resources, which hold values: two containers at most.
const MAX_CONTAINERS: usize = 2;

/// What follows an open container, and what it belongs to.
#[derive(Debug, Clone, Copy)]
struct Outer<'a> {
    rest: &'a [u8],
    parent: Path,
}

#[derive(Debug, Clone)]
pub(crate) struct TlvDecoder<'a> {
    /// What is left of the innermost container.
    rest: &'a [u8],
    /// Path of the innermost container; at the top level, that of the last element's parent.
    parent: Path,
    /// What is around the open containers, innermost last.
    outer: [Outer<'a>; MAX_CONTAINERS],
    depth: usize,
    base: Path,
    /// Length of the payload.
    len: usize,
    /// For an object as base: whether its resources come without Object Instance.
    bare: Option<bool>,
}

impl<'a> TlvDecoder<'a> {
    pub(crate) fn new(base: Path, bytes: &'a [u8]) -> Result<Self, DecodeError> {
        if base.is_root() {
            // TLV has no level for objects.
            return Err(DecodeError::new(0, DecodeErrorKind::InvalidPath));
        }
        let none = Outer {
            rest: &[],
            parent: Path::ROOT,
        };
        Ok(Self {
            rest: bytes,
            parent: Path::ROOT,
            outer: [none; MAX_CONTAINERS],
            depth: 0,
            base,
            len: bytes.len(),
            bare: None,
        })
    }

    /// Offset of the next byte to read.
    pub(crate) fn pos(&self) -> usize {
        self.offset(self.rest)
    }

    /// Offset of `rest`, which ends where the innermost container ends.
    fn offset(&self, rest: &[u8]) -> usize {
        let open = self.outer.iter().take(self.depth);
        let after = open.fold(rest.len(), |sum, outer| {
            sum.saturating_add(outer.rest.len())
        });
        self.len.saturating_sub(after)
    }

    /// Decodes the next record; false at the end.
    #[inline(never)]
    pub(crate) fn next_record(
        &mut self,
        rules: &mut Rules<'_>,
        record: &mut Record<'a>,
    ) -> Result<bool, DecodeError> {
        loop {
            let element = self.rest;
            if element.is_empty() {
                match self.close() {
                    true => continue,
                    false => return Ok(false),
                }
            }
            let Some((header, body)) = split_header(element) else {
                return Err(self.truncated(element));
            };
            let Some((bytes, rest)) = body.split_at_checked(header.len) else {
                return Err(self.truncated(element));
            };
            let depth = header.kind.depth();
            // All elements of one depth have the same parent, until a container opens or ends.
            if self.parent.len().wrapping_add(1) != depth {
                self.check_top_level(depth)?;
            }
            let path = self.parent.child_or_self(header.id);
            if depth <= self.base.len() && !path.contains(&self.base) {
                return Err(self.fail(element, DecodeErrorKind::OutsideBase));
            }
            self.rest = rest;
            if !header.kind.is_container() {
                rules.admit(path, || self.offset(element))?;
                record.set_path(path);
                return match value(bytes, rules.type_of(path), &mut record.value) {
                    Ok(()) => Ok(true),
                    Err(kind) => Err(self.fail(body, kind)),
                };
            }
            if bytes.is_empty() {
                rules.admit(path, || self.offset(element))?;
                record.set_path(path);
                return Ok(true);
            }
            self.open(bytes, path);
        }
    }

    /// Opens a container. The order of nesting was checked, so there is room for it.
    fn open(&mut self, bytes: &'a [u8], path: Path) {
        if let Some(place) = self.outer.get_mut(self.depth) {
            *place = Outer {
                rest: self.rest,
                parent: self.parent,
            };
            self.depth = self.depth.saturating_add(1);
            self.rest = bytes;
            self.parent = path;
        }
    }

    /// Goes back to what is around the innermost container; false at the end of the payload.
    fn close(&mut self) -> bool {
        let depth = self.depth.wrapping_sub(1);
        let Some(outer) = self.outer.get(depth) else {
            return false;
        };
        self.rest = outer.rest;
        self.parent = outer.parent;
        self.depth = depth;
        true
    }

    #[cold]
    fn fail(&self, rest: &[u8], kind: DecodeErrorKind) -> DecodeError {
        DecodeError::new(self.offset(rest), kind)
    }

    /// Checks that an element of this depth may stand here, and finds its parent from the base
    /// if it stands at the top level.
    #[inline(never)]
    fn check_top_level(&mut self, depth: usize) -> Result<(), DecodeError> {
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
                Err(self.fail(self.rest, kind))
            }
        }
    }

    /// Says what is missing of an element.
    #[cold]
    fn truncated(&self, element: &[u8]) -> DecodeError {
        let wide = element.first().is_some_and(|first| first & 0x20 != 0);
        let what = match (element.len(), split_header(element)) {
            (1, _) => "an identifier",
            (2, _) if wide => "an identifier",
            (_, None) => "a length",
            _ => "the value",
        };
        self.fail(&[], DecodeErrorKind::UnexpectedEnd(what))
    }

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

/// The header of an element.
struct Header {
    kind: Kind,
    id: u16,
    /// Length of the value in bytes.
    len: usize,
}

/// Splits the header off; `None` if the bytes end inside.
#[inline]
fn split_header(bytes: &[u8]) -> Option<(Header, &[u8])> {
    let (id, len, body) = match *bytes {
        // Nearly every element: an id of one byte, and a length in the type byte or one more.
        [first, id, ref body @ ..] if first & 0x38 == 0 => {
            (u16::from(id), usize::from(first & 7), body)
        }
        [first, id, len, ref body @ ..] if first & 0x38 == 0x08 => {
            (u16::from(id), usize::from(len), body)
        }
        _ => split_long_header(bytes)?,
    };
    let kind = Kind::from_type_byte(*bytes.first()?);
    Some((Header { kind, id, len }, body))
}

/// Splits any header into id, length and what follows.
#[inline(never)]
fn split_long_header(bytes: &[u8]) -> Option<(u16, usize, &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    let (id, rest) = match rest {
        [high, low, rest @ ..] if first & 0x20 != 0 => (u16::from_be_bytes([*high, *low]), rest),
        [id, rest @ ..] if first & 0x20 == 0 => (u16::from(*id), rest),
        _ => return None,
    };
    let (len, body) = match ((first >> 3) & 3, rest) {
        (0, body) => (u32::from(first & 7), body),
        (1, [len, body @ ..]) => (u32::from(*len), body),
        (2, [high, low, body @ ..]) => (u32::from_be_bytes([0, 0, *high, *low]), body),
        (3, [high, mid, low, body @ ..]) => (u32::from_be_bytes([0, *high, *mid, *low]), body),
        _ => return None,
    };
    Some((id, len as usize, body))
}

/// Makes the value of its bytes (TS-Core §7.5.5, App. C) in place; opaque if the type is unknown.
#[inline(always)]
fn value<'a>(
    bytes: &'a [u8],
    wanted: Option<Type>,
    place: &mut Option<Value<'a>>,
) -> Result<(), DecodeErrorKind> {
    let Some(wanted) = wanted else {
        *place = Some(Value::opaque(bytes));
        return Ok(());
    };
    let invalid = DecodeErrorKind::InvalidValue(wanted);
    let text = || core::str::from_utf8(bytes).map_err(|_| DecodeErrorKind::InvalidUtf8);
    match wanted {
        Type::String => *place = Some(Value::string(text()?)),
        Type::CoreLink => *place = Some(Value::CoreLink(Text::new(text()?))),
        Type::Integer => *place = Some(Value::Integer(signed(bytes).ok_or(invalid)?)),
        Type::Time => *place = Some(Value::Time(signed(bytes).ok_or(invalid)?)),
        Type::Unsigned => *place = Some(Value::Unsigned(unsigned(bytes).ok_or(invalid)?)),
        Type::Float => *place = Some(Value::Float(float(bytes).ok_or(invalid)?)),
        Type::Boolean => match bytes {
            [byte @ (0 | 1)] => *place = Some(Value::Boolean(*byte == 1)),
            _ => return Err(invalid),
        },
        Type::Opaque => *place = Some(Value::Opaque(Bytes::new(bytes))),
        Type::ObjectLink => match *bytes {
            [a, b, c, d] => {
                let (object, instance) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
                *place = Some(Value::ObjectLink(ObjectLink::new(object, instance)));
            }
            _ => return Err(invalid),
        },
    }
    Ok(())
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
