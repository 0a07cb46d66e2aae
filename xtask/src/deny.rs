//! cargo-deny over all dependencies: licences, banned crates, sources.
//!
//! Its advisories are left out here, because their database has to be cloned from the network;
//! the GitHub workflow checks them.

use std::path::PathBuf;

use crate::command::{self, capture, cargo, program};
use crate::step::{Context, Done, Failure};

/// The version that was tried with this repository's `deny.toml`.
const VERSION: &str = "0.20.2";

/// Runs `cargo deny check licenses bans sources`, after installing cargo-deny if need be.
pub(crate) fn run(context: &Context) -> Result<Done, Failure> {
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
    let arguments = [
        "--workspace",
        "check",
        "--hide-inclusion-graph",
        "licenses",
        "bans",
        "sources",
    ];
    command::run(context, &mut program(context, tool, &arguments))?;
    Ok(Done::CheckedWith(
        "licences, bans, sources; not advisories".into(),
    ))
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
