//! `cargo xtask ci`: all checks in order.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use crate::step::{Context, Report, Step};
use crate::{checks, codegen, deny, interop, msrv, no_std, tidy};

/// The checks: quick ones first, so that a slip is found before anything is compiled.
pub(crate) const STEPS: &[Step] = &[
    Step {
        name: "fmt",
        about: "all Rust files are formatted",
        run: checks::fmt,
    },
    Step {
        name: "tidy",
        about: "the house rules that no compiler checks: dependency direction, purity, paths",
        run: tidy::run,
    },
    Step {
        name: "drift",
        about: "the generated objects are what their definitions give",
        run: codegen::check,
    },
    Step {
        name: "clippy",
        about: "no warning from the compiler or clippy in any target",
        run: checks::clippy,
    },
    Step {
        name: "doc",
        about: "the documentation builds without a warning",
        run: checks::doc,
    },
    Step {
        name: "test",
        about: "all tests pass (skipped if LWM2M_CI_TESTED=1 says that they just did)",
        run: checks::test,
    },
    Step {
        name: "interop",
        about: "libcoap's clients get along with our server and device (cargo xtask interop libcoap)",
        run: interop::run,
    },
    Step {
        name: "leshan",
        about: "our device and server get along with Leshan's (cargo xtask interop leshan)",
        run: interop::run_leshan,
    },
    Step {
        name: "no-std",
        about: "codec, model, coap and the engines build and link without std",
        run: no_std::run,
    },
    Step {
        name: "msrv",
        about: "codec, model, coap and the engines build with the oldest supported compiler",
        run: msrv::run,
    },
    Step {
        name: "deny",
        about: "licences, banned crates and sources of all dependencies (cargo-deny)",
        run: deny::run,
    },
];

/// Runs all steps, also after one failed, and shows a line for each.
pub(crate) fn run(context: &Context) -> ExitCode {
    let context = Context {
        root: context.root.clone(),
        quiet: true,
        ..*context
    };
    let mut failed = Vec::new();
    for step in STEPS {
        announce(step);
        let report = Report::of(step, &context);
        println!("{report}");
        if report.failed() {
            failed.push(step.name);
        }
    }
    if failed.is_empty() {
        println!("ci: all {} steps passed", STEPS.len());
        return ExitCode::SUCCESS;
    }
    println!("ci: failed: {}", failed.join(", "));
    ExitCode::FAILURE
}

/// Shows on a terminal what is running; its result overwrites the line.
fn announce(step: &Step) {
    let mut stdout = std::io::stdout();
    if stdout.is_terminal() {
        // Nothing depends on it: a terminal that is gone shows no progress.
        let _ = write!(stdout, "...     {}\r", step.name).and_then(|()| stdout.flush());
    }
}
