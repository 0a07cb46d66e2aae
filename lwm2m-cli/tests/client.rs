//! `lwm2m client` as a process: its lines, its values, and accounts that survive a restart.

mod common;

use common::{Folder, Process, failure, http::Http};
use serde_json::json;

/// An address where nobody answers: the device keeps trying, and serves its input.
const NOBODY: &str = "coap://127.0.0.1:9";

fn client(arguments: &[&str]) -> Process {
    let own = ["client", "--endpoint", "dev1"];
    Process::start(&own.iter().chain(arguments).copied().collect::<Vec<_>>())
}

#[test]
fn each_line_is_answered_by_what_it_came_to() {
    let mut device = client(&["--server", NOBODY]);
    let mut check = |command: &str, ok: bool, more: Option<(&str, &str)>| {
        let answer = device.tell(command);
        assert_eq!(answer["ok"], ok, "{answer}");
        if let Some((key, text)) = more {
            assert_eq!(answer[key], text);
        }
    };
    check("set /3303/0/5700 22.5", true, None);
    check("get /3303/0/5700", true, Some(("value", "22.5")));
    check("set /3442/0/110 two words", true, None);
    check("get /3442/0/110", true, Some(("value", "two words")));
    check("get /3/0/6/1", true, Some(("value", "5")));
    for (command, error) in [
        (
            "set /3303/0/5700 warm",
            "/3303/0/5700: \"warm\" is not a valid float",
        ),
        (
            "set /3303/9/5700 1",
            "/3303/9/5700: there is nothing at this path",
        ),
        (
            "set /9999/0/1 1",
            "/9999/0/1: the device has no such object",
        ),
        ("set", "expected set PATH VALUE"),
        ("get /3/0/x", "/3/0/x: segment 2 is not an id"),
        ("send /3303/0/5700", "the device is not registered"),
        ("bootstrap", "there is no account of a bootstrap server"),
        (
            "dance",
            "\"dance\" is not a command: set, get, send, collect, send-collected, update, \
             bootstrap, sim or quit",
        ),
        ("sim x.toml", "the device was started without --sim"),
        ("sim", "expected sim FILE, or sim none"),
    ] {
        check(command, false, Some(("error", error)));
    }
    check("quit", true, None);
    assert!(device.ended().success());
}

#[test]
fn values_can_be_set_at_the_start_and_instances_made() {
    let mut device = client(&[
        "--server",
        NOBODY,
        "--set",
        "/3303/0/5700=-4.5",
        "--set",
        "/3442/7/120=7",
    ]);
    assert_eq!(device.tell("get /3303/0/5700")["value"], "-4.5");
    assert_eq!(device.tell("get /3442/7/120")["value"], "7");
}

#[test]
fn a_key_never_leaves_the_device_by_its_lines() {
    let key = "000102030405060708090a0b0c0d0e0f";
    let mut device = client(&["--server", "coaps://127.0.0.1:9", "--psk-key", key]);
    let answer = device.tell("get /0/0/5");
    assert!(!answer.to_string().contains(key), "{answer}");
}

#[test]
fn objects_of_a_folder_can_be_set_and_read() {
    let folder = Folder::new();
    folder.write(
        "lamp.xml",
        r#"<LWM2M><Object ObjectType="MODefinition"><Name>Lamp</Name><ObjectID>42769</ObjectID>
        <ObjectURN>urn:oma:lwm2m:x:42769</ObjectURN><MultipleInstances>Multiple</MultipleInstances>
        <Mandatory>Optional</Mandatory><Resources><Item ID="5851"><Name>Dimmer</Name>
        <Operations>RW</Operations><MultipleInstances>Single</MultipleInstances>
        <Mandatory>Mandatory</Mandatory><Type>Integer</Type>
        <RangeEnumeration>0..100</RangeEnumeration></Item></Resources></Object></LWM2M>"#,
    );
    let lamp = [
        "--server",
        NOBODY,
        "--objects",
        folder.path(),
        "--set",
        "/42769/0/5851=40",
    ];
    let mut device = client(&lamp);
    assert_eq!(device.tell("get /42769/0/5851")["value"], "40");
    let answer = device.tell("set /42769/0/5851 101");
    assert_eq!(answer["error"], "/42769/0/5851: expected 0..100");
}

#[test]
fn what_is_wrong_on_the_command_line_is_named() {
    let start = |more: &[&str]| {
        let own = ["client", "--endpoint", "dev1"];
        failure(&own.iter().chain(more).copied().collect::<Vec<_>>())
    };
    for (more, message) in [
        (
            &["--server", NOBODY, "--set", "/3303/0/5700"][..],
            "expected PATH=VALUE",
        ),
        (
            &["--server", NOBODY, "--set", "/3303/0/5700=x"],
            "\"x\" is not a valid float",
        ),
        (&["--server", "coaps://h"], "a key is needed"),
        (
            &["--server", "coaps://h", "--psk-key", "0x"],
            "the key is not a hexadecimal text",
        ),
        (
            &["--server", NOBODY, "--lwm2m", "1.3"],
            "expected 1.0, 1.1 or 1.2",
        ),
        (&[], "--bootstrap <URI>"),
    ] {
        let (code, error) = start(more);
        assert_eq!(code, 2, "{error}");
        assert!(error.contains(message), "{error}");
    }
    let (code, error) = start(&["--server", "http://h"]);
    assert_eq!(code, 1);
    assert!(
        error.contains("/0/0/0: the scheme is none of coap"),
        "{error}"
    );
}

#[test]
fn the_end_of_the_input_changes_nothing_unless_asked_for() {
    let mut tied = client(&["--server", NOBODY, "--shutdown-on-stdin-eof"]);
    tied.close_input();
    assert!(tied.ended().success());
}

/// The bootstrap server and the server that it gives to devices, both without security.
fn servers(folder: &Folder) -> (Process, String, Process, Http) {
    let (server, addresses) = Process::server(&[]);
    let text = format!(
        "[[endpoint]]\nname = \"dev1\"\n[[endpoint.server]]\nssid = 5\nuri = \"coap://{}\"\n\
         security = \"nosec\"\nlifetime = 120\n",
        addresses.coap.unwrap()
    );
    let file = folder.write("bootstrap.toml", &text);
    let arguments = [
        "bootstrap-server",
        "--coap",
        "127.0.0.1:0",
        "--config",
        &file,
    ];
    let bootstrap = Process::start(&arguments);
    let uri = format!("coap://{}", bootstrap.addresses().coap.unwrap());
    (bootstrap, uri, server, Http::new(addresses.http))
}

#[test]
fn a_device_with_a_file_of_accounts_does_not_bootstrap_again() {
    let folder = Folder::new();
    let (bootstrap, uri, _server, http) = servers(&folder);
    let file = format!("{}/accounts.json", folder.path());
    let arguments = ["--bootstrap", &uri, "--data", &file];

    let mut device = client(&arguments);
    device.line("bootstrap-finished");
    assert_eq!(device.line("registered")["server"], 5);
    assert_eq!(device.tell("set /1/0/1 240")["ok"], true);
    device.line("updated");
    assert_eq!(device.tell("quit")["ok"], true);
    assert!(device.ended().success());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    bootstrap.kill();
    let device = client(&arguments);
    let first = device.any_line().unwrap();
    assert_eq!(first["event"], "registered", "{first}");
    assert_eq!(http.get("/api/clients/dev1").json()["lifetime"], 240);
}

#[test]
fn a_device_that_is_killed_comes_back_with_its_accounts() {
    let folder = Folder::new();
    let (_bootstrap, uri, _server, _http) = servers(&folder);
    let file = format!("{}/accounts.json", folder.path());
    let arguments = ["--bootstrap", &uri, "--data", &file];
    let mut device = client(&arguments);
    device.line("registered");
    // What it answers now, it does after it has stored the accounts.
    device.tell("get /1/0/0");
    device.kill();
    let device = client(&arguments);
    assert_eq!(device.any_line().unwrap()["event"], "registered");
}

#[test]
fn a_broken_file_of_accounts_is_named_and_left_alone() {
    let folder = Folder::new();
    let file = folder.write("accounts.json", "[{\"n\":\"/1/0/1\",");
    let (code, error) = failure(&["client", "--endpoint", "dev1", "--data", &file]);
    assert_eq!(code, 1);
    assert!(error.starts_with(&format!("error: {file}: ")), "{error}");
    assert_eq!(
        std::fs::read_to_string(&file).unwrap(),
        "[{\"n\":\"/1/0/1\","
    );
}

#[test]
fn a_reboot_registers_again_and_a_pushed_firmware_is_installed() {
    let (_server, addresses) = Process::server(&[]);
    let http = Http::new(addresses.http);
    let device = client(&["--server", &format!("coap://{}", addresses.coap.unwrap())]);
    device.line("registered");
    assert_eq!(
        http.send("POST", "/api/clients/dev1/3/0/4", "text/plain", "")
            .json()["status"],
        "CHANGED(204)"
    );
    device.line("reboot");
    device.line("deregistered");
    device.line("registered");

    let package = json!({"id": 0, "kind": "singleResource", "type": "opaque", "value": "c0de"});
    let refused = http
        .send("POST", "/api/clients/dev1/5/0/2", "text/plain", "")
        .json();
    assert_eq!(refused["status"], "METHOD_NOT_ALLOWED(405)");
    let target = "/api/clients/dev1/5/0/0?format=OPAQUE";
    http.send("PUT", target, "application/json", &package.to_string())
        .json();
    device.line("write");
    let state = || http.get("/api/clients/dev1/5/0/3").json()["content"]["value"].clone();
    assert_eq!(state(), "2");
    assert_eq!(
        http.send("POST", "/api/clients/dev1/5/0/2", "text/plain", "")
            .json()["status"],
        "CHANGED(204)"
    );
    device.line("firmware-updated");
    device.line("registered");
    assert_eq!(state(), "0");
    let result = http.get("/api/clients/dev1/5/0/5").json()["content"]["value"].clone();
    assert_eq!(result, "1");
}
