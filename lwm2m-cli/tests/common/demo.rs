//! Demonstrations as processes.

use std::{
    process::{Command, Output},
    time::{Duration, Instant},
};

/// Runs a demonstration, which has to end in time.
pub fn run(arguments: &[&str], limit: Duration) -> Output {
    let start = Instant::now();
    let output = Command::new(env!("CARGO_BIN_EXE_lwm2m"))
        .args(arguments)
        .output()
        .unwrap();
    assert!(start.elapsed() < limit, "it took {:?}", start.elapsed());
    output
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Asserts that a demonstration with something broken failed, and returns what it says of it.
pub fn failure(output: &Output, success: &str) -> String {
    let table = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{table}");
    assert!(table.contains("FAILED"), "{table}");
    assert!(!table.contains(success), "{table}");
    text(&output.stderr)
}
