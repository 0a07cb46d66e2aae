//! `cargo xtask fuzz [--secs N] [TARGET…]`: searches for inputs that break a promise.
//!
//! The targets are built once with cargo-fuzz and libFuzzer, which needs a C++ compiler, and run
//! two at a time. No sanitizer takes part: the crates have no unsafe code, and overflow checks and
//! debug assertions are on. Each target starts with its seeds in `fuzz/corpus`; what is found
//! beyond them is kept in `target/fuzz/corpus`, and a crash in `fuzz/artifacts`.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use crate::command::{self, capture, program};
use crate::step::{Context, Done, Failure, Report};
use crate::tools::{self, Tool};

const TOOL: Tool = Tool {
    name: "cargo-fuzz",
    version: "0.13.2",
};

/// Seconds for each target in `cargo xtask ci`.
const SECONDS: u64 = 10;
/// Targets that run at a time, if there are as many cores.
const JOBS: usize = 2;
/// Longest input in bytes: every message and payload of the corpus is shorter.
const MAX_LEN: u32 = 4096;
/// Seconds that one input may take: linear work on [`MAX_LEN`] takes milliseconds.
const TIMEOUT: u32 = 5;

/// Runs every target for a short time.
pub(crate) fn run(context: &Context) -> Result<Done, Failure> {
    fuzz(context, SECONDS, &[])
}

/// Runs the command with its arguments.
pub(crate) fn command(arguments: &[String], context: &Context) -> ExitCode {
    let (seconds, targets) = match parse(arguments) {
        Ok(parsed) => parsed,
        Err(Failure(reason)) => {
            eprintln!("error: {reason}\nusage: cargo xtask fuzz [--secs N] [TARGET…]");
            return ExitCode::from(2);
        }
    };
    let report = Report::of_work("fuzz", || fuzz(context, seconds, &targets));
    println!("{report}");
    report.exit_code()
}

fn parse(arguments: &[String]) -> Result<(u64, Vec<String>), Failure> {
    let (mut seconds, mut targets) = (SECONDS, Vec::new());
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--secs" => {
                let number = rest.next().and_then(|number| number.parse().ok());
                seconds = number
                    .filter(|seconds| *seconds > 0)
                    .ok_or(Failure("--secs wants a number of seconds".into()))?;
            }
            option if option.starts_with('-') => {
                return Err(Failure(format!("no option `{option}`")));
            }
            target => targets.push(target.to_owned()),
        }
    }
    Ok((seconds, targets))
}

fn fuzz(context: &Context, seconds: u64, wanted: &[String]) -> Result<Done, Failure> {
    let targets = select(targets(&context.root)?, wanted)?;
    let folder = match build(context) {
        Ok(folder) => folder,
        Err(failure) => return tools::without(context, "cargo-fuzz or its build", failure),
    };
    let count = targets.len();
    let runs = run_all(context, &folder, targets, Duration::from_secs(seconds));
    let failures: Vec<String> = runs.iter().filter_map(Run::failure).collect();
    match failures.is_empty() {
        true => {
            let execs: u64 = runs.iter().map(|run| run.execs).sum();
            Ok(Done::CheckedWith(format!(
                "{count} targets, {seconds} s each, {execs} inputs"
            )))
        }
        false => Err(Failure(failures.join("\n"))),
    }
}

/// The names of all targets, which are those of the folder `fuzz_targets`.
fn targets(root: &Path) -> Result<Vec<String>, Failure> {
    let folder = root.join("fuzz/fuzz_targets");
    let failed = |error| Failure(format!("{}: {error}", folder.display()));
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        names.extend(
            path.file_stem()
                .map(|name| name.to_string_lossy().into_owned()),
        );
    }
    names.sort();
    Ok(names)
}

/// Those that are wanted, in their order; all if none is named.
fn select(all: Vec<String>, wanted: &[String]) -> Result<Vec<String>, Failure> {
    if let Some(unknown) = wanted.iter().find(|name| !all.contains(name)) {
        return Err(Failure(format!(
            "no target `{unknown}`; there are {}",
            all.join(", ")
        )));
    }
    Ok(match wanted.is_empty() {
        true => all,
        false => wanted.to_vec(),
    })
}

/// Builds all targets and returns the folder of their binaries.
fn build(context: &Context) -> Result<PathBuf, Failure> {
    let tool = TOOL.find(context)?;
    let triple = host(context)?;
    let folder = context.target().join("fuzz");
    // Nothing of cargo-fuzz itself needs more than one unit; 16 build three times as fast.
    let arguments = ["fuzz", "build", "-s", "none", "--codegen-units", "16"];
    let mut build = program(context, tool, &arguments);
    build
        .args(["--target", &triple, "--target-dir"])
        .arg(&folder)
        .current_dir(context.root.join("fuzz"))
        // Coverage instrumentation is a flag that stable refuses without this variable.
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_PROFILE_RELEASE_LTO", "off");
    command::run(context, &mut build)?;
    Ok(folder.join(triple).join("release"))
}

/// The target triple of this machine.
fn host(context: &Context) -> Result<String, Failure> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = capture(&mut program(context, rustc, &["-vV"]))?;
    let line = version.lines().find_map(|line| line.strip_prefix("host: "));
    line.map(str::to_owned)
        .ok_or(Failure("rustc -vV names no host".into()))
}

/// Runs targets side by side; each prints its line when it ends.
fn run_all(context: &Context, binaries: &Path, targets: Vec<String>, time: Duration) -> Vec<Run> {
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    let queue = Mutex::new(VecDeque::from(targets));
    let runs = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..jobs.min(JOBS) {
            scope.spawn(|| {
                loop {
                    let next = queue.lock().ok().and_then(|mut queue| queue.pop_front());
                    let Some(target) = next else { return };
                    let run = Run::of(context, binaries, target, time);
                    if !context.quiet {
                        println!("{run}");
                    }
                    if let Ok(mut runs) = runs.lock() {
                        runs.push(run);
                    }
                }
            });
        }
    });
    runs.into_inner().unwrap_or_default()
}

/// What came of one target.
#[derive(Debug)]
struct Run {
    target: String,
    execs: u64,
    seconds: u64,
    /// What libFuzzer says, if it found something.
    crash: Option<String>,
}

impl Run {
    fn of(context: &Context, binaries: &Path, target: String, time: Duration) -> Self {
        let result = libfuzzer(context, binaries, &target, time);
        let (log, found) = match result {
            Ok((log, success)) => (log, !success),
            Err(Failure(reason)) => (reason, true),
        };
        Self {
            execs: statistic(&log, "stat::number_of_executed_units:"),
            seconds: time.as_secs(),
            crash: found.then(|| interesting(&log)),
            target,
        }
    }

    fn failure(&self) -> Option<String> {
        let crash = self.crash.as_ref()?;
        Some(format!("{self}\n{crash}"))
    }
}

impl std::fmt::Display for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let verdict = if self.crash.is_some() { "FAILED" } else { "ok" };
        write!(
            f,
            "{verdict:<7} {:<16} {:>10} inputs {:>6} s",
            self.target, self.execs, self.seconds
        )
    }
}

/// Runs a target to its end; returns what it wrote and whether it found nothing.
fn libfuzzer(
    context: &Context,
    binaries: &Path,
    target: &str,
    time: Duration,
) -> Result<(String, bool), Failure> {
    let found = context.target().join("fuzz/corpus").join(target);
    let artifacts = context.root.join("fuzz/artifacts").join(target);
    for folder in [&found, &artifacts] {
        std::fs::create_dir_all(folder)
            .map_err(|error| Failure(format!("{}: {error}", folder.display())))?;
    }
    let binary = binaries.join(format!("{target}{}", std::env::consts::EXE_SUFFIX));
    let output = Command::new(&binary)
        .arg(&found)
        .arg(context.root.join("fuzz/corpus").join(target))
        .arg(format!("-max_total_time={}", time.as_secs()))
        .arg(format!("-max_len={MAX_LEN}"))
        .arg(format!("-timeout={TIMEOUT}"))
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        .args(["-print_final_stats=1", "-verbosity=1"])
        .current_dir(&context.root)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| Failure(format!("can't run {}: {error}", binary.display())))?;
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    Ok((log, output.status.success()))
}

/// A number that libFuzzer prints at its end; 0 if it does not.
fn statistic(log: &str, name: &str) -> u64 {
    let line = log.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|number| number.trim().parse().ok())
        .unwrap_or(0)
}

/// What is said of a crash, without progress and the addresses of the stack.
fn interesting(log: &str) -> String {
    let is_noise = |line: &&str| {
        let line = line.trim_start();
        line.starts_with('#') || line.starts_with("INFO:") || line.starts_with("stat::")
    };
    let lines: Vec<&str> = log.lines().filter(|line| !is_noise(line)).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn seconds_and_targets_come_in_any_order() {
        let parsed = parse(&words("tlv --secs 60 link"));
        assert_eq!(parsed, Ok((60, words("tlv link"))));
        assert_eq!(parse(&[]), Ok((SECONDS, Vec::new())));
        for wrong in ["--secs", "--secs x", "--secs 0", "--jobs 2"] {
            assert!(parse(&words(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_unknown_target_is_refused_and_none_means_all() {
        let all = words("link tlv");
        assert_eq!(select(all.clone(), &[]), Ok(all.clone()));
        assert_eq!(select(all.clone(), &words("tlv")), Ok(words("tlv")));
        let failure = select(all, &words("tvl")).unwrap_err();
        assert_eq!(failure.0, "no target `tvl`; there are link, tlv");
    }

    #[test]
    fn a_crash_is_shown_without_the_noise_of_the_fuzzer() {
        let log = "INFO: seed corpus\n#2\tINITED cov: 1\nthread 'main' panicked at x.rs:1:\nwrong\n\
                   ==1== ERROR: libFuzzer: deadly signal\n    #0 0x5555\n\
                   stat::number_of_executed_units: 42\n";
        assert_eq!(statistic(log, "stat::number_of_executed_units:"), 42);
        assert_eq!(
            interesting(log),
            "thread 'main' panicked at x.rs:1:\nwrong\n==1== ERROR: libFuzzer: deadly signal"
        );
    }
}
