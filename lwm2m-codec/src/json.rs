//! The parts of JSON that the formats need (RFC 8259): a pull reader and writers.

use core::str;

use crate::{
    DecodeError, DecodeErrorKind, EncodeError, Text, number,
    out::Out,
    raw::Raw,
    text::{TextForm, unescape},
};

/// Deepest nesting of arrays and objects in a value that is skipped.
pub(crate) const MAX_NESTING: usize = 8;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    text: &'a str,
    pos: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(payload: &'a [u8]) -> Result<Self, DecodeError> {
        let text = str::from_utf8(payload)
            .map_err(|error| DecodeError::new(error.valid_up_to(), DecodeErrorKind::InvalidUtf8))?;
        Ok(Self { text, pos: 0 })
    }

    /// Reads from `pos` on.
    pub(crate) const fn at(&self, pos: usize) -> Self {
        Self {
            text: self.text,
            pos,
        }
    }

    pub(crate) const fn pos(&self) -> usize {
        self.pos
    }

    /// What is left of the payload.
    #[inline]
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.pos..).unwrap_or_default()
    }

    /// Goes on where so many bytes are left.
    #[inline]
    pub(crate) const fn set_left(&mut self, left: usize) {
        self.pos = self.text.len().wrapping_sub(left);
    }

    /// The part of the payload that begins where so many bytes are left, and ends where so many
    /// are.
    #[inline(always)]
    pub(crate) fn between(&self, start: usize, end: usize) -> Option<&'a str> {
        let len = self.text.len();
        self.text
            .get(len.wrapping_sub(start)..len.wrapping_sub(end))
    }

    #[inline]
    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.pos).copied()
    }

    #[inline]
    fn bump(&mut self) {
        self.pos = self.pos.wrapping_add(1);
    }

    /// Does rare work with a copy of the reader, so that this one can stay in registers.
    #[inline(always)]
    pub(crate) fn apart<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> T {
        let mut copy = *self;
        let result = work(&mut copy);
        self.pos = copy.pos;
        result
    }

    fn slice(&self, start: usize) -> &'a str {
        self.text.get(start..self.pos).unwrap_or_default()
    }

    #[inline]
    fn blanks(&mut self) {
        while self.byte().is_some_and(is_blank) {
            self.bump();
        }
    }

    #[cold]
    pub(crate) fn expected(&self, what: &'static str) -> DecodeError {
        let kind = match self.byte() {
            Some(_) => DecodeErrorKind::Expected(what),
            None => DecodeErrorKind::UnexpectedEnd(what),
        };
        DecodeError::new(self.pos, kind)
    }

    /// Reads a punctuation mark, if it comes next.
    #[inline(always)]
    pub(crate) fn take(&mut self, mark: u8) -> bool {
        // Nearly always there are no blanks.
        let mut found = self.byte() == Some(mark);
        if !found {
            self.blanks();
            found = self.byte() == Some(mark);
        }
        if found {
            self.bump();
        }
        found
    }

    #[inline(always)]
    pub(crate) fn require(&mut self, mark: u8, what: &'static str) -> Result<(), DecodeError> {
        if self.take(mark) {
            Ok(())
        } else {
            Err(self.expected(what))
        }
    }

    /// Fails unless only blanks follow.
    pub(crate) fn end(&mut self) -> Result<(), DecodeError> {
        self.blanks();
        match self.byte() {
            None => Ok(()),
            Some(_) => Err(self.expected("the end of the payload")),
        }
    }

    /// Goes to the next element of an array or object; false after its closing mark.
    #[inline(always)]
    pub(crate) fn more(&mut self, first: &mut bool, close: u8) -> Result<bool, DecodeError> {
        if !*first && self.byte() == Some(b',') {
            self.bump();
            match self.byte() {
                // No comma before the closing mark.
                Some(byte) if byte != close && !is_blank(byte) => return Ok(true),
                _ => return self.apart(|reader| reader.after_comma(close)),
            }
        }
        if self.take(close) {
            return Ok(false);
        }
        if *first {
            *first = false;
        } else {
            self.require(b',', "a comma or the closing bracket")?;
            return self.apart(|reader| reader.after_comma(close));
        }
        Ok(true)
    }

    #[inline(never)]
    fn after_comma(&mut self, close: u8) -> Result<bool, DecodeError> {
        self.blanks();
        if self.byte() == Some(close) {
            return Err(self.expected("an element"));
        }
        Ok(true)
    }

    /// Reads a key with its colon.
    #[inline(always)]
    pub(crate) fn key(&mut self) -> Result<Text<'a>, DecodeError> {
        let key = self.string()?;
        self.require(b':', "a colon")?;
        Ok(key)
    }

    /// Reads a string and checks its escapes.
    #[inline(always)]
    pub(crate) fn string(&mut self) -> Result<Text<'a>, DecodeError> {
        self.require(b'"', "a string")?;
        let start = self.pos;
        let rest = self.text.as_bytes().get(start..).unwrap_or_default();
        let end = start.wrapping_add(plain_len(rest));
        if self.text.as_bytes().get(end) == Some(&b'"') {
            self.pos = end.wrapping_add(1);
            return Ok(Text::new(self.text.get(start..end).unwrap_or_default()));
        }
        self.apart(|reader| reader.escaped(start, end))
    }

    /// Reads a string that began at `start` and is plain up to `end`.
    #[inline(never)]
    fn escaped(&mut self, start: usize, end: usize) -> Result<Text<'a>, DecodeError> {
        self.pos = end;
        loop {
            match self.byte() {
                Some(b'"') => break,
                Some(b'\\') => self.escape()?,
                Some(0x20..) => self.bump(),
                _ => return Err(self.expected("the end of the string")),
            }
        }
        let inner = self.slice(start);
        self.bump();
        Ok(Text(TextForm::Json(inner)))
    }

    fn escape(&mut self) -> Result<(), DecodeError> {
        let rest = self.text.get(self.pos..).unwrap_or_default();
        let mut chars = rest.chars();
        chars.next();
        unescape(&mut chars).ok_or_else(|| self.expected("a valid escape"))?;
        let len = rest.len().saturating_sub(chars.as_str().len());
        self.pos = self.pos.saturating_add(len);
        Ok(())
    }

    /// Reads a number, as an integer if it is written as one (RFC 8259 §6).
    #[inline(always)]
    pub(crate) fn number(&mut self) -> Result<Raw<'a>, DecodeError> {
        self.blanks();
        if let Some((number, rest)) = short_number(self.rest()) {
            if !matches!(rest, [b'.' | b'e' | b'E' | b'0'..=b'9', ..]) {
                self.set_left(rest.len());
                return Ok(match number.places {
                    0 => Raw::Integer(number.integer()),
                    _ => Raw::Float(number.float()),
                });
            }
        }
        self.apart(Self::any_number)
    }

    /// Reads a number of any length.
    #[inline(never)]
    pub(crate) fn any_number(&mut self) -> Result<Raw<'a>, DecodeError> {
        let start = self.pos;
        let negative = self.byte() == Some(b'-');
        if negative {
            self.bump();
        }
        let digits = self.pos;
        let mut magnitude = Some(0u64);
        while let Some(digit @ b'0'..=b'9') = self.byte() {
            magnitude = magnitude
                .and_then(|m| m.checked_mul(10))
                .and_then(|m| m.checked_add(u64::from(digit.wrapping_sub(b'0'))));
            self.bump();
        }
        let integral = self.slice(digits);
        if integral.is_empty() || (integral.len() > 1 && integral.starts_with('0')) {
            self.pos = start;
            return Err(self.expected("a number"));
        }
        if !matches!(self.byte(), Some(b'.' | b'e' | b'E')) {
            if let Some(raw) = magnitude.and_then(|m| integer(negative, m)) {
                return Ok(raw);
            }
        }
        self.fraction_and_exponent()?;
        match number::parse_float(self.slice(start)) {
            Some(value) => Ok(Raw::Float(value)),
            None => Err(self.at(start).expected("a number in range")),
        }
    }

    fn fraction_and_exponent(&mut self) -> Result<(), DecodeError> {
        if self.byte() == Some(b'.') {
            self.bump();
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.byte() {
            self.bump();
            if let Some(b'+' | b'-') = self.byte() {
                self.bump();
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), DecodeError> {
        let start = self.pos;
        while let Some(b'0'..=b'9') = self.byte() {
            self.bump();
        }
        if self.pos == start {
            return Err(self.expected("a digit"));
        }
        Ok(())
    }

    /// Reads a number as a float.
    #[inline]
    pub(crate) fn float(&mut self) -> Result<f64, DecodeError> {
        Ok(match self.number()? {
            Raw::Integer(value) => value as f64,
            Raw::Unsigned(value) => value as f64,
            Raw::Float(value) => value,
            _ => return Err(self.expected("a number")),
        })
    }

    #[inline]
    fn word(&mut self, word: &'static str) -> bool {
        self.blanks();
        let rest = self.text.get(self.pos..).unwrap_or_default();
        let found = rest.starts_with(word);
        if found {
            self.pos = self.pos.saturating_add(word.len());
        }
        found
    }

    #[inline]
    pub(crate) fn boolean(&mut self) -> Result<bool, DecodeError> {
        if self.word("true") {
            Ok(true)
        } else if self.word("false") {
            Ok(false)
        } else {
            Err(self.expected("true or false"))
        }
    }

    /// Reads `null`, if it comes next.
    pub(crate) fn null(&mut self) -> bool {
        self.word("null")
    }

    /// Passes over one value.
    pub(crate) fn skip(&mut self) -> Result<(), DecodeError> {
        self.skip_nested(0)
    }

    fn skip_nested(&mut self, depth: usize) -> Result<(), DecodeError> {
        if depth > MAX_NESTING {
            let kind = DecodeErrorKind::LimitExceeded {
                what: "nested values",
                limit: MAX_NESTING,
            };
            return Err(DecodeError::new(self.pos, kind));
        }
        self.blanks();
        let close = match self.byte() {
            Some(b'"') => return self.string().map(drop),
            Some(b't' | b'f') => return self.boolean().map(drop),
            Some(b'n') if self.null() => return Ok(()),
            Some(b'[') => b']',
            Some(b'{') => b'}',
            Some(b'-' | b'0'..=b'9') => return self.number().map(drop),
            _ => return Err(self.expected("a value")),
        };
        self.bump();
        let mut first = true;
        while self.more(&mut first, close)? {
            if close == b'}' {
                self.key()?;
            }
            self.skip_nested(depth.saturating_add(1))?;
        }
        Ok(())
    }
}

#[inline]
const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// A decimal number of 15 digits at most.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ShortNumber {
    negative: bool,
    magnitude: u64,
    /// How many of the digits stand behind the point.
    pub(crate) places: usize,
}

/// Powers of ten, all exact.
const POWERS: [f64; 16] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
];

impl ShortNumber {
    /// The number without its point.
    #[inline(always)]
    pub(crate) const fn integer(&self) -> i64 {
        let magnitude = self.magnitude as i64;
        match self.negative {
            true => magnitude.wrapping_neg(),
            false => magnitude,
        }
    }

    /// The number as a float: of two exact numbers, the quotient is rounded once, which is what
    /// the decimal stands for.
    #[inline(always)]
    pub(crate) fn float(&self) -> f64 {
        let power = POWERS.get(self.places).copied().unwrap_or(f64::NAN);
        let value = self.magnitude as f64 / power;
        if self.negative { -value } else { value }
    }
}

/// Reads a number without an exponent, as nearly every one is, and returns what follows, which
/// may belong to a longer number.
#[inline(always)]
pub(crate) fn short_number(bytes: &[u8]) -> Option<(ShortNumber, &[u8])> {
    const MAX_DIGITS: usize = 15;
    let (negative, digits) = match bytes {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    let (mut magnitude, mut rest) = leading_digits(0, digits);
    let mut count = digits.len().wrapping_sub(rest.len());
    if count == 0 || (count > 1 && digits.first() == Some(&b'0')) {
        return None;
    }
    let mut places = 0usize;
    if let [b'.', fraction @ ..] = rest {
        (magnitude, rest) = leading_digits(magnitude, fraction);
        places = fraction.len().wrapping_sub(rest.len());
        count = count.wrapping_add(places);
        if places == 0 {
            return None;
        }
    }
    let number = ShortNumber {
        negative,
        magnitude,
        places,
    };
    (count <= MAX_DIGITS).then_some((number, rest))
}

/// Appends digits to a number; too many of them wrap around.
#[inline(always)]
fn leading_digits(number: u64, bytes: &[u8]) -> (u64, &[u8]) {
    let (mut number, mut rest) = (number, bytes);
    while let [byte, more @ ..] = rest {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        number = number.wrapping_mul(10).wrapping_add(u64::from(digit));
        rest = more;
    }
    (number, rest)
}

/// Length of what comes before the first quote, backslash or control character.
#[inline]
pub(crate) fn plain_len(bytes: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x80 * ONES;
    const QUOTES: u64 = b'"' as u64 * ONES;
    const BACKSLASHES: u64 = b'\\' as u64 * ONES;
    // The lowest high bit that is set is that of the first byte 0, or below the limit.
    let zero = |word: u64| word.wrapping_sub(ONES) & !word;
    let mut len = 0usize;
    let mut rest = bytes;
    while let Some((chunk, more)) = rest.split_first_chunk() {
        let word = u64::from_le_bytes(*chunk);
        let quote = zero(word ^ QUOTES);
        let backslash = zero(word ^ BACKSLASHES);
        let control = word.wrapping_sub(ONES * 0x20) & !word;
        let found = (quote | backslash | control) & HIGH;
        if found != 0 {
            return len.wrapping_add((found.trailing_zeros() / 8) as usize);
        }
        len = len.wrapping_add(8);
        rest = more;
    }
    let special = |byte: &u8| needs_escape(*byte);
    len.wrapping_add(rest.iter().position(special).unwrap_or(rest.len()))
}

fn integer<'a>(negative: bool, magnitude: u64) -> Option<Raw<'a>> {
    if negative {
        return 0i64.checked_sub_unsigned(magnitude).map(Raw::Integer);
    }
    Some(match i64::try_from(magnitude) {
        Ok(value) => Raw::Integer(value),
        Err(_) => Raw::Unsigned(magnitude),
    })
}

/// Writes a string with its quotes, escaping what RFC 8259 §7 demands.
pub(crate) fn write_string(out: &mut Out<'_>, text: Text<'_>) -> Result<(), EncodeError> {
    out.byte(b'"')?;
    match text.as_plain() {
        Some(plain) if plain_len(plain.as_bytes()) == plain.len() => {
            out.short(plain.as_bytes())?;
        }
        _ => text.chars().try_for_each(|c| write_char(out, c))?,
    }
    out.byte(b'"')
}

const fn needs_escape(byte: u8) -> bool {
    byte < 0x20 || matches!(byte, b'"' | b'\\')
}

fn write_char(out: &mut Out<'_>, c: char) -> Result<(), EncodeError> {
    match c {
        '"' | '\\' => out.put(&[b'\\', c as u8]),
        '\n' => out.put(b"\\n"),
        '\r' => out.put(b"\\r"),
        '\t' => out.put(b"\\t"),
        '\0'..='\x1f' => out.display(format_args!("\\u{:04x}", u32::from(c))),
        _ => {
            let mut utf8 = [0; 4];
            out.put(c.encode_utf8(&mut utf8).as_bytes())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(text: &str) -> Reader<'_> {
        Reader::new(text.as_bytes()).unwrap()
    }

    #[test]
    fn numbers_are_read_as_they_are_written() {
        let number = |text| reader(text).number();
        assert!(matches!(number("-12"), Ok(Raw::Integer(-12))));
        assert!(matches!(
            number("-9223372036854775808"),
            Ok(Raw::Integer(i64::MIN))
        ));
        assert!(matches!(
            number("18446744073709551615"),
            Ok(Raw::Unsigned(u64::MAX))
        ));
        assert!(matches!(number("1.5e1"), Ok(Raw::Float(15.0))));
        assert!(matches!(
            number("20000000000000000000"),
            Ok(Raw::Float(2e19))
        ));
        for wrong in ["", "-", "01", "1.", "1e", ".5", "+1", "1e999", "NaN"] {
            assert!(number(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_wrong_string_is_named_by_its_offset() {
        for (text, offset) in [
            ("\"ab", 3),
            ("\"a\\x\"", 2),
            ("\"\\ud800\"", 1),
            ("\"a\nb\"", 2),
            ("x", 0),
        ] {
            assert_eq!(reader(text).string().unwrap_err().offset, offset, "{text}");
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let deep = std::string::String::from("[").repeat(100);
        let error = reader(&deep).skip().unwrap_err();
        assert!(matches!(error.kind, DecodeErrorKind::LimitExceeded { .. }));
        assert!(reader(r#"{"a":[1,{"b":null}],"c":"\""}"#).skip().is_ok());
        for wrong in ["[1,]", "[1 2]", "{1:2}", "{\"a\"}", "[", "nul"] {
            assert!(reader(wrong).skip().is_err(), "{wrong}");
        }
    }

    #[test]
    fn strings_are_escaped_as_little_as_allowed() {
        let mut buf = [0; 64];
        let mut out = Out::new(&mut buf);
        write_string(&mut out, Text::new("a\"\\/\n\u{1}é")).unwrap();
        assert_eq!(str::from_utf8(out.written(0)), Ok(r#""a\"\\/\n\u0001é""#));
    }
}
