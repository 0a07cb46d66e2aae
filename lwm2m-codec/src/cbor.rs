//! The parts of CBOR that the formats need (RFC 8949): a pull reader and a writer.

pub(crate) mod short;

use core::str;

use crate::name::Piece;
use crate::{
    Bytes, DecodeError, DecodeErrorKind, EncodeError, Text, Value, bytes::BytesForm, number,
    out::Out, raw::Raw, text::TextForm,
};

/// Deepest nesting of arrays, maps and tags in an element that is skipped.
pub(crate) const MAX_NESTING: usize = 8;

/// Major types (RFC 8949 §3.1).
pub(crate) mod major {
    pub(crate) const UNSIGNED: u8 = 0;
    pub(crate) const NEGATIVE: u8 = 1;
    pub(crate) const BYTES: u8 = 2;
    pub(crate) const TEXT: u8 = 3;
    pub(crate) const ARRAY: u8 = 4;
    pub(crate) const MAP: u8 = 5;
    pub(crate) const TAG: u8 = 6;
    pub(crate) const OTHER: u8 = 7;
}

/// The additional information that means "of indefinite length".
const INDEFINITE: u8 = 31;
const BREAK: u8 = 0xff;
const FALSE: u8 = 20;
const TRUE: u8 = 21;
const NULL: u8 = 22;

/// The head of a data item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) major: u8,
    /// Additional information: the low five bits of the first byte.
    pub(crate) info: u8,
    /// The argument; 0 for indefinite length.
    pub(crate) value: u64,
}

impl Head {
    pub(crate) const fn is_indefinite(&self) -> bool {
        self.info == INDEFINITE
    }

    /// The number of items of an array or map; `None` if it ends with a break.
    pub(crate) fn count(&self) -> Option<u64> {
        (!self.is_indefinite()).then_some(self.value)
    }
}

/// Reads items from the front of a payload.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    /// Length of the payload.
    len: usize,
}

impl<'a> Reader<'a> {
    #[inline]
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes,
            len: bytes.len(),
        }
    }

    /// Offset of the next byte.
    #[inline]
    pub(crate) const fn pos(&self) -> usize {
        self.len.wrapping_sub(self.rest.len())
    }

    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Goes on from here.
    #[inline]
    pub(crate) const fn set_rest(&mut self, rest: &'a [u8]) {
        self.rest = rest;
    }

    /// Length of the payload.
    pub(crate) const fn payload_len(&self) -> usize {
        self.len
    }

    /// Does rare work with a copy of the reader, so that this one can stay in registers.
    #[inline(always)]
    pub(crate) fn apart<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> T {
        let mut copy = *self;
        let result = work(&mut copy);
        self.rest = copy.rest;
        result
    }

    /// Fails unless the payload ends here.
    pub(crate) fn end(&self) -> Result<(), DecodeError> {
        if !self.rest.is_empty() {
            return Err(self.fail(DecodeErrorKind::Expected("the end of the payload")));
        }
        Ok(())
    }

    pub(crate) const fn fail(&self, kind: DecodeErrorKind) -> DecodeError {
        DecodeError::new(self.pos(), kind)
    }

    #[inline(always)]
    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8], DecodeError> {
        match self.rest.split_at_checked(len) {
            Some((bytes, rest)) => {
                self.rest = rest;
                Ok(bytes)
            }
            None => Err(ends(self.len)),
        }
    }

    /// Reads the head of the next item.
    #[inline(always)]
    pub(crate) fn head(&mut self) -> Result<Head, DecodeError> {
        let Some((&first, rest)) = self.rest.split_first() else {
            return Err(no_head(self.len));
        };
        let (major, info) = (first >> 5, first & 31);
        let (value, rest) = if info < 24 {
            (u64::from(info), rest)
        } else {
            match long_argument(major, info, rest) {
                Some(found) => found,
                None => return Err(odd_head(*self, major, info)),
            }
        };
        self.rest = rest;
        Ok(Head { major, info, value })
    }

    /// Reads a break, if one comes next.
    #[inline]
    pub(crate) fn take_break(&mut self) -> bool {
        match self.rest {
            [BREAK, rest @ ..] => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    /// Reads the head of a map, if one comes next: the number of its entries, as [`Head::count`].
    #[inline]
    pub(crate) fn map(&mut self) -> Result<Option<Option<u64>>, DecodeError> {
        match self.rest.first() {
            Some(first) if first >> 5 == major::MAP => self.head().map(|head| Some(head.count())),
            _ => Ok(None),
        }
    }

    /// Goes to the next item of an array or map; false after the last one.
    #[inline]
    pub(crate) fn more(&mut self, left: &mut Option<u64>) -> bool {
        match left {
            None => !self.take_break(),
            Some(left) => match left.checked_sub(1) {
                Some(less) => {
                    *left = less;
                    true
                }
                None => false,
            },
        }
    }

    /// Reads the value of a resource; tags that say nothing about it are passed over.
    #[inline(always)]
    pub(crate) fn value(&mut self) -> Result<Raw<'a>, DecodeError> {
        let at = self.pos();
        let head = self.head()?;
        self.value_of(head, at, 0)
    }

    #[inline(always)]
    fn value_of(&mut self, head: Head, at: usize, depth: usize) -> Result<Raw<'a>, DecodeError> {
        Ok(match head.major {
            major::UNSIGNED => match i64::try_from(head.value) {
                Ok(value) => Raw::Integer(value),
                Err(_) => Raw::Unsigned(head.value),
            },
            major::NEGATIVE => match i64::try_from(head.value) {
                // -1 - n is the complement of n.
                Ok(value) => Raw::Integer(!value),
                Err(_) => Raw::Float(-(head.value.saturating_add(1) as f64)),
            },
            major::BYTES => Raw::Bytes(self.bytes_of(head)?),
            major::TEXT => Raw::Text(self.text_of(head)?),
            major::TAG => return self.apart(|reader| reader.tagged(head.value, at, depth)),
            major::OTHER => match head.info {
                FALSE => Raw::Boolean(0),
                TRUE => Raw::Boolean(1),
                NULL => Raw::Null,
                25 => Raw::Float(number::from_half(head.value as u16)),
                26 => Raw::Float(f64::from(f32::from_bits(head.value as u32))),
                27 => Raw::Float(f64::from_bits(head.value)),
                _ => return Err(no_value(at)),
            },
            _ => return Err(no_value(at)),
        })
    }

    /// Reads what follows a tag (RFC 8949 §3.4).
    #[cold]
    fn tagged(&mut self, tag: u64, at: usize, depth: usize) -> Result<Raw<'a>, DecodeError> {
        if depth >= MAX_NESTING {
            return Err(limit(at, "nested tags"));
        }
        let date = DecodeError::new(at, DecodeErrorKind::Expected("a date"));
        if tag == 4 {
            return self.decimal_fraction().map(Raw::Float);
        }
        if matches!(tag, 2 | 3 | 5) {
            let kind = DecodeErrorKind::Unexpected("a big number");
            return Err(DecodeError::new(at, kind));
        }
        let inner = self.pos();
        let head = self.head()?;
        let raw = self.value_of(head, inner, depth.saturating_add(1))?;
        Ok(match (tag, raw) {
            (0, Raw::Text(text)) => Raw::Date(number::parse_date(text).ok_or(date)?),
            (1, Raw::Integer(seconds)) => Raw::Date(seconds),
            (1, Raw::Float(seconds)) => Raw::Date(number::exact_i64(seconds).ok_or(date)?),
            (0 | 1, _) => return Err(date),
            (_, raw) => raw,
        })
    }

    /// Reads `[exponent, mantissa]` after tag 4.
    fn decimal_fraction(&mut self) -> Result<f64, DecodeError> {
        let at = self.pos();
        let head = self.head()?;
        let mut left = head.count();
        let mut parts = [0; 2];
        let wrong = DecodeError::new(at, DecodeErrorKind::Expected("a decimal fraction"));
        if head.major != major::ARRAY {
            return Err(wrong);
        }
        for part in &mut parts {
            if !self.more(&mut left) {
                return Err(wrong);
            }
            *part = self.integer()?;
        }
        let [exponent, mantissa] = parts;
        if self.more(&mut left) {
            return Err(wrong);
        }
        number::decimal_fraction(mantissa, exponent).ok_or(wrong)
    }

    /// Reads an integer.
    pub(crate) fn integer(&mut self) -> Result<i64, DecodeError> {
        let at = self.pos();
        match self.value()? {
            Raw::Integer(value) => Ok(value),
            _ => Err(DecodeError::new(
                at,
                DecodeErrorKind::Expected("an integer"),
            )),
        }
    }

    /// Reads a number: integer, float or decimal fraction.
    #[inline]
    pub(crate) fn number(&mut self) -> Result<f64, DecodeError> {
        let at = self.pos();
        match self.value()? {
            Raw::Integer(value) | Raw::Date(value) => Ok(value as f64),
            Raw::Unsigned(value) => Ok(value as f64),
            Raw::Float(value) => Ok(value),
            _ => Err(no_number(at)),
        }
    }

    /// Reads a name.
    #[inline(always)]
    pub(crate) fn name(&mut self) -> Result<Piece<'a>, DecodeError> {
        let at = self.pos();
        let head = self.head()?;
        if head.major != major::TEXT {
            return Err(DecodeError::new(at, DecodeErrorKind::Expected("text")));
        }
        if head.is_indefinite() {
            return Ok(Piece::Text(self.text_of(head)?));
        }
        let len = usize::try_from(head.value).unwrap_or(usize::MAX);
        let at = self.pos();
        Ok(Piece::Plain(self.take(len)?, at))
    }

    #[inline(always)]
    pub(crate) fn text_of(&mut self, head: Head) -> Result<Text<'a>, DecodeError> {
        if head.is_indefinite() {
            return Ok(Text(TextForm::Chunks(
                self.apart(|reader| reader.chunks(major::TEXT))?,
            )));
        }
        let at = self.pos();
        let bytes = self.take(usize::try_from(head.value).unwrap_or(usize::MAX))?;
        Text::from_utf8(bytes).map_err(|valid| invalid_utf8(valid, at))
    }

    #[inline]
    fn bytes_of(&mut self, head: Head) -> Result<Bytes<'a>, DecodeError> {
        if head.is_indefinite() {
            return Ok(Bytes(BytesForm::Chunks(
                self.apart(|reader| reader.chunks(major::BYTES))?,
            )));
        }
        let bytes = self.take(usize::try_from(head.value).unwrap_or(usize::MAX))?;
        Ok(Bytes::new(bytes))
    }

    /// Checks the chunks of a string and returns them without the break (RFC 8949 §3.2.3).
    #[cold]
    fn chunks(&mut self, major: u8) -> Result<&'a [u8], DecodeError> {
        let start = self.rest;
        loop {
            let at = self.pos();
            let len = start.len().saturating_sub(self.rest.len());
            if self.take_break() {
                return Ok(start.get(..len).unwrap_or_default());
            }
            let head = self.head()?;
            if head.major != major || head.is_indefinite() {
                let kind = DecodeErrorKind::Expected("a chunk of the string");
                return Err(DecodeError::new(at, kind));
            }
            let at = self.pos();
            let chunk = self.take(usize::try_from(head.value).unwrap_or(usize::MAX))?;
            if major == major::TEXT {
                str::from_utf8(chunk).map_err(|error| invalid_utf8(error.valid_up_to(), at))?;
            }
        }
    }

    /// Passes over one item.
    pub(crate) fn skip(&mut self) -> Result<(), DecodeError> {
        self.skip_nested(0)
    }

    fn skip_nested(&mut self, depth: usize) -> Result<(), DecodeError> {
        let at = self.pos();
        if depth > MAX_NESTING {
            return Err(limit(at, "nested items"));
        }
        let depth = depth.saturating_add(1);
        let head = self.head()?;
        match head.major {
            major::BYTES => self.bytes_of(head).map(drop),
            major::TEXT => self.text_of(head).map(drop),
            major::ARRAY | major::MAP => {
                let mut left = head.count();
                while self.more(&mut left) {
                    self.skip_nested(depth)?;
                    if head.major == major::MAP {
                        self.skip_nested(depth)?;
                    }
                }
                Ok(())
            }
            major::TAG => self.skip_nested(depth),
            major::OTHER if head.is_indefinite() => {
                let kind = DecodeErrorKind::Unexpected("a break");
                Err(DecodeError::new(at, kind))
            }
            _ => Ok(()),
        }
    }
}

/// Reads the argument that follows the first byte, 0 for indefinite length.
#[inline(always)]
fn long_argument(major: u8, info: u8, rest: &[u8]) -> Option<(u64, &[u8])> {
    Some(match info {
        24 => {
            let (byte, rest) = rest.split_first()?;
            (u64::from(*byte), rest)
        }
        25 => {
            let (bytes, rest) = rest.split_first_chunk()?;
            (u64::from(u16::from_be_bytes(*bytes)), rest)
        }
        26 => {
            let (bytes, rest) = rest.split_first_chunk()?;
            (u64::from(u32::from_be_bytes(*bytes)), rest)
        }
        27 => {
            let (bytes, rest) = rest.split_first_chunk()?;
            (u64::from_be_bytes(*bytes), rest)
        }
        INDEFINITE if has_indefinite(major) => (0, rest),
        _ => return None,
    })
}

/// Says what is wrong with a head that is not complete or not allowed.
#[cold]
fn odd_head(reader: Reader<'_>, major: u8, info: u8) -> DecodeError {
    if info < 28 || (info == INDEFINITE && has_indefinite(major)) {
        return ends(reader.len);
    }
    reader.fail(DecodeErrorKind::Expected("a CBOR item"))
}

#[cold]
fn no_head(len: usize) -> DecodeError {
    DecodeError::new(len, DecodeErrorKind::UnexpectedEnd("a CBOR item"))
}

#[cold]
fn ends(len: usize) -> DecodeError {
    let kind = DecodeErrorKind::UnexpectedEnd("more of a CBOR item");
    DecodeError::new(len, kind)
}

/// True for strings, arrays, maps, and the break.
const fn has_indefinite(major: u8) -> bool {
    !matches!(major, major::UNSIGNED | major::NEGATIVE | major::TAG)
}

const fn limit(at: usize, what: &'static str) -> DecodeError {
    let limit = MAX_NESTING;
    DecodeError::new(at, DecodeErrorKind::LimitExceeded { what, limit })
}

#[cold]
fn invalid_utf8(valid: usize, at: usize) -> DecodeError {
    let at = at.saturating_add(valid);
    DecodeError::new(at, DecodeErrorKind::InvalidUtf8)
}

#[cold]
fn no_number(at: usize) -> DecodeError {
    DecodeError::new(at, DecodeErrorKind::Expected("a number"))
}

#[cold]
fn no_value(at: usize) -> DecodeError {
    DecodeError::new(at, DecodeErrorKind::Expected("a value"))
}

/// Writes a head in its shortest form.
#[inline(always)]
pub(crate) fn write_head(out: &mut Out<'_>, major: u8, value: u64) -> Result<(), EncodeError> {
    match short_head(major, value) {
        Some((word, len)) => out.word(word, len),
        None => {
            out.byte(major << 5 | 27)?;
            out.word(value, 8)
        }
    }
}

/// A head of five bytes at most, in its shortest form, at the front of a word; and its length.
#[inline(always)]
const fn short_head(major: u8, value: u64) -> Option<(u64, usize)> {
    let first = (major as u64) << 61;
    Some(match value {
        0..=23 => (first | value << 56, 1),
        24..=0xff => (first | 24 << 56 | value << 48, 2),
        0x100..=0xffff => (first | 25 << 56 | value << 40, 3),
        0x1_0000..=0xffff_ffff => (first | 26 << 56 | value << 24, 5),
        _ => return None,
    })
}

/// Shifts the last `len` bytes of a word to its front.
#[inline]
const fn to_front(word: u64, len: usize) -> u64 {
    word.wrapping_shl(64u32.wrapping_sub((len as u32).wrapping_mul(8)))
}

#[inline(always)]
pub(crate) fn write_integer(out: &mut Out<'_>, value: i64) -> Result<(), EncodeError> {
    // The complement of a negative number is -1 - n, which is what CBOR writes.
    let sign = value >> 63;
    write_head(out, (sign & 1) as u8, (value ^ sign) as u64)
}

/// Writes a float in the shortest width that keeps it (RFC 8949 §4.1).
#[inline]
pub(crate) fn write_float(out: &mut Out<'_>, value: f64) -> Result<(), EncodeError> {
    const HALF_NAN: [u8; 3] = [0xf9, 0x7e, 0];
    if value.is_nan() && !out.has_doubles() {
        return out.put(&HALF_NAN);
    }
    let single = value as f32;
    if f64::from(single) != value || out.has_doubles() {
        out.byte(0xfb)?;
        return out.word(value.to_bits(), 8);
    }
    let (word, len) = match number::to_half(single) {
        Some(half) => ((0xf9 << 16) | u64::from(half), 3),
        None => ((0xfa << 32) | u64::from(single.to_bits()), 5),
    };
    out.word(to_front(word, len), len)
}

/// Writes a time: an integer if it is integral.
pub(crate) fn write_time(out: &mut Out<'_>, seconds: f64) -> Result<(), EncodeError> {
    match number::exact_i64(seconds) {
        Some(seconds) => write_integer(out, seconds),
        None => write_float(out, seconds),
    }
}

/// The tag of a time in seconds since 1970 (RFC 8949 §3.4.2).
const EPOCH_TAG: u64 = 1;

/// Writes whole seconds since 1970 with the tag of such times (RFC 8949 §3.4.2).
pub(crate) fn write_epoch(out: &mut Out<'_>, seconds: i64) -> Result<(), EncodeError> {
    write_head(out, major::TAG, EPOCH_TAG)?;
    write_integer(out, seconds)
}

#[inline]
pub(crate) fn write_text(out: &mut Out<'_>, text: Text<'_>) -> Result<(), EncodeError> {
    write_head(out, major::TEXT, text.len() as u64)?;
    out.text(text)
}

/// Writes as text what a function writes.
#[inline]
pub(crate) fn write_as_text(
    out: &mut Out<'_>,
    write: impl FnOnce(&mut Out<'_>) -> Result<(), EncodeError>,
) -> Result<(), EncodeError> {
    let at = out.len();
    out.byte(major::TEXT << 5)?;
    write(out)?;
    let len = out.len().wrapping_sub(at).wrapping_sub(1) as u64;
    set_count(out, at, major::TEXT, len)
}

/// Replaces the one-byte head at `at` by one with this argument.
#[inline(always)]
pub(crate) fn set_count(
    out: &mut Out<'_>,
    at: usize,
    major: u8,
    count: u64,
) -> Result<(), EncodeError> {
    if count < 24 {
        out.set(at, (major << 5) | count as u8);
        return Ok(());
    }
    out.apart(|out| set_long_count(out, at, major, count))
}

#[inline(never)]
fn set_long_count(out: &mut Out<'_>, at: usize, major: u8, count: u64) -> Result<(), EncodeError> {
    let mut head = [0; 9];
    let mut scratch = Out::new(&mut head);
    write_head(&mut scratch, major, count)?;
    let Some((first, more)) = scratch.written(0).split_first() else {
        return Ok(());
    };
    out.set(at, *first);
    out.insert(at.saturating_add(1), more)
}

/// Writes a value (TS-Core App. C).
#[inline(never)]
pub(crate) fn write_value(out: &mut Out<'_>, value: &Value<'_>) -> Result<(), EncodeError> {
    match value {
        Value::String(text) | Value::CoreLink(text) => write_text(out, *text),
        Value::Integer(number) | Value::Time(number) => write_integer(out, *number),
        Value::Unsigned(number) => write_head(out, major::UNSIGNED, *number),
        Value::Float(number) => write_float(out, *number),
        Value::Boolean(false) => out.byte((major::OTHER << 5) | FALSE),
        Value::Boolean(true) => out.byte((major::OTHER << 5) | TRUE),
        Value::Opaque(bytes) => {
            write_head(out, major::BYTES, bytes.len() as u64)?;
            out.bytes(*bytes)
        }
        Value::ObjectLink(link) => write_as_text(out, |out| out.display(link)),
        Value::Null => out.byte((major::OTHER << 5) | NULL),
    }
}
