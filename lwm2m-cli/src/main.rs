//! The `lwm2m` command.
#![forbid(unsafe_code)]

mod client;
mod lifeline;
mod signals;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// OMA Lightweight M2M: a demonstration, a device, a server, a bootstrap server.
#[derive(Debug, Parser)]
#[command(name = "lwm2m", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Client(client::ClientArgs),
}

#[tokio::main]
async fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Client(args) => client::run(args).await,
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
