//! The `lwm2m` command.
#![forbid(unsafe_code)]
// Many comments are help texts, in which [ and ] mean what they mean on a command line.
#![allow(rustdoc::broken_intra_doc_links)]

mod bootstrap_server;
mod client;
mod decode;
mod definitions;
mod demo;
mod encode;
mod failure;
mod hex;
mod objects;
mod output;
mod runtime;
mod server;
mod sim;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// OMA Lightweight M2M on the command line.
///
/// What it logs goes to standard error; LWM2M_LOG sets how much, as in LWM2M_LOG=debug or
/// LWM2M_LOG=lwm2m_net=trace. Exit codes: 0 for success, 1 when something failed, 2 for a wrong
/// command line or configuration.
#[derive(Debug, Parser)]
#[command(name = "lwm2m", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Args),
    Client(client::Args),
    Server(server::Args),
    BootstrapServer(bootstrap_server::Args),
    Objects(objects::Args),
    Decode(decode::Args),
    Encode(encode::Args),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    output::log();
    let result = match cli.command {
        Command::Demo(args) => runtime::block_on(demo::run(args)),
        Command::Client(args) => runtime::block_on(client::run(args)),
        Command::Server(args) => runtime::block_on(server::run(args)),
        Command::BootstrapServer(args) => runtime::block_on(bootstrap_server::run(args)),
        Command::Objects(args) => objects::run(args),
        Command::Decode(args) => decode::run(&args),
        Command::Encode(args) => encode::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
