//! cargo-deny over all dependencies: licences, banned crates, sources.
//!
//! Advisories are no part of `cargo xtask ci`, because their database has to be cloned from the
//! network: `cargo xtask advisories` checks them, in the GitHub workflow once a week.

use crate::command::{self, program};
use crate::step::{Context, Done, Failure};
use crate::tools::{self, Tool};

const TOOL: Tool = Tool {
    name: "cargo-deny",
    version: "0.20.2",
};

/// Checks licences, bans and sources, after installing cargo-deny if need be.
pub(crate) fn run(context: &Context) -> Result<Done, Failure> {
    check(context, &["licenses", "bans", "sources"])
}

/// Checks all, with advisories: needs the network.
pub(crate) fn advisories(context: &Context) -> Result<Done, Failure> {
    check(context, &["advisories", "licenses", "bans", "sources"])
}

fn check(context: &Context, what: &[&str]) -> Result<Done, Failure> {
    let tool = match TOOL.find(context) {
        Ok(tool) => tool,
        Err(failure) => return tools::without(context, "cargo-deny", failure),
    };
    let mut command = program(
        context,
        tool,
        &["--workspace", "check", "--hide-inclusion-graph"],
    );
    command::run(context, command.args(what))?;
    Ok(Done::CheckedWith(what.join(", ")))
}
