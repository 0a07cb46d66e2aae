//! `lwm2m demo` as a process: it succeeds, and it notices what is broken on purpose.

mod common;

use std::{process::Output, time::Duration};

use common::demo::{self, text};

/// What the demonstration may take at most.
const LIMIT: Duration = Duration::from_secs(10);

fn demo(sabotage: &[&str]) -> Output {
    demo::run(&[&["demo"], sabotage].concat(), LIMIT)
}

/// Runs the demonstration with something broken, and returns what it says of it.
fn broken(sabotage: &str) -> String {
    demo::failure(
        &demo(&["--sabotage", sabotage]),
        "each answer as it must be",
    )
}

#[test]
fn the_demonstration_walks_through_every_operation() {
    let output = demo(&[]);
    let table = text(&output.stdout);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{table}{}",
        text(&output.stderr)
    );
    assert_eq!(text(&output.stderr), "");
    for operation in [
        "Bootstrap-Request",
        "Bootstrap-Discover",
        "Bootstrap-Read",
        "Bootstrap-Delete",
        "Bootstrap-Write",
        "Bootstrap-Finish",
        "Register",
        "Discover",
        "Read",
        "Write",
        "Write (update)",
        "Write (replace)",
        "Write (Block1)",
        "Read (Block2)",
        "Execute",
        "Create",
        "Delete",
        "Write-Attributes",
        "Observe",
        "Notify",
        "Cancel",
        "Read-Composite",
        "Write-Composite",
        "Observe-Composite",
        "Cancel-Composite",
        "Send",
        "Update",
        "De-register",
    ] {
        let row = format!("{operation:<18} ");
        assert!(
            table.lines().any(|line| line.starts_with(&row)),
            "{operation}\n{table}"
        );
    }
    let read_in = |format: &str| {
        table
            .lines()
            .any(|line| line.starts_with("Read ") && line.contains(format))
    };
    for format in [
        "Text",
        "Opaque",
        "CBOR",
        "TLV",
        "OMA JSON",
        "SenML JSON",
        "SenML CBOR",
        "LwM2M CBOR",
    ] {
        assert!(read_in(format), "{format}\n{table}");
    }
    assert!(table.contains("each answer as it must be"));
    assert!(!table.contains('\u{1b}'), "no colours without a terminal");
}

#[test]
fn rows_are_aligned() {
    let output = demo(&[]);
    let table = text(&output.stdout);
    let rows = table
        .lines()
        .filter(|line| line.ends_with(" ms") || line.ends_with("TIME"));
    let widths: Vec<usize> = rows.map(|line| line.chars().count()).collect();
    assert!(widths.len() > 60);
    assert!(widths.iter().all(|width| *width == widths[0]), "{table}");
}

#[test]
fn a_killed_server_is_named_with_the_step() {
    let error = broken("kill=server@Execute");
    assert!(error.contains(", Execute /3442/0/3 "), "{error}");
    assert!(error.contains("the server ended"), "{error}");
}

#[test]
fn a_killed_device_is_named_with_the_step() {
    let error = broken("kill=device@Observe");
    assert!(
        error.contains(", Observe /3303/0/5700 (CBOR): the device ended"),
        "{error}"
    );
}

#[test]
fn a_killed_bootstrap_server_is_named_with_the_step() {
    let error = broken("kill=bootstrap-server@Bootstrap-Request");
    assert!(error.contains("step 1, Bootstrap-Request "), "{error}");
    assert!(error.contains("the bootstrap-server ended"), "{error}");
}

#[test]
fn a_wrong_key_at_the_bootstrap_server_fails_the_first_step() {
    let error = broken("wrong-key=bootstrap-server");
    assert!(error.contains("step 1, Bootstrap-Request "), "{error}");
}

#[test]
fn a_wrong_key_at_the_server_fails_register() {
    let error = broken("wrong-key=server");
    assert!(error.contains(", Register /rd "), "{error}");
}

#[test]
fn an_altered_answer_is_named_with_the_step_and_the_place() {
    let error = broken("alter=Read");
    assert!(
        error.contains(", Read /3/0 (TLV): /3/0.resources[0].value: "),
        "{error}"
    );
    assert!(
        error.contains("expected \"lwm2m\", got \"lwm2m (altered)\""),
        "{error}"
    );
}

#[test]
fn an_altered_registration_notification_or_list_of_links_is_noticed() {
    for (operation, step) in [
        ("Register", ", Register "),
        ("Discover", ", Discover /3 "),
        ("Write", ", Write /3/0/14 "),
        ("Create", ", Create /3303/7 "),
        ("Notify", ", Notify /3303/0/5700 "),
        ("Send", ", Send "),
        ("Read-Composite", ", Read-Composite "),
    ] {
        let error = broken(&format!("alter={operation}"));
        assert!(error.contains(step), "{operation}: {error}");
    }
}

#[test]
fn a_sabotage_that_never_happens_is_an_error() {
    let output = demo(&["--sabotage", "alter=Nothing"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("nothing to sabotage"));
}
