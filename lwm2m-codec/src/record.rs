//! The unit that payload formats carry.

use crate::{Path, Value};

/// One value of a payload: where, when, what.
///
/// A record without a value stands for a place only: an empty Object Instance, an empty
/// multiple-instance resource, or a path that a Read-Composite asks for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Record<'a> {
    /// Absolute path.
    pub path: Path,
    /// Time of the value in seconds, if the payload states one: since 1970, or, below 2²⁸,
    /// relative to now (RFC 8428 §4.5.3).
    pub time: Option<f64>,
    /// The value.
    pub value: Option<Value<'a>>,
}

impl<'a> Record<'a> {
    /// Makes a record of a value without a time.
    pub const fn new(path: Path, value: Value<'a>) -> Self {
        Self {
            path,
            time: None,
            value: Some(value),
        }
    }

    /// Becomes a record of a value without a time.
    #[inline]
    pub(crate) fn set(&mut self, path: Path, value: Value<'a>) {
        self.path = path;
        self.time = None;
        self.value = Some(value);
    }

    /// Becomes a record that only names a path.
    #[inline]
    pub(crate) fn set_path(&mut self, path: Path) {
        self.path = path;
        self.time = None;
        self.value = None;
    }

    /// Makes a record that only names a path.
    pub const fn path_only(path: Path) -> Self {
        Self {
            path,
            time: None,
            value: None,
        }
    }
}
