//! Execute, Create, Delete, Discover, and the composite operations.

use serde_json::{Value, json};

use super::super::site::{Direction, Session};
use super::super::values;
use super::read::NODES;
use super::{Case, Otherwise, check};

/// Formats of the composite operations.
pub(super) const PACKS: [&str; 2] = ["SENML_JSON", "SENML_CBOR"];
const ATOMIC: &str = "Leshan's client has no atomic Write-Composite";

pub(super) fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::new("execute", "-", execute),
        Case::new("execute with arguments", "-", execute_with_arguments),
        Case::new("execute what can't be executed", "-", execute_refused),
    ];
    for format in NODES {
        cases.push(Case::new("create with an instance id", format, move |s| {
            create(s, format, Some(7))
        }));
    }
    cases.extend([
        // In the other formats a value has no path without the instance's id.
        Case::new("create without an instance id", "TLV", |s| {
            create(s, "TLV", None)
        }),
        Case::new("create what exists is refused", "TLV", create_twice),
        Case::new("delete", "-", delete),
        Case::new("delete what may not be deleted", "-", delete_refused),
        Case::new("discover an object", "link", discover_object),
        Case::new("discover an instance", "link", discover_instance),
        Case::new(
            "discover a resource with its attributes",
            "link",
            discover_resource,
        ),
    ]);
    for format in PACKS {
        cases.extend([
            Case::new("read-composite", format, move |s| read_composite(s, format)).with_values(),
            Case::new(
                "read-composite of what is there only in part",
                format,
                move |s| read_partly(s, format),
            )
            .with_values(),
            Case::new("write-composite", format, move |s| {
                write_composite(s, format)
            }),
            Case::new("write-composite: all or nothing", format, move |s| {
                write_atomically(s, format)
            })
            .only(Direction::OurDevice, Otherwise::Inapplicable(ATOMIC)),
        ]);
    }
    cases
}

fn value(s: &Session<'_>, path: &str) -> Result<Value, String> {
    let answer = s.expect("GET", path, None, "CONTENT(205)")?;
    let content = &answer["content"];
    Ok(match content["kind"] == "multiResource" {
        true => content["values"].clone(),
        false => content["value"].clone(),
    })
}

fn has(s: &Session<'_>, path: &str, expected: &Value) -> Result<(), String> {
    let got = value(s, path)?;
    check(got == *expected, || {
        format!("{path}: expected {expected}, got {got}")
    })
}

fn execute(s: &mut Session<'_>) -> Result<(), String> {
    // Clear values.
    s.expect("POST", "3442/0/2", None, "CHANGED(204)")?;
    has(s, "3442/0/120", &json!("0"))?;
    s.expect("POST", "3442/0/0", None, "CHANGED(204)")?;
    has(s, "3442/0/120", &json!("1024"))
}

fn execute_with_arguments(s: &mut Session<'_>) -> Result<(), String> {
    let body = Some(("text/plain", "0='ab',3,5='c'"));
    let (http, answer) = s.ask_raw("POST", "3442/0/3", body)?;
    check(http == 200 && answer["status"] == "CHANGED(204)", || {
        format!("expected CHANGED(204), got HTTP {http} {answer}")
    })?;
    has(s, "3442/0/4", &json!({"0": "ab", "3": "", "5": "c"}))
}

fn execute_refused(s: &mut Session<'_>) -> Result<(), String> {
    s.refused("POST", "3442/0/110", None, "METHOD_NOT_ALLOWED(405)")?;
    s.refused("POST", "3442/9/0", None, "NOT_FOUND(404)")?;
    Ok(())
}

fn instance(id: Option<u16>) -> Value {
    let resources = [110, 120, 1120].into_iter().filter_map(values::of);
    let nodes: Vec<Value> = resources.map(values::Known::node).collect();
    let mut node = json!({"kind": "instance", "resources": nodes});
    if let Some(id) = id {
        node["id"] = json!(id);
    }
    node
}

fn create(s: &Session<'_>, format: &str, id: Option<u16>) -> Result<(), String> {
    let target = format!("3442?format={format}");
    let answer = s.expect("POST", &target, Some(&instance(id)), "CREATED(201)")?;
    let path = match id {
        Some(id) => format!("3442/{id}"),
        None => {
            let location = answer["location"].as_str().unwrap_or_default();
            let path = location.trim_start_matches('/').to_owned();
            check(path.starts_with("3442/"), || {
                format!("no location in {answer}")
            })?;
            path
        }
    };
    for known in [110, 120, 1120].into_iter().filter_map(values::of) {
        let target = format!("{path}/{}", known.id);
        let answer = s.expect("GET", &target, None, "CONTENT(205)")?;
        known.check(&answer["content"])?;
    }
    Ok(())
}

fn create_twice(s: &mut Session<'_>) -> Result<(), String> {
    s.refused(
        "POST",
        "3442?format=TLV",
        Some(&instance(Some(0))),
        "BAD_REQUEST(400)",
    )?;
    Ok(())
}

fn delete(s: &mut Session<'_>) -> Result<(), String> {
    create(s, "TLV", Some(7))?;
    s.expect("DELETE", "3442/7", None, "DELETED(202)")?;
    s.refused("GET", "3442/7", None, "NOT_FOUND(404)")?;
    s.refused("DELETE", "3442/7", None, "NOT_FOUND(404)")?;
    Ok(())
}

fn delete_refused(s: &mut Session<'_>) -> Result<(), String> {
    s.refused("DELETE", "3/0", None, "METHOD_NOT_ALLOWED(405)")?;
    s.refused("DELETE", "0/0", None, "UNAUTHORIZED(401)")?;
    Ok(())
}

/// The links of a Discover by their paths.
fn links(s: &Session<'_>, path: &str) -> Result<Vec<(String, Value)>, String> {
    let answer = s.expect("GET", &format!("{path}/discover"), None, "CONTENT(205)")?;
    let none = Vec::new();
    let links = answer["objectLinks"].as_array().unwrap_or(&none).iter();
    let link = |link: &Value| {
        let url = link["url"].as_str().unwrap_or_default().to_owned();
        (url, link["attributes"].clone())
    };
    Ok(links.map(link).collect())
}

fn with<'l>(links: &'l [(String, Value)], url: &str) -> Result<&'l Value, String> {
    let found = links.iter().find(|(link, _)| link == url);
    found
        .map(|(_, attributes)| attributes)
        .ok_or_else(|| format!("no {url} in {links:?}"))
}

fn discover_object(s: &mut Session<'_>) -> Result<(), String> {
    let links = links(s, "3442")?;
    for url in ["/3442", "/3442/0", "/3442/0/110", "/3442/0/2"] {
        with(&links, url)?;
    }
    Ok(())
}

fn discover_instance(s: &mut Session<'_>) -> Result<(), String> {
    let links = links(s, "3442/0")?;
    check(
        links.iter().all(|(url, _)| url.starts_with("/3442/0")),
        || format!("others, too: {links:?}"),
    )?;
    for url in ["/3442/0", "/3442/0/110", "/3442/0/1110"] {
        with(&links, url)?;
    }
    Ok(())
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::String(text) => text.parse().ok(),
        value => value.as_f64(),
    }
}

fn discover_resource(s: &mut Session<'_>) -> Result<(), String> {
    let target = "3303/0/5700/attributes?pmin=10&pmax=60&gt=30&lt=-5&st=2.5";
    s.expect("PUT", target, None, "CHANGED(204)")?;
    let links = links(s, "3303/0/5700")?;
    let attributes = with(&links, "/3303/0/5700")?;
    for (name, expected) in [
        ("pmin", 10.0),
        ("pmax", 60.0),
        ("gt", 30.0),
        ("lt", -5.0),
        ("st", 2.5),
    ] {
        check(number(&attributes[name]) == Some(expected), || {
            format!("expected {name}={expected}, got {attributes}")
        })?;
    }
    // Without a value it is taken away.
    s.expect("PUT", "3303/0/5700/attributes?pmin", None, "CHANGED(204)")?;
    let links = self::links(s, "3303/0/5700")?;
    let attributes = with(&links, "/3303/0/5700")?;
    check(attributes.get("pmin").is_none(), || {
        format!("pmin stays: {attributes}")
    })
}

fn read_composite(s: &Session<'_>, format: &str) -> Result<(), String> {
    let target = format!(
        "composite?paths=/3442/0/110,/3442/0/1120,/3442/0/1130/1,/3303/0&pathformat={format}&nodeformat={format}"
    );
    let answer = s.expect("GET", &target, None, "CONTENT(205)")?;
    let content = &answer["content"];
    for known in [110, 1120].into_iter().filter_map(values::of) {
        known.check(&content[known.path()])?;
    }
    let instance = &content["/3442/0/1130/1"];
    check(
        values::same("float", &json!("0.001"), &instance["value"]),
        || format!("expected 0.001, got {instance}"),
    )?;
    let sensor = &content["/3303/0"];
    check(sensor["kind"] == "instance", || {
        format!("expected /3303/0, got {content}")
    })
}

fn read_partly(s: &Session<'_>, format: &str) -> Result<(), String> {
    let target = format!(
        "composite?paths=/3442/0/120,/3442/8,/3442/0/2&pathformat={format}&nodeformat={format}"
    );
    let answer = s.expect("GET", &target, None, "CONTENT(205)")?;
    let content = &answer["content"];
    values::of(120).map_or(Ok(()), |known| known.check(&content[known.path()]))?;
    let rest = [&content["/3442/8"], &content["/3442/0/2"]];
    check(rest.iter().all(|node| node.is_null()), || {
        format!("too much: {content}")
    })
}

fn write_composite(s: &Session<'_>, format: &str) -> Result<(), String> {
    let known = [110, 120].into_iter().filter_map(values::of);
    let mut body: serde_json::Map<String, Value> = known
        .clone()
        .map(|known| (known.path(), known.node()))
        .collect();
    let one = json!({"id": 1, "kind": "resourceInstance", "type": "integer", "value": "-8"});
    body.insert("/3442/0/1120/1".into(), one);
    let zone = json!({"id": 14, "kind": "singleResource", "type": "string", "value": "+05:30"});
    body.insert("/3/0/14".into(), zone);
    let target = format!("composite?nodeformat={format}");
    s.expect("PUT", &target, Some(&Value::Object(body)), "CHANGED(204)")?;
    for known in known {
        let answer = s.expect("GET", &known.path()[1..], None, "CONTENT(205)")?;
        known.check(&answer["content"])?;
    }
    let answer = s.expect("GET", "3442/0/1120/1", None, "CONTENT(205)")?;
    check(answer["content"]["value"] == "-8", || {
        format!("expected -8, got {answer}")
    })?;
    has(s, "3/0/14", &json!("+05:30"))
}

fn write_atomically(s: &Session<'_>, format: &str) -> Result<(), String> {
    let before = value(s, "3442/0/120")?;
    let number = json!({"id": 120, "kind": "singleResource", "type": "integer", "value": "77"});
    // Nobody may write the manufacturer.
    let maker = json!({"id": 0, "kind": "singleResource", "type": "string", "value": "me"});
    let body = json!({"/3442/0/120": number, "/3/0/0": maker});
    let target = format!("composite?nodeformat={format}");
    s.refused("PUT", &target, Some(&body), "METHOD_NOT_ALLOWED(405)")?;
    has(s, "3442/0/120", &before)
}
