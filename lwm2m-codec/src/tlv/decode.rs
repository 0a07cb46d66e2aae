//! Reads TLV.

use super::Kind;
use crate::{
    Bytes, DecodeError, DecodeErrorKind, MAX_ID, ObjectLink, Path, Record, Text, Type, TypeOf,
    Value,
};

/// An Object Instance holds Multiple Resources, which hold values: two containers at most.
const MAX_CONTAINERS: usize = 2;

/// A container whose elements are being read.
#[derive(Debug, Clone, Copy)]
struct Container {
    end: usize,
    path: Path,
}

#[derive(Debug, Clone)]
pub(crate) struct TlvDecoder<'a> {
    bytes: &'a [u8],
    pos: usize,
    base: Path,
    /// Innermost last. The payload itself is not among them.
    open: [Container; MAX_CONTAINERS],
    depth: usize,
    /// For an object as base: whether its resources come without Object Instance.
    bare: Option<bool>,
}

struct Element {
    kind: Kind,
    path: Path,
    start: usize,
    end: usize,
}

impl<'a> TlvDecoder<'a> {
    pub(crate) fn new(base: Path, bytes: &'a [u8]) -> Result<Self, DecodeError> {
        if base.is_root() {
            // TLV has no level for objects.
            return Err(DecodeError::new(0, DecodeErrorKind::InvalidPath));
        }
        let none = Container {
            end: 0,
            path: Path::ROOT,
        };
        Ok(Self {
            bytes,
            pos: 0,
            base,
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
            let container = self.innermost();
            let end = container.map_or(self.bytes.len(), |container| container.end);
            if self.pos >= end {
                if self.depth == 0 {
                    return Ok(None);
                }
                self.depth = self.depth.saturating_sub(1);
                continue;
            }
            let at = self.pos;
            let element = self.element(container, end)?;
            if !element.kind.is_container() {
                self.pos = element.end;
                return self.leaf(&element, types, at).map(Some);
            }
            self.pos = element.start;
            if element.start == element.end {
                return Ok(Some(Record::path_only(element.path)));
            }
            // `path_of` lets containers nest only in the right order, so there is room.
            if let Some(place) = self.open.get_mut(self.depth) {
                *place = Container {
                    end: element.end,
                    path: element.path,
                };
                self.depth = self.depth.saturating_add(1);
            }
        }
    }

    #[inline]
    fn innermost(&self) -> Option<Container> {
        self.open.get(self.depth.checked_sub(1)?).copied()
    }

    /// Reads the header of the element at `self.pos`, which must end by `limit`.
    #[inline]
    fn element(
        &mut self,
        container: Option<Container>,
        limit: usize,
    ) -> Result<Element, DecodeError> {
        let at = self.pos;
        let header = self.bytes.get(at..limit).unwrap_or_default();
        let end = |what| DecodeError::new(limit, DecodeErrorKind::UnexpectedEnd(what));
        let (first, rest) = header.split_first().ok_or(end("a type byte"))?;
        let (id, rest) = if first & 0x20 == 0 {
            let (id, rest) = rest.split_first().ok_or(end("an identifier"))?;
            (u16::from(*id), rest)
        } else {
            let (id, rest) = rest.split_first_chunk().ok_or(end("an identifier"))?;
            (u16::from_be_bytes(*id), rest)
        };
        let (len, rest) = match (first >> 3) & 3 {
            0 => (usize::from(first & 7), rest),
            1 => match rest {
                [len, rest @ ..] => (usize::from(*len), rest),
                _ => return Err(end("a length")),
            },
            2 => match rest {
                [high, low, rest @ ..] => (usize::from(u16::from_be_bytes([*high, *low])), rest),
                _ => return Err(end("a length")),
            },
            _ => match rest {
                [high, mid, low, rest @ ..] => {
                    let len = u32::from_be_bytes([0, *high, *mid, *low]);
                    (usize::try_from(len).unwrap_or(usize::MAX), rest)
                }
                _ => return Err(end("a length")),
            },
        };
        if len > rest.len() {
            return Err(end("the value"));
        }
        let start = limit.saturating_sub(rest.len());
        let kind = Kind::from_type_byte(*first);
        Ok(Element {
            kind,
            path: self.path_of(kind, id, container, at)?,
            start,
            end: start.saturating_add(len),
        })
    }

    /// Finds the path of an element, from its container or from the path asked for.
    #[inline]
    fn path_of(
        &mut self,
        kind: Kind,
        id: u16,
        container: Option<Container>,
        at: usize,
    ) -> Result<Path, DecodeError> {
        let depth = kind.depth();
        let above = depth.saturating_sub(1);
        let nesting = DecodeError::new(at, DecodeErrorKind::Unexpected("this kind of element"));
        let parent = match container {
            Some(container) if container.path.len() == above => container.path,
            Some(_) => return Err(nesting),
            None => self.top_level_parent(above).ok_or(nesting)?,
        };
        let path = parent.child(id).ok_or(nesting)?;
        if depth <= self.base.len() && !path.contains(&self.base) {
            return Err(DecodeError::new(at, DecodeErrorKind::OutsideBase));
        }
        Ok(path)
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

    #[inline]
    fn leaf(
        &self,
        element: &Element,
        types: &dyn TypeOf,
        at: usize,
    ) -> Result<Record<'a>, DecodeError> {
        let bytes = self.bytes.get(element.start..element.end);
        let value = value(bytes.unwrap_or_default(), types.type_of(element.path));
        match value {
            Ok(value) => Ok(Record::new(element.path, value)),
            Err(kind) => Err(DecodeError::new(
                match kind {
                    DecodeErrorKind::InvalidUtf8 => element.start,
                    _ => at,
                },
                kind,
            )),
        }
    }
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
