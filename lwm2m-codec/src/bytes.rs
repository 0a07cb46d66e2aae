//! Bytes as payloads write them: plain, base64 or in chunks.

use core::{fmt, iter, slice};

use crate::{Text, text::TextForm};

/// Bytes borrowed from a payload, in the form in which the payload writes them.
///
/// ```
/// use lwm2m_codec::Bytes;
/// let bytes = Bytes::new(&[1, 2, 0xff]);
/// assert_eq!(bytes.to_string(), "0102ff");
/// assert!(bytes.iter().eq([1, 2, 0xff]));
/// ```
#[derive(Clone, Copy)]
pub struct Bytes<'a>(pub(crate) BytesForm<'a>);

// As wide a tag as in `Value`, for the same reason.
#[derive(Clone, Copy)]
#[repr(usize)]
pub(crate) enum BytesForm<'a> {
    Plain(&'a [u8]),
    /// Valid base64 or base64url, padded or not.
    Base64(&'a str),
    /// The same between the quotes of a JSON string with escapes, such as `\/`.
    JsonBase64(&'a str),
    /// The chunks of a CBOR string of indefinite length, without the break.
    Chunks(&'a [u8]),
}

impl<'a> Bytes<'a> {
    /// Wraps plain bytes.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(BytesForm::Plain(bytes))
    }

    /// Takes base64 or base64url text, padded or not; `None` if it is neither (RFC 4648 §4, §5).
    pub fn from_base64(text: Text<'a>) -> Option<Self> {
        if !is_base64(text) {
            return None;
        }
        match text.0 {
            TextForm::Plain(digits) => Some(Self(BytesForm::Base64(digits))),
            TextForm::Json(digits) => Some(Self(BytesForm::JsonBase64(digits))),
            // No format writes base64 in any other form.
            TextForm::Quoted(_) | TextForm::Chunks(_) => None,
        }
    }

    /// The base64 text, if that is how the payload writes the bytes.
    const fn base64(&self) -> Option<Text<'a>> {
        match self.0 {
            BytesForm::Base64(digits) => Some(Text::new(digits)),
            BytesForm::JsonBase64(digits) => Some(Text(TextForm::Json(digits))),
            BytesForm::Plain(_) | BytesForm::Chunks(_) => None,
        }
    }

    /// The bytes as a slice, if the payload writes them without base64 or chunks.
    pub const fn as_plain(&self) -> Option<&'a [u8]> {
        match self.0 {
            BytesForm::Plain(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The bytes, base64 resolved and chunks joined.
    pub fn iter(&self) -> impl Iterator<Item = u8> + Clone + use<'a> {
        if let Some(text) = self.base64() {
            return Iter::Base64(Base64 {
                digits: text.chars(),
                bits: 0,
                count: 0,
            });
        }
        match self.0 {
            BytesForm::Plain(bytes) => Iter::Plain(bytes.iter()),
            BytesForm::Base64(_) | BytesForm::JsonBase64(_) => Iter::Plain([].iter()),
            BytesForm::Chunks(bytes) => Iter::Chunks {
                rest: Chunks::new(bytes),
                chunk: [].iter(),
            },
        }
    }

    /// Number of bytes.
    pub fn len(&self) -> usize {
        match self.0 {
            BytesForm::Plain(bytes) => bytes.len(),
            _ => self.iter().count(),
        }
    }

    /// True for no bytes.
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// Copies the resolved bytes to the start of `buf`; `None` if `buf` is too short.
    pub fn copy_to<'b>(&self, buf: &'b mut [u8]) -> Option<&'b [u8]> {
        let mut len = 0usize;
        if let Some(bytes) = self.as_plain() {
            len = bytes.len();
            buf.get_mut(..len)?.copy_from_slice(bytes);
        } else {
            for byte in self.iter() {
                *buf.get_mut(len)? = byte;
                len = len.checked_add(1)?;
            }
        }
        buf.get(..len)
    }
}

impl<'a> From<&'a [u8]> for Bytes<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::new(bytes)
    }
}

impl PartialEq for Bytes<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self.as_plain(), other.as_plain()) {
            (Some(one), Some(two)) => one == two,
            _ => self.iter().eq(other.iter()),
        }
    }
}

impl Eq for Bytes<'_> {}

impl PartialEq<[u8]> for Bytes<'_> {
    fn eq(&self, other: &[u8]) -> bool {
        *self == Bytes::new(other)
    }
}

impl fmt::Display for Bytes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Bytes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{self}")
    }
}

#[derive(Clone)]
enum Iter<'a, C> {
    Plain(slice::Iter<'a, u8>),
    Base64(Base64<C>),
    Chunks {
        rest: Chunks<'a>,
        chunk: slice::Iter<'a, u8>,
    },
}

impl<C: Iterator<Item = char>> Iterator for Iter<'_, C> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        match self {
            Self::Plain(bytes) => bytes.next().copied(),
            Self::Base64(base64) => base64.next(),
            Self::Chunks { rest, chunk } => loop {
                if let Some(byte) = chunk.next() {
                    return Some(*byte);
                }
                *chunk = rest.next()?.iter();
            },
        }
    }
}

/// Iterates over the chunks of a validated CBOR string of indefinite length (RFC 8949 §3.2.3).
#[derive(Clone)]
pub(crate) struct Chunks<'a> {
    rest: &'a [u8],
}

impl<'a> Chunks<'a> {
    pub(crate) const fn new(rest: &'a [u8]) -> Self {
        Self { rest }
    }
}

impl<'a> Iterator for Chunks<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let mut cbor = crate::cbor::Reader::new(self.rest);
        let head = cbor.head().ok()?;
        let chunk = cbor.take(usize::try_from(head.value).ok()?).ok()?;
        self.rest = cbor.rest();
        Some(chunk)
    }
}

/// Resolves base64 digits, either alphabet, up to the end or the padding.
#[derive(Clone)]
struct Base64<C> {
    digits: C,
    bits: u32,
    count: u32,
}

impl<C: Iterator<Item = char>> Iterator for Base64<C> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        while self.count < 8 {
            let digit = digit_value(self.digits.next()?)?;
            self.bits = (self.bits << 6) | digit;
            self.count = self.count.saturating_add(6);
        }
        self.count = self.count.saturating_sub(8);
        Some((self.bits >> self.count) as u8)
    }
}

const fn digit_value(digit: char) -> Option<u32> {
    let c = digit as u32;
    Some(match digit {
        'A'..='Z' => c.wrapping_sub('A' as u32),
        'a'..='z' => c.wrapping_sub('a' as u32).wrapping_add(26),
        '0'..='9' => c.wrapping_sub('0' as u32).wrapping_add(52),
        '+' | '-' => 62,
        '/' | '_' => 63,
        _ => return None,
    })
}

/// True for digits of one alphabet, then nothing or the right padding.
fn is_base64(text: Text<'_>) -> bool {
    let mut digits = 0usize;
    let mut padding = 0usize;
    let (mut standard, mut url) = (false, false);
    for c in text.chars() {
        match c {
            '=' => padding = padding.saturating_add(1),
            _ if padding > 0 || digit_value(c).is_none() => return false,
            _ => digits = digits.saturating_add(1),
        }
        standard |= matches!(c, '+' | '/');
        url |= matches!(c, '-' | '_');
    }
    let right_padding = match digits % 4 {
        0 => 0,
        2 => 2,
        3 => 1,
        _ => return false,
    };
    !(standard && url) && (padding == 0 || padding == right_padding)
}

/// The alphabets of RFC 4648.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Alphabet {
    /// §4, written with padding.
    Standard,
    /// §5, written without padding.
    Url,
}

/// The digits of base64 in groups of four; a group's unused places hold 0.
pub(crate) fn to_base64(
    bytes: Bytes<'_>,
    alphabet: Alphabet,
) -> impl Iterator<Item = ([u8; 4], usize)> + use<'_> {
    let mut iter = bytes.iter();
    iter::from_fn(move || {
        let first = iter.next()?;
        let (second, third) = (iter.next(), iter.next());
        let bits = u32::from_be_bytes([0, first, second.unwrap_or(0), third.unwrap_or(0)]);
        let digit = |shift: u32| to_digit((bits >> shift) & 63, alphabet);
        let mut group = [digit(18), digit(12), digit(6), digit(0)];
        let mut len = 4;
        let pad = match alphabet {
            Alphabet::Standard => b'=',
            Alphabet::Url => 0,
        };
        let [_, _, c, d] = &mut group;
        if second.is_none() {
            (*c, *d, len) = (pad, pad, 2);
        } else if third.is_none() {
            (*d, len) = (pad, 3);
        }
        if alphabet == Alphabet::Standard {
            len = 4;
        }
        Some((group, len))
    })
}

const fn to_digit(value: u32, alphabet: Alphabet) -> u8 {
    let value = value as u8;
    match (value, alphabet) {
        (0..26, _) => b'A'.wrapping_add(value),
        (26..52, _) => b'a'.wrapping_add(value.wrapping_sub(26)),
        (52..62, _) => b'0'.wrapping_add(value.wrapping_sub(52)),
        (62, Alphabet::Standard) => b'+',
        (62, Alphabet::Url) => b'-',
        (_, Alphabet::Standard) => b'/',
        (_, Alphabet::Url) => b'_',
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{string::String, vec::Vec};

    fn base64(text: &str) -> Option<Vec<u8>> {
        Bytes::from_base64(Text::new(text)).map(|bytes| {
            assert_eq!(bytes.len(), bytes.iter().count());
            bytes.iter().collect()
        })
    }

    #[test]
    fn every_variant_of_base64_resolves() {
        for text in ["-_8", "-_8=", "+/8", "+/8="] {
            assert_eq!(base64(text), Some(Vec::from([0xfb, 0xff])));
        }
        assert_eq!(base64(""), Some(Vec::new()));
        let escaped = Text(TextForm::Json(r"+\/8="));
        assert_eq!(Bytes::from_base64(escaped), Some(Bytes::new(&[0xfb, 0xff])));
    }

    #[test]
    fn wrong_base64_is_refused() {
        for text in [
            "A", "AQID!", "AQ=", "AQ===", "A=ID", "-/8=", "AQID====", "AQID=",
        ] {
            assert_eq!(base64(text), None, "{text}");
        }
    }

    #[test]
    fn base64_is_written_with_padding_and_base64url_without() {
        let write = |bytes: &[u8], alphabet| -> String {
            to_base64(Bytes::new(bytes), alphabet)
                .flat_map(|(group, len)| group.into_iter().take(len))
                .map(char::from)
                .collect()
        };
        assert_eq!(write(&[1, 2, 3, 4, 5], Alphabet::Standard), "AQIDBAU=");
        assert_eq!(write(&[0xfb, 0xff], Alphabet::Url), "-_8");
        assert_eq!(write(&[0xfb], Alphabet::Standard), "+w==");
    }
}
