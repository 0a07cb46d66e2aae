//! Times the codecs beside their rivals and keeps the table in `docs/benchmarks.md`.

use crate::command::{capture, cargo};
use crate::document::{self, machine};
use crate::step::{Context, Done, Failure};

/// Where the table stands, and who wrote it.
const DOCUMENT: &str = "docs/benchmarks.md";
const WRITER: &str = "cargo xtask bench";

/// Runs the benchmark, prints its table and stores it.
pub(crate) fn write(context: &Context) -> Result<Done, Failure> {
    let table = measure(context)?;
    let section = format!("{}\n\n{}", machine(context), table.trim_end());
    document::write(context, DOCUMENT, WRITER, &section)?;
    Ok(Done::CheckedWith(format!("wrote {DOCUMENT}")))
}

/// Runs the benchmark, prints its table, and fails if a floor is missed.
pub(crate) fn check(context: &Context) -> Result<Done, Failure> {
    let missed: Vec<String> = measure(context)?
        .lines()
        .filter(|line| line.contains("**missed**"))
        .map(str::to_owned)
        .collect();
    match missed.is_empty() {
        true => Ok(Done::CheckedWith("every floor holds".into())),
        false => Err(Failure(missed.join("\n"))),
    }
}

fn measure(context: &Context) -> Result<String, Failure> {
    let arguments = [
        "bench",
        "--quiet",
        "-p",
        "lwm2m-benches",
        "--bench",
        "table",
    ];
    let table = capture(&mut cargo(context, &arguments))?;
    println!("{}", table.trim_end());
    Ok(table)
}
