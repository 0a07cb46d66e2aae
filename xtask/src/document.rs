//! Sections of documents that commands write.

use std::time::{Duration, SystemTime};

use crate::command::{capture, program};
use crate::step::{Context, Failure};

/// The line after a section.
const END: &str = "<!-- end -->";

/// Replaces the section of a document that `writer` wrote: what stands between the line
/// `<!-- written by WRITER -->` and the next `<!-- end -->`.
pub(crate) fn write(
    context: &Context,
    name: &str,
    writer: &str,
    section: &str,
) -> Result<(), Failure> {
    let path = context.root.join(name);
    let failed = |error: std::io::Error| Failure(format!("{name}: {error}"));
    let document = std::fs::read_to_string(&path).map_err(failed)?;
    let document = replaced(&document, writer, section).ok_or_else(|| {
        Failure(format!(
            "{name} lacks the lines around what {writer} writes"
        ))
    })?;
    std::fs::write(&path, document).map_err(failed)
}

/// The document with another section between its marks.
fn replaced(document: &str, writer: &str, section: &str) -> Option<String> {
    let begin = format!("<!-- written by {writer} -->");
    let (before, rest) = document.split_once(&begin)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{begin}\n{section}\n{END}{after}"))
}

/// When and where the table was made.
pub(crate) fn machine(context: &Context) -> String {
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or(std::env::consts::ARCH, |(_, model)| model);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let rustc = capture(&mut program(context, rustc, &["--version"])).unwrap_or_default();
    let since_1970 = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    let date = date(since_1970.as_secs() / 86_400);
    format!("{date}, {model}, {cores} cores, {}.", rustc.trim())
}

/// Writes a day as `2026-11-21`.
fn date(mut days: u64) -> String {
    let is_leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let mut year = 1970;
    while days >= 365 + u64::from(is_leap(year)) {
        days -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let february = 28 + u64::from(is_leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    format!("{year}-{month:02}-{:02}", days + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_written_as_a_date() {
        for (day, text) in [
            (0, "1970-01-01"),
            (59, "1970-03-01"),
            (11_016, "2000-02-29"),
            (20_819, "2027-01-01"),
            (20_818, "2026-12-31"),
        ] {
            assert_eq!(date(day), text);
        }
    }

    #[test]
    fn only_what_stands_between_the_marks_is_replaced() {
        let document =
            |text: &str| format!("# Title\n<!-- written by me -->\n{text}\n{END}\nmore\n");
        assert_eq!(
            replaced(&document("old"), "me", "new"),
            Some(document("new"))
        );
        assert_eq!(replaced("no marks", "me", "new"), None);
    }
}
