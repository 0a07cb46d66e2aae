//! `lwm2m server --data`: what survives a restart, also one without warning.

mod common;

use common::{Folder, Process, device::Device, http::Http};
use lwm2m_codec::coap::{Code, MessageType, OptionNumber};
use serde_json::{Value, json};

const TEXT: (OptionNumber, &[u8]) = (OptionNumber::CONTENT_FORMAT, &[]);
const OBSERVE: (OptionNumber, &[u8]) = (OptionNumber::OBSERVE, &[1]);

#[test]
fn a_server_killed_after_a_2_01_knows_the_registration_and_its_observation() {
    let folder = Folder::new();
    let data = ["--data", folder.path()];
    let (process, addresses) = Process::server(&data);
    let http = Http::new(addresses.http);
    let mut device = Device::new(addresses.coap);
    device.register("dev", &["x-color=red"]);
    let path = "/api/clients/dev/3303/0/5700/observe";
    let reply = http.begin("POST", path, &Value::Null);
    let asked = device.play(
        (Code::GET, "/3303/0/5700"),
        Code::CONTENT,
        &[OBSERVE, TEXT],
        b"20",
    );
    assert_eq!(reply.join().unwrap().status, 200);
    let mut other = Device::new(addresses.coap);
    // The observation is stored before the answer to this Register, and this right before the end.
    other.register("other", &[]);
    process.kill();

    let (_process, addresses) = Process::server(&data);
    let http = Http::new(addresses.http);
    let events = http.events("?ep=dev");
    device.reconnect(addresses.coap);
    other.reconnect(addresses.coap);
    assert_eq!(
        device.notify(asked.token, 2, "21.5"),
        MessageType::Acknowledgement
    );
    let event = events.next("NOTIFICATION");
    assert_eq!(
        (&event["ep"], &event["val"]["value"]),
        (&json!("dev"), &json!("21.5"))
    );
    assert_eq!(device.update(), Code::CHANGED);
    assert_eq!(other.update(), Code::CHANGED);
    let json = http.get("/api/clients/dev").json();
    assert_eq!(json["registrationId"], device.location);
    assert_eq!(json["lifetime"], 300);
    assert_eq!(
        json["availableInstances"],
        json!({"1": [0], "3": [0], "3303": [0]})
    );
    assert_eq!(
        json["additionalRegistrationAttributes"],
        json!({"x-color": "red"})
    );
    // It can be reached again, too.
    let reply = http.begin("GET", "/api/clients/dev/3/0/9", &Value::Null);
    device.play((Code::GET, "/3/0/9"), Code::CONTENT, &[TEXT], b"50");
    assert_eq!(reply.join().unwrap().json()["content"]["value"], "50");
}

#[test]
fn what_ended_before_a_restart_stays_ended() {
    let folder = Folder::new();
    let data = ["--data", folder.path()];
    let (process, addresses) = Process::server(&data);
    let mut device = Device::new(addresses.coap);
    device.register("gone", &[]);
    assert_eq!(device.deregister(), Code::DELETED);
    let mut stays = Device::new(addresses.coap);
    stays.register("stays", &[]);
    process.kill();
    let (_process, addresses) = Process::server(&data);
    device.reconnect(addresses.coap);
    assert_eq!(device.update(), Code::NOT_FOUND);
    let list = Http::new(addresses.http).get("/api/clients").json();
    assert_eq!(list[0]["endpoint"], "stays");
    assert_eq!(list.as_array().unwrap().len(), 1);
}

#[test]
fn a_server_without_data_forgets() {
    let (process, addresses) = Process::server(&[]);
    let mut device = Device::new(addresses.coap);
    device.register("dev", &[]);
    process.kill();
    let (_process, addresses) = Process::server(&[]);
    device.reconnect(addresses.coap);
    assert_eq!(device.update(), Code::NOT_FOUND);
}

#[test]
fn keys_set_over_http_survive_and_can_be_removed() {
    let folder = Folder::new();
    let arguments = ["--data", folder.path(), "--psk", "given,id-1,00ff"];
    let (process, addresses) = Process::server(&arguments);
    let http = Http::new(addresses.http);
    let path = "/api/security/clients";
    let entry = |endpoint: &str, identity: &str, key: &str| {
        json!({
            "endpoint": endpoint,
            "tls": {"mode": "psk", "details": {"identity": identity, "key": key}},
        })
    };
    let put = |entry: &Value| http.send("PUT", path, "application/json", &entry.to_string());
    let (given, set) = (entry("given", "id-1", "00ff"), entry("set", "id-2", "0102"));
    assert_eq!(put(&set).status, 204);
    assert_eq!(http.get(path).json(), json!([given, set]));
    let conflict = put(&entry("third", "id-2", "0304"));
    assert_eq!(conflict.status, 400);
    assert!(
        conflict.body.contains("has another key already"),
        "{}",
        conflict.body
    );
    assert!(put(&entry("x", "y", "zz")).body.contains("hexadecimal"));
    assert!(
        put(&json!({"endpoint": "x"}))
            .body
            .contains("expected a text tls.mode")
    );
    process.kill();

    let (process, addresses) = Process::server(&["--data", folder.path()]);
    let http = Http::new(addresses.http);
    assert_eq!(http.get(path).json(), json!([set]));
    // The name belongs to the identity: a device without security can't have it.
    let mut device = Device::new(addresses.coap);
    let got = device.try_register("set", &["lwm2m=1.1", "lt=60"], "</1/0>,</3/0>");
    assert_eq!(got.code, Code::BAD_REQUEST);
    let remove = |endpoint: &str| http.send("DELETE", &format!("{path}/{endpoint}"), "", "");
    assert_eq!(remove("set").status, 204);
    assert_eq!(remove("set").status, 404);
    device.register("set", &[]);
    process.kill();
    let (_process, addresses) = Process::server(&["--data", folder.path()]);
    assert_eq!(Http::new(addresses.http).get(path).json(), json!([]));
}

#[test]
fn the_answer_of_a_device_that_sleeps_comes_as_an_event_when_it_wakes() {
    let folder = Folder::new();
    let data = ["--data", folder.path()];
    let (process, addresses) = Process::server(&data);
    let mut device = Device::new(addresses.coap);
    device.register("dev", &["b=U", "Q"]);
    process.kill();
    // Of a device in queue mode the new server knows nothing but that it may sleep.
    let (_process, addresses) = Process::server(&data);
    let http = Http::new(addresses.http);
    let json = http.get("/api/clients/dev").json();
    assert_eq!(
        (&json["queuemode"], &json["sleeping"]),
        (&json!(true), &json!(true))
    );
    let reply = http.get("/api/clients/dev/3/0/9?timeout=60");
    assert_eq!(reply.status, 202, "{}", reply.body);
    let reply: Value = serde_json::from_str(&reply.body).unwrap();
    assert_eq!(reply["delayed"], true);

    let events = http.events("?ep=dev");
    device.reconnect(addresses.coap);
    assert_eq!(device.update(), Code::CHANGED);
    assert_eq!(events.next("AWAKE"), json!({"ep": "dev"}));
    device.play((Code::GET, "/3/0/9"), Code::CONTENT, &[TEXT], b"77");
    let event = events.next("REQUEST_RESPONSE");
    assert_eq!(event["requestId"], reply["requestId"]);
    assert_eq!(event["response"]["content"]["value"], "77");
    assert_eq!(http.get("/api/clients/dev").json()["sleeping"], false);
}

#[cfg(unix)]
#[test]
fn a_server_that_is_asked_to_stop_ends_with_success() {
    let folder = Folder::new();
    let data = ["--data", folder.path()];
    let (process, addresses) = Process::server(&data);
    let mut device = Device::new(addresses.coap);
    device.register("dev", &[]);
    assert_eq!(device.update(), Code::CHANGED);
    assert!(process.terminate().success());
    let (_process, addresses) = Process::server(&data);
    assert_eq!(
        Http::new(addresses.http).get("/api/clients/dev").status,
        200
    );
}

#[cfg(unix)]
#[test]
fn a_disk_that_gets_full_is_named_and_nothing_is_half_stored() {
    let folder = Folder::new();
    let arguments = [
        "server",
        "--coap",
        "127.0.0.1:0",
        "--http",
        "127.0.0.1:0",
        "--data",
        folder.path(),
    ];
    let path = "/api/security/clients";
    // 1.6 MB, with blocks of 512 bytes, or twice that where a block has 1024.
    let process = Process::start_with_small_disk(3200, &arguments);
    let http = Http::new(process.addresses().http);
    let put = |number: usize| {
        let name = format!("{number:0>200}");
        let key = "00ff".repeat(100);
        let details = json!({"identity": name, "key": key});
        let entry = json!({"endpoint": name, "tls": {"mode": "psk", "details": details}});
        http.send("PUT", path, "application/json", &entry.to_string())
    };
    let mut stored = 0;
    let refused = loop {
        let reply = put(stored);
        if reply.status != 204 {
            break reply;
        }
        stored += 1;
        assert!(stored < 100_000, "the disk is never full");
    };
    assert_eq!(refused.status, 503);
    let place = format!("{}/server.redb: I/O error: ", folder.path());
    assert!(refused.body.starts_with(&place), "{}", refused.body);
    // Each attempt tries the disk anew.
    assert_eq!(put(stored).body, refused.body);
    let count = |http: &Http| http.get(path).json().as_array().unwrap().len();
    assert_eq!(count(&http), stored);
    process.kill();
    let (_process, addresses) = Process::server(&["--data", folder.path()]);
    assert_eq!(count(&Http::new(addresses.http)), stored);
}
