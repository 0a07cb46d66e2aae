//! What is wrong or odd with a file, and where.

use core::fmt;

/// A place in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Line, from 1.
    pub line: u32,
    /// Character in the line, from 1.
    pub column: u32,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// Says why a file can't be read, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{position}: {kind}")]
pub struct XmlError {
    /// Where.
    pub position: Position,
    /// What is wrong there.
    pub kind: XmlErrorKind,
}

/// Why a file can't be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum XmlErrorKind {
    /// The file is not well-formed XML, has a document type, or has too many nodes.
    #[error("not well-formed XML")]
    NotWellFormed,
    /// The root element is not `LWM2M`.
    #[error("the root element is not LWM2M")]
    NotLwm2m,
    /// Something that must be there is not.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// The text of an element or attribute is not one that is allowed.
    #[error("{0} has a value that is not allowed")]
    Invalid(&'static str),
    /// Two resources have the same id.
    #[error("resource {0} is defined twice")]
    DuplicateId(u16),
}

/// Something odd that could be read all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Warning {
    /// Where.
    pub position: Position,
    /// What is odd there.
    pub kind: WarningKind,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.position, self.kind)
    }
}

/// What is odd.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WarningKind {
    /// An object or resource has no name.
    #[error("the name is missing")]
    NameMissing,
    /// The URN does not fit the id and version beside it, which count.
    #[error("the URN does not fit the object's id and version")]
    UrnMismatch,
    /// The range of a resource is kept as text, and not enforced.
    #[error("the range of resource {0} is not understood")]
    RangeNotUnderstood(u16),
    /// An executable resource has a type, which is dropped.
    #[error("resource {0} is executable and has a type")]
    TypedExecutable(u16),
    /// An executable resource has several instances, which is dropped.
    #[error("resource {0} is executable and has multiple instances")]
    MultipleExecutable(u16),
    /// A resource that is not executable has no type, so it can't have a value.
    #[error("resource {0} has no type")]
    TypeMissing(u16),
}

impl WarningKind {
    /// A short name, for counts.
    pub const fn id(&self) -> &'static str {
        match self {
            Self::NameMissing => "name-missing",
            Self::UrnMismatch => "urn-mismatch",
            Self::RangeNotUnderstood(_) => "range-not-understood",
            Self::TypedExecutable(_) => "typed-executable",
            Self::MultipleExecutable(_) => "multiple-executable",
            Self::TypeMissing(_) => "type-missing",
        }
    }
}
