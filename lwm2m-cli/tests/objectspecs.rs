//! `lwm2m server` with a folder of object definitions that changes while it runs.

mod common;

use std::fs;

use common::{Process, device::Device, http::Http};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A lamp whose dimmer is of some type.
fn lamp(version: &str, data_type: &str) -> String {
    format!(
        r#"<LWM2M><Object ObjectType="MODefinition">
            <Name>Lamp</Name><ObjectID>42769</ObjectID>
            <ObjectURN>urn:oma:lwm2m:x:42769:{version}</ObjectURN>
            <ObjectVersion>{version}</ObjectVersion>
            <MultipleInstances>Multiple</MultipleInstances><Mandatory>Optional</Mandatory>
            <Resources><Item ID="5851"><Name>Dimmer</Name><Operations>RW</Operations>
              <MultipleInstances>Single</MultipleInstances><Mandatory>Mandatory</Mandatory>
              <Type>{data_type}</Type>
            </Item></Resources></Object></LWM2M>"#
    )
}

fn put(folder: &TempDir, name: &str, text: &str) -> String {
    let path = folder.path().join(name);
    fs::write(&path, text).expect("a file");
    path.display().to_string()
}

fn server(folder: &TempDir, more: &[&str]) -> (Process, Http, Device) {
    let path = folder.path().display().to_string();
    let (process, addresses) = Process::server(&[&["--objects", &path], more].concat());
    let device = Device::new(addresses.coap);
    (process, Http::new(addresses.http), device)
}

/// Version and type of the device's lamp, as the server understands it now.
fn known(http: &Http) -> Value {
    let all = http.get("/api/objectspecs/lamp").json();
    let all = all.as_array().expect("a list");
    let lamp = all.iter().find(|object| object["id"] == 42769);
    lamp.map_or(Value::Null, |lamp| {
        json!([lamp["version"], lamp["resourcedefs"][0]["type"]])
    })
}

#[test]
fn definitions_are_read_again_on_request_and_versions_live_side_by_side() {
    let folder = TempDir::new().expect("a folder");
    let first = put(&folder, "lamp.xml", &lamp("1.0", "Integer"));
    let (_process, http, mut device) = server(&folder, &[]);
    device.try_register(
        "lamp",
        &["lwm2m=1.1", "lt=60"],
        "</1/0>,</3/0>,</42769>;ver=2.0",
    );
    assert_eq!(
        known(&http),
        Value::Null,
        "a major version that nobody defined"
    );

    let second = put(&folder, "lamp-2.xml", &lamp("2.0", "Float"));
    let broken = put(&folder, "torn.xml", "<LWM2M><Object>");
    let told = http
        .send("POST", "/api/objectspecs", "application/json", "")
        .json();
    assert_eq!(told["read"], json!([second]));
    assert!(
        told["failed"][0]
            .as_str()
            .expect("a reason")
            .starts_with(&broken)
    );
    assert_eq!(known(&http), json!(["2.0", "float"]));

    let all = http.get("/api/objectspecs").json();
    let all = all.as_array().expect("a list").iter();
    let versions: Vec<_> = all
        .filter(|entry| entry["id"] == 42769)
        .map(|entry| entry["version"].clone())
        .collect();
    assert_eq!(versions, ["1.0", "2.0"]);

    fs::remove_file(&first).expect("the file is there");
    let told = http
        .send("POST", "/api/objectspecs", "application/json", "")
        .json();
    assert_eq!(
        (&told["read"], &told["removed"]),
        (&json!([]), &json!([first]))
    );
    assert_eq!(known(&http), json!(["2.0", "float"]));
}

#[test]
fn a_file_that_changes_is_read_without_a_request_if_the_folder_is_watched() {
    let folder = TempDir::new().expect("a folder");
    let (_process, http, mut device) = server(&folder, &["--watch-objects"]);
    let events = http.events("");
    device.try_register("lamp", &["lwm2m=1.1", "lt=60"], "</1/0>,</3/0>,</42769>");
    events.next("REGISTRATION");
    assert_eq!(known(&http), Value::Null);
    let path = put(&folder, "lamp.xml", &lamp("1.0", "Boolean"));
    assert_eq!(events.next("OBJECTSPECS")["read"], json!([path]));
    assert_eq!(known(&http), json!(["1.0", "boolean"]));
}
