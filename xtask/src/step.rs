//! What a step is, what it may answer, and how its result is shown.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// One check that has a name of its own on the command line.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) run: fn(&Context) -> Result<Done, Failure>,
}

/// A step that did not fail.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Done {
    /// Everything was checked.
    Checked,
    /// Everything was checked; the remark says what there was.
    CheckedWith(String),
    /// Something was left out; the remark says what and why.
    Partly(String),
}

/// Why a step failed, in full; shown to a person and never matched on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failure(pub(crate) String);

impl From<String> for Failure {
    fn from(text: String) -> Self {
        Self(text)
    }
}

/// Where and how the steps run.
#[derive(Debug)]
pub(crate) struct Context {
    /// The folder of the workspace's `Cargo.toml`.
    pub(crate) root: PathBuf,
    /// True if a tool that can't be had is a failure.
    pub(crate) strict: bool,
    /// True if the output of commands is kept back until one fails.
    pub(crate) quiet: bool,
}

impl Context {
    /// Reads the environment: where the workspace is, and whether this is a CI machine.
    pub(crate) fn from_environment() -> Self {
        let manifest = std::env::var_os("CARGO_MANIFEST_DIR")
            .unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        let manifest = PathBuf::from(manifest);
        Self {
            root: manifest.parent().map_or(manifest.clone(), Path::to_owned),
            strict: is_set("CI") || is_set("LWM2M_CI"),
            quiet: false,
        }
    }

    /// Cargo's target folder.
    pub(crate) fn target(&self) -> PathBuf {
        self.folder_from("CARGO_TARGET_DIR")
    }

    /// The folder of tools that this program installs.
    pub(crate) fn tools(&self) -> PathBuf {
        self.folder_from("LWM2M_CI_CACHE").join("tools")
    }

    fn folder_from(&self, variable: &str) -> PathBuf {
        let named = std::env::var_os(variable).filter(|value| !value.is_empty());
        self.root
            .join(named.map_or(PathBuf::from("target"), PathBuf::from))
    }
}

/// True if an environment variable is set to something that does not mean "no".
pub(crate) fn is_set(variable: &str) -> bool {
    std::env::var_os(variable)
        .is_some_and(|value| !matches!(value.to_str(), Some("" | "0" | "false")))
}

/// The result of a step and the time it took.
#[derive(Debug)]
pub(crate) struct Report {
    name: &'static str,
    result: Result<Done, Failure>,
    took: Duration,
}

impl Report {
    /// Runs a step.
    pub(crate) fn of(step: &Step, context: &Context) -> Self {
        Self::of_work(step.name, || (step.run)(context))
    }

    /// Does some work under a step's name.
    pub(crate) fn of_work(
        name: &'static str,
        work: impl FnOnce() -> Result<Done, Failure>,
    ) -> Self {
        let start = Instant::now();
        let result = work();
        Self {
            name,
            result,
            took: start.elapsed(),
        }
    }

    pub(crate) fn failed(&self) -> bool {
        self.result.is_err()
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(u8::from(self.failed()))
    }
}

impl fmt::Display for Report {
    /// Writes `ok      tidy          0.2 s  remark`; a failure is followed by its reason.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match &self.result {
            Ok(Done::Partly(_)) => "PARTLY",
            Ok(_) => "ok",
            Err(_) => "FAILED",
        };
        let seconds = self.took.as_secs_f32();
        write!(f, "{verdict:<7} {:<10} {seconds:>6.1} s", self.name)?;
        match &self.result {
            Ok(Done::Checked) => Ok(()),
            Ok(Done::CheckedWith(remark) | Done::Partly(remark)) => write!(f, "  {remark}"),
            Err(Failure(reason)) => write!(f, "\n{}", reason.trim_end()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(result: Result<Done, Failure>) -> Report {
        Report {
            name: "tidy",
            result,
            took: Duration::from_millis(1234),
        }
    }

    #[test]
    fn a_result_is_one_line_with_its_time() {
        let done = report(Ok(Done::CheckedWith("40 files".into())));
        assert_eq!(done.to_string(), "ok      tidy          1.2 s  40 files");
    }

    #[test]
    fn a_step_that_left_something_out_does_not_look_like_a_complete_one() {
        let done = report(Ok(Done::Partly("no network".into())));
        assert!(done.to_string().starts_with("PARTLY"));
        assert!(!done.failed());
    }

    #[test]
    fn a_failure_is_followed_by_its_reason() {
        let failed = report(Err(Failure("a.rs:1: bad\n".into())));
        assert!(failed.to_string().ends_with("s\na.rs:1: bad"));
        assert!(failed.failed());
    }
}
