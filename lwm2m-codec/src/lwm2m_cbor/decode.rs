//! Reads LwM2M CBOR.

use crate::{
    DecodeError, DecodeErrorKind, MAX_RECORDS, Path, Record,
    cbor::{Head, Reader, major, short},
    decoder::Rules,
    name::Root,
};

/// The payload, a gateway prefix, and the ids down to a resource.
const MAX_MAPS: usize = 5;
/// Resource values lie at least this deep.
const RESOURCE_DEPTH: usize = 3;

/// A key and a value.
const MIN_ENTRY: usize = 2;

/// A map whose entries are being read.
#[derive(Debug, Clone, Copy)]
struct Map {
    left: Option<u64>,
    path: Path,
    empty: bool,
}

/// Decodes maps from ids to values or further maps; a key adds one id or several.
///
/// A path that comes twice is returned twice.
#[derive(Debug, Clone)]
pub(crate) struct LwCborDecoder<'a> {
    reader: Reader<'a>,
    open: [Map; MAX_MAPS],
    depth: usize,
    root: Root<'a>,
    last_root: Option<&'a str>,
}

impl<'a> LwCborDecoder<'a> {
    pub(crate) fn new(payload: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(payload);
        let head = reader.head()?;
        if head.major != major::MAP {
            return Err(DecodeError::new(0, DecodeErrorKind::Expected("a map")));
        }
        let map = Map {
            left: head.count(),
            path: Path::ROOT,
            empty: true,
        };
        Ok(Self {
            reader,
            open: [map; MAX_MAPS],
            depth: 1,
            root: Root::Slash,
            last_root: None,
        })
    }

    pub(crate) fn set_root(&mut self, root: Root<'a>) {
        self.root = root;
    }

    pub(crate) const fn last_root(&self) -> Option<&'a str> {
        self.last_root
    }

    pub(crate) const fn pos(&self) -> usize {
        self.reader.pos()
    }

    /// Passes records on for as long as nothing but values of one Object Instance comes, and maps
    /// of Resource Instances, all in short forms. What is left, and what is wrong, is for
    /// [`Self::next_record`].
    #[inline(never)]
    pub(crate) fn usual_records<E>(
        &mut self,
        rules: &Rules<'_>,
        each: &mut impl FnMut(Record<'a>) -> Result<(), E>,
    ) -> Result<(), E> {
        let index = self.depth.wrapping_sub(1);
        let Some(map) = self.open.get_mut(index).filter(|map| map.path.len() == 2) else {
            return Ok(());
        };
        let (Some(mut left), instance) = (map.left, map.path) else {
            return Ok(());
        };
        // So few records need not be counted.
        if self.reader.payload_len() / MIN_ENTRY > MAX_RECORDS || !rules.admits_all_below(instance)
        {
            return Ok(());
        }
        let mut rest = self.reader.rest();
        let mut inner = None;
        while left > 0 {
            let Some((id, body)) = short::id(rest) else {
                break;
            };
            let path = instance.child_of_instance(id);
            let Some(wanted) = rules.types.type_of(path) else {
                break;
            };
            // A map of Resource Instances, one at least.
            if let [head @ 0xa1..=0xb7, entries @ ..] = body {
                let mut count = u64::from(head & 31);
                rest = entries;
                left = left.wrapping_sub(1);
                while count > 0 {
                    let Some((id, body)) = short::id(rest) else {
                        break;
                    };
                    let Some((value, after)) = short::value(body, wanted) else {
                        break;
                    };
                    rest = after;
                    count = count.wrapping_sub(1);
                    each(Record::new(path.child_of_resource(id), value))?;
                }
                if count > 0 {
                    inner = Some((path, count));
                    break;
                }
                continue;
            }
            let Some((value, after)) = short::value(body, wanted) else {
                break;
            };
            rest = after;
            left = left.wrapping_sub(1);
            each(Record::new(path, value))?;
        }
        map.empty &= map.left == Some(left);
        map.left = Some(left);
        self.reader.set_rest(rest);
        if let (Some((path, left)), Some(place)) = (inner, self.open.get_mut(self.depth)) {
            *place = Map {
                left: Some(left),
                path,
                empty: false,
            };
            self.depth = self.depth.wrapping_add(1);
        }
        Ok(())
    }

    #[inline(never)]
    pub(crate) fn next_record(
        &mut self,
        rules: &mut Rules<'_>,
        record: &mut Record<'a>,
    ) -> Result<bool, DecodeError> {
        loop {
            let index = self.depth.wrapping_sub(1);
            let Some(map) = self.open.get_mut(index) else {
                self.reader.end()?;
                return Ok(false);
            };
            if !self.reader.more(&mut map.left) {
                let map = *map;
                self.depth = index;
                if map.empty && !map.path.is_root() {
                    rules.admit(map.path, || self.reader.pos())?;
                    record.set_path(map.path);
                    return Ok(true);
                }
                continue;
            }
            map.empty = false;
            let parent = map.path;
            let at = self.reader.pos();
            let head = self.reader.head()?;
            // Nearly every key is one id. Its path is made here, because a path in a `Result`
            // would be written to memory in parts and read back as a whole.
            let one_id = head.major == major::UNSIGNED && index > 0;
            let path = if one_id && head.value <= u64::from(u16::MAX) && parent.len() < 4 {
                parent.child_or_self(head.value as u16)
            } else {
                self.key(parent, head, at)?
            };
            if self.value(path, at, rules, record)? {
                return Ok(true);
            }
        }
    }

    /// Reads a key: an id, several ids, or, at the top, a prefix.
    fn key(&mut self, parent: Path, head: Head, at: usize) -> Result<Path, DecodeError> {
        let is_top = self.depth == 1;
        let mut prefix = None;
        let path = match head.major {
            major::UNSIGNED => child(parent, head, at)?,
            major::ARRAY => self.array_key(parent, head, is_top, &mut prefix)?,
            major::TEXT if is_top => {
                prefix = Some(self.prefix(head, at)?);
                parent
            }
            _ => {
                return Err(DecodeError::new(
                    at,
                    DecodeErrorKind::Expected("ids as key"),
                ));
            }
        };
        if is_top {
            let right = match self.root {
                Root::Slash => prefix.is_none(),
                Root::Fixed(root) => prefix == Some(root),
                Root::Any => true,
            };
            if !right {
                return Err(DecodeError::new(at, DecodeErrorKind::InvalidPath));
            }
            self.last_root = prefix;
        }
        Ok(path)
    }

    fn array_key(
        &mut self,
        parent: Path,
        array: Head,
        is_top: bool,
        prefix: &mut Option<&'a str>,
    ) -> Result<Path, DecodeError> {
        let mut path = parent;
        let mut left = array.count();
        let mut first = true;
        while self.reader.more(&mut left) {
            let at = self.reader.pos();
            let head = self.reader.head()?;
            if first && is_top && head.major == major::TEXT {
                *prefix = Some(self.prefix(head, at)?);
            } else {
                path = child(path, head, at)?;
            }
            first = false;
        }
        if first {
            let kind = DecodeErrorKind::Expected("an id in the key");
            return Err(DecodeError::new(self.reader.pos(), kind));
        }
        Ok(path)
    }

    fn prefix(&mut self, head: Head, at: usize) -> Result<&'a str, DecodeError> {
        let text = self.reader.text_of(head)?;
        text.as_plain()
            .ok_or(DecodeError::new(at, DecodeErrorKind::InvalidPath))
    }

    /// Reads what a key leads to: a value, or a map, which is opened; false for a map.
    fn value(
        &mut self,
        path: Path,
        key_at: usize,
        rules: &mut Rules<'_>,
        record: &mut Record<'a>,
    ) -> Result<bool, DecodeError> {
        let at = self.reader.pos();
        let fail = |kind| DecodeError::new(at, kind);
        if let Some(left) = self.reader.map()? {
            let place = match path.child(0) {
                Some(_) => self.open.get_mut(self.depth),
                None => None,
            };
            *place.ok_or(fail(DecodeErrorKind::Unexpected("a map")))? = Map {
                left,
                path,
                empty: true,
            };
            self.depth = self.depth.saturating_add(1);
            return Ok(false);
        }
        if path.len() < RESOURCE_DEPTH {
            return Err(fail(DecodeErrorKind::Expected("a map")));
        }
        rules.admit(path, || key_at)?;
        let raw = self.reader.value()?;
        record.set_path(path);
        match raw.store(rules.type_of(path), &mut record.value) {
            Ok(()) => Ok(true),
            Err(kind) => Err(fail(kind)),
        }
    }
}

fn child(parent: Path, head: Head, at: usize) -> Result<Path, DecodeError> {
    let invalid = DecodeError::new(at, DecodeErrorKind::InvalidPath);
    if head.major != major::UNSIGNED {
        return Err(DecodeError::new(at, DecodeErrorKind::Expected("an id")));
    }
    let id = u16::try_from(head.value).map_err(|_| invalid)?;
    parent.child(id).ok_or(invalid)
}
