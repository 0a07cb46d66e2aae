//! Paths of objects, instances, resources and resource instances.

use core::{fmt, str::FromStr};

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
    // Unused ids hold 0, so that the derived order is right: equal prefixes differ by `len`.
    ids: [u16; 4],
    len: u8,
}

impl Path {
    /// The root path `/`.
    pub const ROOT: Self = Self {
        ids: [0; 4],
        len: 0,
    };

    /// Path of an object.
    pub const fn object(object: u16) -> Self {
        Self {
            ids: [object, 0, 0, 0],
            len: 1,
        }
    }

    /// Path of an object instance.
    pub const fn instance(object: u16, instance: u16) -> Self {
        Self {
            ids: [object, instance, 0, 0],
            len: 2,
        }
    }

    /// Path of a resource.
    pub const fn resource(object: u16, instance: u16, resource: u16) -> Self {
        Self {
            ids: [object, instance, resource, 0],
            len: 3,
        }
    }

    /// Path of a resource instance.
    pub const fn resource_instance(object: u16, instance: u16, resource: u16, ri: u16) -> Self {
        Self {
            ids: [object, instance, resource, ri],
            len: 4,
        }
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
    pub const fn len(&self) -> usize {
        self.len as usize
    }

    /// True for `/`.
    pub const fn is_root(&self) -> bool {
        self.len == 0
    }

    /// The ids of this path.
    pub fn ids(&self) -> &[u16] {
        self.ids.get(..self.len()).unwrap_or_default()
    }

    fn id(&self, level: usize) -> Option<u16> {
        self.ids().get(level).copied()
    }

    /// Object ID.
    pub fn object_id(&self) -> Option<u16> {
        self.id(0)
    }

    /// Object Instance ID.
    pub fn instance_id(&self) -> Option<u16> {
        self.id(1)
    }

    /// Resource ID.
    pub fn resource_id(&self) -> Option<u16> {
        self.id(2)
    }

    /// Resource Instance ID.
    pub fn resource_instance_id(&self) -> Option<u16> {
        self.id(3)
    }

    /// The last id.
    pub fn last_id(&self) -> Option<u16> {
        self.ids().last().copied()
    }

    /// This path with one more id; `None` if it has four already.
    #[must_use]
    pub fn child(&self, id: u16) -> Option<Self> {
        let mut path = *self;
        *path.ids.get_mut(self.len())? = id;
        path.len = path.len.checked_add(1)?;
        Some(path)
    }

    /// This path without its last id; `None` for `/`.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        self.len
            .checked_sub(1)
            .map(|len| self.truncated(usize::from(len)))
    }

    /// The first `len` ids of this path; the path itself if it is shorter.
    #[must_use]
    pub fn truncated(&self, len: usize) -> Self {
        let mut path = *self;
        if len < self.len() {
            for id in path.ids.iter_mut().skip(len) {
                *id = 0;
            }
            path.len = len as u8;
        }
        path
    }

    /// True if `other` is this path or lies below it.
    pub fn contains(&self, other: &Self) -> bool {
        other.ids().starts_with(self.ids())
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
