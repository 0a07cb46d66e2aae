//! Why a step of the demonstration failed.

use std::{io, time::Duration};

use serde_json::Value;

/// Says why a step failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Reason {
    #[error("the {process} ended: {status}{}", tail(.stderr))]
    Died {
        process: &'static str,
        status: String,
        stderr: String,
    },
    #[error("the {process} can't be started: {error}")]
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

/// Checks that something is what it must be. What is told is the first difference.
pub(crate) fn expect(what: &str, expected: &Value, got: &Value) -> Result<(), Reason> {
    match difference(what.to_owned(), expected, got) {
        None => Ok(()),
        Some((what, expected, got)) => {
            let (expected, got) = (expected.clone(), got.clone());
            Err(Reason::Wrong {
                what,
                expected,
                got,
            })
        }
    }
}

type Difference<'v> = (String, &'v Value, &'v Value);

/// The first place where two values differ.
fn difference<'v>(at: String, expected: &'v Value, got: &'v Value) -> Option<Difference<'v>> {
    match (expected, got) {
        (Value::Array(one), Value::Array(two)) if one.len() == two.len() => {
            let mut pairs = one.iter().zip(two).enumerate();
            pairs.find_map(|(index, (one, two))| difference(format!("{at}[{index}]"), one, two))
        }
        (Value::Object(one), Value::Object(two)) if one.keys().eq(two.keys()) => {
            let mut pairs = one.iter().zip(two.values());
            pairs.find_map(|((key, one), two)| difference(format!("{at}.{key}"), one, two))
        }
        _ => (expected != got).then_some((at, expected, got)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_the_first_difference_is_told() {
        let expected = json!({"a": [{"v": 1}, {"v": 2}], "b": 3});
        let got = json!({"a": [{"v": 1}, {"v": 9}], "b": 4});
        assert!(expect("x", &expected, &expected.clone()).is_ok());
        let error = expect("x", &expected, &got).unwrap_err().to_string();
        assert_eq!(error, "x.a[1].v: expected 2, got 9");
        let error = expect("x", &json!([1]), &json!([1, 2]))
            .unwrap_err()
            .to_string();
        assert_eq!(error, "x: expected [1], got [1,2]");
    }
}
