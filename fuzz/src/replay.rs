//! Replays files without a fuzzer.

use std::process::ExitCode;

use crate::Target;

/// Runs a target over the files that the command line names, and says what it thinks of each.
///
/// # Panics
/// If the target does: that is what a replay is for.
pub fn replay_arguments(target: Target) -> ExitCode {
    let mut count = 0;
    for path in std::env::args_os().skip(1) {
        match std::fs::read(&path) {
            Ok(data) => println!("{}: {:?}", path.display(), target(&data)),
            Err(error) => {
                eprintln!("{}: {error}", path.display());
                return ExitCode::FAILURE;
            }
        }
        count += 1;
    }
    println!("{count} files replayed");
    ExitCode::SUCCESS
}
