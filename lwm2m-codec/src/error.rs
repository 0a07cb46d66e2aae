//! Errors of the payload formats.

use crate::{ContentFormat, Path};

/// Says why a payload can't be decoded, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("at byte {offset}: {kind}")]
pub struct DecodeError {
    /// Offset of the first byte that is wrong.
    pub offset: usize,
    /// What is wrong with it.
    pub kind: DecodeErrorKind,
}

impl DecodeError {
    /// Makes an error at a byte offset.
    pub const fn new(offset: usize, kind: DecodeErrorKind) -> Self {
        Self { offset, kind }
    }
}

/// What is wrong with a payload.
// As wide a tag as in `Value`: it is also that of results, whose content is copied with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[repr(usize)]
pub enum DecodeErrorKind {
    /// The payload ends inside an element.
    #[error("the payload ends where {0} was expected")]
    UnexpectedEnd(&'static str),
    /// Another element was expected.
    #[error("expected {0}")]
    Expected(&'static str),
    /// An element is not allowed at this place.
    #[error("{0} is not allowed here")]
    Unexpected(&'static str),
    /// The value does not fit the type that the object definition gives it.
    #[error("the value is not a valid {0}")]
    InvalidValue(crate::Type),
    /// Text is not UTF-8.
    #[error("text is not UTF-8")]
    InvalidUtf8,
    /// A name does not resolve to a LwM2M path.
    #[error("the name is not a LwM2M path")]
    InvalidPath,
    /// A path lies outside the one that was asked for.
    #[error("the path is outside the requested one")]
    OutsideBase,
    /// A bound of this crate is exceeded.
    #[error("more than {limit} {what}")]
    LimitExceeded {
        /// What there is too much of.
        what: &'static str,
        /// The bound.
        limit: usize,
    },
    /// The format can't be decoded by this crate.
    #[error("content format {0} is not supported")]
    UnsupportedFormat(ContentFormat),
}

/// Says why records can't be encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[repr(usize)]
pub enum EncodeError {
    /// The caller's buffer is full.
    #[error("the buffer of {capacity} bytes is too small")]
    BufferTooSmall {
        /// Size of the buffer.
        capacity: usize,
    },
    /// Records must come in ascending path order.
    #[error("record {path} is out of order")]
    OutOfOrder {
        /// Path of the record.
        path: Path,
    },
    /// The format can't carry this record.
    #[error("{path} can't be expressed in content format {format}")]
    NotExpressible {
        /// Path of the record.
        path: Path,
        /// The format asked for.
        format: ContentFormat,
    },
    /// The record lies outside of the base path.
    #[error("record {path} is outside of {base}")]
    OutsideBase {
        /// Path of the record.
        path: Path,
        /// The base path given to the encoder.
        base: Path,
    },
    /// A link is malformed: a character that must not stand there, or a parameter without link.
    #[error("a link holds a character that is not allowed, or a parameter comes before it")]
    InvalidLink,
    /// An Execute argument is no digit, is repeated, or holds a character that is not allowed.
    #[error("argument {0} is not allowed")]
    InvalidArgument(u8),
    /// The format can't be encoded by this crate.
    #[error("content format {0} is not supported")]
    UnsupportedFormat(ContentFormat),
}
