//! cargo-deny over all dependencies: licences, banned crates, sources.
//!
//! Advisories are no part of `cargo xtask ci`, because their database has to be cloned from the
//! network: `cargo xtask advisories` checks them, in the GitHub workflow once a week.

use std::path::PathBuf;

use crate::command::{self, capture, cargo, program};
use crate::step::{Context, Done, Failure};

/// The version that was tried with this repository's `deny.toml`.
const VERSION: &str = "0.20.2";

/// Checks licences, bans and sources, after installing cargo-deny if need be.
pub(crate) fn run(context: &Context) -> Result<Done, Failure> {
    check(context, &["licenses", "bans", "sources"])
}

/// Checks all, with advisories: needs the network.
pub(crate) fn advisories(context: &Context) -> Result<Done, Failure> {
    check(context, &["advisories", "licenses", "bans", "sources"])
}

fn check(context: &Context, what: &[&str]) -> Result<Done, Failure> {
    let tool = match tool(context) {
        Ok(tool) => tool,
        Err(failure) if context.strict => return Err(failure),
        Err(Failure(reason)) => {
            let reason = reason.lines().last().unwrap_or_default().trim();
            return Ok(Done::Partly(format!(
                "nothing checked, cargo-deny can't be had: {reason}"
            )));
        }
    };
    let mut command = program(
        context,
        tool,
        &["--workspace", "check", "--hide-inclusion-graph"],
    );
    command::run(context, command.args(what))?;
    Ok(Done::CheckedWith(what.join(", ")))
}

/// Finds cargo-deny in the tools folder, or installs it there. It takes minutes, once.
fn tool(context: &Context) -> Result<PathBuf, Failure> {
    let tools = context.tools();
    let tool = tools
        .join("bin")
        .join(format!("cargo-deny{}", std::env::consts::EXE_SUFFIX));
    if capture(&mut program(context, &tool, &["--version"])).is_ok() {
        return Ok(tool);
    }
    eprintln!(
        "installing cargo-deny {VERSION} into {}; this takes minutes",
        tools.display()
    );
    let mut install = cargo(
        context,
        &["install", "--locked", "cargo-deny", "--version", VERSION],
    );
    let scratch = tools.join("target");
    install.arg("--root").arg(&tools);
    install.arg("--target-dir").arg(&scratch);
    command::run(context, &mut install)?;
    // Half a gigabyte that nothing reads again; what is left of it does no harm.
    let _ = std::fs::remove_dir_all(scratch);
    Ok(tool)
}
