//! `cargo xtask interop`: our commands against implementations that others wrote.
//!
//! - [`leshan`]: the cases with Eclipse Leshan, both ways;
//! - [`libcoap`]: the cases with libcoap's command line clients;
//! - [`coap_client`]: one run of such a client, and what it says it sent and got;
//! - [`process`]: processes and a folder that are gone at the end, whatever happens;
//! - [`http`]: requests to our HTTP interface, and its events;
//! - [`report`]: what is shown of each case.

mod coap_client;
mod http;
mod leshan;
mod libcoap;
mod process;
mod report;

use std::path::PathBuf;
use std::process::ExitCode;

use crate::apt;
use crate::command::{capture, cargo};
use crate::step::{Context, Done, Failure};
use report::Report;

/// What `cargo xtask interop --help` says.
const HELP: &str = "\
cargo xtask interop libcoap

Builds the lwm2m command, starts `lwm2m server` and `lwm2m client` on free ports of 127.0.0.1, and
lets libcoap's coap-client-notls and coap-client-openssl talk to them: register, update and
de-register over UDP and DTLS-PSK, and what has to be refused (a wrong key, an unknown identity, a
wrong endpoint name, another address, a read from a port that is not the server's).

Each case is shown with the exact command, the answer and the event of /api/event; a failed one
with everything that the command printed. The processes are ended and their folder is removed.

cargo xtask interop leshan [WORD...] [--sabotage NAME]

Gets Leshan's libraries by Maven, builds the peers in xtask/peers/leshan of them, and runs the
cases in both directions over UDP and DTLS-PSK: only those whose lines contain all the words. A
failed case is shown with the exchange; a full run writes docs/interop.md. --sabotage runs the
case that has to fail when our device's messages are broken in one way: tlv-length, missing-ver,
no-observe. `cargo xtask leshan`, a step of `cargo xtask ci`, runs all cases and all sabotages.
Needs Java 17 (JDK) and Maven (apt-get install default-jdk-headless maven); with CI or LWM2M_CI=1
set they are installed first.

libcoap needs Debian's libcoap3-bin (apt-get install libcoap3-bin); with CI or LWM2M_CI=1 set it is
installed first.

Exit codes: 0 all cases passed, 1 a case failed, 2 the peer or a part of it is missing (with CI or
LWM2M_CI=1 set: 1) or the command line is wrong.";

/// What has to be installed.
const PACKAGE: &str = "libcoap3-bin";

/// Runs `cargo xtask interop` with the arguments after its name.
pub(crate) fn command(arguments: &[String], context: &Context) -> ExitCode {
    match arguments.first().map(String::as_str) {
        Some("leshan") => return leshan::command(arguments.get(1..).unwrap_or_default(), context),
        Some("libcoap") if arguments.len() == 1 => {}
        Some("--help" | "-h" | "help") => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        other => {
            let what = match other {
                Some("libcoap") => "libcoap takes no arguments".to_owned(),
                Some(name) => format!("there is no peer `{name}`"),
                None => "name a peer".to_owned(),
            };
            eprintln!("error: {what}\n\n{HELP}");
            return ExitCode::from(2);
        }
    }
    if let Err(Failure(reason)) = have_libcoap(context) {
        eprintln!("error: {reason}");
        return match context.strict {
            true => ExitCode::FAILURE,
            false => ExitCode::from(2),
        };
    }
    match run_libcoap(context) {
        Ok(report) if report.failed() == 0 => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(Failure(reason)) => {
            eprintln!("error: {reason}");
            ExitCode::FAILURE
        }
    }
}

/// The step of `cargo xtask ci` with Leshan.
pub(crate) fn run_leshan(context: &Context) -> Result<Done, Failure> {
    leshan::step(context)
}

/// The step of `cargo xtask ci` with libcoap.
pub(crate) fn run(context: &Context) -> Result<Done, Failure> {
    match have_libcoap(context) {
        Ok(()) => {}
        Err(failure) if context.strict => return Err(failure),
        Err(Failure(reason)) => return Ok(Done::Partly(format!("nothing checked: {reason}"))),
    }
    let report = run_libcoap(context)?;
    match report.failed() {
        0 => Ok(Done::CheckedWith(format!("libcoap: {report}"))),
        _ if context.quiet => Err(Failure(report.failures())),
        _ => Err(Failure(report.to_string())),
    }
}

fn run_libcoap(context: &Context) -> Result<Report, Failure> {
    let lwm2m = build(context)?;
    let mut report = Report::new(!context.quiet);
    libcoap::run(&lwm2m, &mut report).map_err(|Failure(reason)| {
        // What was shown already is not shown again.
        let failures = match context.quiet {
            true => report.failures(),
            false => String::new(),
        };
        Failure(format!("{failures}\n{reason}").trim_start().to_owned())
    })?;
    if !context.quiet {
        println!("\nlibcoap: {report}");
    }
    Ok(report)
}

/// Builds the `lwm2m` command and says where it is.
fn build(context: &Context) -> Result<PathBuf, Failure> {
    capture(&mut cargo(
        context,
        &["build", "--package", "lwm2m-cli", "--bin", "lwm2m"],
    ))?;
    let name = format!("lwm2m{}", std::env::consts::EXE_SUFFIX);
    Ok(context.target().join("debug").join(name))
}

/// Checks that libcoap's clients are there; on a CI machine installs them first.
fn have_libcoap(context: &Context) -> Result<(), Failure> {
    if !coap_client::is_installed() && context.strict {
        apt::install(context, PACKAGE)?;
    }
    match coap_client::is_installed() {
        true => Ok(()),
        false => Err(Failure(format!(
            "libcoap's coap-client-notls and coap-client-openssl are missing; on Debian and \
             Ubuntu: apt-get install {PACKAGE}"
        ))),
    }
}
