//! Ranges of resources, which the registry writes as free text.

use alloc::{borrow::Cow, string::String, vec::Vec};
use core::ops::RangeInclusive;

use lwm2m_codec::Type;

use crate::Constraint;

/// Most values that a list of values and ranges is spelled out to.
const MAX_LIST: usize = 64;

/// A range that is no bound for an unsigned integer, and more than a signed one has.
const ALL_UNSIGNED: &str = "0..18446744073709551615";

/// Understands a range as the registry writes it for resources of a type; `None` if it makes no
/// sense or is ambiguous.
///
/// For numbers: `0..100`, `-10.5..10.5`, `1,2,5`, `0..3, 99`, `0-50`, `[1:4]`, `16-bit`, and
/// enumerations as [`parse_names`] takes them. For strings and opaques the numbers are lengths in
/// bytes (TS-Core App. D.1), may say so, and a single one is the largest: `0..255 bytes`,
/// `16-32-48 bytes`, `0 or 26 bytes`, `64`. Quoted texts are all that a string can be: `"on","off"`.
pub fn parse_range(text: &str, data_type: Type) -> Option<Constraint> {
    let quoted = || match data_type {
        Type::String => texts(text.trim()),
        _ => None,
    };
    if let Some(texts) = quoted() {
        return Some(Constraint::OneOfText(texts.into()));
    }
    let whole = text;
    let text = text.trim().to_ascii_lowercase();
    match data_type {
        Type::Float => float(&text),
        Type::Unsigned if text == ALL_UNSIGNED => Some(Constraint::None),
        Type::Integer | Type::Unsigned | Type::Time => bits(&text)
            .or_else(|| integer(&text))
            .or_else(|| enumeration(whole)),
        Type::String | Type::Opaque => length(&text),
        Type::Boolean | Type::ObjectLink | Type::CoreLink => None,
    }
}

/// Reads the values that a text names, one in each line: `0: Off`, `1 = On`, `2 - Broken`; other
/// lines pass. In a single line they are separated by commas or semicolons, with nothing else
/// around them. Less than two are none.
pub fn parse_names(text: &str) -> Vec<(i64, String)> {
    let text = text.trim();
    let mut names: Vec<(i64, String)> = if text.contains('\n') {
        text.lines().filter_map(name).collect()
    } else {
        let all: Option<_> = text.split([',', ';']).map(name).collect();
        all.unwrap_or_default()
    };
    names.truncate(MAX_LIST);
    let mut values: Vec<i64> = names.iter().map(|(value, _)| *value).collect();
    values.sort_unstable();
    values.dedup();
    // A value with two names is no enumeration, and a single line may be anything.
    if values.len() < 2 || values.len() != names.len() {
        names.clear();
    }
    names
}

/// `0: Off`
fn name(line: &str) -> Option<(i64, String)> {
    let line = line.trim_start_matches([' ', '\t', '*', '•', '-', '\u{a0}']);
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    let (number, rest) = line.split_at_checked(digits)?;
    let rest = rest.trim_start();
    let name = rest.strip_prefix([':', '=', '-', '–', '—'])?.trim();
    // `0-100 in steps` names nothing, and neither does `10:30`.
    let named = match rest.starts_with([':', '=']) {
        true => name.starts_with(char::is_alphanumeric) && name.contains(char::is_alphabetic),
        false => name.starts_with(char::is_alphabetic),
    };
    Some((number.parse().ok().filter(|_| named)?, String::from(name)))
}

/// An enumeration is the values that it names.
fn enumeration(text: &str) -> Option<Constraint> {
    let mut values: Vec<i64> = parse_names(text)
        .into_iter()
        .map(|(value, _)| value)
        .collect();
    values.sort_unstable();
    (!values.is_empty()).then(|| Constraint::OneOf(values.into()))
}

/// `"on", "off"`
fn texts(text: &str) -> Option<Vec<Cow<'static, str>>> {
    let mut rest = text;
    let mut texts = Vec::new();
    loop {
        let (item, after) = rest.strip_prefix('"')?.split_once('"')?;
        texts.push(Cow::Owned(String::from(item)));
        rest = after.trim_start();
        if rest.is_empty() {
            return (texts.len() <= MAX_LIST).then_some(texts);
        }
        rest = rest.strip_prefix([',', ';'])?.trim_start();
    }
}

fn float(text: &str) -> Option<Constraint> {
    let (min, max) = split_range(text)?;
    let (min, max): (f64, f64) = (min.parse().ok()?, max.parse().ok()?);
    let fine = min.is_finite() && max.is_finite() && min <= max;
    fine.then_some(Constraint::Float { min, max })
}

fn integer(text: &str) -> Option<Constraint> {
    let parts = parts(text)?;
    match parts.as_slice() {
        // A single number may be a largest value, a default or an only value.
        [one] if one.start() == one.end() => None,
        [one] => Some(Constraint::Integer {
            min: *one.start(),
            max: *one.end(),
        }),
        _ => list(&parts),
    }
}

fn length(text: &str) -> Option<Constraint> {
    let text = text
        .strip_suffix("bytes")
        .or(text.strip_suffix("byte"))
        .unwrap_or(text)
        .trim();
    let parts = parts(text)?;
    if parts.iter().any(|part| *part.start() < 0) {
        return None;
    }
    match parts.as_slice() {
        [one] => {
            let (min, max) = (
                usize::try_from(*one.start()).ok()?,
                usize::try_from(*one.end()).ok()?,
            );
            let min = if min == max { 0 } else { min };
            Some(Constraint::Length { min, max })
        }
        _ => list(&parts),
    }
}

/// `16-bit`, `8 bit`: unsigned numbers of that width.
fn bits(text: &str) -> Option<Constraint> {
    let number = text.strip_suffix("bits").or(text.strip_suffix("bit"))?;
    let number = number.trim_end_matches([' ', '-']);
    let width: u32 = number
        .parse()
        .ok()
        .filter(|width| (1..=32).contains(width))?;
    Some(Constraint::Integer {
        min: 0,
        max: (1_i64 << width) - 1,
    })
}

/// Splits a list into its ranges; a single number is a range of one.
fn parts(text: &str) -> Option<Vec<RangeInclusive<i64>>> {
    let dashes = text.split('-').count();
    let dashed_list = dashes > 2 && text.split('-').all(|part| part.parse::<u32>().is_ok());
    let text = if dashed_list {
        text.replace('-', ",")
    } else {
        String::from(text)
    };
    text.replace(" or ", ",")
        .split(',')
        .map(|part| single(part.trim()))
        .collect()
}

fn single(text: &str) -> Option<RangeInclusive<i64>> {
    if let Ok(number) = text.parse() {
        return Some(number..=number);
    }
    let (min, max) = split_range(text)?;
    let (min, max): (i64, i64) = (min.parse().ok()?, max.parse().ok()?);
    (min <= max).then_some(min..=max)
}

/// Splits `a..b`, `a...b`, `[a:b]` and, for numbers without signs, `a-b`.
fn split_range(text: &str) -> Option<(&str, &str)> {
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.split_once(':');
    let dashed = || {
        let (min, max) = text.split_once('-')?;
        (!min.is_empty() && !max.contains('-')).then_some((min, max))
    };
    let (min, max) = text
        .split_once("...")
        .or_else(|| text.split_once(".."))
        .or_else(bracketed)
        .or_else(dashed)?;
    Some((min.trim(), max.trim()))
}

fn list(parts: &[RangeInclusive<i64>]) -> Option<Constraint> {
    let mut values = Vec::new();
    for value in parts.iter().cloned().flatten() {
        if values.len() >= MAX_LIST {
            return None;
        }
        values.push(value);
    }
    values.sort_unstable();
    values.dedup();
    Some(Constraint::OneOf(values.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[track_caller]
    fn check(data_type: Type, range: &str, expected: &str) {
        let constraint = parse_range(range, data_type).unwrap();
        assert_eq!(constraint.to_string(), expected, "{range}");
    }

    #[test]
    fn ranges_of_numbers_are_understood_in_every_spelling() {
        check(Type::Integer, "0..100", "0..100");
        check(Type::Integer, " -10 .. 10 ", "-10..10");
        check(Type::Unsigned, "1...15", "1..15");
        check(Type::Integer, "1-65534", "1..65534");
        check(Type::Integer, "[1:4]", "1..4");
        check(Type::Integer, "16-bit", "0..65535");
        check(Type::Integer, "8 bit", "0..255");
        check(Type::Integer, "8-Bits", "0..255");
        check(Type::Integer, "5, 10, 15, 20", "one of 5, 10, 15, 20");
        check(Type::Integer, "0..3, 99", "one of 0, 1, 2, 3, 99");
        check(Type::Unsigned, "0..18446744073709551615", "any value");
        check(Type::Float, "0..1", "0..1");
        check(Type::Float, "-0.5..12.25", "-0.5..12.25");
    }

    #[test]
    fn ranges_of_text_and_bytes_are_lengths() {
        check(Type::String, "0..255 bytes", "a length of 0..255 bytes");
        check(Type::String, "1..64 Bytes", "a length of 1..64 bytes");
        check(Type::Opaque, "0-255 bytes", "a length of 0..255 bytes");
        check(Type::Opaque, "64", "a length of 0..64 bytes");
        check(Type::Opaque, "12 bytes ", "a length of 0..12 bytes");
        check(Type::Opaque, "16-32-48 bytes", "one of 16, 32, 48");
        check(Type::Opaque, "16,32,48", "one of 16, 32, 48");
        check(Type::Opaque, "0 or 26 Bytes", "one of 0, 26");
    }

    #[test]
    fn texts_in_quotes_are_all_that_a_string_can_be() {
        check(
            Type::String,
            "\"on\",\"Off, now\"",
            "one of \"on\", \"Off, now\"",
        );
        check(Type::String, " \"on\" ; \"\" ", "one of \"on\", \"\"");
    }

    #[test]
    fn values_with_names_are_an_enumeration() {
        check(Type::Integer, "0: OFF\n 1: ON", "one of 0, 1");
        check(Type::Unsigned, "255: STUCK; 0: FREE", "one of 0, 255");
        assert_eq!(
            parse_names("States:\n* 0 = Off\n  1 - On.\n2–Gone\n0-100 in steps\n"),
            [(0, "Off".into()), (1, "On.".into()), (2, "Gone".into())]
        );
        assert_eq!(parse_names("0: Off\n0: On\n1: Gone"), []);
        assert_eq!(parse_names("1: 40-bit, 2: 104-bit").len(), 2);
        assert_eq!(parse_names("10:30, 11:30"), []);
        assert_eq!(parse_names("It is 0: Off, 1: On"), []);
    }

    #[test]
    fn prose_and_ambiguous_ranges_are_not_understood() {
        for (data_type, range) in [
            (Type::Integer, "255"),
            (Type::Integer, "7..1"),
            (Type::Integer, "0..2.5"),
            (Type::Integer, "0..247, 255"),
            (Type::Float, "<7 to >12.5"),
            (Type::Float, "0; 3.8..20.5"),
            (Type::Float, "nan..1"),
            (Type::String, "ON;OFF"),
            (Type::String, "-1..5"),
            (Type::Integer, "0: OFF"),
            (Type::String, "\"on\", off"),
            (Type::Integer, "\"on\",\"off\""),
            (Type::Integer, "99999999999999999999..1"),
            (Type::Integer, "64-bit"),
            (Type::String, "The possible values are listed elsewhere"),
        ] {
            assert_eq!(parse_range(range, data_type), None, "{range}");
        }
    }

    #[test]
    fn an_endless_list_is_refused_without_spelling_it_out() {
        assert_eq!(
            parse_range("0..9223372036854775807, 1", Type::Integer),
            None
        );
    }
}
