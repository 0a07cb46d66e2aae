//! `lwm2m client`: accounts of the factory, packs, and what a bootstrap leaves on the disk.

mod common;

use common::{Folder, Process, failure, http::Http};
use serde_json::{Value, json};

const LOCAL: &str = "127.0.0.1:0";

/// A bootstrap server that sends devices to a server without security.
fn bootstrap_server(folder: &Folder, coap: &str, delete: &str) -> (Process, String) {
    let text = format!(
        "[[endpoint]]\nname = '*'\ndelete = [{delete}]\n[[endpoint.server]]\nssid = 7\n\
         uri = 'coap://{coap}'\nsecurity = 'nosec'\nlifetime = 300\n"
    );
    let config = folder.write("bootstrap.toml", &text);
    let process = Process::start(&["bootstrap-server", "--coap", LOCAL, "--config", &config]);
    let uri = format!("coap://{}", process.addresses().coap.unwrap());
    (process, uri)
}

fn client(arguments: &[&str]) -> Process {
    let mut all = vec!["client", "--endpoint", "dev"];
    all.extend(arguments);
    Process::start(&all)
}

#[test]
fn a_device_with_a_factory_file_registers_with_the_server_in_it() {
    let (server, addresses) = Process::server(&[]);
    let folder = Folder::new();
    let text = format!(
        "[[server]]\nssid = 4\nuri = 'coap://{}'\nsecurity = 'nosec'\nlifetime = 120\n\
         [[write]]\npath = '/3/0/14'\nvalue = '+05:00'\n",
        addresses.coap.unwrap()
    );
    let _device = client(&["--factory", &folder.write("factory.toml", &text)]);
    assert_eq!(server.line("registered")["endpoint"], "dev");
    let http = Http::new(addresses.http);
    assert_eq!(http.get("/api/clients/dev").json()["lifetime"], 120);
    let offset = http.get("/api/clients/dev/3/0/14?timeout=20").json();
    assert_eq!(offset["content"]["value"], "+05:00");
}

#[test]
fn a_pack_of_the_factory_leads_to_the_bootstrap_server() {
    let (server, addresses) = Process::server(&[]);
    let folder = Folder::new();
    let coap = addresses.coap.unwrap().to_string();
    let (bootstrap, uri) = bootstrap_server(&folder, &coap, "'/0', '/1'");
    let pack = json!([
        {"bn": "/0/0/", "n": "0", "vs": uri}, {"n": "1", "vb": true}, {"n": "2", "v": 3},
    ]);
    let pack = folder.write("factory.json", &pack.to_string());
    let _device = client(&["--factory", &pack, "--bootstrap-pack"]);
    assert_eq!(bootstrap.line("packed")["endpoint"], "dev");
    assert_eq!(server.line("registered")["endpoint"], "dev");
}

#[test]
fn a_server_that_gives_no_pack_gets_a_bootstrap_request_and_the_device_says_why() {
    let (server, addresses) = Process::server(&[]);
    let folder = Folder::new();
    let coap = addresses.coap.unwrap().to_string();
    // A pack can't say what leaves the other instances alone.
    let (_bootstrap, uri) = bootstrap_server(&folder, &coap, "");
    let device = client(&["--bootstrap", &uri, "--bootstrap-pack"]);
    let reason = device.line("bootstrap-pack-failed")["reason"].clone();
    assert_eq!(
        reason,
        "the server answered 4.05 Method Not Allowed: this provision needs the plain sequence"
    );
    assert_eq!(server.line("registered")["endpoint"], "dev");
}

#[test]
fn what_a_bootstrap_server_is_told_to_be_there_is_on_the_disk() {
    let (_server, addresses) = Process::server(&[]);
    let folder = Folder::new();
    let coap = addresses.coap.unwrap().to_string();
    let (bootstrap, uri) = bootstrap_server(&folder, &coap, "'/0', '/1'");
    let file = format!("{}/accounts.json", folder.path());
    let device = client(&["--bootstrap", &uri, "--data", &file]);
    assert_eq!(bootstrap.line("finished")["endpoint"], "dev");
    // The power goes right behind the answer to the Finish.
    device.kill();
    let text = std::fs::read_to_string(&file).unwrap();
    let pack: Vec<Value> = serde_json::from_str(&text).unwrap();
    let uris: Vec<&Value> = pack.iter().filter_map(|record| record.get("vs")).collect();
    assert!(uris.contains(&&json!(format!("coap://{coap}"))), "{text}");
}

#[cfg(unix)]
#[test]
fn accounts_that_can_not_be_stored_are_not_taken_and_both_sides_say_so() {
    let (_server, addresses) = Process::server(&[]);
    let folder = Folder::new();
    let coap = addresses.coap.unwrap().to_string();
    let (bootstrap, uri) = bootstrap_server(&folder, &coap, "'/0', '/1'");
    let file = format!("{}/nowhere/accounts.json", folder.path());
    let device = client(&["--bootstrap", &uri, "--data", &file]);
    let failed = device.line("bootstrap-failed");
    assert_eq!(failed["step"], "storing the accounts");
    assert_eq!(failed["reason"], "the accounts could not be stored");
    let failed = bootstrap.line("failed");
    assert_eq!(failed["operation"], "finish");
    let reason = failed["reason"].as_str().unwrap();
    assert!(reason.contains("5.00"), "{reason}");
}

#[test]
fn a_factory_file_that_is_wrong_is_named() {
    let folder = Folder::new();
    let error = |name: &str, text: &str| {
        let file = folder.write(name, text);
        let (code, error) = failure(&["client", "--endpoint", "dev", "--factory", &file]);
        assert_eq!(code, 2, "{error}");
        error.replace(&file, "FILE").trim().to_owned()
    };
    let half = "[[server]]\nssid = 4\nuri = 'coap://h:x'\nsecurity = 'nosec'\n";
    assert_eq!(
        error("a.toml", half),
        "error: FILE: line 3, column 7: the port is not a number of 1 to 65535"
    );
    let empty = error("b.toml", "");
    assert!(
        empty.ends_with("error: FILE: /1: there is no server account"),
        "{empty}"
    );
    assert!(error("c.cbor", "x").starts_with("error: FILE: "));
    assert_eq!(
        error("d.txt", ""),
        "error: FILE: expected a name that ends in .toml, .cbor or .json"
    );
}
