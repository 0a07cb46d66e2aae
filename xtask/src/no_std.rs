//! The codec, model, CoAP and engine crates do without std.
//!
//! 1. Each is built for the host with `--no-default-features`, and the list of crates that its
//!    rlib links must not name `std`. This also finds a dependency that brings std in.
//!    So are the features that must do without.
//! 2. Each is built for a microcontroller target, which has no std at all. That needs rustup,
//!    and the network once; without them the step says so and rests on 1.

use crate::command::{self, capture, cargo, program};
use crate::step::{Context, Done, Failure};

/// The crates that must build without std.
pub(crate) const CRATES: [&str; 6] = [
    "lwm2m-codec",
    "lwm2m-model",
    "lwm2m-coap",
    "lwm2m-bootstrap",
    "lwm2m-client",
    "lwm2m-server",
];

/// Parts of these crates that are off by default and must do without std, too.
const FEATURES: [(&str, &str); 2] = [
    ("lwm2m-bootstrap", "smartcard"),
    ("lwm2m-bootstrap", "cellular"),
];

/// Cortex-M4 and M7 without FPU.
const TARGET: &str = "thumbv7em-none-eabi";

/// Runs the step.
pub(crate) fn run(context: &Context) -> Result<Done, Failure> {
    for name in CRATES {
        build(context, name, &[])?;
        links_no_std(context, name)?;
    }
    for (name, features) in FEATURES {
        build(context, name, &["--features", features])?;
        links_no_std(context, name)?;
    }
    let count = CRATES.len();
    if let Err(Failure(reason)) = add_target(context) {
        let reason = reason.lines().last().unwrap_or_default().trim();
        return Ok(Done::Partly(format!(
            "{count} crates link no std on the host; not built for {TARGET}, which can't be had \
             here: {reason}"
        )));
    }
    for name in CRATES {
        build(context, name, &["--target", TARGET])?;
    }
    for (name, features) in FEATURES {
        build(context, name, &["--features", features, "--target", TARGET])?;
    }
    Ok(Done::CheckedWith(format!(
        "{count} crates link no std on the host and build for {TARGET}"
    )))
}

/// Builds one crate alone: together, cargo would unite the features of all.
fn build(context: &Context, name: &str, more: &[&str]) -> Result<(), Failure> {
    let mut command = cargo(
        context,
        &["build", "--no-default-features", "--lib", "-p", name],
    );
    command.args(more).arg("--target-dir").arg(context.target());
    command::run(context, &mut command).map(drop)
}

/// Fails if the crate's rlib on the host links std, itself or by a dependency.
fn links_no_std(context: &Context, name: &str) -> Result<(), Failure> {
    let rlib = format!("lib{}.rlib", name.replace('-', "_"));
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let mut command = program(context, rustc, &["-Zls=root"]);
    command.arg(context.target().join("debug").join(rlib));
    // The listing is a diagnostic of rustc that stable refuses without this variable.
    let listing = capture(command.env("RUSTC_BOOTSTRAP", "1"))?;
    let linked = linked_crates(&listing);
    if !linked.contains(&"core") {
        return Err(Failure(format!(
            "{name}: rustc lists no linked crates:\n{listing}"
        )));
    }
    if linked.contains(&"std") {
        return Err(Failure(format!(
            "{name} links std without its `std` feature, by itself or by one of: {}",
            linked.join(", ")
        )));
    }
    Ok(())
}

/// The names under `=External Dependencies=` in the output of `rustc -Zls=root`, where a line is
/// `3 std-d1237ef7159db0a2 hash 34dc… host_hash None kind Unconditional public`.
fn linked_crates(listing: &str) -> Vec<&str> {
    listing
        .lines()
        .skip_while(|line| !line.starts_with("=External Dependencies="))
        .skip(1)
        .filter(|line| !line.contains("kind MacrosOnly"))
        .filter_map(|line| line.split(' ').nth(1))
        .map(|name| name.split('-').next().unwrap_or(name))
        .collect()
}

/// Makes rustup fetch the target's core and alloc, unless they are there.
fn add_target(context: &Context) -> Result<(), Failure> {
    capture(&mut program(context, "rustup", &["target", "add", TARGET])).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTING: &str = "Crate info:\nname c\n=External Dependencies=\n\
        1 core-120cbae4e86ec454 hash 4102 host_hash None kind Unconditional public\n\
        2 thiserror_impl-aa hash 3cca host_hash Some(1) kind MacrosOnly private\n\
        3 std-d1237ef7159db0a2 hash 34dc host_hash None kind Unconditional public\n";

    #[test]
    fn linked_crates_are_listed_without_hashes_and_without_macros() {
        assert_eq!(linked_crates(LISTING), ["core", "std"]);
    }

    #[test]
    fn a_listing_of_another_shape_yields_nothing() {
        assert!(linked_crates("error: unknown option").is_empty());
    }
}
