//! `cargo xtask interop leshan`: our device and our server against Eclipse Leshan.
//!
//! - [`setup`]: Leshan's libraries, and the peers built of them;
//! - [`peer`]: a process that is driven by lines;
//! - [`rest`]: the REST interface that both servers have, and its events;
//! - [`sabotage`]: messages broken on purpose, which the cases have to notice;
//! - [`boot`]: a bootstrap server;
//! - [`site`]: a server and a device of the other make;
//! - [`cases`]: what is checked; each case is written once for both directions;
//! - [`table`]: what came of it.

mod boot;
mod cases;
mod peer;
mod rest;
mod sabotage;
mod setup;
mod site;
mod table;
mod values;

use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::step::{Context, Done, Failure};
use cases::{Case, Otherwise};
use sabotage::Sabotage;
use setup::Peers;
use site::{Session, Site, Transport};
use table::{Outcome, Row, Table};

/// Cases that run at a time: most of them wait most of the time.
const WORKERS: usize = 8;

/// Runs `cargo xtask interop leshan` with the words after it: only cases whose lines contain all of
/// them are run. The whole table is written to `docs/interop.md`.
pub(super) fn command(words: &[String], context: &Context) -> ExitCode {
    let sabotage = match words {
        [flag, name] if flag == "--sabotage" => {
            let known = Sabotage::ALL.into_iter().find(|known| known.name() == name);
            let Some(known) = known else {
                let names = Sabotage::ALL.map(Sabotage::name).join(", ");
                eprintln!("error: --sabotage {name}: expected one of {names}");
                return ExitCode::from(2);
            };
            Some(known)
        }
        _ => None,
    };
    let chosen = sabotage.map_or_else(|| words.to_vec(), Sabotage::words);
    if let Some(flag) = chosen.iter().find(|word| word.starts_with("--")) {
        eprintln!("error: {flag}: expected words of cases, or --sabotage NAME");
        return ExitCode::from(2);
    }
    let peers = match Peers::prepare(context) {
        Ok(peers) => peers,
        Err(Failure(reason)) => {
            eprintln!("error: {reason}");
            return ExitCode::from(2);
        }
    };
    let table =
        super::build(context).and_then(|lwm2m| run(&lwm2m, &peers, &chosen, sabotage, true));
    let written = table.and_then(|table| {
        print!("\n{}", table.failures());
        if chosen.is_empty() {
            write(&table, context)?;
        }
        Ok(table)
    });
    match written {
        Ok(table) => {
            for line in table.not_run() {
                println!("not run: {}", line.trim_start_matches("- ").trim_start());
            }
            println!("{}", table.totals());
            ExitCode::from(match (table.failed(), table.not_run().is_empty()) {
                (0, true) => 0,
                (0, false) => 2,
                _ => 1,
            })
        }
        Err(Failure(reason)) => {
            eprintln!("error: {reason}");
            ExitCode::FAILURE
        }
    }
}

fn write(table: &Table, context: &Context) -> Result<(), Failure> {
    let file = context.root.join("docs/interop.md");
    let folder = file.parent().unwrap_or(&context.root);
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(&file, table.markdown(&heading())))
        .map_err(|error| Failure(format!("can't write {}: {error}", file.display())))
}

fn run(
    lwm2m: &Path,
    peers: &Peers,
    words: &[String],
    sabotage: Option<Sabotage>,
    loud: bool,
) -> Result<Table, Failure> {
    let sites = [Site::leshan(lwm2m, peers), Site::ours(lwm2m, peers)];
    let [leshan, ours] = sites;
    let sites = [
        leshan.map_err(Failure)?.with(sabotage),
        ours.map_err(Failure)?,
    ];
    let cases = cases::all();
    let mut work: Vec<(&Case, &Site, Transport)> = Vec::new();
    for case in &cases {
        for site in &sites {
            let elsewhere = |(direction, otherwise)| {
                direction != site.direction && matches!(otherwise, Otherwise::Absent)
            };
            if case.only.is_some_and(elsewhere) {
                continue;
            }
            for transport in [Transport::Udp, Transport::Dtls] {
                let (direction, format) = (site.direction.name(), case.format);
                let line = format!("{direction} {} {format} {}", transport.name(), case.name);
                if words.iter().all(|word| line.contains(word.as_str())) {
                    work.push((case, site, transport));
                }
            }
        }
    }
    let next = AtomicUsize::new(0);
    let rows: Mutex<Vec<(usize, Row)>> = Mutex::default();
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some((case, site, transport)) = work.get(index).copied() else {
                        break;
                    };
                    let row = one(case, site, transport, index);
                    if loud {
                        println!("{}", row.line());
                    }
                    rows.lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push((index, row));
                }
            });
        }
    });
    let mut rows = rows.into_inner().unwrap_or_else(PoisonError::into_inner);
    rows.sort_by_key(|(index, _)| *index);
    Ok(Table(rows.into_iter().map(|(_, row)| row).collect()))
}

fn one(case: &Case, site: &Site, transport: Transport, index: usize) -> Row {
    let outcome = match case.only {
        Some((direction, Otherwise::Missing(why))) if direction != site.direction => {
            Outcome::NotRun(why)
        }
        Some((direction, Otherwise::Inapplicable(why))) if direction != site.direction => {
            Outcome::NotApplicable(why)
        }
        _ => attempt(case, site, transport, index),
    };
    Row {
        name: case.name.clone(),
        format: case.format,
        direction: site.direction,
        transport,
        outcome,
    }
}

fn attempt(case: &Case, site: &Site, transport: Transport, index: usize) -> Outcome {
    let endpoint = format!("device-{index:04}");
    let mut session = match Session::new(site, transport, &endpoint, case.start) {
        Ok(session) => session,
        Err(error) => return Outcome::Fail(error),
    };
    match (case.run)(&mut session) {
        Ok(()) => Outcome::Pass,
        Err(error) => Outcome::Fail(format!("{error}\n{}", session.story())),
    }
}

/// The step of `cargo xtask ci`.
pub(super) fn step(context: &Context) -> Result<Done, Failure> {
    let peers = match Peers::prepare(context) {
        Ok(peers) => peers,
        Err(failure) if context.strict => return Err(failure),
        Err(Failure(reason)) => return Ok(Done::Partly(format!("nothing checked: {reason}"))),
    };
    let lwm2m = super::build(context)?;
    for sabotage in Sabotage::ALL {
        let table = run(&lwm2m, &peers, &sabotage.words(), Some(sabotage), false)?;
        if table.failed() == 0 {
            let name = sabotage.name();
            return Err(Failure(format!("no case noticed the sabotage {name}")));
        }
    }
    let table = run(&lwm2m, &peers, &[], None, !context.quiet)?;
    match (table.failed(), table.not_run().len()) {
        (0, 0) => Ok(Done::CheckedWith(table.totals())),
        (0, missing) => Ok(Done::Partly(format!(
            "{}, {missing} not run",
            table.totals()
        ))),
        _ => Err(Failure(table.failures())),
    }
}

/// What stands above the table in `docs/interop.md`.
fn heading() -> String {
    format!(
        "# Interoperability with Eclipse Leshan\n\n\
         Written by `cargo xtask interop leshan`: lwm2m {} and Leshan {}.\n\n\
         Leshan's side is not its demo programs. Those, and Leshan's bootstrap server, are not in \
         the package registry that these runs have. It is Leshan's libraries from there \
         (`leshan-tl-cf-server-coap`, `leshan-tl-cf-client-coap`, with Californium and Scandium): \
         all protocol code is Leshan's own. The small programs in `xtask/peers/leshan` give its \
         server the part of the demo server's REST and SSE interface that the cases use, and \
         drive its client by lines.\n\n\
         What a device has to refuse, ours has to refuse with the code of the specification. \
         Leshan's device may choose the code: there it counts that our server passes the refusal \
         on.",
        env!("CARGO_PKG_VERSION"),
        setup::VERSION
    )
}
