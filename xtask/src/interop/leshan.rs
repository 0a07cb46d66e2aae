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
            return match context.strict {
                true => ExitCode::FAILURE,
                false => ExitCode::from(2),
            };
        }
    };
    let alone = sabotage.as_slice();
    let wanted = Wanted {
        words: &chosen,
        only_broken: sabotage.is_some(),
        sabotages: alone,
    };
    let tables = super::build(context).and_then(|lwm2m| run(&lwm2m, &peers, &wanted, true));
    let written = tables.and_then(|(table, broken)| {
        let table = if wanted.only_broken { broken } else { table };
        print!("\n{}", table.failures());
        if chosen.is_empty() {
            write(&table, context)?;
        }
        Ok(table)
    });
    match written {
        Ok(table) => {
            println!("{}", table.totals());
            ExitCode::from(u8::from(table.failed() > 0))
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

/// What is run: the cases whose lines contain all words, and broken ones.
#[derive(Debug, Default)]
struct Wanted<'w> {
    words: &'w [String],
    /// Without the cases as they are.
    only_broken: bool,
    sabotages: &'w [Sabotage],
}

/// A case in one direction over one transport.
#[derive(Debug, Clone, Copy)]
struct Work<'w> {
    case: &'w Case,
    site: &'w Site,
    transport: Transport,
    sabotage: Option<Sabotage>,
}

impl Work<'_> {
    /// True if its line has all words.
    fn has(&self, words: &[impl AsRef<str>]) -> bool {
        let (direction, format) = (self.site.direction.name(), self.case.format);
        let line = format!(
            "{direction} {} {format} {}",
            self.transport.name(),
            self.case.name
        );
        words.iter().all(|word| line.contains(word.as_ref()))
    }

    fn row(&self, index: usize) -> Row {
        Row {
            name: self.case.name.clone(),
            format: self.case.format,
            direction: self.site.direction,
            transport: self.transport,
            outcome: self.outcome(index),
        }
    }

    fn outcome(&self, index: usize) -> Outcome {
        match self.case.only {
            Some((direction, Otherwise::Inapplicable(why))) if direction != self.site.direction => {
                Outcome::NotApplicable(why)
            }
            _ => self.attempt(index),
        }
    }

    fn attempt(&self, index: usize) -> Outcome {
        let endpoint = format!("device-{index:04}");
        let (start, sabotage) = (self.case.start, self.sabotage);
        let mut session = match Session::new(self.site, self.transport, &endpoint, start, sabotage)
        {
            Ok(session) => session,
            Err(error) => return Outcome::Fail(error),
        };
        match (self.case.run)(&mut session) {
            Ok(()) => Outcome::Pass,
            Err(error) => Outcome::Fail(format!("{error}\n{}", session.story())),
        }
    }
}

/// What came of the cases as they are, and of the broken ones.
fn run(
    lwm2m: &Path,
    peers: &Peers,
    wanted: &Wanted<'_>,
    loud: bool,
) -> Result<(Table, Table), Failure> {
    let leshan = Site::leshan(lwm2m, peers).map_err(Failure)?;
    let ours = Site::ours(lwm2m, peers).map_err(Failure)?;
    let cases = cases::all();
    let work = plan(&cases, [&leshan, &ours], wanted);
    let next = AtomicUsize::new(0);
    let rows: Mutex<Vec<(usize, Row)>> = Mutex::default();
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(one) = work.get(index) else {
                        break;
                    };
                    let row = one.row(index);
                    if loud && one.sabotage.is_none_or(|_| wanted.only_broken) {
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
    let (mut table, mut broken) = (Table::default(), Table::default());
    for (index, row) in rows {
        let whole = work.get(index).is_some_and(|one| one.sabotage.is_none());
        if whole { &mut table } else { &mut broken }.0.push(row);
    }
    Ok((table, broken))
}

/// All that has to be run, in the order of the table; broken cases come first.
fn plan<'w>(cases: &'w [Case], sites: [&'w Site; 2], wanted: &Wanted<'_>) -> Vec<Work<'w>> {
    let mut work = Vec::new();
    for case in cases {
        for site in sites {
            let elsewhere = |(direction, otherwise)| {
                direction != site.direction && matches!(otherwise, Otherwise::Absent)
            };
            if case.only.is_some_and(elsewhere) {
                continue;
            }
            work.extend([Transport::Udp, Transport::Dtls].map(|transport| Work {
                case,
                site,
                transport,
                sabotage: None,
            }));
        }
    }
    let mut chosen = Vec::new();
    for sabotage in wanted.sabotages {
        let broken = work.iter().filter(|one| one.has(&sabotage.words()));
        chosen.extend(broken.map(|one| Work {
            sabotage: Some(*sabotage),
            ..*one
        }));
    }
    if !wanted.only_broken {
        chosen.extend(work.into_iter().filter(|one| one.has(wanted.words)));
    }
    chosen
}

/// The step of `cargo xtask ci`: all cases pass, and a broken one of each kind fails.
pub(super) fn step(context: &Context) -> Result<Done, Failure> {
    let peers = match Peers::prepare(context) {
        Ok(peers) => peers,
        Err(failure) if context.strict => return Err(failure),
        Err(Failure(reason)) => return Ok(Done::Partly(format!("nothing checked: {reason}"))),
    };
    let lwm2m = super::build(context)?;
    let wanted = Wanted {
        sabotages: &Sabotage::ALL,
        ..Wanted::default()
    };
    let (table, broken) = run(&lwm2m, &peers, &wanted, !context.quiet)?;
    if table.failed() > 0 {
        return Err(Failure(table.failures()));
    }
    match broken.unnoticed() {
        unnoticed if !unnoticed.is_empty() => Err(Failure(format!(
            "these cases passed although a message was broken:\n{}",
            unnoticed.join("\n")
        ))),
        _ => Ok(Done::CheckedWith(format!(
            "{}; {} broken on purpose, all noticed",
            table.totals(),
            broken.0.len()
        ))),
    }
}

/// What stands above the table in `docs/interop.md`.
fn heading() -> String {
    format!(
        "# Interoperability with Eclipse Leshan\n\n\
         Written by `cargo xtask interop leshan`: lwm2m {} and Leshan {}.\n\n\
         Leshan's side is not its demo programs: their jars (`leshan-demo-server`, `-client` and \
         `-bsserver`, in this and the versions before) are not in the package registry that these \
         runs have. It is Leshan's libraries from there (`leshan-tl-cf-server-coap`, \
         `leshan-tl-cf-client-coap`, with Californium and Scandium): all protocol code is \
         Leshan's own. The small programs in `xtask/peers/leshan` give its server the part of the \
         demo server's REST and SSE interface that the cases use, and drive its client by lines. \
         The libraries of its bootstrap server are there only in Leshan {} (`leshan-server-cf`); \
         `xtask/peers/leshan-bootstrap` drives that one by lines, and gives it the DTLS of the \
         newer Scandium, as its own has no extended master secret (RFC 7627), which our DTLS \
         insists on.\n\n\
         Bootstrap: at first everything is deleted and written. Then the server executes 1/x/9, \
         and the second bootstrap is incremental. Leshan's server asks by Discover and Read (of \
         object 1) what there is, and writes the one resource that differs, the lifetime; ours \
         deletes nothing, and writes to the instances that a Discover found.\n\n\
         What a device has to refuse, ours has to refuse with the code of the specification. \
         Leshan's device may choose the code: there it counts that our server passes the refusal \
         on.",
        env!("CARGO_PKG_VERSION"),
        setup::VERSION,
        setup::BOOTSTRAP_VERSION
    )
}
