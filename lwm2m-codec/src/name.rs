//! Names of SenML and OMA JSON records: a base name and a name, joined, make a path.

use crate::{DecodeError, DecodeErrorKind, Path, Text};

/// What may stand before the path in a name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Root<'a> {
    /// Nothing.
    #[default]
    Slash,
    /// This path, without slashes at its ends.
    Fixed(&'a str),
    /// Nothing, or one segment that is no number (gateway prefix or alternate path).
    Any,
}

impl<'a> Root<'a> {
    pub(crate) fn fixed(root: &'a str) -> Self {
        match root.trim_matches('/') {
            "" => Self::Slash,
            root => Self::Fixed(root),
        }
    }
}

/// Longest piece of a name that is written with escapes or in chunks, in bytes.
pub(crate) const MAX_PIECE: usize = 64;

/// A piece of a name as a payload writes it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Piece<'a> {
    /// Without escapes or chunks, and where it begins; not checked to be UTF-8 yet, because no
    /// more than digits and slashes is needed of nearly every name.
    Plain(&'a [u8], usize),
    /// In any form.
    Text(Text<'a>),
}

impl<'a> Piece<'a> {
    /// A piece of a payload that is known to be UTF-8.
    #[inline]
    pub(crate) const fn of(text: Text<'a>) -> Self {
        match text.as_plain() {
            Some(plain) => Self::Plain(plain.as_bytes(), 0),
            None => Self::Text(text),
        }
    }

    fn text(self) -> Result<Text<'a>, DecodeError> {
        match self {
            Self::Text(text) => Ok(text),
            Self::Plain(bytes, at) => match core::str::from_utf8(bytes) {
                Ok(text) => Ok(Text::new(text)),
                Err(error) => {
                    let at = at.saturating_add(error.valid_up_to());
                    Err(DecodeError::new(at, DecodeErrorKind::InvalidUtf8))
                }
            },
        }
    }
}

/// Reads one or more ids with slashes between them, below a path; `None` for anything else.
#[inline]
pub(crate) fn ids_below(path: Path, piece: &[u8]) -> Option<Path> {
    let (path, rest) = leading_ids(path, piece)?;
    rest.is_empty().then_some(path)
}

/// Reads the same up to a quote, and returns what follows it.
#[inline(always)]
pub(crate) fn ids_to_quote(path: Path, piece: &[u8]) -> Option<(Path, &[u8])> {
    let (path, rest) = leading_ids(path, piece)?;
    Some((path, rest.strip_prefix(b"\"")?))
}

/// Reads ids with slashes between them, as far as they go.
#[inline(always)]
fn leading_ids(path: Path, piece: &[u8]) -> Option<(Path, &[u8])> {
    let (mut path, mut rest) = (path, piece);
    loop {
        let segment = rest;
        let mut id = 0u32;
        while let [byte, more @ ..] = rest {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                break;
            }
            id = id.wrapping_mul(10).wrapping_add(u32::from(digit));
            rest = more;
        }
        // Ids have at most five digits: 32 bits can't overflow then.
        let digits = segment.len().wrapping_sub(rest.len());
        if digits == 0 || digits > 5 || (digits > 1 && segment.first() == Some(&b'0')) {
            return None;
        }
        path = path.child(u16::try_from(id).ok()?)?;
        match rest {
            [b'/', more @ ..] => rest = more,
            _ => return Some((path, rest)),
        }
    }
}

/// Reads a name in pieces, without joining them.
///
/// `/` is optional at the start and tolerated at the end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Name<'a> {
    path: Path,
    /// The id whose digits were read, in the states `Digits` and `Zero`.
    id: u32,
    state: State,
    /// The root that has still to come.
    expected: Root<'a>,
    /// How many bytes of it were read.
    matched: usize,
    /// The root found, if any may stand here.
    root: Option<&'a str>,
}

// As wide as the id beside it, so that copies read what was written as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
enum State {
    /// Nothing was read.
    Empty,
    /// A slash was read.
    Slash,
    /// Digits of an id were read.
    Digits,
    /// A zero was read: no digit may follow.
    Zero,
    /// Some of the root was read; the rest must follow.
    InRoot,
    /// The root was read: a slash or the end must follow.
    AfterRoot,
}

impl<'a> Name<'a> {
    pub(crate) const fn new(root: Root<'a>) -> Self {
        Self {
            path: Path::ROOT,
            id: 0,
            state: State::Empty,
            expected: root,
            matched: 0,
            root: None,
        }
    }

    /// A name that begins with a path and a slash.
    pub(crate) const fn below(path: Path) -> Self {
        Self {
            path,
            state: State::Slash,
            ..Self::new(Root::Slash)
        }
    }

    /// The root that stood before the path, where any may stand.
    pub(crate) const fn root(&self) -> Option<&'a str> {
        self.root
    }

    /// The path, if a slash follows it and no root has still to come.
    pub(crate) fn slashed(&self) -> Option<Path> {
        let slashed = self.state == State::Slash && self.expected == Root::Slash;
        slashed.then_some(self.path)
    }

    /// Reads a piece of the name; `at` is where an error is.
    pub(crate) fn push_piece(&mut self, piece: Piece<'a>, at: usize) -> Result<(), DecodeError> {
        let text = piece.text()?;
        self.push(text).map_err(|kind| DecodeError::new(at, kind))
    }

    /// Reads a piece of the name.
    pub(crate) fn push(&mut self, piece: Text<'a>) -> Result<(), DecodeErrorKind> {
        match piece.as_plain() {
            Some(plain) => self.push_str(plain, Some(plain)),
            None => {
                let mut buf = [0; MAX_PIECE];
                let resolved = piece.copy_to(&mut buf);
                let resolved = resolved.ok_or(DecodeErrorKind::LimitExceeded {
                    what: "bytes of an escaped name",
                    limit: MAX_PIECE,
                })?;
                self.push_str(resolved, None)
            }
        }
    }

    /// Reads a piece; `origin` is the same where the payload writes it plainly.
    fn push_str(&mut self, piece: &str, origin: Option<&'a str>) -> Result<(), DecodeErrorKind> {
        if self.expected == Root::Slash {
            return self.push_ids(piece.as_bytes());
        }
        let rest = self.push_root(piece, origin)?;
        self.push_ids(piece.as_bytes().get(rest..).unwrap_or_default())
    }

    /// Reads what belongs to the root; returns where the rest begins.
    fn push_root(
        &mut self,
        piece: &str,
        origin: Option<&'a str>,
    ) -> Result<usize, DecodeErrorKind> {
        let mut at = 0usize;
        if self.state == State::Empty && piece.starts_with('/') {
            self.state = State::Slash;
            at = 1;
        }
        let rest = piece.get(at..).unwrap_or_default();
        let Some(first) = rest.bytes().next() else {
            return Ok(at);
        };
        let len = match self.expected {
            Root::Fixed(root) => {
                let wanted = root.get(self.matched..).unwrap_or_default();
                let len = wanted.len().min(rest.len());
                if wanted.as_bytes().get(..len) != rest.as_bytes().get(..len) {
                    return Err(DecodeErrorKind::InvalidPath);
                }
                self.matched = self.matched.saturating_add(len);
                self.state = State::InRoot;
                if self.matched == root.len() {
                    self.expected = Root::Slash;
                    self.state = State::AfterRoot;
                }
                len
            }
            Root::Any if !first.is_ascii_digit() && first != b'/' => {
                let len = rest.find('/').unwrap_or(rest.len());
                let root = origin.and_then(|origin| origin.get(at..at.saturating_add(len)));
                self.root = Some(root.ok_or(DecodeErrorKind::InvalidPath)?);
                self.expected = Root::Slash;
                self.state = State::AfterRoot;
                len
            }
            Root::Any | Root::Slash => {
                self.expected = Root::Slash;
                0
            }
        };
        Ok(at.saturating_add(len))
    }

    fn push_ids(&mut self, piece: &[u8]) -> Result<(), DecodeErrorKind> {
        let (mut path, mut id, mut state) = (self.path, self.id, self.state);
        for byte in piece {
            let digit = u32::from(byte.wrapping_sub(b'0'));
            (id, state) = match state {
                State::Empty | State::Slash if digit == 0 => (0, State::Zero),
                State::Empty | State::Slash if digit < 10 => (digit, State::Digits),
                State::Digits if digit < 10 => {
                    let id = id.wrapping_mul(10).wrapping_add(digit);
                    if id > u32::from(u16::MAX) {
                        return Err(DecodeErrorKind::InvalidPath);
                    }
                    (id, State::Digits)
                }
                State::Digits | State::Zero if *byte == b'/' && path.len() < 4 => {
                    path = path.child_or_self(id as u16);
                    (0, State::Slash)
                }
                State::Empty | State::AfterRoot if *byte == b'/' => (0, State::Slash),
                _ => return Err(DecodeErrorKind::InvalidPath),
            };
        }
        (self.path, self.id, self.state) = (path, id, state);
        Ok(())
    }

    /// Ends the name.
    pub(crate) fn finish(&self) -> Result<Path, DecodeErrorKind> {
        let fixed = matches!(self.expected, Root::Fixed(_));
        match self.state {
            State::Digits | State::Zero if self.path.len() < 4 => {
                Ok(self.path.child_or_self(self.id as u16))
            }
            State::Slash if !fixed => Ok(self.path),
            State::AfterRoot => Ok(self.path),
            _ => Err(DecodeErrorKind::InvalidPath),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(root: Root<'static>, pieces: &[&'static str]) -> Option<Path> {
        let mut name = Name::new(root);
        for piece in pieces {
            name.push(Text::new(piece)).ok()?;
        }
        name.finish().ok()
    }

    #[test]
    fn pieces_join_without_a_slash_of_their_own() {
        let path = Some(Path::resource(3, 0, 15));
        for pieces in [
            &["/3/0/15"][..],
            &["/3/0/", "15"],
            &["/3/0/1", "5"],
            &["/", "3/0/15"],
            &["3/0/", "15"],
            &["/3/0/15/"],
            &["/3/0", "/15"],
        ] {
            assert_eq!(resolve(Root::Slash, pieces), path, "{pieces:?}");
        }
        assert_eq!(resolve(Root::Slash, &["/"]), Some(Path::ROOT));
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for pieces in [
            &[][..],
            &[""],
            &["/3/0/", "/9"],
            &["//3"],
            &["/03"],
            &["/65536"],
            &["/1/2/3/4/5"],
            &["/3/x"],
            &["urn:dev:x"],
        ] {
            assert_eq!(resolve(Root::Slash, pieces), None, "{pieces:?}");
        }
    }

    #[test]
    fn a_root_must_stand_before_the_path() {
        let root = Root::fixed("/lwm2m/");
        assert_eq!(resolve(root, &["/lwm2m/3/0"]), Some(Path::instance(3, 0)));
        assert_eq!(resolve(root, &["/lw", "m2m/3"]), Some(Path::object(3)));
        assert_eq!(resolve(root, &["/lwm2m"]), Some(Path::ROOT));
        for name in ["/3/0", "/lwm2", "/lwm2mx/3", "/", "/lwm2m3"] {
            assert_eq!(resolve(root, &[name]), None, "{name}");
        }
    }

    #[test]
    fn any_root_is_found() {
        let mut name = Name::new(Root::Any);
        name.push(Text::new("/d01/3/")).unwrap();
        name.push(Text::new("0")).unwrap();
        assert_eq!(name.root(), Some("d01"));
        assert_eq!(name.finish(), Ok(Path::instance(3, 0)));
        assert_eq!(resolve(Root::Any, &["/3"]), Some(Path::object(3)));
        assert_eq!(resolve(Root::Any, &["/d0", "1/3"]), None);
    }
}
