//! Times as ISO 8601 texts.

use std::fmt::Write;

const DAY: i64 = 86_400;

/// Writes seconds since 1970 as `2013-05-02T08:58:00Z`.
pub(crate) fn to_iso(seconds: i64) -> String {
    let (days, time) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
    let (year, month, day) = date_of(days);
    let (hour, minute, second) = (time / 3600, time / 60 % 60, time % 60);
    let mut text = String::new();
    // Writing to a String can't fail.
    let _ = write!(
        text,
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"
    );
    text
}

/// Writes seconds since 1970 with their thousandths, if there are any.
pub(crate) fn to_iso_precise(seconds: f64) -> String {
    // Casts saturate; a time out of range is no time anyway.
    let millis = (seconds * 1000.0).round() as i64;
    let mut text = to_iso(millis.div_euclid(1000));
    let rest = millis.rem_euclid(1000);
    if rest != 0 {
        text.truncate(text.len() - 1);
        // Writing to a String can't fail.
        let _ = write!(text, ".{rest:03}Z");
    }
    text
}

/// Reads `2013-05-02T08:58:00Z`, also with a fraction, which is cut off, and with an offset.
pub(crate) fn from_iso(text: &str) -> Option<i64> {
    let (date, time) = text.split_once('T')?;
    let mut date = date.splitn(3, '-').map(number);
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let offset_at = time.find(['Z', '+', '-'])?;
    let (time, offset) = time.split_at_checked(offset_at)?;
    let time = time.split_once('.').map_or(time, |(time, _)| time);
    let mut time = time.splitn(3, ':').map(number);
    let (hour, minute, second) = (time.next()??, time.next()??, time.next()??);
    let days = days_of(year, month, day)?;
    let valid = (0..24).contains(&hour) && (0..60).contains(&minute) && (0..=60).contains(&second);
    let local = days * DAY + hour * 3600 + minute * 60 + second;
    valid.then_some(local - offset_of(offset)?)
}

fn number(text: &str) -> Option<i64> {
    let digits = !text.is_empty() && text.len() <= 4 && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok())?
}

/// Seconds of `Z`, `+01:00` or `+0100`.
fn offset_of(text: &str) -> Option<i64> {
    if text == "Z" {
        return Some(0);
    }
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let digits: String = text.get(1..)?.chars().filter(|c| *c != ':').collect();
    let (hours, minutes) = digits.split_at_checked(2)?;
    let minutes = if minutes.is_empty() { "0" } else { minutes };
    Some(sign * (number(hours)? * 3600 + number(minutes)? * 60))
}

/// Days since 1970 of a date of the Gregorian calendar; years begin in March here, so that the
/// leap day is their last.
fn days_of(year: i64, month: i64, day: i64) -> Option<i64> {
    let valid = (1..=12).contains(&month) && (1..=31).contains(&day);
    let year = if month <= 2 { year - 1 } else { year };
    let month = (month + 9) % 12;
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    let era = year.div_euclid(400);
    let year = year.rem_euclid(400);
    let day_of_era = year * 365 + year / 4 - year / 100 + day_of_year;
    let days = era * 146_097 + day_of_era - 719_468;
    // The 31st of a short month would be another date.
    (valid && date_of(days).2 == day).then_some(days)
}

fn date_of(days: i64) -> (i64, i64, i64) {
    let days = days.saturating_add(719_468);
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_survives_the_way_through_text() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (1_367_491_215, "2013-05-02T10:40:15Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
            (4_102_444_800, "2100-01-01T00:00:00Z"),
        ] {
            assert_eq!(to_iso(seconds), text);
            assert_eq!(from_iso(text), Some(seconds), "{text}");
        }
    }

    #[test]
    fn thousandths_are_written_if_there_are_any() {
        assert_eq!(to_iso_precise(1_367_491_215.0), "2013-05-02T10:40:15Z");
        assert_eq!(to_iso_precise(0.25), "1970-01-01T00:00:00.250Z");
        assert_eq!(to_iso_precise(-0.001), "1969-12-31T23:59:59.999Z");
        assert!(!to_iso_precise(f64::MAX).is_empty() && !to_iso_precise(f64::NAN).is_empty());
    }

    #[test]
    fn offsets_and_fractions_are_read() {
        assert_eq!(from_iso("1970-01-01T01:00:00+01:00"), Some(0));
        assert_eq!(from_iso("1969-12-31T22:00:00.999-0200"), Some(0));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "x",
            "2013-05-02",
            "2013-02-30T00:00:00Z",
            "2013-13-01T00:00:00Z",
            "2013-05-02T25:00:00Z",
            "2013-05-02T00:00:00",
            "2013-05-02T00:00Z",
        ] {
            assert_eq!(from_iso(text), None, "{text}");
        }
    }

    #[test]
    fn the_ends_of_time_do_not_overflow() {
        assert!(!to_iso(i64::MAX).is_empty());
        assert!(!to_iso(i64::MIN).is_empty());
    }
}
