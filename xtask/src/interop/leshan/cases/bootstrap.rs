//! Bootstrap by the other side's bootstrap server, then registration.

use super::super::boot::{Account, BootServer};
use super::super::site::{Session, Start};
use super::{Case, check, lifecycle};

/// Lifetimes in seconds: at first, and what the second bootstrap changes it to.
const LIFETIMES: [u32; 2] = [300, 240];

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("bootstrap, then register", "-", |s| start(s).map(drop)).later(),
        Case::new("bootstrap again on 1/x/9, incremental", "-", again).later(),
    ]
}

/// Everything is deleted, and all is written.
fn start(s: &mut Session<'_>) -> Result<BootServer, String> {
    let server = BootServer::start(s, LIFETIMES[0])?;
    let done = s.start_device(&["--bootstrap", server.uri()], Start::default());
    done.map_err(|error| format!("{error}\n{}", server.story()))?;
    let steps = server.steps(0);
    let deleted = steps.iter().any(|(operation, _)| operation == "delete");
    check(deleted, || format!("nothing was deleted: {steps:?}"))?;
    lifecycle::register(s)?;
    Ok(server)
}

/// The device is told to bootstrap again: only the lifetime differs from what it has.
fn again(s: &mut Session<'_>) -> Result<(), String> {
    let server = start(s)?;
    let (mark, done) = (s.events.mark(), server.steps(0).len());
    server.change(s, Account::Incremental(LIFETIMES[1]))?;
    s.expect("POST", "1/0/9", None, "CHANGED(204)")?;
    let known = s.lifetime_becomes(mark, LIFETIMES[1]);
    known.map_err(|error| format!("{error}\n{}", server.story()))?;
    let answer = s.expect("GET", "1/0/1", None, "CONTENT(205)")?;
    let lifetime = &answer["content"]["value"];
    check(*lifetime == LIFETIMES[1].to_string().as_str(), || {
        format!("/1/0/1 is {lifetime}")
    })?;
    let steps = server.steps(done);
    let of = |name: &str| steps.iter().any(|(operation, _)| operation == name);
    check(of("discover") && of("write") && !of("delete"), || {
        format!("expected a Discover, a Write and no Delete: {steps:?}")
    })
}
