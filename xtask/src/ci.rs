//! `cargo xtask ci`: all checks in order.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use crate::step::{Context, Report, Step};
use crate::{
    checks, codegen, coverage, deny, fuzz, interop, msrv, no_std, package, registry_check, tidy,
};

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
        name: "examples",
        about: "the example project outside of the workspace builds, its objects generated",
        run: checks::examples,
    },
    Step {
        name: "registry-check",
        about: "all objects of OMA's registry: read, generated, compiled, through all formats",
        run: registry_check::run,
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
        name: "fuzz",
        about: "no target finds a broken promise within 10 s (cargo xtask fuzz --secs N TARGET…)",
        run: fuzz::run,
    },
    Step {
        name: "no-std",
        about: "codec, model, coap and the engines build and link without std",
        run: no_std::run,
    },
    Step {
        name: "package",
        about: "the codec can be packaged, and used as its README says",
        run: package::run,
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

/// Checks that take too long for each change: `cargo xtask ci --full` adds them.
pub(crate) const FULL: &[Step] = &[Step {
    name: "coverage",
    about: "how many lines of the codec its tests run through; at least 95 %",
    run: coverage::run,
}];

/// Runs all steps, also after one failed, and shows a line for each.
pub(crate) fn run(context: &Context, is_full: bool) -> ExitCode {
    let context = Context {
        root: context.root.clone(),
        quiet: true,
        ..*context
    };
    let mut failed = Vec::new();
    let more = if is_full { FULL } else { &[] };
    for step in STEPS.iter().chain(more) {
        announce(step);
        let report = Report::of(step, &context);
        println!("{report}");
        if report.failed() {
            failed.push(step.name);
        }
    }
    if failed.is_empty() {
        println!("ci: all {} steps passed", STEPS.len() + more.len());
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
