//! Registration, updates, queue mode, and the end.

use serde_json::{Value, json};

use super::super::site::{Direction, SOON, Session, Transport};
use super::{Case, Otherwise, check};

const NO_QUEUE_MODE: &str = "queue mode of Leshan's client is outside these cases";

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("register", "link", register),
        Case::new("update on a changed lifetime", "-", update_lifetime),
        Case::new("update on changed objects", "link", update_objects),
        Case::new("update when the server asks for it", "-", update_trigger),
        Case::new("update by itself", "-", update_by_itself),
        Case::new("de-register", "-", deregister),
        Case::new("queue mode: asleep, and answers when it wakes", "-", queue)
            .queue()
            .only(Direction::OurDevice, Otherwise::Inapplicable(NO_QUEUE_MODE)),
        Case::new("a new address", "-", moved).only(Direction::OurServer, Otherwise::Absent),
    ]
}

pub(super) fn register(s: &mut Session<'_>) -> Result<(), String> {
    let (http, registration) = s.ask("GET", "", None)?;
    let links = registration["objectLinks"].as_array();
    let urls: Vec<&str> = links
        .map(|links| {
            links
                .iter()
                .filter_map(|link| link["url"].as_str())
                .collect()
        })
        .unwrap_or_default();
    let right = http == 200
        && registration["endpoint"] == s.endpoint.as_str()
        && registration["lwM2mVersion"] == "1.1"
        && registration["lifetime"] == 300
        && registration["bindingMode"] == "U"
        && registration["secure"] == json!(s.transport == Transport::Dtls)
        && ["/1/0", "/3/0", "/3303/0", "/3442/0"]
            .iter()
            .all(|url| urls.contains(url))
        && !urls.iter().any(|url| url.starts_with("/0/"));
    check(right, || format!("HTTP {http} {registration}"))?;
    // Its version is not the one that no `ver` means.
    let links = links.map(Vec::as_slice).unwrap_or_default();
    let ver = links.iter().find_map(|link| {
        let url = link["url"].as_str()?;
        let sensor = url == "/3303" || url == "/3303/0";
        sensor.then(|| link["attributes"]["ver"].as_str()).flatten()
    });
    check(ver == Some("1.1"), || {
        format!("3303 has version {ver:?} in {registration}")
    })
}

fn update_lifetime(s: &mut Session<'_>) -> Result<(), String> {
    let mark = s.events.mark();
    let node = json!({"id": 1, "kind": "singleResource", "type": "integer", "value": "120"});
    s.expect("PUT", "1/0/1", Some(&node), "CHANGED(204)")?;
    s.event(mark, "UPDATED", |data| {
        data["registration"]["lifetime"] == 120
    })?;
    Ok(())
}

fn update_objects(s: &mut Session<'_>) -> Result<(), String> {
    let has = |data: &Value, url: &str| {
        let links = data["registration"]["objectLinks"].as_array();
        links.is_some_and(|links| links.iter().any(|link| link["url"] == url))
    };
    let mark = s.events.mark();
    let node = json!({"id": 5, "kind": "instance", "resources": []});
    s.expect("POST", "3442?format=TLV", Some(&node), "CREATED(201)")?;
    let (_, mark) = s.event(mark, "UPDATED", |data| has(data, "/3442/5"))?;
    s.expect("DELETE", "3442/5", None, "DELETED(202)")?;
    s.event(mark, "UPDATED", |data| !has(data, "/3442/5"))?;
    Ok(())
}

fn update_trigger(s: &mut Session<'_>) -> Result<(), String> {
    let mark = s.events.mark();
    s.expect("POST", "1/0/8", None, "CHANGED(204)")?;
    s.event(mark, "UPDATED", |_| true)?;
    Ok(())
}

fn update_by_itself(s: &mut Session<'_>) -> Result<(), String> {
    let mark = s.events.mark();
    s.update()?;
    s.event(mark, "UPDATED", |_| true)?;
    Ok(())
}

fn deregister(s: &mut Session<'_>) -> Result<(), String> {
    let mark = s.events.mark();
    s.stop()?;
    s.event(mark, "DEREGISTRATION", |_| true)?;
    let (http, answer) = s.ask("GET", "", None)?;
    check(http == 404, || {
        format!("it is still there: HTTP {http} {answer}")
    })
}

fn queue(s: &mut Session<'_>) -> Result<(), String> {
    let (_, registration) = s.ask("GET", "", None)?;
    check(registration["queuemode"] == true, || {
        format!("no queue mode in {registration}")
    })?;
    let (_, mark) = s.event(0, "SLEEPING", |_| true)?;
    let (http, answer) = s.ask("GET", "3303/0/5700", None)?;
    check(http == 202, || {
        format!("expected HTTP 202, got {http} {answer}")
    })?;
    s.update()?;
    let (event, _) = s.event(mark, "REQUEST_RESPONSE", |_| true)?;
    let response = &event.data["response"];
    check(response["status"] == "CONTENT(205)", || {
        format!("the answer: {}", event.data)
    })
}

fn moved(s: &mut Session<'_>) -> Result<(), String> {
    let address = |s: &Session<'_>| -> Result<Value, String> {
        Ok(s.ask("GET", "", None)?.1["address"].clone())
    };
    let before = address(s)?;
    let mark = s.events.mark();
    s.tell(&format!("move {}", s.endpoint))?;
    s.update()?;
    let new = s.events.wait(mark, SOON, |event| {
        let registration = match event.name.as_str() {
            "REGISTRATION" => &event.data,
            "UPDATED" => &event.data["registration"],
            _ => return false,
        };
        registration["address"].is_string() && registration["address"] != before
    });
    check(new.is_some(), || format!("it is still known at {before}"))?;
    s.expect("GET", "3303/0/5700", None, "CONTENT(205)")
        .map(drop)
}
