//! Observe, notification attributes, and Send.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::super::rest::Event;
use super::super::site::{Direction, Session};
use super::super::values;
use super::manage::PACKS;
use super::read::NODES;
use super::{Case, check};

/// What a clock may be off.
const SLACK: Duration = Duration::from_millis(100);
const SENSOR: &str = "/3303/0/5700";

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for format in ["TEXT", "CBOR"].into_iter().chain(NODES) {
        cases.push(Case::new("observe a resource", format, move |s| {
            observe(s, format)
        }));
    }
    for format in NODES {
        cases.push(Case::new("observe an instance", format, move |s| {
            observe_instance(s, format)
        }));
    }
    cases.extend([
        Case::new("cancel by Observe=1", "-", |s| cancel(s, true)),
        Case::new("cancel by Reset", "-", |s| cancel(s, false)),
        Case::new("pmin holds a notification back", "-", pmin),
        Case::new("pmax brings one without a change", "-", pmax),
        Case::new("gt", "-", |s| threshold(s, "gt=30", &["28", "29.5"], "31")),
        Case::new("lt", "-", |s| threshold(s, "lt=5", &["8", "6"], "4.5")),
        Case::new("st", "-", |s| threshold(s, "st=3", &["21", "22.5"], "24")),
        Case::new("write-attributes refused", "-", attributes_refused),
    ]);
    for format in PACKS {
        cases.extend([
            Case::new("observe-composite", format, move |s| composite(s, format)),
            Case::new("cancel observe-composite by Observe=1", format, move |s| {
                cancel_composite(s, format, true)
            }),
            Case::new("cancel observe-composite by Reset", format, move |s| {
                cancel_composite(s, format, false)
            }),
        ]);
    }
    for format in PACKS {
        cases.extend([
            Case::new("send", format, move |s| send(s, format)).with_values(),
            Case::new("send with timestamps", format, move |s| {
                send_with_times(s, format)
            })
            .with_values(),
        ]);
    }
    cases
}

fn start(s: &Session<'_>, path: &str, format: &str) -> Result<(), String> {
    let query = match format {
        "-" => String::new(),
        format => format!("?format={format}"),
    };
    let target = format!("{}/observe{query}", &path[1..]);
    s.expect("POST", &target, None, "CONTENT(205)").map(drop)
}

/// Waits for a notification with a value of the sensor.
fn notified(s: &Session<'_>, mark: usize, value: f64) -> Result<(Event, usize), String> {
    s.event(mark, "NOTIFICATION", |data| {
        data["res"] == SENSOR && number(&data["val"]["value"]) == Some(value)
    })
    .map_err(|error| format!("{error} with {value}"))
}

fn number(value: &Value) -> Option<f64> {
    value.as_str()?.parse().ok()
}

fn observe(s: &Session<'_>, format: &str) -> Result<(), String> {
    s.set(SENSOR, "20.5")?;
    start(s, SENSOR, format)?;
    let mut mark = s.events.mark();
    for value in ["21.5", "-3.25"] {
        s.set(SENSOR, value)?;
        mark = notified(s, mark, value.parse().unwrap_or_default())?.1;
    }
    Ok(())
}

fn observe_instance(s: &Session<'_>, format: &str) -> Result<(), String> {
    start(s, "/3442/0", format)?;
    let mark = s.events.mark();
    s.set("/3442/0/120", "99")?;
    let changed = |data: &Value| {
        let resources = data["val"]["resources"].as_array();
        resources.is_some_and(|all| all.iter().any(|r| r["id"] == 120 && r["value"] == "99"))
    };
    s.event(mark, "NOTIFICATION", changed).map(drop)
}

/// After the cancel a change is followed by silence: the Read that comes back last was sent after
/// what a notification would have been.
fn cancel(s: &Session<'_>, active: bool) -> Result<(), String> {
    s.set(SENSOR, "20.5")?;
    start(s, SENSOR, "-")?;
    let mark = s.events.mark();
    s.set(SENSOR, "21")?;
    let (_, mark) = notified(s, mark, 21.0)?;
    stop(s, &format!("{}/observe", &SENSOR[1..]), active)?;
    s.set(SENSOR, "22")?;
    s.expect("GET", &SENSOR[1..], None, "CONTENT(205)")?;
    s.set(SENSOR, "23")?;
    s.expect("GET", &SENSOR[1..], None, "CONTENT(205)")?;
    silent(s, mark)
}

fn stop(s: &Session<'_>, target: &str, active: bool) -> Result<(), String> {
    let sign = if target.contains('?') { '&' } else { '?' };
    let query = if active {
        format!("{sign}active")
    } else {
        String::new()
    };
    let (http, answer) = s.ask("DELETE", &format!("{target}{query}"), None)?;
    let right = match active {
        true => http == 200 && answer["status"] == "CONTENT(205)",
        false => http == 204,
    };
    check(right, || format!("the cancel: HTTP {http} {answer}"))
}

fn silent(s: &Session<'_>, mark: usize) -> Result<(), String> {
    let came = s
        .events
        .wait(mark, Duration::ZERO, |event| event.name == "NOTIFICATION");
    check(came.is_none(), || {
        format!("notified after the cancel: {came:?}")
    })
}

fn attributes(s: &Session<'_>, attributes: &str) -> Result<(), String> {
    let target = format!("{}/attributes?{attributes}", &SENSOR[1..]);
    s.expect("PUT", &target, None, "CHANGED(204)").map(drop)
}

fn pmin(s: &mut Session<'_>) -> Result<(), String> {
    s.set(SENSOR, "20")?;
    attributes(s, "pmin=2")?;
    start(s, SENSOR, "-")?;
    let (began, mark) = (Instant::now(), s.events.mark());
    s.set(SENSOR, "21")?;
    s.set(SENSOR, "22")?;
    let (event, _) = notified(s, mark, 22.0)?;
    let took = event.at.duration_since(began);
    check(took + SLACK >= Duration::from_secs(2), || {
        format!("it came after {took:?}")
    })?;
    let early = s.events.wait(mark, Duration::ZERO, |event| {
        event.name == "NOTIFICATION" && number(&event.data["val"]["value"]) == Some(21.0)
    });
    check(early.is_none(), || {
        "the value in between was notified, too".into()
    })
}

fn pmax(s: &mut Session<'_>) -> Result<(), String> {
    s.set(SENSOR, "20")?;
    attributes(s, "pmin=0&pmax=2")?;
    start(s, SENSOR, "-")?;
    let (began, mark) = (Instant::now(), s.events.mark());
    let (_, mark) = notified(s, mark, 20.0)?;
    let (event, _) = notified(s, mark, 20.0)?;
    let took = event.at.duration_since(began);
    check(took + SLACK >= Duration::from_secs(3), || {
        format!("two after {took:?}")
    })
}

fn threshold(s: &Session<'_>, attribute: &str, quiet: &[&str], loud: &str) -> Result<(), String> {
    s.set(SENSOR, "20")?;
    attributes(s, attribute)?;
    start(s, SENSOR, "-")?;
    let mark = s.events.mark();
    for value in quiet {
        s.set(SENSOR, value)?;
        s.expect("GET", &SENSOR[1..], None, "CONTENT(205)")?;
    }
    s.set(SENSOR, loud)?;
    let (_, after) = notified(s, mark, loud.parse().unwrap_or_default())?;
    let first = s
        .events
        .wait(mark, Duration::ZERO, |event| event.name == "NOTIFICATION");
    let first = first.map(|(_, mark)| mark);
    check(first == Some(after), || {
        format!("{attribute}: a notification too many")
    })
}

fn attributes_refused(s: &mut Session<'_>) -> Result<(), String> {
    // A threshold needs a number.
    let target = "3442/0/110/attributes?gt=3";
    s.refused("PUT", target, None, "BAD_REQUEST(400)")?;
    if s.site.direction == Direction::OurServer {
        // Leshan's client takes attributes for what is not there.
        return Ok(());
    }
    s.refused("PUT", "3442/8/attributes?pmin=3", None, "NOT_FOUND(404)")
}

fn composite_target(format: &str) -> String {
    format!("composite/observe?paths={SENSOR},/3442/0/120&pathformat={format}&nodeformat={format}")
}

fn composite(s: &Session<'_>, format: &str) -> Result<(), String> {
    s.set(SENSOR, "20")?;
    let answer = s.expect("POST", &composite_target(format), None, "CONTENT(205)")?;
    let content = &answer["content"][SENSOR]["value"];
    check(number(content) == Some(20.0), || {
        format!("expected 20, got {answer}")
    })?;
    let mark = s.events.mark();
    s.set("/3442/0/120", "5")?;
    let (_, mark) = s.event(mark, "NOTIFICATION", |data| {
        data["kind"] == "composite"
            && data["val"]["/3442/0/120"]["value"] == "5"
            && number(&data["val"][SENSOR]["value"]) == Some(20.0)
    })?;
    s.set(SENSOR, "25.5")?;
    s.event(mark, "NOTIFICATION", |data| {
        number(&data["val"][SENSOR]["value"]) == Some(25.5)
    })
    .map(drop)
}

fn cancel_composite(s: &Session<'_>, format: &str, active: bool) -> Result<(), String> {
    composite(s, format)?;
    let mark = s.events.mark();
    stop(s, &composite_target(format), active)?;
    s.set("/3442/0/120", "6")?;
    s.expect("GET", "3442/0/120", None, "CONTENT(205)")?;
    s.set("/3442/0/120", "7")?;
    s.expect("GET", "3442/0/120", None, "CONTENT(205)")?;
    silent(s, mark)
}

fn send(s: &Session<'_>, format: &str) -> Result<(), String> {
    let mark = s.events.mark();
    s.send(format, &["/3442/0/110", "/3442/0/130"])?;
    let (event, _) = s.event(mark, "SEND", |_| true)?;
    for known in [110, 130].into_iter().filter_map(values::of) {
        known.check(&event.data["val"][known.path()])?;
    }
    Ok(())
}

fn send_with_times(s: &Session<'_>, format: &str) -> Result<(), String> {
    let mark = s.events.mark();
    s.send(&format!("{format}@"), &["/3442/0/110", "/3442/0/130"])?;
    let (event, _) = s.event(mark, "SEND", |_| true)?;
    for known in [110, 130].into_iter().filter_map(values::of) {
        known.check(&event.data["val"][known.path()])?;
    }
    let times = event.data["times"].as_array().map_or(0, Vec::len);
    check(times == 2, || {
        format!("expected two times, got {}", json!(event.data["times"]))
    })
}
