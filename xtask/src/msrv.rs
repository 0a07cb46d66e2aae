//! The published promise on compiler age: codec, model, CoAP and engines build with Rust 1.85.

use crate::command::{self, capture, program};
use crate::no_std::CRATES;
use crate::step::{Context, Done, Failure};

/// The `rust-version` of the workspace.
const VERSION: &str = "1.85";

/// Fetches the compiler if it is absent and checks each crate, with and without its features.
///
/// `cargo check` without targets leaves development dependencies out: the promise is not for them.
pub(crate) fn run(context: &Context) -> Result<Done, Failure> {
    let install = [
        "toolchain",
        "install",
        VERSION,
        "--profile",
        "minimal",
        "--no-self-update",
    ];
    if capture(&mut program(context, "rustup", &install)).is_err() {
        return Ok(Done::Partly(format!(
            "Rust {VERSION} can't be had here: nothing checked"
        )));
    }
    for name in CRATES {
        for features in [&["--no-default-features"][..], &[]] {
            let mut command = program(context, "rustup", &["run", VERSION, "cargo", "check"]);
            command.args(["-p", name]).args(features);
            // Set by the cargo that runs this program; they would name the newer compiler.
            command.env_remove("RUSTC").env_remove("CARGO");
            command::run(context, &mut command)?;
        }
    }
    Ok(Done::CheckedWith(format!(
        "{} crates with Rust {VERSION}",
        CRATES.len()
    )))
}
