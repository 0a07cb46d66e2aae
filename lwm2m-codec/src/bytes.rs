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
            TextForm::Json(digits) => Some(Self(BytesForm::JsonBase64(digits))),
            // No format writes base64 in chunks or otherwise quoted.
            _ => text
                .as_plain()
                .map(|digits| Self(BytesForm::Base64(digits))),
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
    #[inline]
    pub fn len(&self) -> usize {
        match self.0 {
            BytesForm::Plain(bytes) => bytes.len(),
            BytesForm::Base64(text) => {
                let digits = without_padding(text.as_bytes()).len();
                // Four digits hold three bytes.
                (digits / 4)
                    .wrapping_mul(3)
                    .wrapping_add((digits % 4).saturating_sub(1))
            }
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
        match self.0 {
            BytesForm::Plain(bytes) => {
                len = bytes.len();
                buf.get_mut(..len)?.copy_from_slice(bytes);
            }
            BytesForm::Base64(text) => {
                len = self.len();
                resolve_base64(text.as_bytes(), buf.get_mut(..len)?);
            }
            _ => {
                for byte in self.iter() {
                    *buf.get_mut(len)? = byte;
                    len = len.checked_add(1)?;
                }
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

fn digit_value(digit: char) -> Option<u32> {
    let byte = u8::try_from(digit).ok()?;
    match DIGITS.get(usize::from(byte)) {
        None | Some(&NONE) => None,
        Some(class) => Some(u32::from(class & 63)),
    }
}

/// Marks a digit of the standard alphabet alone.
const STANDARD: u8 = 0x80;
/// Marks a digit of the URL alphabet alone.
const URL: u8 = 0x40;
/// Marks what is no digit.
const NONE: u8 = STANDARD | URL;

/// The value of each base64 digit, with the mark of its alphabet if it belongs to one alone.
///
/// The values of marked digits are 62 and 63, so that no digit looks like [`NONE`].
#[allow(clippy::indexing_slicing)] // while compiling
static DIGITS: [u8; 256] = {
    let mut table = [NONE; 256];
    let mut byte = 0u8;
    loop {
        let class = match byte {
            b'A'..=b'Z' => byte.wrapping_sub(b'A'),
            b'a'..=b'z' => byte.wrapping_sub(b'a').wrapping_add(26),
            b'0'..=b'9' => byte.wrapping_sub(b'0').wrapping_add(52),
            b'+' => STANDARD | 62,
            b'/' => STANDARD | 63,
            b'-' => URL | 62,
            b'_' => URL | 63,
            _ => NONE,
        };
        table[byte as usize] = class;
        if byte == u8::MAX {
            break table;
        }
        byte = byte.wrapping_add(1);
    }
};

/// True for digits of one alphabet, then nothing or the right padding.
fn is_base64(text: Text<'_>) -> bool {
    let Some(plain) = text.as_plain_bytes() else {
        // What is no ASCII is no digit either.
        let bytes = text.chars().map(|c| u8::try_from(c).unwrap_or(b'?'));
        let (digits, padding) = bytes
            .clone()
            .fold((0usize, 0usize), |(digits, padding), byte| {
                match byte {
                    b'=' => (digits, padding.wrapping_add(1)),
                    // A digit behind padding: the padding was none.
                    _ => (digits.wrapping_add(padding).wrapping_add(1), 0),
                }
            });
        let marks = bytes
            .take(digits)
            .fold(0, |marks, byte| marks | class(byte));
        return is_right(digits, padding, marks);
    };
    let digits = without_padding(plain);
    let marks = digits.iter().fold(0, |marks, byte| marks | class(*byte));
    let padding = plain.len().wrapping_sub(digits.len());
    is_right(digits.len(), padding, marks)
}

/// True if so many digits with these marks may have so much padding. The marks of both alphabets
/// together are as wrong as that of no digit.
const fn is_right(digits: usize, padding: usize, marks: u8) -> bool {
    let right_padding = match digits % 4 {
        0 => 0,
        2 => 2,
        3 => 1,
        _ => return false,
    };
    marks & NONE != NONE && (padding == 0 || padding == right_padding)
}

#[inline(always)]
fn class(byte: u8) -> u8 {
    DIGITS.get(usize::from(byte)).copied().unwrap_or(NONE)
}

/// Base64 without the marks at its end that fill its last group up.
fn without_padding(text: &[u8]) -> &[u8] {
    let mut digits = text;
    while let [rest @ .., b'='] = digits {
        digits = rest;
    }
    digits
}

/// Writes the bytes of valid base64 into a buffer of their length, a group at a time.
fn resolve_base64(text: &[u8], buf: &mut [u8]) {
    let value = |byte: &u8| u32::from(class(*byte) & 63);
    let bits = |group: &[u8]| {
        let bits = group.iter().fold(0, |bits, byte| (bits << 6) | value(byte));
        // A short group is filled up with zeros.
        bits << 4usize.saturating_sub(group.len()).wrapping_mul(6)
    };
    let (mut digits, mut places) = (without_padding(text), buf.chunks_exact_mut(3));
    for place in &mut places {
        let Some((group @ [_, _, _, _], rest)) = digits.split_first_chunk() else {
            return;
        };
        let [_, a, b, c] = bits(group).to_be_bytes();
        place.copy_from_slice(&[a, b, c]);
        digits = rest;
    }
    let [_, bytes @ ..] = bits(digits).to_be_bytes();
    for (place, byte) in places.into_remainder().iter_mut().zip(bytes) {
        *place = byte;
    }
}

/// The alphabets of RFC 4648.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Alphabet {
    /// §4, written with padding.
    Standard,
    /// §5, written without padding.
    Url,
}

/// The digits of base64 in groups of four, each with the number of those to be written.
pub(crate) fn to_base64(
    bytes: Bytes<'_>,
    alphabet: Alphabet,
) -> impl Iterator<Item = ([u8; 4], usize)> + use<'_> {
    let mut iter = bytes.iter();
    iter::from_fn(move || {
        let a = iter.next()?;
        Some(match (iter.next(), iter.next()) {
            (None, _) => base64_group(&[a], alphabet),
            (Some(b), None) => base64_group(&[a, b], alphabet),
            (Some(b), Some(c)) => base64_group(&[a, b, c], alphabet),
        })
    })
}

/// The digits of up to three bytes, and how many of them are to be written.
#[inline]
pub(crate) fn base64_group(bytes: &[u8], alphabet: Alphabet) -> ([u8; 4], usize) {
    let (bits, len) = match *bytes {
        [a, b, c, ..] => (u32::from_be_bytes([0, a, b, c]), 4),
        [a, b] => (u32::from_be_bytes([0, a, b, 0]), 3),
        [a] => (u32::from_be_bytes([0, a, 0, 0]), 2),
        [] => (0, 0),
    };
    let digits = alphabet.digits();
    let digit = |shift: u32| {
        let value = bits.wrapping_shr(shift) & 63;
        digits.get(value as usize).copied().unwrap_or(b'=')
    };
    let mut group = [digit(18), digit(12), digit(6), digit(0)];
    if alphabet == Alphabet::Url || len == 0 {
        return (group, len);
    }
    for pad in group.iter_mut().skip(len) {
        *pad = b'=';
    }
    (group, 4)
}

impl Alphabet {
    /// The eight digits of six bytes, in one word.
    #[inline(always)]
    pub(crate) fn eight_digits(self, bytes: &[u8; 6]) -> u64 {
        let [a, b, c, d, e, f] = *bytes;
        let bits = u64::from_be_bytes([0, 0, a, b, c, d, e, f]);
        let digits = self.digits();
        (0..8u32).fold(0, |word, place| {
            let value = bits.wrapping_shr(42u32.wrapping_sub(place.wrapping_mul(6))) & 63;
            let digit = digits.get(value as usize).copied().unwrap_or(b'=');
            (word << 8) | u64::from(digit)
        })
    }

    #[inline]
    const fn digits(self) -> &'static [u8; 64] {
        match self {
            Self::Standard => b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
            Self::Url => b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
        }
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
