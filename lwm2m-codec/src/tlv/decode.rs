//! Reads TLV.

use super::Kind;
use crate::{
    DecodeError, DecodeErrorKind, MAX_ID, MAX_RECORDS, ObjectLink, Path, Record, Text, Type, Value,
    decoder::Rules, word::first_word,
};

/// An Object Instance holds Multiple Resources, which hold values: two containers at most.
const MAX_CONTAINERS: usize = 2;
/// Type byte and id.
const MIN_ELEMENT: usize = 2;

#[derive(Debug, Clone)]
pub(crate) struct TlvDecoder<'a> {
    payload: &'a [u8],
    /// Offset of the next element.
    pos: usize,
    /// Where the innermost container ends.
    end: usize,
    /// Path of the innermost container; at the top level, that of the last element's parent.
    parent: Path,
    /// Where the containers around the innermost one end, innermost last.
    outer: [usize; MAX_CONTAINERS],
    depth: usize,
    base: Path,
    /// For an object as base: whether its resources come without Object Instance.
    bare: Option<bool>,
}

impl<'a> TlvDecoder<'a> {
    #[inline]
    pub(crate) fn new(base: Path, payload: &'a [u8]) -> Result<Self, DecodeError> {
        if base.is_root() {
            // TLV has no level for objects.
            return Err(DecodeError::new(0, DecodeErrorKind::InvalidPath));
        }
        Ok(Self {
            payload,
            pos: 0,
            end: payload.len(),
            // Resources of an instance need not look for their parent.
            parent: match base.len() {
                2 => base,
                _ => Path::ROOT,
            },
            outer: [0; MAX_CONTAINERS],
            depth: 0,
            base,
            bare: None,
        })
    }

    /// Offset of the next byte to read.
    pub(crate) const fn pos(&self) -> usize {
        self.pos
    }

    /// Decodes the next record in place; false at the end.
    #[inline(never)]
    pub(crate) fn next_record(
        &mut self,
        rules: &mut Rules<'_>,
        place: &mut Record<'a>,
    ) -> Result<bool, DecodeError> {
        let found = self.step(rules, |record| *place = record)?;
        Ok(found.is_some())
    }

    /// Passes records on for as long as nothing but resources of one Object Instance comes, with
    /// short headers; true at the end of the payload. What is left otherwise, and what is wrong,
    /// is for [`Self::next_record`].
    ///
    /// Nearly every payload consists of these. All that changes from one to the next is in local
    /// variables: a record costs a third of what it does by [`Self::next_record`].
    #[inline(never)]
    pub(crate) fn usual_records<E>(
        &mut self,
        rules: &Rules<'_>,
        each: &mut impl FnMut(Record<'a>) -> Result<(), E>,
    ) -> Result<bool, E> {
        // So few elements need not be counted.
        let instance = self.parent;
        let few = self.payload.len() / MIN_ELEMENT <= MAX_RECORDS;
        if instance.len() != 2 || !few || !rules.admits_all_below(instance) {
            return Ok(false);
        }
        let mut rest = self.payload.get(self.pos..).unwrap_or_default();
        // What is left of the payload where the instance ends.
        let after = self.payload.len().wrapping_sub(self.end);
        while rest.len() > after {
            let Some(element) = short_element(rest).filter(|e| e.rest.len() >= after) else {
                break;
            };
            let path = instance.child_of_instance(element.id);
            if element.kind == Kind::Resource {
                let Some(value) = value(&element, rules.types.type_of(path)) else {
                    break;
                };
                rest = element.rest;
                each(Record::new(path, value))?;
                continue;
            }
            if element.kind != Kind::Multiple || element.bytes.is_empty() {
                break;
            }
            let wanted = rules.types.type_of(path);
            let after_multiple = element.rest.len();
            rest = rest.get(element.header..).unwrap_or_default();
            while rest.len() > after_multiple {
                let Some(element) = short_element(rest) else {
                    break;
                };
                if element.kind != Kind::ResourceInstance || element.rest.len() < after_multiple {
                    break;
                }
                let Some(value) = value(&element, wanted) else {
                    break;
                };
                rest = element.rest;
                each(Record::new(path.child_of_resource(element.id), value))?;
            }
            if rest.len() > after_multiple {
                let at = |left: usize| self.payload.len().wrapping_sub(left);
                self.open(path, at(rest.len()), at(after_multiple));
                return Ok(false);
            }
        }
        self.pos = self.payload.len().wrapping_sub(rest.len());
        Ok(rest.is_empty() && self.depth == 0)
    }

    /// Decodes the next record and passes it on; `None` at the end.
    #[inline(always)]
    pub(crate) fn step<R>(
        &mut self,
        rules: &mut Rules<'_>,
        each: impl FnOnce(Record<'a>) -> R,
    ) -> Result<Option<R>, DecodeError> {
        loop {
            let at = self.pos;
            if at >= self.end {
                match self.close() {
                    true => continue,
                    false => return Ok(None),
                }
            }
            let rest = self.payload.get(at..).unwrap_or_default();
            let after = self.payload.len().wrapping_sub(self.end);
            let Some(element) = element(rest).filter(|e| e.rest.len() >= after) else {
                return Err(self.truncated());
            };
            let start = at.wrapping_add(element.header);
            let end = start.wrapping_add(element.bytes.len());
            // All elements of one depth have the same parent, until a container opens or ends.
            let depth = element.kind.depth();
            let parent = match self.parent.len().wrapping_add(1) == depth {
                true => self.parent,
                false => self.top_level_parent(depth, element.id)?,
            };
            // The constant depths save the general way to add an id to a path.
            let path = match element.kind {
                Kind::Resource | Kind::Multiple => parent.child_of_instance(element.id),
                Kind::ResourceInstance => parent.child_of_resource(element.id),
                Kind::Instance => parent.child_or_self(element.id),
            };
            if element.kind.is_container() {
                if !element.bytes.is_empty() {
                    self.open(path, start, end);
                    continue;
                }
                rules.admit(path, || at)?;
                self.pos = end;
                return Ok(Some(each(Record::path_only(path))));
            }
            rules.admit(path, || at)?;
            self.pos = end;
            let wanted = rules.type_of(path);
            return match value(&element, wanted) {
                Some(value) => Ok(Some(each(Record::new(path, value)))),
                None => Err(invalid(start, wanted)),
            };
        }
    }

    /// Opens a container. The order of nesting was checked, so there is room for it.
    #[inline]
    fn open(&mut self, path: Path, start: usize, end: usize) {
        if let Some(place) = self.outer.get_mut(self.depth) {
            *place = self.end;
            self.depth = self.depth.wrapping_add(1);
            self.pos = start;
            self.end = end;
            self.parent = path;
        }
    }

    /// Goes back to what is around the innermost container; false at the end of the payload.
    #[inline]
    fn close(&mut self) -> bool {
        let depth = self.depth.wrapping_sub(1);
        let Some(end) = self.outer.get(depth) else {
            return false;
        };
        self.end = *end;
        self.parent = self.parent.truncated(self.parent.len().wrapping_sub(1));
        self.depth = depth;
        true
    }

    /// Finds the parent of an element of this depth and id from the base, if it may stand at the
    /// top level, and keeps it for those that follow.
    #[inline(never)]
    fn top_level_parent(&mut self, depth: usize, id: u16) -> Result<Path, DecodeError> {
        let above = depth.saturating_sub(1);
        let parent = match self.depth {
            0 => self.parent_from_base(above),
            _ => None,
        };
        let Some(parent) = parent else {
            let kind = DecodeErrorKind::Unexpected("this kind of element");
            return Err(DecodeError::new(self.pos, kind));
        };
        // An element that is the base itself, or around it, is checked each time.
        if depth > self.base.len() {
            self.parent = parent;
        } else if !parent.child_or_self(id).contains(&self.base) {
            return Err(DecodeError::new(self.pos, DecodeErrorKind::OutsideBase));
        }
        Ok(parent)
    }

    /// Says what is missing of the next element.
    #[cold]
    fn truncated(&self) -> DecodeError {
        let bytes = self.payload.get(self.pos..self.end).unwrap_or_default();
        let wide = bytes.first().is_some_and(|first| first & 0x20 != 0);
        let what = match (bytes.len(), long_header(bytes)) {
            (1, _) => "an identifier",
            (2, _) if wide => "an identifier",
            (_, None) => "a length",
            _ => "the value",
        };
        DecodeError::new(self.end, DecodeErrorKind::UnexpectedEnd(what))
    }

    fn parent_from_base(&mut self, above: usize) -> Option<Path> {
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

/// An element of a payload.
struct Element<'a> {
    kind: Kind,
    id: u16,
    /// Length of the header.
    header: usize,
    /// The value.
    bytes: &'a [u8],
    /// The first bytes of the value, at least four, at the front of a word; what follows the
    /// value comes after them.
    ahead: u64,
    /// The payload after it.
    rest: &'a [u8],
}

/// Reads the first element; `None` if the payload ends inside.
#[inline(always)]
fn element(payload: &[u8]) -> Option<Element<'_>> {
    match short_element(payload) {
        Some(element) => Some(element),
        None => long_element(payload),
    }
}

/// Reads the first element, if its header is as nearly every one: with an id of one byte, and
/// with a length in the type byte or in one byte more.
#[inline(always)]
fn short_element(payload: &[u8]) -> Option<Element<'_>> {
    let word = first_word(payload);
    let first = (word >> 56) as u8;
    let (header, len, ahead) = match first & 0x38 {
        0 => (2usize, usize::from(first & 7), word << 16),
        0x08 => (3, usize::from((word >> 40) as u8), word << 24),
        _ => return None,
    };
    let (bytes, rest) = payload.get(header..)?.split_at_checked(len)?;
    Some(Element {
        kind: Kind::from_type_byte(first),
        id: u16::from((word >> 48) as u8),
        header,
        bytes,
        ahead,
        rest,
    })
}

#[inline(never)]
fn long_element(payload: &[u8]) -> Option<Element<'_>> {
    let (id, len, body) = long_header(payload)?;
    let (bytes, rest) = body.split_at_checked(len)?;
    Some(Element {
        kind: Kind::from_type_byte(*payload.first()?),
        id,
        header: payload.len().saturating_sub(body.len()),
        bytes,
        ahead: first_word(body),
        rest,
    })
}

/// Splits any header into id, length and what follows.
fn long_header(bytes: &[u8]) -> Option<(u16, usize, &[u8])> {
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

/// Makes the value of an element (TS-Core §7.5.5, App. C); opaque if the type is unknown.
#[inline(always)]
fn value<'a>(element: &Element<'a>, wanted: Option<Type>) -> Option<Value<'a>> {
    Some(match wanted {
        Some(Type::String) => Value::String(Text::from_utf8(element.bytes).ok()?),
        Some(Type::CoreLink) => Value::CoreLink(Text::from_utf8(element.bytes).ok()?),
        Some(Type::Integer) => Value::Integer(signed(element)?),
        Some(Type::Time) => Value::Time(signed(element)?),
        Some(Type::Unsigned) => {
            let (word, unused) = number(element)?;
            Value::Unsigned(word.wrapping_shr(unused))
        }
        Some(Type::Float) => match number(element)? {
            (word, 32) => Value::Float(f64::from(f32::from_bits((word >> 32) as u32))),
            (word, 0) => Value::Float(f64::from_bits(word)),
            _ => return None,
        },
        Some(Type::Boolean) => match (element.bytes.len(), element.ahead >> 56) {
            (1, value @ (0 | 1)) => Value::Boolean(value == 1),
            _ => return None,
        },
        Some(Type::ObjectLink) => match number(element)? {
            (word, 32) => {
                Value::ObjectLink(ObjectLink::new((word >> 48) as u16, (word >> 32) as u16))
            }
            _ => return None,
        },
        Some(Type::Opaque) | None => Value::opaque(element.bytes),
    })
}

#[inline(always)]
fn signed(element: &Element<'_>) -> Option<i64> {
    let (word, unused) = number(element)?;
    Some((word as i64).wrapping_shr(unused))
}

/// A number of 1, 2, 4 or 8 bytes at the front of a word, and how many bits of it are not used.
#[inline(always)]
fn number(element: &Element<'_>) -> Option<(u64, u32)> {
    Some(match element.bytes.len() {
        len @ (1 | 2 | 4) => (
            element.ahead,
            64u32.wrapping_sub((len as u32).wrapping_mul(8)),
        ),
        8 => (first_word(element.bytes), 0),
        _ => return None,
    })
}

/// Says why bytes are no value.
#[cold]
fn invalid(at: usize, wanted: Option<Type>) -> DecodeError {
    let kind = match wanted {
        Some(Type::String | Type::CoreLink) | None => DecodeErrorKind::InvalidUtf8,
        Some(wanted) => DecodeErrorKind::InvalidValue(wanted),
    };
    DecodeError::new(at, kind)
}
