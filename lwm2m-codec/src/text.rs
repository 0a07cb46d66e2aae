//! Text as payloads write it: plain, escaped or in chunks.

use core::{fmt, str};

use crate::bytes::Chunks;

/// Text borrowed from a payload, in the form in which the payload writes it.
///
/// ```
/// use lwm2m_codec::Text;
/// let text = Text::new("21.5 °C");
/// assert_eq!(text.as_plain(), Some("21.5 °C"));
/// let mut buf = [0; 16];
/// assert_eq!(text.copy_to(&mut buf), Some("21.5 °C"));
/// ```
#[derive(Clone, Copy)]
pub struct Text<'a>(pub(crate) TextForm<'a>);

// As wide a tag as in `Value`, for the same reason.
#[derive(Clone, Copy)]
#[repr(usize)]
pub(crate) enum TextForm<'a> {
    Plain(&'a str),
    /// Bytes that are valid UTF-8: checked, but no `str` yet, because the only way to one without
    /// `unsafe` checks short text byte by byte. Most text is copied or compared as bytes anyway.
    Utf8(&'a [u8]),
    /// What stands between the quotes of a JSON string; its escapes are valid.
    Json(&'a str),
    /// What stands between the quotes of a link-format string: `\` makes the next one literal.
    Quoted(&'a str),
    /// The chunks of a CBOR string of indefinite length, without the break; each is UTF-8.
    Chunks(&'a [u8]),
}

impl<'a> Text<'a> {
    /// Wraps plain text.
    pub const fn new(text: &'a str) -> Self {
        Self(TextForm::Plain(text))
    }

    /// Wraps bytes that are UTF-8; otherwise returns how many of them are.
    #[inline]
    pub(crate) fn from_utf8(bytes: &'a [u8]) -> Result<Self, usize> {
        if is_ascii(bytes) {
            return Ok(Self(TextForm::Utf8(bytes)));
        }
        match str::from_utf8(bytes) {
            Ok(text) => Ok(Self::new(text)),
            Err(error) => Err(error.valid_up_to()),
        }
    }

    /// The text as a slice, if the payload writes it without escapes or chunks.
    pub const fn as_plain(&self) -> Option<&'a str> {
        match self.0 {
            TextForm::Plain(text) => Some(text),
            TextForm::Utf8(bytes) => match str::from_utf8(bytes) {
                Ok(text) => Some(text),
                Err(_) => None,
            },
            _ => None,
        }
    }

    /// The text as UTF-8, if the payload writes it without escapes or chunks. Cheaper than
    /// [`Text::as_plain`].
    #[inline]
    pub const fn as_plain_bytes(&self) -> Option<&'a [u8]> {
        match self.0 {
            TextForm::Plain(text) => Some(text.as_bytes()),
            TextForm::Utf8(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The characters, escapes resolved and chunks joined.
    pub fn chars(&self) -> impl Iterator<Item = char> + Clone + use<'a> {
        match self.0 {
            TextForm::Plain(text) => Chars::Plain(text.chars()),
            TextForm::Utf8(bytes) => Chars::Plain(str::from_utf8(bytes).unwrap_or("").chars()),
            TextForm::Json(text) => Chars::Json(text.chars()),
            TextForm::Quoted(text) => Chars::Quoted(text.chars()),
            TextForm::Chunks(bytes) => Chars::Chunks {
                rest: Chunks::new(bytes),
                chunk: "".chars(),
            },
        }
    }

    /// Length of the resolved text in bytes of UTF-8.
    #[inline]
    pub fn len(&self) -> usize {
        match self.as_plain_bytes() {
            Some(text) => text.len(),
            None => self
                .chars()
                .fold(0, |len, c| len.saturating_add(c.len_utf8())),
        }
    }

    /// True for text without characters.
    pub fn is_empty(&self) -> bool {
        self.chars().next().is_none()
    }

    /// Copies the resolved text to the start of `buf`; `None` if `buf` is too short.
    pub fn copy_to<'b>(&self, buf: &'b mut [u8]) -> Option<&'b str> {
        let mut len = 0usize;
        if let Some(text) = self.as_plain_bytes() {
            len = text.len();
            buf.get_mut(..len)?.copy_from_slice(text);
        } else {
            for c in self.chars() {
                let end = len.checked_add(c.len_utf8())?;
                c.encode_utf8(buf.get_mut(len..end)?);
                len = end;
            }
        }
        str::from_utf8(buf.get(..len)?).ok()
    }

    /// The text as a slice: the payload's own if it is plain, else a copy in `buf`.
    ///
    /// `None` if it has to be copied and `buf` is too short.
    pub(crate) fn resolve<'b>(&self, buf: &'b mut [u8]) -> Option<&'b str>
    where
        'a: 'b,
    {
        match self.as_plain() {
            Some(text) => Some(text),
            None => self.copy_to(buf),
        }
    }
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Self::new(text)
    }
}

impl PartialEq for Text<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self.as_plain_bytes(), other.as_plain_bytes()) {
            (Some(one), Some(two)) => one == two,
            _ => self.chars().eq(other.chars()),
        }
    }
}

impl Eq for Text<'_> {}

impl PartialEq<str> for Text<'_> {
    fn eq(&self, other: &str) -> bool {
        *self == Text::new(other)
    }
}

impl PartialEq<&str> for Text<'_> {
    fn eq(&self, other: &&str) -> bool {
        *self == Text::new(other)
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write;
        match self.as_plain() {
            Some(text) => f.write_str(text),
            None => self.chars().try_for_each(|c| f.write_char(c)),
        }
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

#[derive(Clone)]
enum Chars<'a> {
    Plain(str::Chars<'a>),
    Json(str::Chars<'a>),
    Quoted(str::Chars<'a>),
    Chunks {
        rest: Chunks<'a>,
        chunk: str::Chars<'a>,
    },
}

impl Iterator for Chars<'_> {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        match self {
            Self::Plain(chars) => chars.next(),
            Self::Json(chars) => match chars.next()? {
                '\\' => unescape(chars),
                c => Some(c),
            },
            Self::Quoted(chars) => match chars.next()? {
                '\\' => chars.next(),
                c => Some(c),
            },
            Self::Chunks { rest, chunk } => loop {
                if let Some(c) = chunk.next() {
                    return Some(c);
                }
                *chunk = str::from_utf8(rest.next()?).ok()?.chars();
            },
        }
    }
}

/// True if no byte has its high bit set; a word at a time.
#[inline]
fn is_ascii(bytes: &[u8]) -> bool {
    const HIGH: u64 = 0x8080_8080_8080_8080;
    const SHORT: usize = 64;
    let seen = if bytes.len() > SHORT {
        return bytes.is_ascii();
    } else if let Some(last) = bytes.last_chunk() {
        // The last word overlaps with the one before it.
        let (mut seen, mut rest) = (u64::from_le_bytes(*last), bytes);
        while let Some((chunk, more)) = rest.split_first_chunk() {
            seen |= u64::from_le_bytes(*chunk);
            rest = more;
        }
        seen
    } else if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        u64::from(u32::from_le_bytes(*first) | u32::from_le_bytes(*last))
    } else {
        u64::from(bytes.iter().fold(0, |seen, byte| seen | byte))
    };
    seen & HIGH == 0
}

/// Resolves one JSON escape, the `\` being read; `None` if it is not valid (RFC 8259 §7).
pub(crate) fn unescape(chars: &mut str::Chars<'_>) -> Option<char> {
    Some(match chars.next()? {
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'u' => return unescape_unit(chars),
        c @ ('"' | '\\' | '/') => c,
        _ => return None,
    })
}

/// Resolves the hexadecimal digits of `\uXXXX`, with the second half of a surrogate pair.
fn unescape_unit(chars: &mut str::Chars<'_>) -> Option<char> {
    let high = hex_unit(chars)?;
    if !(0xd800..0xe000).contains(&high) {
        return char::from_u32(high);
    }
    if high >= 0xdc00 || chars.next() != Some('\\') || chars.next() != Some('u') {
        return None;
    }
    let low = hex_unit(chars)?;
    if !(0xdc00..0xe000).contains(&low) {
        return None;
    }
    let offset = ((high & 0x3ff) << 10) | (low & 0x3ff);
    char::from_u32(offset.checked_add(0x1_0000)?)
}

fn hex_unit(chars: &mut str::Chars<'_>) -> Option<u32> {
    let mut unit = 0;
    for _ in 0..4 {
        unit = (unit << 4) | chars.next()?.to_digit(16)?;
    }
    Some(unit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn escapes_resolve_to_characters() {
        let text = Text(TextForm::Json(r#"a\"\\\/\n\u00e9\ud83d\ude00"#));
        assert_eq!(text, "a\"\\/\né😀");
        assert_eq!(text.as_plain(), None);
        assert_eq!(text.len(), "a\"\\/\né😀".len());
        assert_eq!(text.to_string(), "a\"\\/\né😀");
        assert_eq!(Text(TextForm::Json(r"\udbff\udfff")), "\u{10ffff}");
        assert_eq!(Text(TextForm::Quoted(r#"say \"hi\" \\"#)), "say \"hi\" \\");
    }

    #[test]
    fn chunks_join() {
        let text = Text(TextForm::Chunks(b"\x62he\x60\x63llo"));
        assert_eq!(text, "hello");
        assert!(!text.is_empty());
    }

    #[test]
    fn a_short_buffer_takes_no_copy() {
        let text = Text(TextForm::Json(r"ab\n"));
        assert_eq!(text.copy_to(&mut [0; 2]), None);
        assert_eq!(text.copy_to(&mut [0; 3]), Some("ab\n"));
        assert_eq!(Text::new("ab").copy_to(&mut [0; 1]), None);
    }
}
