//! The table of `docs/benchmarks.md`: `cargo bench -p lwm2m-benches --bench table [-- --check]`.
//!
//! Every round runs all works once, ours and the rivals' in turn, so that a busy moment hits them
//! alike; the fastest round counts. With `--check` it exits 1 if a floor is missed, after more
//! rounds. A name leaves
//! out the rows that do not contain it; with `--profile` ours alone runs, for a profiler to watch.
#![allow(unsafe_code)]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    process::ExitCode,
    time::{Duration, Instant},
};

use lwm2m_benches::cases::{self, Case, Floor, Work};

/// Rounds of which the fastest counts.
const ROUNDS: usize = 60;
/// How many times as many are run with `--check` while a floor is missed: on a busy machine some
/// works may not have had a quiet moment yet.
const MOST_TIMES: usize = 5;
/// How long a round runs each work.
const SLICE: Duration = Duration::from_micros(400);

/// Counts the allocations of this thread.
struct Counting;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.with(|count| count.set(count.get() + 1));
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        COUNT.with(|count| count.set(count.get() + 1));
        // SAFETY: as the caller promises.
        unsafe { System.realloc(place, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A work with what was found of it.
struct Measured {
    name: String,
    work: Work,
    times: u32,
    nanoseconds: f64,
    allocations: u64,
}

impl Measured {
    fn new(name: &str, mut work: Work) -> Self {
        work.run(1);
        let before = COUNT.with(Cell::get);
        work.run(1);
        let allocations = COUNT.with(Cell::get) - before;
        let mut times = 1;
        loop {
            let start = Instant::now();
            work.run(times);
            if start.elapsed() >= SLICE / 2 {
                break;
            }
            times *= 2;
        }
        Self {
            name: name.to_owned(),
            work,
            times: times * 2,
            nanoseconds: f64::INFINITY,
            allocations,
        }
    }

    fn round(&mut self) {
        let start = Instant::now();
        self.work.run(self.times);
        let each = start.elapsed().as_nanos() as f64 / f64::from(self.times);
        self.nanoseconds = self.nanoseconds.min(each);
    }
}

/// A row of the table.
struct Row {
    name: String,
    bytes: usize,
    records: usize,
    floor: Option<Floor>,
    ours: Measured,
    rivals: Vec<Measured>,
}

impl Row {
    fn new(case: Case) -> Self {
        Self {
            name: case.name,
            bytes: case.bytes,
            records: case.records,
            floor: case.floor,
            ours: Measured::new("", case.ours),
            rivals: case
                .rivals
                .into_iter()
                .map(|(name, work)| Measured::new(name, work))
                .collect(),
        }
    }

    fn per_record(&self) -> f64 {
        self.ours.nanoseconds / self.records as f64
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let check = arguments.iter().any(|argument| argument == "--check");
    // Only rows whose name contains it.
    let filter = arguments.iter().find(|argument| !argument.starts_with('-'));
    if arguments.iter().any(|argument| argument == "--profile") {
        profile(filter.map_or("", String::as_str));
        return ExitCode::SUCCESS;
    }
    let mut unit = Measured::new("unit", cases::unit());
    let mut rows: Vec<Row> = cases::all()
        .into_iter()
        .filter(|case| filter.is_none_or(|filter| case.name.contains(filter.as_str())))
        .map(Row::new)
        .collect();
    let times = if check { MOST_TIMES } else { 1 };
    for _ in 0..times {
        for _ in 0..ROUNDS {
            unit.round();
            for row in &mut rows {
                row.ours.round();
                row.rivals.iter_mut().for_each(Measured::round);
            }
        }
        if rows.iter().all(|row| floor(row, &rows, unit.nanoseconds).1) {
            break;
        }
    }
    let missed = print(&rows, unit.nanoseconds);
    match check && missed > 0 {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    }
}

/// Runs ours of the named rows for a second each.
fn profile(filter: &str) {
    for mut case in cases::all() {
        let start = Instant::now();
        while case.name.contains(filter) && start.elapsed() < Duration::from_secs(1) {
            case.ours.run(1000);
        }
    }
}

/// Prints the table and returns how many floors are missed.
fn print(rows: &[Row], unit: f64) -> usize {
    println!(
        "One unit is {unit:.1} ns: `coap_lite::Packet::from_bytes` on the registration of 180 B.\n"
    );
    println!("| work | bytes | ns | MB/s | allocations | units | floor | rivals |");
    println!("|---|--:|--:|--:|--:|--:|--:|---|");
    let mut missed = 0;
    for row in rows {
        let (floor, holds) = floor(row, rows, unit);
        missed += usize::from(!holds);
        println!(
            "| {} | {} | {:.1} | {:.0} | {} | {:.2} | {floor} | {} |",
            row.name,
            row.bytes,
            row.ours.nanoseconds,
            row.bytes as f64 * 1e3 / row.ours.nanoseconds,
            row.ours.allocations,
            row.ours.nanoseconds / unit,
            rivals(row)
        );
    }
    println!();
    match missed {
        0 => println!("Every floor holds."),
        missed => println!("{missed} floors are missed."),
    }
    missed
}

/// The floor of a row as text, and whether it holds. None of ours may allocate.
fn floor(row: &Row, rows: &[Row], unit: f64) -> (String, bool) {
    let (text, holds) = match row.floor {
        None => (String::new(), true),
        Some(Floor::Units(most)) => (format!("{most:.2}"), row.ours.nanoseconds / unit <= most),
        Some(Floor::PerRecord(of, most)) => {
            let Some(other) = rows.iter().find(|row| row.name == of) else {
                return (String::new(), true);
            };
            let factor = row.per_record() / other.per_record();
            let text = format!("{factor:.2} of {most:.1} × Device");
            (text, factor <= most)
        }
    };
    let holds = holds && row.ours.allocations == 0;
    let mark = if holds { "" } else { " **missed**" };
    (text + mark, holds)
}

/// The rivals with their time, allocations, and how many times ours it is.
fn rivals(row: &Row) -> String {
    let one = |rival: &Measured| {
        format!(
            "{} {:.0} ns, {} allocations, × {:.1}",
            rival.name,
            rival.nanoseconds,
            rival.allocations,
            rival.nanoseconds / row.ours.nanoseconds
        )
    };
    row.rivals.iter().map(one).collect::<Vec<_>>().join("; ")
}
