//! Runs other programs.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::step::{Context, Failure};

/// A `cargo` command in the workspace's folder.
pub(crate) fn cargo(context: &Context, arguments: &[&str]) -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    program(context, cargo, arguments)
}

/// Any command in the workspace's folder.
pub(crate) fn program(
    context: &Context,
    program: impl AsRef<OsStr>,
    arguments: &[&str],
) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(&context.root);
    command
}

/// Runs a command to its end and returns what it wrote to standard output.
///
/// Unless the context is quiet the output goes to the terminal, and the returned text is empty.
pub(crate) fn run(context: &Context, command: &mut Command) -> Result<String, Failure> {
    if context.quiet {
        return capture(command);
    }
    let status = command.stdin(Stdio::null()).status();
    match status {
        Ok(status) if status.success() => Ok(String::new()),
        Ok(status) => Err(Failure(format!("`{}`: {status}", line(command)))),
        Err(error) => Err(Failure(format!("can't run `{}`: {error}", line(command)))),
    }
}

/// Runs a command with its output held back; a failure carries all of it.
pub(crate) fn capture(command: &mut Command) -> Result<String, Failure> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| Failure(format!("can't run `{}`: {error}", line(command))))?;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(stdout);
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    Err(Failure(format!(
        "`{}`: {}\n{stdout}{stderr}",
        line(command),
        output.status
    )))
}

/// The command as a person would type it.
fn line(command: &Command) -> String {
    let name = Path::new(command.get_program()).file_name();
    std::iter::once(name.unwrap_or_default())
        .chain(command.get_args())
        .map(OsStr::to_string_lossy)
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_does_not_exist_is_named() {
        let failure = capture(&mut Command::new("no-such-program-here")).unwrap_err();
        assert!(failure.0.starts_with("can't run `no-such-program-here`"));
    }

    #[test]
    fn a_command_is_shown_without_the_folder_of_its_program() {
        let mut command = Command::new("/usr/bin/cargo");
        command.args(["check", "--workspace"]);
        assert_eq!(line(&command), "cargo check --workspace");
    }
}
