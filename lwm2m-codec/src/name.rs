//! Names of SenML and OMA JSON records: a base name and a name, joined, make a path.

use crate::{DecodeErrorKind, Path, Text};

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

/// Reads a name in pieces, without joining them.
///
/// `/` is optional at the start and tolerated at the end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Name<'a> {
    path: Path,
    state: State<'a>,
    /// The root found, if any may stand here.
    root: Option<&'a str>,
}

#[derive(Debug, Clone, Copy)]
enum State<'a> {
    /// Nothing was read.
    Empty(Root<'a>),
    /// Some of the root was read; the rest must follow.
    Root(&'a [u8]),
    /// The root was read: a slash or the end must follow.
    AfterRoot,
    /// A slash was read.
    Slash(Root<'a>),
    /// Digits of an id were read.
    Digits(u16),
    /// A zero was read: no digit may follow.
    Zero,
}

impl<'a> Name<'a> {
    pub(crate) const fn new(root: Root<'a>) -> Self {
        Self {
            path: Path::ROOT,
            state: State::Empty(root),
            root: None,
        }
    }

    /// A name that begins with a path and a slash.
    pub(crate) const fn below(path: Path) -> Self {
        Self {
            path,
            state: State::Slash(Root::Slash),
            root: None,
        }
    }

    /// The root that stood before the path, where any may stand.
    pub(crate) const fn root(&self) -> Option<&'a str> {
        self.root
    }

    /// Reads a piece of the name.
    #[inline]
    pub(crate) fn push(&mut self, piece: Text<'a>) -> Result<(), DecodeErrorKind> {
        match piece.as_plain() {
            Some(plain) => self.push_plain(plain),
            None => {
                // A name needs no escapes and no chunks; `\/` is the only likely one.
                let mut utf8 = [0; 4];
                for c in piece.chars() {
                    for byte in c.encode_utf8(&mut utf8).bytes() {
                        self.push_byte(byte)?;
                    }
                }
                Ok(())
            }
        }
    }

    fn push_plain(&mut self, plain: &'a str) -> Result<(), DecodeErrorKind> {
        let bytes = plain.as_bytes();
        let mut at = 0usize;
        while let Some(byte) = bytes.get(at) {
            if let State::Empty(Root::Any) | State::Slash(Root::Any) = self.state {
                if !byte.is_ascii_digit() && *byte != b'/' {
                    let rest = plain.get(at..).unwrap_or_default();
                    let len = rest.find('/').unwrap_or(rest.len());
                    self.root = rest.get(..len);
                    self.state = State::AfterRoot;
                    at = at.saturating_add(len);
                    continue;
                }
            }
            self.push_byte(*byte)?;
            at = at.saturating_add(1);
        }
        Ok(())
    }

    #[inline]
    fn push_byte(&mut self, byte: u8) -> Result<(), DecodeErrorKind> {
        let digit = byte.wrapping_sub(b'0');
        self.state = match self.state {
            State::Empty(root) if byte == b'/' => State::Slash(root),
            State::Empty(Root::Fixed(root)) | State::Slash(Root::Fixed(root)) => {
                after_byte(root.as_bytes(), byte).ok_or(DecodeErrorKind::InvalidPath)?
            }
            State::Root(left) => after_byte(left, byte).ok_or(DecodeErrorKind::InvalidPath)?,
            State::AfterRoot if byte == b'/' => State::Slash(Root::Slash),
            State::Empty(_) | State::Slash(_) if digit == 0 => State::Zero,
            State::Empty(_) | State::Slash(_) if digit < 10 => State::Digits(u16::from(digit)),
            State::Digits(value) if digit < 10 => State::Digits(
                value
                    .checked_mul(10)
                    .and_then(|value| value.checked_add(u16::from(digit)))
                    .ok_or(DecodeErrorKind::InvalidPath)?,
            ),
            State::Digits(value) if byte == b'/' => {
                self.child(value)?;
                State::Slash(Root::Slash)
            }
            State::Zero if byte == b'/' => {
                self.child(0)?;
                State::Slash(Root::Slash)
            }
            _ => return Err(DecodeErrorKind::InvalidPath),
        };
        Ok(())
    }

    fn child(&mut self, id: u16) -> Result<(), DecodeErrorKind> {
        self.path = self.path.child(id).ok_or(DecodeErrorKind::InvalidPath)?;
        Ok(())
    }

    /// Ends the name.
    #[inline]
    pub(crate) fn finish(mut self) -> Result<Path, DecodeErrorKind> {
        match self.state {
            State::Empty(_) | State::Root(_) | State::Slash(Root::Fixed(_)) => {
                return Err(DecodeErrorKind::InvalidPath);
            }
            State::AfterRoot | State::Slash(_) => {}
            State::Digits(value) => self.child(value)?,
            State::Zero => self.child(0)?,
        }
        Ok(self.path)
    }
}

/// Matches a byte of the root.
fn after_byte(left: &[u8], byte: u8) -> Option<State<'_>> {
    match left.split_first() {
        Some((expected, [])) if *expected == byte => Some(State::AfterRoot),
        Some((expected, left)) if *expected == byte => Some(State::Root(left)),
        _ => None,
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
