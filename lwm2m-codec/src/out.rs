//! The caller's buffer while something is written into it.

use core::fmt;

use crate::{
    Bytes, EncodeError, Floats, Path, Text,
    bytes::Alphabet,
    bytes::{base64_group, to_base64},
};

/// Appends to the caller's buffer.
#[derive(Debug)]
pub(crate) struct Out<'b> {
    buf: &'b mut [u8],
    len: usize,
    floats: Floats,
}

impl<'b> Out<'b> {
    pub(crate) fn new(buf: &'b mut [u8]) -> Self {
        Self {
            buf,
            len: 0,
            floats: Floats::Shortest,
        }
    }

    pub(crate) fn set_floats(&mut self, floats: Floats) {
        self.floats = floats;
    }

    /// True if floating point numbers are written with 64 bits always.
    #[inline]
    pub(crate) fn has_doubles(&self) -> bool {
        self.floats == Floats::Double
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// The same buffer, from here on: a loop that writes many short pieces into a copy of its own
    /// keeps the length in a register. [`Out::resume`] takes it back.
    #[inline(always)]
    pub(crate) fn reborrow(&mut self) -> Out<'_> {
        Out {
            buf: &mut *self.buf,
            len: self.len,
            floats: self.floats,
        }
    }

    /// Goes on where a copy ended.
    #[inline(always)]
    pub(crate) fn resume(&mut self, len: usize) {
        self.len = len;
    }

    /// Does rare work with a copy, so that this one can stay in registers.
    #[inline(always)]
    pub(crate) fn apart<T>(&mut self, work: impl FnOnce(&mut Out<'_>) -> T) -> T {
        let mut copy = self.reborrow();
        let result = work(&mut copy);
        self.len = copy.len;
        result
    }

    pub(crate) const fn full(&self) -> EncodeError {
        EncodeError::BufferTooSmall {
            capacity: self.buf.len(),
        }
    }

    #[inline]
    pub(crate) fn put(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        let end = self.len.saturating_add(bytes.len());
        match self.buf.get_mut(self.len..end) {
            Some(place) => place.copy_from_slice(bytes),
            None => return Err(self.full()),
        }
        self.len = end;
        Ok(())
    }

    #[inline(always)]
    pub(crate) fn byte(&mut self, byte: u8) -> Result<(), EncodeError> {
        match self.buf.get_mut(self.len) {
            Some(place) => *place = byte,
            None => return Err(self.full()),
        }
        self.len = self.len.saturating_add(1);
        Ok(())
    }

    /// Appends bytes that are usually few.
    #[inline(always)]
    pub(crate) fn short(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        // No two slices together are longer than addresses reach.
        let end = self.len.wrapping_add(bytes.len());
        match self.buf.get_mut(self.len..end) {
            Some(place) => copy_short(place, bytes),
            None => return Err(self.full()),
        }
        self.len = end;
        Ok(())
    }

    /// The next `N` bytes, if there is room for them: to be written at once, and then counted by
    /// [`Out::advance`] as far as they are needed.
    #[inline(always)]
    pub(crate) fn window<const N: usize>(&mut self) -> Option<&mut [u8; N]> {
        self.buf.get_mut(self.len..)?.first_chunk_mut()
    }

    /// Counts bytes that were written into a window.
    #[inline(always)]
    pub(crate) fn advance(&mut self, len: usize) {
        self.len = self.len.wrapping_add(len);
    }

    /// Appends the first `len` bytes of a word, 8 at most.
    ///
    /// Where there is room the whole word is stored, which is one instruction; what follows
    /// overwrites the rest.
    #[inline(always)]
    pub(crate) fn word(&mut self, word: u64, len: usize) -> Result<(), EncodeError> {
        match self.window() {
            Some(window) => *window = word.to_be_bytes(),
            None => return self.apart(|out| out.put_slowly(word, len)),
        }
        self.advance(len);
        Ok(())
    }

    /// Appends a text of eight bytes at most that is known to the compiler.
    #[inline(always)]
    pub(crate) fn literal<const N: usize>(&mut self, text: &[u8; N]) -> Result<(), EncodeError> {
        let word = text
            .iter()
            .fold(0, |word, byte| (word << 8) | u64::from(*byte));
        let unused = 64usize.wrapping_sub(N.wrapping_mul(8)) as u32;
        self.word(word.wrapping_shl(unused), N)
    }

    #[cold]
    fn put_slowly(&mut self, word: u64, len: usize) -> Result<(), EncodeError> {
        self.put(word.to_be_bytes().get(..len).unwrap_or_default())
    }

    /// What was written from `start` on.
    pub(crate) fn written(&self, start: usize) -> &[u8] {
        self.buf.get(start..self.len).unwrap_or_default()
    }

    /// Forgets what was written from `len` on.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// Overwrites the byte at `at`, which was written before.
    pub(crate) fn set(&mut self, at: usize, byte: u8) {
        if let Some(place) = self.buf.get_mut(at) {
            *place = byte;
        }
    }

    /// Sets bits of the byte at `at`, which was written before.
    #[inline]
    pub(crate) fn add_bits(&mut self, at: usize, bits: u8) {
        if let Some(place) = self.buf.get_mut(at) {
            *place |= bits;
        }
    }

    /// Inserts a byte at `at`, moving what follows, which are 16 bytes at most; false if there is
    /// not room enough to do so at once.
    #[inline(always)]
    pub(crate) fn insert_byte(&mut self, at: usize, byte: u8) -> bool {
        let window = self
            .buf
            .get_mut(at..)
            .and_then(<[u8]>::first_chunk_mut::<17>);
        let Some(window) = window else {
            return false;
        };
        if let (Some(moved), [first, rest @ ..]) = (window.first_chunk::<16>().copied(), window) {
            *first = byte;
            *rest = moved;
        }
        self.len = self.len.wrapping_add(1);
        true
    }

    /// Inserts bytes at `at`, moving what follows.
    pub(crate) fn insert(&mut self, at: usize, bytes: &[u8]) -> Result<(), EncodeError> {
        let gap = at.saturating_add(bytes.len());
        let end = self.len.saturating_add(bytes.len());
        if end > self.buf.len() || at > self.len {
            return Err(self.full());
        }
        self.buf.copy_within(at..self.len, gap);
        if let Some(place) = self.buf.get_mut(at..gap) {
            place.copy_from_slice(bytes);
        }
        self.len = end;
        Ok(())
    }

    /// Writes an id as a decimal number.
    #[inline(always)]
    pub(crate) fn id(&mut self, id: u16) -> Result<(), EncodeError> {
        let (word, len) = decimal(u32::from(id));
        self.word(word, len)
    }

    /// Writes a decimal number.
    #[inline(always)]
    pub(crate) fn unsigned(&mut self, value: u64) -> Result<(), EncodeError> {
        if value < u64::from(DECIMAL_BOUND) {
            let (word, len) = decimal(value as u32);
            return self.word(word, len);
        }
        self.apart(|out| out.long_unsigned(value))
    }

    #[inline(never)]
    fn long_unsigned(&mut self, value: u64) -> Result<(), EncodeError> {
        const BOUND: u64 = DECIMAL_BOUND as u64;
        let (high, low) = (value / BOUND, value % BOUND);
        self.unsigned(high)?;
        self.word(eight_digits(low as u32), 8)
    }

    /// Writes a decimal number with its sign.
    #[inline(always)]
    pub(crate) fn signed(&mut self, value: i64) -> Result<(), EncodeError> {
        if value < 0 {
            self.byte(b'-')?;
        }
        self.unsigned(value.unsigned_abs())
    }

    /// Writes a float that has six decimal places at most and nine digits before the point; false,
    /// having written nothing, for any other.
    ///
    /// Of decimals with 15 digits at most, no two are the same float. If one with six places is
    /// the float, it thus is the shortest, but for zeros at its end.
    #[inline]
    pub(crate) fn short_decimal(&mut self, value: f64) -> Result<bool, EncodeError> {
        const SCALE: u64 = 1_000_000;
        const BOUND: f64 = 1e15;
        let magnitude = value.abs();
        let scaled = magnitude * SCALE as f64 + 0.5;
        if scaled.is_nan() || scaled >= BOUND {
            return Ok(false);
        }
        let digits = scaled as u64;
        // Both are exact, so that the quotient is what the decimal stands for.
        if digits as f64 / SCALE as f64 != magnitude {
            return Ok(false);
        }
        if value.is_sign_negative() {
            self.byte(b'-')?;
        }
        self.unsigned(digits / SCALE)?;
        let fraction = (digits % SCALE) as u32;
        if fraction > 0 {
            // A point for the second of two zeros before the six digits.
            let word = eight_digits(fraction).wrapping_shl(8);
            let word = (word & (u64::MAX >> 8)) | (u64::from(b'.') << 56);
            let zeros = ((word >> 8) ^ 0x30_3030_3030_3030).trailing_zeros() / 8;
            self.word(word, 7usize.wrapping_sub(zeros as usize))?;
        }
        Ok(true)
    }

    /// Writes text, resolved.
    #[inline(always)]
    pub(crate) fn text(&mut self, text: Text<'_>) -> Result<(), EncodeError> {
        match text.as_plain_bytes() {
            Some(plain) => self.short(plain),
            None => self.apart(|out| out.resolved(text)),
        }
    }

    #[cold]
    fn resolved(&mut self, text: Text<'_>) -> Result<(), EncodeError> {
        text.chars().try_for_each(|c| {
            let mut utf8 = [0; 4];
            self.put(c.encode_utf8(&mut utf8).as_bytes())
        })
    }

    /// Writes bytes, resolved.
    pub(crate) fn bytes(&mut self, bytes: Bytes<'_>) -> Result<(), EncodeError> {
        let place = self.buf.get_mut(self.len..).unwrap_or_default();
        match bytes.copy_to(place) {
            Some(written) => {
                let len = written.len();
                self.advance(len);
                Ok(())
            }
            None => Err(self.full()),
        }
    }

    /// Writes bytes as base64.
    pub(crate) fn base64(
        &mut self,
        bytes: Bytes<'_>,
        alphabet: Alphabet,
    ) -> Result<(), EncodeError> {
        if let Some(plain) = bytes.as_plain() {
            let mut rest = plain;
            while let Some((six, more)) = rest.split_first_chunk() {
                self.word(alphabet.eight_digits(six), 8)?;
                rest = more;
            }
            return rest.chunks(3).try_for_each(|bytes| {
                let (group, len) = base64_group(bytes, alphabet);
                self.word(u64::from(u32::from_be_bytes(group)) << 32, len)
            });
        }
        to_base64(bytes, alphabet)
            .try_for_each(|(group, len)| self.put(group.get(..len).unwrap_or_default()))
    }

    /// Writes what displays itself.
    pub(crate) fn display(&mut self, value: impl fmt::Display) -> Result<(), EncodeError> {
        fmt::Write::write_fmt(self, format_args!("{value}")).map_err(|_| self.full())
    }
}

/// Copies between slices of one length, short ones in registers: a call costs more than that.
#[inline(always)]
fn copy_short(to: &mut [u8], from: &[u8]) {
    let len = from.len();
    if len > 32 {
        to.copy_from_slice(from);
    } else if len >= 16 {
        copy_ends::<16>(to, from);
    } else if len >= 8 {
        copy_ends::<8>(to, from);
    } else if len >= 4 {
        copy_ends::<4>(to, from);
    } else if len >= 2 {
        copy_ends::<2>(to, from);
    } else {
        copy_ends::<1>(to, from);
    }
}

/// Copies the first and the last `N` bytes, which may overlap.
#[inline(always)]
fn copy_ends<const N: usize>(to: &mut [u8], from: &[u8]) {
    if let (Some(to), Some(from)) = (to.first_chunk_mut::<N>(), from.first_chunk()) {
        *to = *from;
    }
    if let (Some(to), Some(from)) = (to.last_chunk_mut::<N>(), from.last_chunk()) {
        *to = *from;
    }
}

/// The first number of more than eight digits.
const DECIMAL_BOUND: u32 = 100_000_000;

/// The digits of a number below [`DECIMAL_BOUND`] at the start of a word, and how many they are.
#[inline]
pub(crate) fn decimal(value: u32) -> (u64, usize) {
    if value < 10 {
        return ((u64::from(value) | 0x30) << 56, 1);
    }
    if value < 100 {
        return ((pair(value) | 0x3030) << 48, 2);
    }
    let word = eight_digits(value);
    // Zeros differ from '0' in no bit but those of '0': the first other digit tells where to cut.
    let zeros = (word ^ 0x3030_3030_3030_3030).leading_zeros() / 8;
    let word = word.wrapping_shl(zeros.wrapping_mul(8));
    (word, 8usize.wrapping_sub(zeros as usize))
}

/// The ids of a path below an Object Instance with a slash between them, at the start of a word,
/// and their length; `None` for more than eight bytes.
#[inline(always)]
pub(crate) fn short_name(path: Path) -> Option<(u64, usize)> {
    let (resource, len) = decimal(u32::from(path.resource_id()?));
    let Some(instance) = path.resource_instance_id() else {
        return Some((resource, len));
    };
    let (instance, more) = decimal(u32::from(instance));
    let end = len.wrapping_add(1);
    if end.wrapping_add(more) > 8 {
        return None;
    }
    let shift = (end as u32).wrapping_mul(8);
    let slash = u64::from(b'/').wrapping_shl(64u32.wrapping_sub(shift));
    let word = resource | slash | instance.wrapping_shr(shift);
    Some((word, end.wrapping_add(more)))
}

/// The two digits of a number below 100, a byte each.
#[inline(always)]
const fn pair(value: u32) -> u64 {
    (((value / 10) << 8) | (value % 10)) as u64
}

/// The last eight digits of a number, as ASCII.
#[inline]
fn eight_digits(value: u32) -> u64 {
    let mut word = 0u64;
    let mut left = value;
    for place in 0..4u32 {
        word |= pair(left % 100).wrapping_shl(place.wrapping_mul(16));
        left /= 100;
    }
    word | 0x3030_3030_3030_3030
}

impl fmt::Write for Out<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.put(text.as_bytes()).map_err(|_| fmt::Error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn numbers_are_written_with_all_their_digits() {
        let powers = (0..20).map(|power| 10u64.pow(power));
        let values = powers.flat_map(|power| [power - 1, power, power + 1, power / 9 * 8]);
        for value in values.chain([u64::MAX, u64::MAX - 1]) {
            let mut buf = [0; 40];
            let mut out = Out::new(&mut buf);
            out.unsigned(value).unwrap();
            assert_eq!(out.written(0), value.to_string().as_bytes());
        }
    }

    #[test]
    fn a_number_fits_where_its_digits_do() {
        let mut buf = [0; 3];
        assert_eq!(Out::new(&mut buf[..2]).unsigned(12), Ok(()));
        assert_eq!(buf, *b"12\0");
        assert_eq!(Out::new(&mut buf).signed(-12), Ok(()));
        assert_eq!(buf, *b"-12");
        let full = Err(EncodeError::BufferTooSmall { capacity: 3 });
        assert_eq!(Out::new(&mut buf).unsigned(1234), full);
    }
}
