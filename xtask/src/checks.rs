//! The checks that are one cargo command each.

use crate::apt;
use crate::command::{capture, cargo, program, run};
use crate::step::{Context, Done, Failure, is_set};

/// All files are formatted.
pub(crate) fn fmt(context: &Context) -> Result<Done, Failure> {
    run(context, &mut cargo(context, &["fmt", "--all", "--check"]))?;
    Ok(Done::Checked)
}

/// No warning in any target.
pub(crate) fn clippy(context: &Context) -> Result<Done, Failure> {
    let arguments = [
        "clippy",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ];
    run(context, &mut cargo(context, &arguments))?;
    card_reader(context)
}

/// The part of the command that needs the system's PC/SC, where that can be had.
fn card_reader(context: &Context) -> Result<Done, Failure> {
    let there = || {
        let mut ask = program(context, "pkg-config", &["--exists", "libpcsclite"]);
        capture(&mut ask).is_ok()
    };
    if !there() && context.strict {
        for package in ["pkg-config", "libpcsclite-dev"] {
            apt::install(context, package)?;
        }
    }
    if !there() {
        let reason = "the feature pcsc is left out: pkg-config or libpcsclite-dev is missing";
        return match context.strict {
            true => Err(Failure(reason.into())),
            false => Ok(Done::Partly(reason.into())),
        };
    }
    let arguments = [
        "clippy",
        "--package",
        "lwm2m-cli",
        "--features",
        "pcsc",
        "--",
        "-D",
        "warnings",
    ];
    run(context, &mut cargo(context, &arguments))?;
    Ok(Done::Checked)
}

/// No warning in the documentation: no broken link, nothing public undocumented.
pub(crate) fn doc(context: &Context) -> Result<Done, Failure> {
    let mut command = cargo(context, &["doc", "--workspace", "--no-deps"]);
    run(context, command.env("RUSTDOCFLAGS", "-D warnings"))?;
    Ok(Done::Checked)
}

/// All tests, those in the documentation too.
pub(crate) fn test(context: &Context) -> Result<Done, Failure> {
    if is_set("LWM2M_CI_TESTED") {
        return Ok(Done::CheckedWith("ran before".into()));
    }
    let output = run(context, &mut cargo(context, &["test", "--workspace"]))?;
    Ok(match passed(&output) {
        0 => Done::Checked,
        count => Done::CheckedWith(format!("{count} passed")),
    })
}

/// The project in `examples/` that is no member of the workspace, as one of a user would be.
pub(crate) fn examples(context: &Context) -> Result<Done, Failure> {
    let folder = context.root.join("examples/own-object");
    // The versions that the workspace is tested with; git ignores the copy.
    let copied = std::fs::copy(context.root.join("Cargo.lock"), folder.join("Cargo.lock"));
    copied.map_err(|error| Failure(format!("{}: {error}", folder.display())))?;
    let mut command = cargo(context, &["build", "--quiet"]);
    command
        .current_dir(&folder)
        .env("CARGO_TARGET_DIR", context.target().join("examples"));
    run(context, &mut command)?;
    Ok(Done::Checked)
}

/// Adds up the tests that libtest reports as passed.
fn passed(output: &str) -> usize {
    output
        .lines()
        .filter_map(|line| line.strip_prefix("test result: ok. "))
        .filter_map(|rest| rest.split(' ').next()?.parse::<usize>().ok())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passed_tests_are_added_up_over_all_binaries() {
        let output = "running 2 tests\n\
                      test result: ok. 2 passed; 0 failed; 0 ignored\n\
                      Doc-tests lwm2m_codec\n\
                      test result: ok. 5 passed; 0 failed; 0 ignored\n";
        assert_eq!(passed(output), 7);
    }
}
