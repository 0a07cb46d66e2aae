//! CBOR items as nearly all of a payload are: of the type wanted, with a short head.
//!
//! Each function returns what it read and what follows, or `None` for any other item, wrong ones
//! too: that is for the [`Reader`](super::Reader), which knows all forms and names what is wrong.
//! A value made at once, of the type wanted, costs a third of what it does through its steps.

use super::{FALSE, TRUE, major, short_head};
use crate::{Text, Type, Value, number, out::Out, word::first_word};

/// Reads a value of the type wanted.
#[inline(always)]
pub(crate) fn value(bytes: &[u8], wanted: Type) -> Option<(Value<'_>, &[u8])> {
    let word = first_word(bytes);
    let (value, size) = match wanted {
        Type::String => {
            let (text, rest) = string(bytes, major::TEXT)?;
            return Some((Value::String(Text::from_utf8(text).ok()?), rest));
        }
        Type::Opaque => {
            let (bytes, rest) = string(bytes, major::BYTES)?;
            return Some((Value::opaque(bytes), rest));
        }
        Type::Integer => {
            let (number, size) = integer_of(word)?;
            (Value::Integer(number), size)
        }
        Type::Time => {
            let (number, size) = integer_of(word)?;
            (Value::Time(number), size)
        }
        Type::Float => {
            let (number, size) = float_of(bytes, word)?;
            (Value::Float(number), size)
        }
        Type::Boolean => match (word >> 56) as u8 ^ (major::OTHER << 5) {
            FALSE => (Value::Boolean(false), 1),
            TRUE => (Value::Boolean(true), 1),
            _ => return None,
        },
        Type::Unsigned | Type::ObjectLink | Type::CoreLink => return None,
    };
    Some((value, bytes.get(size..)?))
}

/// Reads an id.
#[inline(always)]
pub(crate) fn id(bytes: &[u8]) -> Option<(u16, &[u8])> {
    let word = first_word(bytes);
    let (id, size) = match (word >> 56) as u8 {
        id @ 0..=23 => (u16::from(id), 1),
        24 => (u16::from((word >> 48) as u8), 2),
        25 => ((word >> 40) as u16, 3),
        _ => return None,
    };
    Some((id, bytes.get(size..)?))
}

/// Reads an integer of 32 bits.
#[inline(always)]
pub(crate) fn integer(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let (number, size) = integer_of(first_word(bytes))?;
    Some((number, bytes.get(size..)?))
}

/// Reads a string of 255 bytes at most.
#[inline(always)]
pub(crate) fn string(bytes: &[u8], major: u8) -> Option<(&[u8], &[u8])> {
    let (len, rest) = match bytes {
        [head, rest @ ..] if head ^ (major << 5) < 24 => (head ^ (major << 5), rest),
        [head, len, rest @ ..] if head ^ (major << 5) == 24 => (*len, rest),
        _ => return None,
    };
    rest.split_at_checked(usize::from(len))
}

/// The integer at the front of a word, and how many bytes it takes.
#[inline(always)]
fn integer_of(word: u64) -> Option<(i64, usize)> {
    let first = (word >> 56) as u8;
    let (argument, size) = match first & 31 {
        info @ 0..=23 => (u64::from(info), 1usize),
        24 => ((word >> 48) & 0xff, 2),
        25 => ((word >> 40) & 0xffff, 3),
        26 => ((word >> 24) & 0xffff_ffff, 5),
        _ => return None,
    };
    match first >> 5 {
        major::UNSIGNED => Some((argument as i64, size)),
        major::NEGATIVE => Some((!(argument as i64), size)),
        _ => None,
    }
}

/// The number at the front of a word, and how many bytes it takes.
#[inline(always)]
fn float_of(bytes: &[u8], word: u64) -> Option<(f64, usize)> {
    Some(match (word >> 56) as u8 {
        0xf9 => (number::from_half((word >> 40) as u16), 3),
        0xfa => (f64::from(f32::from_bits((word >> 24) as u32)), 5),
        0xfb => (f64::from_bits(first_word(bytes.get(1..)?)), 9),
        _ => {
            let (number, size) = integer_of(word)?;
            (number as f64, size)
        }
    })
}

/// Writes a value that fits in one word, or a string in one piece; false, having written nothing,
/// for any other, and where there is little room.
#[inline(always)]
pub(crate) fn write_value(out: &mut Out<'_>, value: &Value<'_>) -> bool {
    let bytes = match value {
        Value::String(text) | Value::CoreLink(text) => text.as_plain_bytes(),
        Value::Opaque(bytes) => bytes.as_plain(),
        _ => return write_number(out, value),
    };
    let major = match value {
        Value::Opaque(_) => major::BYTES,
        _ => major::TEXT,
    };
    let Some((bytes, (word, size))) =
        bytes.and_then(|bytes| Some((bytes, short_head(major, bytes.len() as u64)?)))
    else {
        return false;
    };
    let Some(window) = out.window() else {
        return false;
    };
    *window = word.to_be_bytes();
    out.advance(size);
    if out.short(bytes).is_ok() {
        return true;
    }
    out.truncate(out.len().wrapping_sub(size));
    false
}

#[inline(always)]
fn write_number(out: &mut Out<'_>, value: &Value<'_>) -> bool {
    let Some(window) = out.window::<9>() else {
        return false;
    };
    let head = match value {
        Value::Integer(number) | Value::Time(number) => {
            // The complement of a negative number is -1 - n, which is what CBOR writes.
            let sign = number >> 63;
            short_head((sign & 1) as u8, (number ^ sign) as u64)
        }
        Value::Unsigned(number) => short_head(major::UNSIGNED, *number),
        Value::Boolean(value) => short_head(major::OTHER, u64::from(FALSE | u8::from(*value))),
        Value::Float(number) => {
            let single = *number as f32;
            if f64::from(single) != *number {
                if number.is_nan() {
                    return false;
                }
                let [first, rest @ ..] = window;
                *first = 0xfb;
                *rest = number.to_be_bytes();
                out.advance(9);
                return true;
            }
            Some(match number::to_half(single) {
                Some(half) => ((0xf9 << 56) | (u64::from(half) << 40), 3),
                None => ((0xfa << 56) | (u64::from(single.to_bits()) << 24), 5),
            })
        }
        _ => None,
    };
    let (Some((word, size)), [first @ .., _]) = (head, window) else {
        return false;
    };
    *first = word.to_be_bytes();
    out.advance(size);
    true
}
