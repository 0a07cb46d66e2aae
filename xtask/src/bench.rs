//! Times the codecs beside their rivals and keeps the table in `docs/benchmarks.md`.

use std::time::{Duration, SystemTime};

use crate::command::{capture, cargo, program};
use crate::step::{Context, Done, Failure};

/// The document, and the lines between which the table stands.
const DOCUMENT: &str = "docs/benchmarks.md";
const BEGIN: &str = "<!-- written by cargo xtask bench -->";
const END: &str = "<!-- end -->";

/// Runs the benchmark, prints its table and stores it.
pub(crate) fn write(context: &Context) -> Result<Done, Failure> {
    let table = measure(context, false)?;
    print_instructions(context)?;
    let path = context.root.join(DOCUMENT);
    let failed = |error: std::io::Error| Failure(format!("{DOCUMENT}: {error}"));
    let document = std::fs::read_to_string(&path).map_err(failed)?;
    let section = format!("{}\n\n{}", machine(context), table.trim_end());
    let document = replaced(&document, &section)
        .ok_or_else(|| Failure(format!("{DOCUMENT} lacks the lines around the table")))?;
    std::fs::write(&path, document).map_err(failed)?;
    Ok(Done::CheckedWith(format!("wrote {DOCUMENT}")))
}

/// Runs the benchmark, prints its table, and fails if a floor is missed.
pub(crate) fn check(context: &Context) -> Result<Done, Failure> {
    let missed: Vec<String> = measure(context, true)?
        .lines()
        .filter(|line| line.contains("**missed**"))
        .map(str::to_owned)
        .collect();
    match missed.is_empty() {
        true => Ok(Done::CheckedWith("every floor holds".into())),
        false => Err(Failure(missed.join("\n"))),
    }
}

fn measure(context: &Context, check: bool) -> Result<String, Failure> {
    let mut command = cargo(context, &["bench", "--quiet", "-p", "lwm2m-benches"]);
    command.args(["--bench", "table"]);
    if check {
        command.args(["--", "--check"]);
    }
    // Its exit code says only that a floor is missed, which the table tells as well.
    let output = command.stderr(std::process::Stdio::inherit()).output();
    let output = output.map_err(|error| Failure(format!("cargo bench: {error}")))?;
    let table = String::from_utf8_lossy(&output.stdout).into_owned();
    if !table.contains("One unit is") {
        return Err(Failure("the benchmark printed no table".into()));
    }
    println!("{}", table.trim_end());
    Ok(table)
}

/// Prints how many instructions the works with a floor take, if the tools to count them are
/// there.
fn print_instructions(context: &Context) -> Result<(), Failure> {
    for tool in ["valgrind", "gungraun-runner"] {
        if capture(&mut program(context, tool, &["--version"])).is_err() {
            println!("\nInstructions are not counted: there is no {tool}.");
            return Ok(());
        }
    }
    let mut command = cargo(context, &["bench", "--quiet", "-p", "lwm2m-benches"]);
    command.args(["--features", "instructions", "--bench", "instructions"]);
    println!("\n{}", capture(&mut command)?.trim_end());
    Ok(())
}

/// The document with another section between its marks.
fn replaced(document: &str, section: &str) -> Option<String> {
    let (before, rest) = document.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{section}\n{END}{after}"))
}

/// When and where the table was made.
fn machine(context: &Context) -> String {
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
        let document = format!("# Title\n{BEGIN}\nold\n{END}\nmore\n");
        let wanted = format!("# Title\n{BEGIN}\nnew\n{END}\nmore\n");
        assert_eq!(replaced(&document, "new"), Some(wanted));
        assert_eq!(replaced("no marks", "new"), None);
    }
}
