//! Numbers and dates in text, and the exact conversions between number formats.

use core::str;

use crate::{EncodeError, Text, out::Out};

/// Parses a decimal number, with an exponent or without (RFC 8259 §6, a leading `+` allowed).
pub(crate) fn parse_float(text: &str) -> Option<f64> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    // `f64::from_str` also takes names, such as `inf`, and a missing integral part.
    if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().filter(|value: &f64| value.is_finite())
}

/// The integer that a float stands for, if it is integral and in range.
pub(crate) fn exact_i64(value: f64) -> Option<i64> {
    // 2⁶³ is exact in f64; i64::MAX is not.
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if !(-LIMIT..LIMIT).contains(&value) {
        return None;
    }
    let integer = value as i64;
    (integer as f64 == value).then_some(integer)
}

/// `mantissa`·10^`exponent` (CBOR tag 4, RFC 8949 §3.4.4); `None` if it is out of range.
pub(crate) fn decimal_fraction(mantissa: i64, exponent: i64) -> Option<f64> {
    let magnitude = u32::try_from(exponent.unsigned_abs()).ok()?;
    if magnitude > 400 {
        return None;
    }
    let mut value = mantissa as f64;
    // Powers up to 10²² are exact, so that the usual case rounds once.
    let mut left = magnitude;
    while left > 0 {
        let step = left.min(22);
        let power = (0..step).fold(1.0, |power, _| power * 10.0);
        if exponent < 0 {
            value /= power;
        } else {
            value *= power;
        }
        left = left.saturating_sub(step);
    }
    value.is_finite().then_some(value)
}

/// Widens a half-precision float.
pub(crate) fn from_half(bits: u16) -> f64 {
    let magnitude = f64::from(bits & 0x3ff);
    let exponent = (bits >> 10) & 0x1f;
    // 2⁻²⁴ is the unit of subnormal halves; normal ones double it with every exponent.
    const UNIT: f64 = 1.0 / 16_777_216.0;
    let value = match exponent {
        0 => magnitude * UNIT,
        31 if bits & 0x3ff == 0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (magnitude + 1024.0) * UNIT * f64::from(1u32 << (exponent.saturating_sub(1))),
    };
    if bits & 0x8000 == 0 { value } else { -value }
}

/// Narrows a float to half precision, if that loses nothing.
pub(crate) fn to_half(value: f32) -> Option<u16> {
    let bits = value.to_bits();
    let sign = ((bits >> 16) & 0x8000) as u16;
    let exponent = (bits >> 23) & 0xff;
    let fraction = bits & 0x7f_ffff;
    match exponent {
        0 if fraction == 0 => Some(sign),
        255 if fraction == 0 => Some(sign | 0x7c00),
        // Normal halves: exponents -14 to 15, ten bits of fraction.
        113..=142 if fraction.trailing_zeros() >= 13 => {
            let exponent = (exponent.saturating_sub(112) as u16) << 10;
            Some(sign | exponent | (fraction >> 13) as u16)
        }
        // Subnormal halves: the fraction with its leading one, shifted down.
        103..=112 => {
            let shift = 126u32.saturating_sub(exponent);
            let full = fraction | 0x80_0000;
            (full.trailing_zeros() >= shift).then_some(sign | (full >> shift) as u16)
        }
        _ => None,
    }
}

/// Writes a finite float in plain decimals, shortest form, integral ones without a point.
///
/// Returns false, writing nothing, if the float is not finite.
pub(crate) fn write_float(out: &mut Out<'_>, value: f64) -> Result<bool, EncodeError> {
    if !value.is_finite() {
        return Ok(false);
    }
    if let Some(integer) = exact_i64(value).filter(|i| i.unsigned_abs() < 1 << 53) {
        out.signed(integer)?;
        return Ok(true);
    }
    if out.short_decimal(value)? {
        return Ok(true);
    }
    let mut buffer = ryu::Buffer::new();
    let text = buffer.format_finite(value);
    match text.split_once('e') {
        None => out.put(text.strip_suffix(".0").unwrap_or(text).as_bytes())?,
        Some((mantissa, exponent)) => {
            write_scientific(out, mantissa, exponent.parse().unwrap_or(0))?;
        }
    }
    Ok(true)
}

/// Writes `mantissa`e`exponent` without an exponent.
fn write_scientific(out: &mut Out<'_>, mantissa: &str, exponent: i32) -> Result<(), EncodeError> {
    let digits = match mantissa.strip_prefix('-') {
        Some(digits) => {
            out.byte(b'-')?;
            digits
        }
        None => mantissa,
    };
    let (integral, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let places = exponent.unsigned_abs() as usize;
    if exponent < 0 {
        out.put(b"0.")?;
        zeros(out, places.saturating_sub(1))?;
        out.put(integral.as_bytes())?;
        out.put(fraction.as_bytes())
    } else {
        // ryu writes exponents only above 10¹⁶, where every digit is integral or there is none
        // of the fraction left after it.
        out.put(integral.as_bytes())?;
        let (moved, kept) = fraction.split_at_checked(places).unwrap_or((fraction, ""));
        out.put(moved.as_bytes())?;
        zeros(out, places.saturating_sub(moved.len()))?;
        if !kept.is_empty() {
            out.byte(b'.')?;
            out.put(kept.as_bytes())?;
        }
        Ok(())
    }
}

fn zeros(out: &mut Out<'_>, count: usize) -> Result<(), EncodeError> {
    (0..count).try_for_each(|_| out.byte(b'0'))
}

/// Parses `2013-05-02T10:40:15Z` to seconds since 1970 (RFC 3339 §5.6); fractions are cut.
pub(crate) fn parse_date(text: Text<'_>) -> Option<i64> {
    const LONGEST: usize = 40;
    let mut buf = [0; LONGEST];
    let text = text.resolve(&mut buf)?;
    let text = text.strip_suffix('\0').unwrap_or(text);
    let mut at = Digits(text.as_bytes());
    let (year, month, day) = (
        at.number(4, b'-')?,
        at.number(2, b'-')?,
        at.number(2, b'T')?,
    );
    let (hour, minute) = (at.number(2, b':')?, at.number(2, b':')?);
    let second = at.digits(2)?;
    if !(1..=12).contains(&month) || day < 1 || day > days_in(month, year) {
        return None;
    }
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    at.fraction()?;
    let offset = at.offset()?;
    let seconds = days_since_1970(year, month, day)?
        .checked_mul(86_400)?
        .checked_add(hour.checked_mul(3600)?)?
        .checked_add(minute.checked_mul(60)?)?
        .checked_add(second)?;
    seconds.checked_sub(offset)
}

fn days_in(month: i64, year: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a date of the Gregorian calendar, by counting from 1 March.
fn days_since_1970(year: i64, month: i64, day: i64) -> Option<i64> {
    let (year, month) = if month > 2 {
        (year, month.checked_sub(3)?)
    } else {
        (year.checked_sub(1)?, month.checked_add(9)?)
    };
    let leaps = (year.div_euclid(4))
        .checked_sub(year.div_euclid(100))?
        .checked_add(year.div_euclid(400))?;
    let day_of_year = month
        .checked_mul(153)?
        .checked_add(2)?
        .div_euclid(5)
        .checked_add(day)?;
    // 719469 days lie between 0000-02-29 and 1970-01-01.
    year.checked_mul(365)?
        .checked_add(leaps)?
        .checked_add(day_of_year)?
        .checked_sub(719_469)
}

/// Reads the fields of a date.
struct Digits<'a>(&'a [u8]);

impl Digits<'_> {
    fn digits(&mut self, count: usize) -> Option<i64> {
        let (field, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        if !field.iter().all(u8::is_ascii_digit) {
            return None;
        }
        str::from_utf8(field).ok()?.parse().ok()
    }

    fn number(&mut self, count: usize, then: u8) -> Option<i64> {
        let number = self.digits(count)?;
        let (next, rest) = self.0.split_first()?;
        self.0 = rest;
        next.eq_ignore_ascii_case(&then).then_some(number)
    }

    fn fraction(&mut self) -> Option<()> {
        if let Some(fraction) = self.0.strip_prefix(b".") {
            let count = fraction.iter().take_while(|b| b.is_ascii_digit()).count();
            self.0 = fraction.get(count..)?;
            return (count > 0).then_some(());
        }
        Some(())
    }

    /// The time zone in seconds, which ends the date.
    fn offset(&mut self) -> Option<i64> {
        let sign = match self.0 {
            [b'Z' | b'z'] => return Some(0),
            [b'+', ..] => 1,
            [b'-', ..] => -1,
            _ => return None,
        };
        self.0 = self.0.get(1..)?;
        let hours = self.number(2, b':')?;
        let minutes = self.digits(2)?;
        if !self.0.is_empty() || hours > 23 || minutes > 59 {
            return None;
        }
        let seconds = hours
            .checked_mul(60)?
            .checked_add(minutes)?
            .checked_mul(60)?;
        seconds.checked_mul(sign)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::String;

    fn written(value: f64) -> String {
        let mut buf = [0; 400];
        let mut out = Out::new(&mut buf);
        assert!(write_float(&mut out, value).unwrap());
        str::from_utf8(out.written(0)).unwrap().into()
    }

    #[test]
    fn floats_are_written_in_plain_decimals() {
        for (value, text) in [
            (22.0, "22"),
            (-22.5, "-22.5"),
            (0.1, "0.1"),
            (6.667e-11, "0.00000000006667"),
            (1e20, "100000000000000000000"),
            (1.5e300, "15"),
            (-1.25e-7, "-0.000000125"),
            (43.61092, "43.61092"),
            (123_456_789_012_345_680.0, "123456789012345680"),
        ] {
            let written = written(value);
            assert!(written.starts_with(text), "{written} {text}");
            assert_eq!(written.parse::<f64>().unwrap(), value);
        }
    }

    #[test]
    fn only_decimal_numbers_are_floats() {
        for text in ["", "inf", "nan", ".5", "-", "1e", "0x1", " 1", "1e999"] {
            assert_eq!(parse_float(text), None, "{text}");
        }
        assert_eq!(parse_float("-1.5e1"), Some(-15.0));
    }

    #[test]
    fn every_half_survives_widening_and_narrowing() {
        for bits in 0..=u16::MAX {
            let value = from_half(bits);
            if !value.is_nan() {
                assert_eq!(to_half(value as f32), Some(bits), "{bits:04x} {value}");
            }
        }
        assert_eq!(to_half(0.1), None);
        assert_eq!(to_half(65536.0), None);
        assert_eq!(to_half(1e-8), None);
    }

    #[test]
    fn integral_floats_become_integers_only_in_range() {
        assert_eq!(exact_i64(-3.0), Some(-3));
        assert_eq!(exact_i64(0.5), None);
        assert_eq!(exact_i64(9.3e18), None);
        assert_eq!(exact_i64(-9_223_372_036_854_775_808.0), Some(i64::MIN));
        assert_eq!(exact_i64(f64::NAN), None);
    }

    #[test]
    fn a_date_gives_seconds_since_1970() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2013-05-02T10:40:15Z", 1_367_491_215),
            ("2013-05-02T12:40:15.25+02:00", 1_367_491_215),
            ("2000-02-29T00:00:00Z", 951_782_400),
            ("1969-12-31T23:59:59Z", -1),
        ] {
            assert_eq!(parse_date(Text::new(text)), Some(seconds), "{text}");
        }
        for text in [
            "",
            "2013-05-02",
            "2013-13-02T10:40:15Z",
            "2013-02-29T10:40:15Z",
            "2013-05-02T10:40:15",
            "2013-05-02T10:40:15.Z",
            "2013-05-02T10:40:15Zx",
        ] {
            assert_eq!(parse_date(Text::new(text)), None, "{text}");
        }
    }

    #[test]
    fn a_decimal_fraction_rounds_once() {
        assert_eq!(decimal_fraction(224, -1), Some(22.4));
        assert_eq!(decimal_fraction(-5, 3), Some(-5000.0));
        assert_eq!(decimal_fraction(1, 401), None);
    }
}
