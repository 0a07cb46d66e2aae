//! Dependencies run one way, and the engines depend on no runtime.
//!
//! cli → net → {client, server, bootstrap} → {coap, model} → codec, where → means "depends on".

use super::{File, Violation};
use crate::no_std::CRATES;

const DIRECTION: &str = "dependency direction";
const RUNTIME: &str = "dependency of a pure crate";

/// The product crates and what each may depend on. Test dependencies are free.
const ALLOWED: &[(&str, &[&str])] = &[
    ("lwm2m-codec", &[]),
    ("lwm2m-model", &["lwm2m-codec"]),
    ("lwm2m-coap", &["lwm2m-codec"]),
    (
        "lwm2m-bootstrap",
        &["lwm2m-codec", "lwm2m-coap", "lwm2m-model"],
    ),
    (
        "lwm2m-client",
        &[
            "lwm2m-codec",
            "lwm2m-coap",
            "lwm2m-model",
            "lwm2m-bootstrap",
        ],
    ),
    (
        "lwm2m-server",
        &["lwm2m-codec", "lwm2m-coap", "lwm2m-model"],
    ),
    ("lwm2m-build", &["lwm2m-codec", "lwm2m-model"]),
    (
        "lwm2m-net",
        &[
            "lwm2m-codec",
            "lwm2m-coap",
            "lwm2m-model",
            "lwm2m-bootstrap",
            "lwm2m-client",
            "lwm2m-server",
        ],
    ),
    (
        "lwm2m-cli",
        &[
            "lwm2m-codec",
            "lwm2m-coap",
            "lwm2m-model",
            "lwm2m-bootstrap",
            "lwm2m-client",
            "lwm2m-server",
            "lwm2m-build",
            "lwm2m-net",
        ],
    ),
];

/// Crates that bring a runtime, sockets or the system's randomness.
const RUNTIMES: &[&str] = &[
    "tokio",
    "mio",
    "socket2",
    "async-std",
    "smol",
    "rand",
    "getrandom",
];

/// Features that make a harmless crate ask the system for randomness.
const RANDOMNESS: &[&str] = &["\"os_rng\"", "\"getrandom\"", "\"thread_rng\""];

/// Checks the manifest of each product crate.
pub(super) fn check(files: &[File]) -> Vec<Violation> {
    let mut found = Vec::new();
    for file in files {
        if let Some((name, "Cargo.toml")) = file.in_product_crate() {
            for dependency in dependencies(file) {
                found.extend(direction(file, name, &dependency));
                found.extend(runtime(file, name, &dependency));
            }
        }
    }
    found
}

/// An entry of a manifest's dependency tables.
#[derive(Debug, PartialEq, Eq)]
struct Dependency {
    line: usize,
    name: String,
    /// True for an entry under `[dev-dependencies]`.
    test_only: bool,
    /// The rest of the line; empty for a table of its own.
    entry: String,
}

/// Reads the dependency tables: `name = …`, `name.workspace = true` and `[dependencies.name]`.
fn dependencies(file: &File) -> Vec<Dependency> {
    let mut found = Vec::new();
    let mut table = None;
    for (line, text) in file.lines() {
        let text = text.trim();
        if let Some(header) = text.strip_prefix('[') {
            table = dependency_table(header.trim_end_matches(']'));
            if let Some((test_only, Some(name))) = &table {
                found.push(Dependency {
                    line,
                    name: name.clone(),
                    test_only: *test_only,
                    entry: String::new(),
                });
            }
        } else if let (Some((test_only, None)), Some((key, entry))) = (&table, text.split_once('='))
        {
            let key = key.trim().trim_matches('"');
            let key = key.split('.').next().unwrap_or(key);
            if !key.starts_with('#') {
                found.push(Dependency {
                    line,
                    name: renamed(entry).unwrap_or(key).to_owned(),
                    test_only: *test_only,
                    entry: entry.to_owned(),
                });
            }
        }
    }
    found
}

/// Whether a table holds dependencies: for tests only, and the name if it is one entry's own.
fn dependency_table(header: &str) -> Option<(bool, Option<String>)> {
    let kinds = ["dev-dependencies", "build-dependencies", "dependencies"];
    let kind = kinds.iter().find(|kind| {
        header.split_once(**kind).is_some_and(|(before, after)| {
            (before.is_empty() || before.ends_with('.'))
                && (after.is_empty() || after.starts_with('.'))
        })
    })?;
    let (_, after) = header.split_once(*kind)?;
    let name = after
        .strip_prefix('.')
        .map(|name| name.trim_matches('"').to_owned());
    Some((*kind == "dev-dependencies", name))
}

/// The real name in `x = { package = "name", … }`.
fn renamed(entry: &str) -> Option<&str> {
    let (_, after) = entry.split_once("package")?;
    after.trim_start().strip_prefix('=')?.split('"').nth(1)
}

fn direction(file: &File, name: &str, dependency: &Dependency) -> Option<Violation> {
    let of_ours =
        dependency.name.starts_with("lwm2m-") || matches!(dependency.name.as_str(), "xtask");
    if dependency.test_only || !of_ours {
        return None;
    }
    let what = match ALLOWED.iter().find(|(from, _)| *from == name) {
        Some((_, allowed)) if allowed.contains(&dependency.name.as_str()) => return None,
        Some(_) => format!("{name} must not depend on {}", dependency.name),
        None => format!("{name} has no row in xtask's table of allowed dependencies"),
    };
    Some(Violation::new(file, dependency.line, DIRECTION, what))
}

fn runtime(file: &File, name: &str, dependency: &Dependency) -> Option<Violation> {
    if !CRATES.contains(&name) {
        return None;
    }
    let Dependency {
        name: other, entry, ..
    } = dependency;
    if RUNTIMES.contains(&other.as_str()) {
        let what = format!("{name} must do without {other}, in tests too");
        return Some(Violation::new(file, dependency.line, RUNTIME, what));
    }
    let feature = RANDOMNESS
        .iter()
        .find(|feature| entry.contains(**feature))?;
    let what = format!("{name} must not enable {feature} of {other}: seeds are arguments");
    Some(Violation::new(file, dependency.line, RUNTIME, what))
}

#[cfg(test)]
mod tests {
    use super::super::file;
    use super::*;

    fn found(name: &str, manifest: &str) -> Vec<String> {
        let files = [file(&format!("{name}/Cargo.toml"), manifest)];
        check(&files).iter().map(Violation::to_string).collect()
    }

    #[test]
    fn an_edge_against_the_direction_is_found_with_its_line() {
        let manifest =
            "[package]\nname = \"lwm2m-codec\"\n\n[dependencies]\nlwm2m-coap.workspace = true\n";
        assert_eq!(
            found("lwm2m-codec", manifest),
            ["lwm2m-codec/Cargo.toml:5: dependency direction: \
              lwm2m-codec must not depend on lwm2m-coap"]
        );
    }

    #[test]
    fn a_client_may_use_bootstrap_but_a_server_may_not() {
        let manifest = "[dependencies]\nlwm2m-bootstrap = { workspace = true }\n";
        assert_eq!(found("lwm2m-client", manifest), [""; 0]);
        assert_eq!(found("lwm2m-server", manifest).len(), 1);
    }

    #[test]
    fn tables_of_every_kind_are_read() {
        for manifest in [
            "[dependencies.lwm2m-net]\nversion = \"1\"\n",
            "[target.'cfg(unix)'.dependencies]\nlwm2m-net = \"1\"\n",
            "[build-dependencies]\n\"lwm2m-net\" = \"1\"\n",
            "[dependencies]\nnet = { package = \"lwm2m-net\", version = \"1\" }\n",
        ] {
            assert_eq!(found("lwm2m-model", manifest).len(), 1, "{manifest}");
        }
    }

    #[test]
    fn features_and_test_dependencies_make_no_edge() {
        let manifest = "[features]\nstd = [\"lwm2m-net/std\"]\nlwm2m-net = []\n\
                        [dev-dependencies]\nlwm2m-server.workspace = true\n\
                        [lints]\nworkspace = true\n# lwm2m-net = 1\n";
        assert_eq!(found("lwm2m-client", manifest), [""; 0]);
    }

    #[test]
    fn a_runtime_in_an_engine_is_found_in_tests_too() {
        let manifest = "[dev-dependencies]\ntokio = \"1\"\n";
        assert_eq!(found("lwm2m-server", manifest).len(), 1);
        assert_eq!(found("lwm2m-net", manifest), [""; 0]);
    }

    #[test]
    fn randomness_of_the_system_is_found_in_features() {
        let manifest =
            "[dependencies]\nrand_core = { version = \"0.9\", features = [\"os_rng\"] }\n";
        assert_eq!(found("lwm2m-coap", manifest).len(), 1);
        assert_eq!(
            found("lwm2m-coap", "[dependencies]\nrand_core.workspace = true\n"),
            [""; 0]
        );
    }

    #[test]
    fn a_crate_that_the_table_does_not_know_is_found() {
        let manifest = "[dependencies]\nlwm2m-codec.workspace = true\n";
        assert_eq!(found("lwm2m-dtls", manifest).len(), 1);
    }
}
