//! Arguments of an Execute: `5`, `2='10.3'`, `7,0='x'` (TS-Core §6.3.5).

use core::str;

use nom::{
    Parser,
    bytes::complete::take_while,
    character::complete::{char, one_of},
    combinator::opt,
    sequence::{delimited, preceded},
};

use crate::{DecodeError, DecodeErrorKind, EncodeError, out::Out};

/// The arguments of an Execute, validated once.
///
/// Each digit comes at most once. Blanks inside quotes and after a comma, which the standard's
/// own examples have, are accepted and never written.
///
/// ```
/// use lwm2m_codec::arguments::Arguments;
/// let arguments = Arguments::parse(b"7,0='U'")?;
/// assert!(arguments.iter().eq([(7, None), (0, Some("U"))]));
/// # Ok::<(), lwm2m_codec::DecodeError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Arguments<'a> {
    text: &'a str,
}

impl<'a> Arguments<'a> {
    /// Reads a payload; an empty one has no arguments.
    ///
    /// # Errors
    /// What is no argument, and where.
    pub fn parse(payload: &'a [u8]) -> Result<Self, DecodeError> {
        let text = str::from_utf8(payload)
            .map_err(|error| DecodeError::new(error.valid_up_to(), DecodeErrorKind::InvalidUtf8))?;
        let mut rest = text;
        let mut seen = 0u16;
        while !rest.is_empty() {
            let at = text.len().saturating_sub(rest.len());
            let (next, (digit, _)) = argument()
                .parse(rest)
                .map_err(|_| DecodeError::new(at, DecodeErrorKind::Expected("an argument")))?;
            let bit = 1u16 << digit;
            if seen & bit != 0 {
                let kind = DecodeErrorKind::Unexpected("a repeated argument");
                return Err(DecodeError::new(at, kind));
            }
            seen |= bit;
            rest = match next.strip_prefix(',') {
                Some("") => "",
                Some(more) => more.trim_start_matches(' '),
                None => next,
            };
            let is_last = rest.is_empty();
            if is_last != next.is_empty() || (!is_last && rest.len() == next.len()) {
                let at = text.len().saturating_sub(next.len());
                let kind = DecodeErrorKind::Expected("a comma and an argument, or the end");
                return Err(DecodeError::new(at, kind));
            }
        }
        Ok(Self { text })
    }

    /// The arguments: a digit from 0 to 9, and the value if there is one.
    pub fn iter(&self) -> impl Iterator<Item = (u8, Option<&'a str>)> + Clone + use<'a> {
        Iter { rest: self.text }
    }

    /// The argument of a digit: `None` if it is missing, `Some(None)` if it has no value.
    pub fn find(&self, digit: u8) -> Option<Option<&'a str>> {
        self.iter()
            .find(|(d, _)| *d == digit)
            .map(|(_, value)| value)
    }

    /// True without arguments.
    pub const fn is_empty(&self) -> bool {
        self.text.is_empty()
    }
}

#[derive(Clone)]
struct Iter<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Iter<'a> {
    type Item = (u8, Option<&'a str>);

    fn next(&mut self) -> Option<Self::Item> {
        // `Arguments::parse` checked the text: an error here means the end.
        let (rest, argument) = argument().parse(self.rest).ok()?;
        self.rest = rest.trim_start_matches([',', ' ']);
        Some(argument)
    }
}

/// `DIGIT ["=" "'" *CHAR "'"]`.
fn argument<'a>() -> impl Parser<&'a str, Output = (u8, Option<&'a str>), Error = ()> {
    let digit = one_of("0123456789").map(|c| (c as u8).wrapping_sub(b'0'));
    let value = delimited(
        char('\''),
        take_while(|c| c == ' ' || is_char(c)),
        char('\''),
    );
    (digit, opt(preceded(char('='), value)))
}

/// The characters of a value: printable ASCII without `"`, `'` and `\` (TS-Core §6.3.5).
const fn is_char(c: char) -> bool {
    c.is_ascii_graphic() && !matches!(c, '"' | '\'' | '\\')
}

/// Writes arguments into the caller's buffer and returns their length in bytes.
///
/// ```
/// let mut buf = [0; 16];
/// let len = lwm2m_codec::arguments::write([(7, None), (0, Some("U"))], &mut buf)?;
/// assert_eq!(&buf[..len], b"7,0='U'");
/// # Ok::<(), lwm2m_codec::EncodeError>(())
/// ```
///
/// # Errors
/// [`EncodeError::BufferTooSmall`]; [`EncodeError::InvalidArgument`] for a digit above 9 or
/// repeated, and for a character that the grammar forbids.
pub fn write<'v>(
    arguments: impl IntoIterator<Item = (u8, Option<&'v str>)>,
    buf: &mut [u8],
) -> Result<usize, EncodeError> {
    let mut out = Out::new(buf);
    let mut seen = 0u16;
    for (digit, value) in arguments {
        let invalid = EncodeError::InvalidArgument(digit);
        let bit = if digit < 10 { 1u16 << digit } else { 0 };
        let characters = value.unwrap_or_default().chars().all(is_char);
        if bit == 0 || seen & bit != 0 || !characters {
            return Err(invalid);
        }
        if seen != 0 {
            out.byte(b',')?;
        }
        seen |= bit;
        out.byte(b'0'.saturating_add(digit))?;
        if let Some(value) = value {
            out.put(b"='")?;
            out.put(value.as_bytes())?;
            out.byte(b'\'')?;
        }
    }
    Ok(out.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_blanks_of_the_standards_examples_are_accepted() {
        let arguments = Arguments::parse(b"7, 0='a b '").unwrap();
        assert!(arguments.iter().eq([(7, None), (0, Some("a b "))]));
        assert_eq!(arguments.find(7), Some(None));
        assert_eq!(arguments.find(1), None);
        assert!(Arguments::parse(b"").unwrap().is_empty());
    }

    #[test]
    fn a_wrong_argument_is_named_by_its_offset() {
        for (text, offset) in [
            (&b"10"[..], 1),
            (b"2=10", 1),
            (b"0,0", 2),
            (b"2='a'b", 5),
            (b"a", 0),
            (b"1,", 1),
            (b"1, ", 1),
            (b"1,,2", 2),
            (b"1='\"'", 1),
            (b"1='x", 1),
            (b"1 ", 1),
            (b",1", 0),
        ] {
            assert_eq!(
                Arguments::parse(text).unwrap_err().offset,
                offset,
                "{text:?}"
            );
        }
    }

    #[test]
    fn what_the_grammar_forbids_is_not_written() {
        let mut buf = [0; 8];
        assert_eq!(
            write([(3, Some("a b"))], &mut buf),
            Err(EncodeError::InvalidArgument(3))
        );
        assert_eq!(
            write([(1, None), (1, None)], &mut buf),
            Err(EncodeError::InvalidArgument(1))
        );
        assert_eq!(
            write([(10, None)], &mut buf),
            Err(EncodeError::InvalidArgument(10))
        );
        assert_eq!(
            write([(1, Some("abcdefgh"))], &mut buf),
            Err(EncodeError::BufferTooSmall { capacity: 8 })
        );
    }
}
