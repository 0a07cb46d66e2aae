//! Codec, model, CoAP and engines never touch a socket, a clock, a thread or global randomness.
//!
//! Time, randomness and IO are arguments there: the same code runs in a simulator with virtual
//! time and on a microcontroller.

use super::source::{names, product_code};
use super::{File, Violation};
use crate::no_std::CRATES;

const PURITY: &str = "purity";
const UNSAFE: &str = "unsafe code";

/// Names that code without IO has no use for.
const IMPURE: &[&str] = &[
    "tokio",
    "mio",
    "socket2",
    "async_std",
    "smol",
    "std::net",
    "std::fs",
    "std::io",
    "std::thread",
    "std::process",
    "std::env",
    "std::time",
    "Instant::now",
    "SystemTime",
    "rand::rng",
    "thread_rng",
    "getrandom",
    "OsRng",
    // Names in a group would pass unseen: write one `use` each.
    "std::{",
];

/// Checks the pure crates, and that every product crate forbids unsafe code.
pub(super) fn check(files: &[File]) -> Vec<Violation> {
    let mut found = Vec::new();
    let tests = test_modules(files);
    for file in files {
        let Some((name, rest)) = file.in_product_crate() else {
            continue;
        };
        if matches!(rest, "src/lib.rs" | "src/main.rs") {
            found.extend(forbids_unsafe(file));
        }
        let is_test = tests.iter().any(|test| file.path.starts_with(test));
        if CRATES.contains(&name) && rest.starts_with("src/") && !is_test {
            found.extend(impure_names(file));
            if rest == "src/lib.rs" {
                found.extend(std_is_optional(file));
            }
        }
    }
    found
}

fn impure_names(file: &File) -> Vec<Violation> {
    if !file.path.ends_with(".rs") {
        return Vec::new();
    }
    let (code, _) = product_code(&file.text);
    let mut found = Vec::new();
    for (index, line) in code.lines().enumerate() {
        for name in IMPURE.iter().filter(|name| names(line, name)) {
            let what = format!("names `{name}`; time, randomness and IO are the driver's");
            found.push(Violation::new(file, index + 1, PURITY, what));
        }
    }
    found
}

/// Path prefixes of the files that only tests compile.
fn test_modules(files: &[File]) -> Vec<String> {
    let mut prefixes = Vec::new();
    for file in files.iter().filter(|file| file.path.ends_with(".rs")) {
        let (_, modules) = product_code(&file.text);
        let stem = file.path.trim_end_matches(".rs");
        let folder = match stem.rsplit_once('/') {
            Some((folder, "lib" | "main" | "mod")) => folder,
            _ => stem,
        };
        for module in modules {
            prefixes.push(format!("{folder}/{module}.rs"));
            prefixes.push(format!("{folder}/{module}/"));
        }
    }
    prefixes
}

fn forbids_unsafe(file: &File) -> Option<Violation> {
    let (code, _) = product_code(&file.text);
    let has = code
        .lines()
        .any(|line| line.trim() == "#![forbid(unsafe_code)]");
    (!has).then(|| Violation::new(file, 1, UNSAFE, "lacks `#![forbid(unsafe_code)]`"))
}

/// `#![no_std]` always, and `extern crate std` only under a condition.
fn std_is_optional(file: &File) -> Vec<Violation> {
    let mut found = Vec::new();
    let (code, _) = product_code(&file.text);
    if !code.lines().any(|line| line.trim() == "#![no_std]") {
        found.push(Violation::new(file, 1, PURITY, "lacks `#![no_std]`"));
    }
    let mut before = "";
    for (number, line) in file.lines() {
        let optional = before.starts_with("#[cfg(")
            && (before.contains("feature = \"std\"") || before.contains("(test)"));
        if line.trim().starts_with("extern crate std") && !optional {
            let what = "`extern crate std` without `#[cfg(any(test, feature = \"std\"))]`";
            found.push(Violation::new(file, number, PURITY, what));
        }
        before = line.trim();
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::file;
    use super::*;

    const HEAD: &str = "#![no_std]\n#![forbid(unsafe_code)]\n";

    fn engine(rest: &str) -> Vec<String> {
        let files = [file("lwm2m-client/src/lib.rs", &format!("{HEAD}{rest}"))];
        check(&files).iter().map(Violation::to_string).collect()
    }

    #[test]
    fn a_clock_in_an_engine_is_found_with_its_line() {
        let found = engine("fn f() { Instant::now(); }\n");
        assert_eq!(
            found,
            ["lwm2m-client/src/lib.rs:3: purity: names `Instant::now`; \
              time, randomness and IO are the driver's"]
        );
    }

    #[test]
    fn sockets_threads_files_and_randomness_are_found() {
        for code in [
            "use std::net::UdpSocket;",
            "use std::fs;",
            "std::thread::spawn(f);",
            "rand::rng()",
            "getrandom::fill(x)",
            "rand::thread_rng()",
            "use tokio::net::UdpSocket;",
            "SystemTime::UNIX_EPOCH",
            "use std::{net::UdpSocket};",
        ] {
            assert!(!engine(code).is_empty(), "{code}");
        }
    }

    #[test]
    fn comments_strings_tests_and_own_types_are_no_violation() {
        let code = "/// A driver on tokio.\nuse core::net::SocketAddr;\nconst A: &str = \"tokio\";\n\
                    #[cfg(test)]\nmod tests { use std::thread; }\nfn now() -> Instant {}\n";
        assert_eq!(engine(code), [""; 0]);
    }

    #[test]
    fn a_driver_may_use_sockets() {
        let text = "#![forbid(unsafe_code)]\nuse tokio::net::UdpSocket;";
        assert_eq!(check(&[file("lwm2m-net/src/lib.rs", text)]), []);
    }

    #[test]
    fn a_test_module_in_its_own_file_is_left_out() {
        let files = [
            file(
                "lwm2m-coap/src/lib.rs",
                &format!("{HEAD}#[cfg(test)]\nmod pair;\n"),
            ),
            file("lwm2m-coap/src/pair.rs", "use std::thread;"),
            file("lwm2m-coap/src/pairing.rs", "use std::thread;"),
        ];
        let found = check(&files);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].file, "lwm2m-coap/src/pairing.rs");
    }

    #[test]
    fn every_product_crate_forbids_unsafe_code() {
        let found = check(&[file(
            "lwm2m-cli/src/main.rs",
            "// #![forbid(unsafe_code)]\n",
        )]);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].rule, "unsafe code");
    }

    #[test]
    fn std_is_linked_only_under_a_condition() {
        assert_eq!(engine("extern crate std;\n").len(), 1);
        let optional = "#[cfg(any(test, feature = \"std\"))]\nextern crate std;\n";
        assert_eq!(engine(optional), [""; 0]);
        let text = "#![cfg_attr(not(feature = \"std\"), no_std)]\n#![forbid(unsafe_code)]\n";
        assert_eq!(check(&[file("lwm2m-coap/src/lib.rs", text)]).len(), 1);
    }
}
