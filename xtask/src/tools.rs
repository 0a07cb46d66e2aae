//! Cargo subcommands that are installed into the tools folder.

use std::path::PathBuf;

use crate::command::{self, capture, cargo, program};
use crate::step::{Context, Done, Failure};

/// A tool of crates.io, in the version that was tried with this repository.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tool {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
}

impl Tool {
    /// Finds the tool in the tools folder, or installs it there. That takes minutes, once.
    pub(crate) fn find(self, context: &Context) -> Result<PathBuf, Failure> {
        let Self { name, version } = self;
        let tools = context.tools();
        let tool = tools
            .join("bin")
            .join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
        // As a cargo subcommand it is called with its name as the first argument.
        let subcommand = name.trim_start_matches("cargo-");
        let version_of = |arguments: &[&str]| capture(&mut program(context, &tool, arguments));
        if version_of(&["--version"]).is_ok() || version_of(&[subcommand, "--version"]).is_ok() {
            return Ok(tool);
        }
        eprintln!(
            "installing {name} {version} into {}; this takes minutes",
            tools.display()
        );
        let mut install = cargo(
            context,
            &["install", "--locked", name, "--version", version],
        );
        let scratch = tools.join("target").join(name);
        install.arg("--root").arg(&tools);
        install.arg("--target-dir").arg(&scratch);
        command::run(context, &mut install)?;
        // Hundreds of megabytes that nothing reads again; what is left of them does no harm.
        let _ = std::fs::remove_dir_all(scratch);
        Ok(tool)
    }
}

/// What a step says that needs something which can't be had: a failure, or that nothing was
/// checked.
pub(crate) fn without(context: &Context, what: &str, failure: Failure) -> Result<Done, Failure> {
    if context.strict {
        return Err(failure);
    }
    let reason = failure.0.lines().last().unwrap_or_default().trim();
    Ok(Done::Partly(format!(
        "nothing checked, {what} can't be had: {reason}"
    )))
}
