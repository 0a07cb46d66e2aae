//! Chores of the workspace: `cargo xtask <command>`.
//!
//! People and CI use the same commands: `cargo xtask ci` runs every check in order, and each
//! check can be run alone under its own name. `cargo xtask help` lists them.
#![forbid(unsafe_code)]

mod apt;
mod bench;
mod checks;
mod ci;
mod codegen;
mod command;
mod coverage;
mod deny;
mod document;
mod fuzz;
mod interop;
mod msrv;
mod no_std;
mod package;
mod registry_check;
mod size;
mod step;
mod tidy;
mod tools;

use std::process::ExitCode;

use step::{Context, Report, Step};

/// Chores that are not part of `cargo xtask ci`.
const CHORES: &[Step] = &[
    Step {
        name: "codegen",
        about: "writes the core objects from their definitions",
        run: codegen::write,
    },
    Step {
        name: "registry-figures",
        about: "registry-check, and writes what it found to docs/registry.md",
        run: registry_check::run_and_write,
    },
    Step {
        name: "bench",
        about: "times the codecs beside their rivals and writes docs/benchmarks.md",
        run: bench::write,
    },
    Step {
        name: "floors",
        about: "times the codecs, and fails if one is slower than was laid down",
        run: bench::check,
    },
    Step {
        name: "size",
        about: "what each format costs on a Cortex-M4; writes docs/size.md",
        run: size::run,
    },
    Step {
        name: "advisories",
        about: "what deny checks, and security advisories (needs the network)",
        run: deny::advisories,
    },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let name = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        // The usual way to ask for it; CI knows the check by its own name.
        ["codegen", "--check"] => "drift",
        ["bench", "--check"] => "floors",
        ["registry-check", "--write"] => "registry-figures",
        [name, ..] => name,
        [] => "help",
    };
    let context = Context::from_environment();
    match name {
        "help" | "--help" | "-h" => {
            help();
            ExitCode::SUCCESS
        }
        "ci" => ci::run(&context, arguments.iter().any(|option| option == "--full")),
        "fuzz" => fuzz::command(arguments.get(1..).unwrap_or_default(), &context),
        "interop" => interop::command(arguments.get(1..).unwrap_or_default(), &context),
        name => match ci::STEPS
            .iter()
            .chain(ci::FULL)
            .chain(CHORES)
            .find(|step| step.name == name)
        {
            Some(step) => alone(step, &context),
            None => {
                eprintln!("error: no command `{name}`; `cargo xtask help` lists them");
                ExitCode::from(2)
            }
        },
    }
}

/// Runs one step and shows the output of what it runs as it comes.
fn alone(step: &Step, context: &Context) -> ExitCode {
    let report = Report::of(step, context);
    println!("{report}");
    report.exit_code()
}

fn help() {
    println!("cargo xtask ci runs these, in this order; each can be run alone:");
    list(ci::STEPS);
    println!("cargo xtask ci --full adds these:");
    list(ci::FULL);
    println!(
        "Others; codegen and bench only check, given --check, which is \"drift\" and \"floors\"; \
         registry-figures is registry-check --write:"
    );
    list(CHORES);
    println!(
        "\nLWM2M_CI_CACHE names a folder for tools that are kept between runs (default: target).\n\
         With CI or LWM2M_CI=1 set, a tool that can't be had is a failure."
    );
}

fn list(steps: &[Step]) {
    for step in steps {
        println!("  cargo xtask {:<14} {}", step.name, step.about);
    }
}
