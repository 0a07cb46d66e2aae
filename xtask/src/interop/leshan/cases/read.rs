//! Read in every format at every level.

use serde_json::Value;

use super::super::site::Session;
use super::super::values::{self, Known};
use super::{Case, check};

/// Formats of single values, and which resource is read.
const SINGLE: [(&str, &[u16]); 3] = [
    ("TEXT", &[110, 120, 125, 130, 140, 150, 160, 170, 180]),
    ("OPAQUE", &[150]),
    ("CBOR", &[110, 120, 125, 130, 140, 150, 160, 170, 180]),
];
/// Formats of any node.
pub(super) const NODES: [&str; 4] = ["TLV", "SENML_JSON", "SENML_CBOR", "JSON"];

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for format in NODES {
        cases.push(Case::new("read an object", format, move |s| {
            object(s, format)
        }));
        cases.push(Case::new("read an instance", format, move |s| {
            instance(s, format)
        }));
    }
    let everything = NODES.map(|format| {
        let ids: Vec<u16> = values::ALL.iter().map(|known| known.id).collect();
        (format, ids)
    });
    let single = SINGLE.map(|(format, ids)| (format, ids.to_vec()));
    for (format, ids) in single.into_iter().chain(everything) {
        let instances: Vec<u16> = match ids.len() {
            1 => vec![1150],
            _ => values::ALL
                .iter()
                .filter(|k| k.multiple())
                .map(|k| k.id)
                .collect(),
        };
        cases.push(Case::new(
            "read a resource of each type",
            format,
            move |s| resources(s, format, &ids),
        ));
        cases.push(Case::new(
            "read a resource instance of each type",
            format,
            move |s| resource_instances(s, format, &instances),
        ));
    }
    cases.push(Case::new("read without a format", "-", without_format));
    cases.push(Case::new(
        "read what is not there, or may not be read",
        "-",
        refused,
    ));
    cases.into_iter().map(Case::with_values).collect()
}

fn object(s: &Session<'_>, format: &str) -> Result<(), String> {
    let answer = s.expect(
        "GET",
        &format!("3442?format={format}"),
        None,
        "CONTENT(205)",
    )?;
    let content = &answer["content"];
    check(content["kind"] == "obj" && content["id"] == 3442, || {
        format!("expected object 3442, got {content}")
    })?;
    let instance = content["instances"].get(0).unwrap_or(&Value::Null);
    check_instance(instance)
}

fn instance(s: &Session<'_>, format: &str) -> Result<(), String> {
    let target = format!("3442/0?format={format}");
    let answer = s.expect("GET", &target, None, "CONTENT(205)")?;
    check_instance(&answer["content"])
}

fn check_instance(instance: &Value) -> Result<(), String> {
    check(
        instance["kind"] == "instance" && instance["id"] == 0,
        || format!("expected instance 0, got {instance}"),
    )?;
    let none = Vec::new();
    let resources = instance["resources"].as_array().unwrap_or(&none);
    for known in values::ALL {
        let found = resources.iter().find(|node| node["id"] == known.id);
        known.check(found.unwrap_or(&Value::Null))?;
    }
    Ok(())
}

fn known(id: u16) -> Result<&'static Known, String> {
    values::of(id).ok_or(format!("no value for resource {id}"))
}

fn resources(s: &Session<'_>, format: &str, ids: &[u16]) -> Result<(), String> {
    for id in ids {
        let target = format!("3442/0/{id}?format={format}");
        let answer = s.expect("GET", &target, None, "CONTENT(205)")?;
        known(*id)?.check(&answer["content"])?;
    }
    Ok(())
}

fn resource_instances(s: &Session<'_>, format: &str, ids: &[u16]) -> Result<(), String> {
    for id in ids {
        let target = format!("3442/0/{id}/1?format={format}");
        let answer = s.expect("GET", &target, None, "CONTENT(205)")?;
        let (known, content) = (known(*id)?, &answer["content"]);
        let right = values::same(known.kind, &known.json()["1"], &content["value"])
            && content["id"] == 1
            && content["kind"] == "resourceInstance";
        check(right, || {
            format!("expected instance 1 of {}, got {content}", known.node())
        })?;
    }
    Ok(())
}

fn without_format(s: &mut Session<'_>) -> Result<(), String> {
    for id in [110, 1120] {
        let answer = s.expect("GET", &format!("3442/0/{id}"), None, "CONTENT(205)")?;
        known(id)?.check(&answer["content"])?;
    }
    check_instance(&s.expect("GET", "3442/0", None, "CONTENT(205)")?["content"])
}

fn refused(s: &mut Session<'_>) -> Result<(), String> {
    s.refused("GET", "3442/9", None, "NOT_FOUND(404)")?;
    s.refused(
        "GET",
        "3442/0/110?format=OPAQUE",
        None,
        "NOT_ACCEPTABLE(406)",
    )?;
    s.refused("GET", "3442/0/2", None, "METHOD_NOT_ALLOWED(405)")?;
    s.refused("GET", "0/0", None, "UNAUTHORIZED(401)")?;
    Ok(())
}
