//! `lwm2m demo --cellular` as a process: it succeeds, and it notices what is broken on purpose.

mod common;

use std::{process::Output, time::Duration};

use common::demo::{self, text};

/// What the demonstration may take at most.
const LIMIT: Duration = Duration::from_secs(20);

fn demo(sabotage: &[&str]) -> Output {
    demo::run(&[&["demo", "--cellular"], sabotage].concat(), LIMIT)
}

/// Runs the demonstration with something broken, and returns what it says of it.
fn broken(sabotage: &str) -> String {
    demo::failure(
        &demo(&["--sabotage-cellular", sabotage]),
        "each as it must be",
    )
}

#[test]
fn the_device_moves_from_one_operator_to_the_other_with_its_sim() {
    let output = demo(&[]);
    let table = text(&output.stdout);
    let errors = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{table}{errors}");
    let first_words = table.lines().map(|line| line.split("  ").next().unwrap());
    let steps: Vec<&str> = first_words.map(str::trim).collect();
    let story = [
        "Insert SIM",
        "Find server",
        "Bootstrap",
        "Register",
        "Swap SIM",
        "Find server",
        "De-register",
        "Bootstrap",
        "Register",
        "Remove SIM",
        "De-register",
        "Quit",
    ];
    let mut rest = steps.iter();
    for step in story {
        assert!(rest.any(|row| *row == step), "{step}\n{table}");
    }
    assert!(table.contains("each as it must be"), "{table}");
}

#[test]
fn a_sim_with_another_key_fails_the_bootstrap() {
    let error = broken("wrong-k");
    assert!(error.contains("step 3, Bootstrap "), "{error}");
    assert!(error.contains("TLS alert"), "{error}");
}

#[test]
fn an_operator_that_the_dns_does_not_know_is_not_found() {
    let error = broken("missing-dns");
    assert!(error.contains(", Find server _lwm2m-bs._udp"), "{error}");
    assert!(error.contains("what the device found"), "{error}");
}

#[test]
fn the_endpoint_name_of_another_subscriber_is_refused() {
    let error = broken("other-subscriber");
    assert!(error.contains("step 3, Bootstrap "), "{error}");
    let reason = "the endpoint name does not belong to the device's identity";
    assert!(error.contains(reason), "{error}");
}
