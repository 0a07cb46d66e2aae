//! Paths of objects, instances, resources and resource instances.

use core::{fmt, ops::Deref, str::FromStr};

/// The reserved id 65535, which names nothing (TS-Core §7.4).
pub const MAX_ID: u16 = u16::MAX;

/// A path of up to four ids: `/`, `/3`, `/3/0`, `/3/0/6`, `/3/0/6/1` (TS-Core §7.4).
///
/// Paths order depth first, a parent before its children.
///
/// ```
/// use lwm2m_codec::Path;
/// let path: Path = "/3303/0/5700".parse().unwrap();
/// assert_eq!(path, Path::resource(3303, 0, 5700));
/// assert!(Path::instance(3303, 0).contains(&path));
/// assert_eq!(path.to_string(), "/3303/0/5700");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path {
    // The ids in one register, the first one highest; unused ones are 0. The derived order is
    // right, then: equal prefixes differ by `len`. Both fields are as wide as what a processor
    // copies at once, so that a path travels in two registers.
    packed: u64,
    len: usize,
}

/// The ids of a [`Path`]: a slice of none to four.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ids {
    ids: [u16; 4],
    len: usize,
}

impl Deref for Ids {
    type Target = [u16];

    #[inline]
    fn deref(&self) -> &[u16] {
        self.ids.get(..self.len).unwrap_or_default()
    }
}

impl Path {
    /// The root path `/`.
    pub const ROOT: Self = Self { packed: 0, len: 0 };

    /// Path of an object.
    #[inline]
    pub const fn object(object: u16) -> Self {
        Self::ROOT.child_or_self(object)
    }

    /// Path of an object instance.
    #[inline]
    pub const fn instance(object: u16, instance: u16) -> Self {
        Self::object(object).child_or_self(instance)
    }

    /// Path of a resource.
    #[inline]
    pub const fn resource(object: u16, instance: u16, resource: u16) -> Self {
        Self::instance(object, instance).child_or_self(resource)
    }

    /// Path of a resource instance.
    #[inline]
    pub const fn resource_instance(object: u16, instance: u16, resource: u16, ri: u16) -> Self {
        Self::resource(object, instance, resource).child_or_self(ri)
    }

    /// Makes a path from ids; `None` if there are more than four.
    pub fn from_ids(ids: &[u16]) -> Option<Self> {
        let mut path = Self::ROOT;
        for id in ids {
            path = path.child(*id)?;
        }
        Some(path)
    }

    /// Number of ids, 0 to 4.
    #[allow(clippy::len_without_is_empty)]
    #[inline]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// True for `/`.
    pub const fn is_root(&self) -> bool {
        self.len == 0
    }

    /// The ids of this path.
    #[inline]
    pub const fn ids(&self) -> Ids {
        let ids = [
            (self.packed >> 48) as u16,
            (self.packed >> 32) as u16,
            (self.packed >> 16) as u16,
            self.packed as u16,
        ];
        Ids { ids, len: self.len }
    }

    #[inline]
    const fn id(&self, level: usize) -> Option<u16> {
        if level >= self.len {
            return None;
        }
        Some(self.packed.wrapping_shr(Self::shift(level)) as u16)
    }

    /// How far the id at a level, 0 to 3, is from the right.
    #[inline]
    const fn shift(level: usize) -> u32 {
        48u32.wrapping_sub((level as u32).wrapping_mul(16))
    }

    /// Object ID.
    #[inline]
    pub const fn object_id(&self) -> Option<u16> {
        self.id(0)
    }

    /// Object Instance ID.
    #[inline]
    pub const fn instance_id(&self) -> Option<u16> {
        self.id(1)
    }

    /// Resource ID.
    #[inline]
    pub const fn resource_id(&self) -> Option<u16> {
        self.id(2)
    }

    /// Resource Instance ID.
    #[inline]
    pub const fn resource_instance_id(&self) -> Option<u16> {
        self.id(3)
    }

    /// The last id.
    #[inline]
    pub const fn last_id(&self) -> Option<u16> {
        match self.len {
            0 => None,
            len => self.id(len.wrapping_sub(1)),
        }
    }

    /// This path with one more id; `None` if it has four already.
    #[must_use]
    #[inline]
    pub const fn child(&self, id: u16) -> Option<Self> {
        if self.len >= 4 {
            return None;
        }
        Some(self.child_or_self(id))
    }

    /// This path with one more id; a path of four ids stays as it is.
    #[inline]
    pub(crate) const fn child_or_self(&self, id: u16) -> Self {
        if self.len >= 4 {
            return *self;
        }
        Self {
            packed: self.packed | (id as u64).wrapping_shl(Self::shift(self.len)),
            len: self.len.wrapping_add(1),
        }
    }

    /// The path of a resource below this path, which is that of an Object Instance.
    #[inline(always)]
    pub(crate) const fn child_of_instance(&self, id: u16) -> Self {
        Self {
            packed: self.packed | ((id as u64) << 16),
            len: 3,
        }
    }

    /// The path of a Resource Instance below this path, which is that of a resource.
    #[inline(always)]
    pub(crate) const fn child_of_resource(&self, id: u16) -> Self {
        Self {
            packed: self.packed | id as u64,
            len: 4,
        }
    }

    /// This path without its last id; `None` for `/`.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        self.len.checked_sub(1).map(|len| self.truncated(len))
    }

    /// The first `len` ids of this path; the path itself if it is shorter.
    #[must_use]
    #[inline]
    pub const fn truncated(&self, len: usize) -> Self {
        if len >= self.len {
            return *self;
        }
        Self {
            packed: self.packed & Self::mask(len),
            len,
        }
    }

    /// True if `other` is this path or lies below it.
    #[inline]
    pub const fn contains(&self, other: &Self) -> bool {
        self.len <= other.len && other.packed & Self::mask(self.len) == self.packed
    }

    /// This path with the highest last id.
    #[inline]
    pub(crate) const fn last_sibling(&self) -> Self {
        Self {
            packed: self.packed | (Self::mask(self.len) & !Self::mask(self.len.saturating_sub(1))),
            len: self.len,
        }
    }

    /// Resource ID and Resource Instance ID in one number of 32 bits; `None` if this path does not
    /// lie below an instance. A resource has the same number as its first instance.
    #[inline(always)]
    pub(crate) const fn place_below(&self, instance: Self) -> Option<i64> {
        let place = self.packed.wrapping_sub(instance.packed);
        match place > u32::MAX as u64 || instance.len != 2 {
            true => None,
            false => Some(place as i64),
        }
    }

    /// True for a path above `low`, up to `high`, that has as many ids as `high`.
    #[inline(always)]
    pub(crate) const fn is_between(&self, low: &Self, high: &Self) -> bool {
        self.len == high.len && low.packed < self.packed && self.packed <= high.packed
    }

    /// The bits that so many ids take.
    #[inline]
    const fn mask(len: usize) -> u64 {
        match len {
            0 => 0,
            _ => u64::MAX.wrapping_shl(Self::shift(len.wrapping_sub(1))),
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_root() {
            return f.write_str("/");
        }
        self.ids().iter().try_for_each(|id| write!(f, "/{id}"))
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Says why a text is not a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParsePathError {
    /// A segment is not a decimal number below 65536 without leading zeros.
    #[error("segment {0} is not an id")]
    InvalidId(usize),
    /// There are more than four segments.
    #[error("more than four segments")]
    TooLong,
}

impl FromStr for Path {
    type Err = ParsePathError;

    /// Parses `/3/0/9`; the leading `/` may be missing and one may trail.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.strip_prefix('/').unwrap_or(text);
        let text = text.strip_suffix('/').unwrap_or(text);
        let mut path = Self::ROOT;
        if text.is_empty() {
            return Ok(path);
        }
        for (index, segment) in text.split('/').enumerate() {
            let id = parse_id(segment).ok_or(ParsePathError::InvalidId(index))?;
            path = path.child(id).ok_or(ParsePathError::TooLong)?;
        }
        Ok(path)
    }
}

/// Parses an id as paths write it: decimal, no sign, no leading zero.
pub(crate) fn parse_id(segment: &str) -> Option<u16> {
    let canonical = segment == "0" || !segment.starts_with('0');
    if canonical && segment.bytes().all(|b| b.is_ascii_digit()) {
        segment.parse().ok()
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn a_path_prints_as_it_parses() {
        for text in ["/", "/3", "/3/0", "/3/0/9", "/3/0/6/65534"] {
            assert_eq!(text.parse::<Path>().unwrap().to_string(), text);
        }
        assert_eq!("3/0/".parse(), Ok(Path::instance(3, 0)));
    }

    #[test]
    fn a_wrong_segment_is_named_by_its_index() {
        assert_eq!("/3/x".parse::<Path>(), Err(ParsePathError::InvalidId(1)));
        assert_eq!("/03".parse::<Path>(), Err(ParsePathError::InvalidId(0)));
        assert_eq!("/65536".parse::<Path>(), Err(ParsePathError::InvalidId(0)));
        assert_eq!("//3".parse::<Path>(), Err(ParsePathError::InvalidId(0)));
        assert_eq!("/1/2/3/4/5".parse::<Path>(), Err(ParsePathError::TooLong));
    }

    #[test]
    fn a_parent_comes_before_its_children_and_after_its_older_siblings() {
        let ordered = [
            "/", "/2/9", "/3", "/3/0", "/3/0/0", "/3/0/0/0", "/3/0/1", "/3/1",
        ];
        let paths: std::vec::Vec<Path> = ordered.iter().map(|p| p.parse().unwrap()).collect();
        assert!(paths.is_sorted());
    }
}
