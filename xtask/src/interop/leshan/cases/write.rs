//! Write: replace and update, and a value of 20 kB.

use serde_json::{Value, json};

use super::super::site::Session;
use super::super::values::{self, Known};
use super::read::NODES;
use super::{Case, check};

/// Size of the large value in bytes.
const LARGE: usize = 20_000;

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (format, ids) in [
        ("TEXT", &[110, 120, 125, 130, 140, 150, 160, 170, 180][..]),
        ("OPAQUE", &[150]),
        ("CBOR", &[110, 120, 125, 130, 140, 150, 160, 170, 180]),
    ] {
        cases.push(Case::new(
            "write a resource of each type",
            format,
            move |s| resources(s, format, ids),
        ));
    }
    for format in NODES {
        cases.push(Case::new(
            "write a resource of each type",
            format,
            move |s| {
                let ids: Vec<u16> = values::ALL.iter().map(|known| known.id).collect();
                resources(s, format, &ids)
            },
        ));
        cases.push(Case::new("write an instance: replace", format, move |s| {
            whole(s, format, true)
        }));
        cases.push(Case::new("write an instance: update", format, move |s| {
            whole(s, format, false)
        }));
        cases.push(Case::new(
            "write a multiple resource: update keeps the others",
            format,
            move |s| add_instance(s, format),
        ));
        cases.push(Case::new("write a resource instance", format, move |s| {
            one_instance(s, format)
        }));
    }
    for format in ["OPAQUE", "TLV", "SENML_CBOR"] {
        cases.push(Case::new(
            "20 kB written and read block by block",
            format,
            move |s| large(s, format),
        ));
    }
    cases.push(Case::new("write what may not be written", "-", refused));
    cases
}

fn read(s: &Session<'_>, known: &Known) -> Result<(), String> {
    let target = format!("3442/0/{}", known.id);
    let answer = s.expect("GET", &target, None, "CONTENT(205)")?;
    known.check(&answer["content"])
}

fn resources(s: &Session<'_>, format: &str, ids: &[u16]) -> Result<(), String> {
    for known in ids.iter().filter_map(|id| values::of(*id)) {
        let target = format!("3442/0/{}?format={format}", known.id);
        s.expect("PUT", &target, Some(&known.node()), "CHANGED(204)")?;
        read(s, known)?;
    }
    Ok(())
}

fn whole(s: &Session<'_>, format: &str, replace: bool) -> Result<(), String> {
    let nodes: Vec<Value> = values::ALL.iter().map(Known::node).collect();
    let body = json!({"id": 0, "kind": "instance", "resources": nodes});
    let target = format!("3442/0?format={format}&replace={replace}");
    s.expect("PUT", &target, Some(&body), "CHANGED(204)")?;
    for known in values::ALL {
        read(s, known)?;
    }
    // An update of one resource leaves the others.
    let one = json!({"id": 120, "kind": "singleResource", "type": "integer", "value": "5"});
    let body = json!({"id": 0, "kind": "instance", "resources": [one]});
    let target = format!("3442/0?format={format}&replace=false");
    s.expect("PUT", &target, Some(&body), "CHANGED(204)")?;
    let answer = s.expect("GET", "3442/0/120", None, "CONTENT(205)")?;
    check(answer["content"]["value"] == "5", || {
        format!("expected 5, got {answer}")
    })?;
    values::of(110).map_or(Ok(()), |known| read(s, known))
}

fn add_instance(s: &Session<'_>, format: &str) -> Result<(), String> {
    let node = |values: Value| json!({"id": 1120, "kind": "multiResource", "type": "integer", "values": values});
    let start = node(json!({"0": "1", "1": "2"}));
    let target = format!("3442/0/1120?format={format}");
    s.expect(
        "PUT",
        &format!("{target}&replace=true"),
        Some(&start),
        "CHANGED(204)",
    )?;
    let more = node(json!({"1": "20", "7": "70"}));
    s.expect(
        "PUT",
        &format!("{target}&replace=false"),
        Some(&more),
        "CHANGED(204)",
    )?;
    let answer = s.expect("GET", "3442/0/1120", None, "CONTENT(205)")?;
    let expected = json!({"0": "1", "1": "20", "7": "70"});
    let values = &answer["content"]["values"];
    check(*values == expected, || {
        format!("after the update: expected {expected}, got {values}")
    })?;
    s.expect(
        "PUT",
        &format!("{target}&replace=true"),
        Some(&more),
        "CHANGED(204)",
    )?;
    let answer = s.expect("GET", "3442/0/1120", None, "CONTENT(205)")?;
    let expected = json!({"1": "20", "7": "70"});
    let values = &answer["content"]["values"];
    check(*values == expected, || {
        format!("after replacing: expected {expected}, got {values}")
    })
}

fn one_instance(s: &Session<'_>, format: &str) -> Result<(), String> {
    let start = json!({"id": 1120, "kind": "multiResource", "type": "integer",
        "values": {"0": "1", "1": "2"}});
    s.expect(
        "PUT",
        "3442/0/1120?format=TLV",
        Some(&start),
        "CHANGED(204)",
    )?;
    let one = json!({"id": 1, "kind": "resourceInstance", "type": "integer", "value": "-9"});
    let target = format!("3442/0/1120/1?format={format}");
    s.expect("PUT", &target, Some(&one), "CHANGED(204)")?;
    let answer = s.expect("GET", "3442/0/1120", None, "CONTENT(205)")?;
    let expected = json!({"0": "1", "1": "-9"});
    let values = &answer["content"]["values"];
    check(*values == expected, || {
        format!("expected {expected}, got {values}")
    })
}

fn large(s: &Session<'_>, format: &str) -> Result<(), String> {
    let bytes = (0..LARGE).map(|index| index.wrapping_mul(31) % 251);
    let hex: String = bytes.map(|byte| format!("{byte:02x}")).collect();
    let node = json!({"id": 150, "kind": "singleResource", "type": "opaque", "value": hex});
    let target = format!("3442/0/150?format={format}&timeout=20");
    s.expect("PUT", &target, Some(&node), "CHANGED(204)")?;
    let answer = s.expect("GET", &target, None, "CONTENT(205)")?;
    let value = answer["content"]["value"].as_str().unwrap_or_default();
    check(value == hex, || {
        format!("{} hexadecimal digits came back", value.len())
    })
}

fn refused(s: &mut Session<'_>) -> Result<(), String> {
    let node = json!({"id": 0, "kind": "singleResource", "type": "integer", "value": "7"});
    s.refused("PUT", "1/0/0", Some(&node), "METHOD_NOT_ALLOWED(405)")?;
    let text = json!({"id": 0, "kind": "singleResource", "type": "string", "value": "x"});
    s.refused("PUT", "0/0/0", Some(&text), "UNAUTHORIZED(401)")?;
    let node = json!({"id": 110, "kind": "singleResource", "type": "string", "value": "x"});
    s.refused("PUT", "3442/9/110", Some(&node), "NOT_FOUND(404)")?;
    Ok(())
}
