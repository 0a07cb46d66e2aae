//! Times the codecs beside their rivals and keeps the table in `docs/benchmarks.md`.

use crate::command::{capture, cargo, program};
use crate::document::{self, machine};
use crate::step::{Context, Done, Failure};

/// Where the table stands, and who wrote it.
const DOCUMENT: &str = "docs/benchmarks.md";
const WRITER: &str = "cargo xtask bench";

/// Runs the benchmark, prints its table and stores it.
pub(crate) fn write(context: &Context) -> Result<Done, Failure> {
    let table = measure(context, false)?;
    print_instructions(context)?;
    let section = format!("{}\n\n{}", machine(context), table.trim_end());
    document::write(context, DOCUMENT, WRITER, &section)?;
    Ok(Done::CheckedWith(format!("wrote {DOCUMENT}")))
}

/// Runs the benchmark, prints its table, and fails if a floor is missed.
pub(crate) fn check(context: &Context) -> Result<Done, Failure> {
    let missed: Vec<String> = measure(context, true)?
        .lines()
        .filter(|line| line.contains("**missed**"))
        .map(str::to_owned)
        .collect();
    match missed.is_empty() {
        true => Ok(Done::CheckedWith("every floor holds".into())),
        false => Err(Failure(missed.join("\n"))),
    }
}

fn measure(context: &Context, check: bool) -> Result<String, Failure> {
    let mut command = cargo(context, &["bench", "--quiet", "-p", "lwm2m-benches"]);
    command.args(["--bench", "table"]);
    if check {
        command.args(["--", "--check"]);
    }
    // Its exit code says only that a floor is missed, which the table tells as well.
    let output = command.stderr(std::process::Stdio::inherit()).output();
    let output = output.map_err(|error| Failure(format!("cargo bench: {error}")))?;
    let table = String::from_utf8_lossy(&output.stdout).into_owned();
    if !table.contains("One unit is") {
        return Err(Failure("the benchmark printed no table".into()));
    }
    println!("{}", table.trim_end());
    Ok(table)
}

/// Prints how many instructions the works with a floor take, if the tools to count them are
/// there.
fn print_instructions(context: &Context) -> Result<(), Failure> {
    for tool in ["valgrind", "gungraun-runner"] {
        if capture(&mut program(context, tool, &["--version"])).is_err() {
            println!("\nInstructions are not counted: there is no {tool}.");
            return Ok(());
        }
    }
    let mut command = cargo(context, &["bench", "--quiet", "-p", "lwm2m-benches"]);
    command.args(["--features", "instructions", "--bench", "instructions"]);
    println!("\n{}", capture(&mut command)?.trim_end());
    Ok(())
}
