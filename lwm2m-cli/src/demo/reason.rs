//! Why a step of the demonstration failed.

use std::{io, time::Duration};

use serde_json::Value;

/// Says why a step failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Reason {
    #[error("{process} ended: {status}{}", tail(.stderr))]
    Died {
        process: &'static str,
        status: String,
        stderr: String,
    },
    #[error("{process} can't be started: {error}")]
    Spawn {
        process: &'static str,
        error: io::Error,
    },
    #[error("nothing came within {} s: {what}", .after.as_secs_f64())]
    Timeout { what: String, after: Duration },
    #[error("{what}: expected {expected}, got {got}")]
    Wrong {
        what: String,
        expected: Value,
        got: Value,
    },
    #[error("the HTTP interface can't be reached: {0}")]
    Http(io::Error),
    #[error("the HTTP interface answered {status}: {text}")]
    HttpStatus { status: u16, text: String },
    #[error("the HTTP interface answered something else than JSON")]
    NotJson,
    #[error("the device says: {0}")]
    Device(String),
    #[error("the bootstrap server says: {0}")]
    Bootstrap(String),
    #[error("{0}")]
    Setup(io::Error),
    #[error("the system has no randomness")]
    Random,
}

fn tail(stderr: &str) -> String {
    if stderr.is_empty() {
        String::new()
    } else {
        format!("; its last words: {stderr}")
    }
}

/// Checks that something is what it must be.
pub(crate) fn expect(what: &str, expected: &Value, got: &Value) -> Result<(), Reason> {
    if expected == got {
        return Ok(());
    }
    let (expected, got) = (expected.clone(), got.clone());
    Err(Reason::Wrong {
        what: what.to_owned(),
        expected,
        got,
    })
}
