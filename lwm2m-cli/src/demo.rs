//! `lwm2m demo`: a bootstrap server, a server and a device as three processes, and every
//! operation between them.

mod cellular;
mod http;
mod node;
mod process;
mod reason;
mod relay;
mod report;
mod run;
mod sabotage;
mod steps;
mod world;

use std::time::Instant;

use self::{report::Report, run::Runner, sabotage::Sabotage, world::World};
use crate::{failure::Failure, runtime};

/// What the table shows.
const HEAD: &str = "\
A bootstrap server, a server and a device, three processes, talk over DTLS 1.2 (PSK) on loopback.
The device knows its bootstrap server and nothing else. Each answer is compared with what it must
be. Bytes are those of UDP datagrams, DTLS records and handshakes included.
";

/// Show every operation between a bootstrap server, a server and a device
///
/// Runs the three as processes of this binary over DTLS on the loopback interface, with ports,
/// keys and files made for this run. Prints a line for each operation and a summary, and exits
/// with 0 only if each answer was what it must be.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// For tests: break something. kill=PROCESS@OPERATION, wrong-key=PROCESS, alter=OPERATION
    #[arg(long, hide = true)]
    sabotage: Option<Sabotage>,
    /// Show one device with the SIMs of two operators instead: how it finds each operator's
    /// bootstrap server, with keys of the SIM, and moves over when the SIM is swapped
    #[arg(long, conflicts_with = "sabotage")]
    cellular: bool,
    /// For tests: break something of --cellular
    #[arg(long, hide = true, requires = "cellular")]
    sabotage_cellular: Option<cellular::Sabotage>,
}

/// Runs the demonstration.
pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    let shown = async {
        match args.cellular {
            true => cellular::run(args.sabotage_cellular).await,
            false => demonstrate(args).await,
        }
    };
    tokio::select! {
        result = shown => result,
        () = runtime::stopped(false) => Err(Failure::runtime("interrupted")),
    }
}

async fn demonstrate(args: Args) -> Result<(), Failure> {
    let start = Instant::now();
    let report = Report::new();
    let world = World::start(args.sabotage.as_ref())
        .await
        .map_err(Failure::runtime)?;
    report.head(HEAD);
    let mut runner = Runner::new(world, report, args.sabotage);
    let done = steps::all(&mut runner).await;
    let unbroken = runner.is_unbroken();
    runner.end(done.is_ok().then(|| start.elapsed())).await;
    match done {
        Ok(()) if unbroken => Err(Failure::usage("there was nothing to sabotage")),
        done => done.map_err(Failure::runtime),
    }
}
