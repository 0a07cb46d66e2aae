//! Packages of the system that a step needs on a CI machine.

use crate::command::{capture, program};
use crate::step::{Context, Failure};

/// Installs a package of Debian or Ubuntu, as root or by sudo without a password.
pub(crate) fn install(context: &Context, package: &str) -> Result<(), Failure> {
    let user = capture(&mut program(context, "id", &["-u"]))?;
    let apt = |arguments: &[&str]| {
        let mut command = match user.trim() {
            "0" => program(context, "apt-get", arguments),
            _ => {
                let mut sudo = program(context, "sudo", &["-n", "apt-get"]);
                sudo.args(arguments);
                sudo
            }
        };
        capture(command.env("DEBIAN_FRONTEND", "noninteractive"))
    };
    let install = ["install", "-y", "--no-install-recommends", package];
    if apt(&install).is_err() {
        // The machine's list of packages may be old, or empty.
        apt(&["update"])?;
        apt(&install)?;
    }
    Ok(())
}
