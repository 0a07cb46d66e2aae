//! `lwm2m server` as a process: registrations and operations over HTTP.

mod common;

use common::{
    Process,
    device::{Device, values},
    http::Http,
};
use lwm2m_codec::{
    ContentFormat,
    coap::{Code, MessageType, OptionNumber},
};
use serde_json::{Value, json};

const TEXT: (OptionNumber, &[u8]) = (OptionNumber::CONTENT_FORMAT, &[]);
const TLV: (OptionNumber, &[u8]) = (OptionNumber::CONTENT_FORMAT, &[0x2d, 0x16]);
const SENML_JSON: (OptionNumber, &[u8]) = (OptionNumber::CONTENT_FORMAT, &[110]);
const LINK: (OptionNumber, &[u8]) = (OptionNumber::CONTENT_FORMAT, &[40]);
const OBSERVE: (OptionNumber, &[u8]) = (OptionNumber::OBSERVE, &[1]);

fn started() -> (Process, Http, Device) {
    let (process, addresses) = Process::server(&[]);
    let mut device = Device::new(addresses.coap);
    device.register("dev/1", &["b=U"]);
    (process, Http::new(addresses.http), device)
}

/// Leaves out what differs from run to run.
fn answer(json: &Value) -> Value {
    let mut json = json.clone();
    let object = json.as_object_mut().unwrap();
    assert!(object.remove("bytesSent").unwrap().as_u64().unwrap() > 4);
    assert!(object.remove("bytesReceived").unwrap().as_u64().unwrap() >= 4);
    assert!(object.remove("durationMs").unwrap().as_f64().unwrap() > 0.0);
    json
}

fn plain(status: &str) -> Value {
    json!({"status": status, "valid": true, "success": true, "failure": false})
}

#[test]
fn a_registration_is_listed_and_told_as_an_event_and_so_is_its_end() {
    let (_process, addresses) = Process::server(&[]);
    let http = Http::new(addresses.http);
    let (all, own) = (http.events(""), http.events("?ep=urn:dev:a"));
    let mut other = Device::new(addresses.coap);
    other.register("other", &[]);
    let mut device = Device::new(addresses.coap);
    device.register("urn:dev:a", &["b=UT", "sms=123", "x-color=red"]);

    assert_eq!(all.next("REGISTRATION")["endpoint"], "other");
    let event = own.next("REGISTRATION");
    assert_eq!(event["endpoint"], "urn:dev:a");
    let json = http.get("/api/clients/urn:dev:a").json();
    assert_eq!(json, event);
    let list = http.get("/api/clients").json();
    assert_eq!(list[1], event);
    assert_eq!(list.as_array().unwrap().len(), 2);

    assert_eq!(json["registrationId"], device.location);
    assert_eq!(json["lwM2mVersion"], "1.1");
    assert_eq!(json["lifetime"], 300);
    assert_eq!(json["bindingMode"], "UT");
    assert_eq!(json["smsNumber"], "123");
    assert_eq!(json["rootPath"], "/");
    assert_eq!(json["secure"], false);
    assert_eq!(json["queuemode"], false);
    assert_eq!(
        json["additionalRegistrationAttributes"],
        json!({"x-color": "red"})
    );
    assert_eq!(
        json["availableInstances"],
        json!({"1": [0], "3": [0], "3303": [0]})
    );
    let link = json!({"url": "/3303/0", "attributes": {"ver": "1.1"}});
    assert_eq!(json["objectLinks"][3], link);

    assert_eq!(device.update(), Code::CHANGED);
    let updated = own.next("UPDATED");
    assert_eq!(updated["registration"]["endpoint"], "urn:dev:a");
    assert_eq!(updated["update"]["registrationId"], device.location);
    assert_eq!(device.deregister(), Code::DELETED);
    assert_eq!(own.next("DEREGISTRATION")["endpoint"], "urn:dev:a");
    assert_eq!(http.get("/api/clients/urn:dev:a").status, 404);
    assert_eq!(device.update(), Code::NOT_FOUND);
}

#[test]
fn a_resource_is_read_in_the_format_that_was_asked_for() {
    let (_process, http, device) = started();
    let reply = http.begin(
        "GET",
        "/api/clients/dev%2F1/3/0/9?format=TEXT",
        &Value::Null,
    );
    let asked = device.play((Code::GET, "/3/0/9"), Code::CONTENT, &[TEXT], b"95");
    assert_eq!(asked.accept, Some(ContentFormat::TEXT));
    assert_eq!(
        answer(&reply.join().unwrap().json()),
        json!({
            "status": "CONTENT(205)", "valid": true, "success": true, "failure": false,
            "format": "TEXT",
            "content": {"id": 9, "kind": "singleResource", "type": "integer", "value": "95"},
        })
    );
}

#[test]
fn an_instance_is_read_with_the_types_of_its_definition() {
    let (_process, http, device) = started();
    let reply = http.begin("GET", "/api/clients/dev%2F1/3/0", &Value::Null);
    // Manufacturer, two power sources, the time, and no error code.
    let payload = b"\xc1\x00A\x86\x06\x41\x00\x01\x41\x01\x05\xc4\x0d\x51\x82\x42\x8f\x80\x0b";
    device.play((Code::GET, "/3/0"), Code::CONTENT, &[TLV], payload);
    assert_eq!(
        reply.join().unwrap().json()["content"],
        json!({"id": 0, "kind": "instance", "resources": [
            {"id": 0, "kind": "singleResource", "type": "string", "value": "A"},
            {"id": 6, "kind": "multiResource", "type": "integer",
             "values": {"0": "1", "1": "5"}},
            {"id": 11, "kind": "multiResource", "type": "integer", "values": {}},
            {"id": 13, "kind": "singleResource", "type": "time",
             "value": "2013-05-02T10:40:15Z"},
        ]})
    );
}

#[test]
fn a_refusal_of_the_device_is_an_answer() {
    let (_process, http, device) = started();
    let reply = http.begin("GET", "/api/clients/dev%2F1/3/0/99", &Value::Null);
    device.play(
        (Code::GET, "/3/0/99"),
        Code::NOT_FOUND,
        &[],
        b"no such resource",
    );
    assert_eq!(
        answer(&reply.join().unwrap().json()),
        json!({
            "status": "NOT_FOUND(404)", "valid": true, "success": false, "failure": true,
            "errormessage": "no such resource",
        })
    );
}

#[test]
fn a_value_is_written_as_text_or_as_a_node() {
    let (_process, http, device) = started();
    let write =
        |path: &str, body: &Value| http.begin("PUT", &format!("/api/clients/dev%2F1/{path}"), body);
    let reply = write("3/0/14", &json!("+02:00"));
    let asked = device.play((Code::PUT, "/3/0/14"), Code::CHANGED, &[], &[]);
    assert_eq!(
        (asked.format, &*asked.payload),
        (Some(ContentFormat::TEXT), &b"+02:00"[..])
    );
    assert_eq!(answer(&reply.join().unwrap().json()), plain("CHANGED(204)"));

    let time = json!({"id": 13, "kind": "singleResource", "type": "time",
                      "value": "2013-05-02T10:40:15Z"});
    let reply = write("3/0/13?format=TLV", &time);
    let asked = device.play((Code::PUT, "/3/0/13"), Code::CHANGED, &[], &[]);
    assert_eq!(values(&asked, "/3/0/13"), ["/3/0/13=1367491215"]);
    assert_eq!(reply.join().unwrap().status, 200);

    let instance = json!({"id": 0, "kind": "instance", "resources": [
        {"id": 2, "kind": "singleResource", "value": "10"},
        {"id": 1, "kind": "singleResource", "type": "integer", "value": 86400},
    ]});
    let reply = write("1/0?replace=false", &instance);
    let asked = device.play((Code::POST, "/1/0"), Code::CHANGED, &[], &[]);
    assert_eq!(values(&asked, "/1/0"), ["/1/0/1=86400", "/1/0/2=10"]);
    assert_eq!(reply.join().unwrap().status, 200);
}

#[test]
fn execute_create_and_delete_pass_through() {
    let (_process, http, device) = started();
    let base = "/api/clients/dev%2F1";
    let reply = http.begin("POST", &format!("{base}/3/0/4"), &json!("0='a'"));
    let asked = device.play((Code::POST, "/3/0/4"), Code::CHANGED, &[], &[]);
    assert_eq!(asked.payload, b"0='a'");
    assert_eq!(answer(&reply.join().unwrap().json()), plain("CHANGED(204)"));

    let node = json!({"kind": "instance", "resources": [
        {"id": 5700, "kind": "singleResource", "type": "float", "value": "21.5"},
    ]});
    let reply = http.begin("POST", &format!("{base}/3303"), &node);
    let options = [
        (OptionNumber::LOCATION_PATH, &b"3303"[..]),
        (OptionNumber::LOCATION_PATH, &b"7"[..]),
    ];
    let asked = device.play((Code::POST, "/3303"), Code::CREATED, &options, &[]);
    assert_eq!(values(&asked, "/3303"), ["/3303/65535/5700=21.5"]);
    let json = reply.join().unwrap().json();
    assert_eq!(
        (&json["status"], &json["location"]),
        (&json!("CREATED(201)"), &json!("/3303/7"))
    );

    let mut node = node;
    node["id"] = json!(9);
    let reply = http.begin("POST", &format!("{base}/3303"), &node);
    let asked = device.play((Code::POST, "/3303"), Code::CREATED, &[], &[]);
    assert_eq!(values(&asked, "/3303"), ["/3303/9/5700=21.5"]);
    assert_eq!(reply.join().unwrap().status, 200);

    let reply = http.begin("DELETE", &format!("{base}/3303/9"), &Value::Null);
    device.play((Code::DELETE, "/3303/9"), Code::DELETED, &[], &[]);
    assert_eq!(answer(&reply.join().unwrap().json()), plain("DELETED(202)"));
}

#[test]
fn discover_shows_links_and_attributes_are_written_as_they_stand() {
    let (_process, http, device) = started();
    let path = "/api/clients/dev%2F1/3/0";
    let reply = http.begin("GET", &format!("{path}/discover"), &Value::Null);
    let links = b"</3/0>;pmin=10,</3/0/6>;dim=2,</3/0/9>";
    let asked = device.play((Code::GET, "/3/0"), Code::CONTENT, &[LINK], links);
    assert_eq!(asked.accept, Some(ContentFormat::LINK));
    assert_eq!(
        reply.join().unwrap().json()["objectLinks"],
        json!([
            {"url": "/3/0", "attributes": {"pmin": "10"}},
            {"url": "/3/0/6", "attributes": {"dim": "2"}},
            {"url": "/3/0/9", "attributes": {}},
        ])
    );
    let query = "attributes?pmin=5&pmax=&gt=4.5&timeout=3";
    let reply = http.begin("PUT", &format!("{path}/{query}"), &Value::Null);
    let asked = device.play((Code::PUT, "/3/0"), Code::CHANGED, &[], &[]);
    assert_eq!(asked.query, ["pmin=5", "pmax", "gt=4.5"]);
    assert_eq!((asked.format, asked.payload.len()), (None, 0));
    assert_eq!(reply.join().unwrap().status, 200);
}

#[test]
fn notifications_are_events_until_the_observation_is_cancelled() {
    let (_process, http, mut device) = started();
    let events = http.events("");
    let path = "/api/clients/dev%2F1/3303/0/5700/observe";
    let reply = http.begin("POST", path, &Value::Null);
    let asked = device.play(
        (Code::GET, "/3303/0/5700"),
        Code::CONTENT,
        &[OBSERVE, TEXT],
        b"20.5",
    );
    assert_eq!(asked.observe, Some(0));
    assert_eq!(reply.join().unwrap().json()["content"]["value"], "20.5");

    assert_eq!(
        device.notify(asked.token, 2, "21.25"),
        MessageType::Acknowledgement
    );
    assert_eq!(
        events.next("NOTIFICATION"),
        json!({
            "ep": "dev/1", "kind": "single", "res": "/3303/0/5700",
            "val": {"id": 5700, "kind": "singleResource", "type": "float", "value": "21.25"},
        })
    );
    assert_eq!(http.send("DELETE", path, "text/plain", "").status, 204);
    assert_eq!(device.notify(asked.token, 3, "22"), MessageType::Reset);
    assert_eq!(http.send("DELETE", path, "text/plain", "").status, 404);
}

#[test]
fn an_active_cancel_asks_the_device() {
    let (_process, http, mut device) = started();
    let path = "/api/clients/dev%2F1/3303/0/5700/observe";
    let reply = http.begin("POST", path, &Value::Null);
    let first = device.play(
        (Code::GET, "/3303/0/5700"),
        Code::CONTENT,
        &[OBSERVE, TEXT],
        b"1",
    );
    assert_eq!(reply.join().unwrap().status, 200);
    let reply = http.begin("DELETE", &format!("{path}?active"), &Value::Null);
    let asked = device.play((Code::GET, "/3303/0/5700"), Code::CONTENT, &[TEXT], b"2");
    assert_eq!((asked.observe, asked.token), (Some(1), first.token));
    assert_eq!(reply.join().unwrap().json()["content"]["value"], "2");
    assert_eq!(device.notify(first.token, 9, "3"), MessageType::Reset);
}

#[test]
fn composite_operations_name_each_node_by_its_path() {
    let (_process, http, device) = started();
    let base = "/api/clients/dev%2F1/composite";
    let query = "?paths=/3/0/9,/3303/0/5700&pathformat=SENML_JSON&nodeformat=SENML_JSON";
    let pack = br#"[{"n":"/3/0/9","v":95},{"n":"/3303/0/5700","v":21.5}]"#;
    let content = json!({
        "/3/0/9": {"id": 9, "kind": "singleResource", "type": "integer", "value": "95"},
        "/3303/0/5700":
            {"id": 5700, "kind": "singleResource", "type": "float", "value": "21.5"},
    });
    let reply = http.begin("GET", &format!("{base}{query}"), &Value::Null);
    let asked = device.play((Code::FETCH, ""), Code::CONTENT, &[SENML_JSON], pack);
    assert_eq!(asked.format, Some(ContentFormat::SENML_JSON));
    assert_eq!(values(&asked, "/"), ["/3/0/9", "/3303/0/5700"]);
    assert_eq!(reply.join().unwrap().json()["content"], content);

    let events = http.events("");
    let reply = http.begin("POST", &format!("{base}/observe{query}"), &Value::Null);
    device.play(
        (Code::FETCH, ""),
        Code::CONTENT,
        &[OBSERVE, SENML_JSON],
        pack,
    );
    assert_eq!(reply.join().unwrap().json()["content"], content);
    let path = format!("{base}/observe?paths=/3303/0/5700,/3/0/9");
    assert_eq!(http.send("DELETE", &path, "text/plain", "").status, 204);
    drop(events);

    let body = json!({
        "/3/0/14": {"id": 14, "kind": "singleResource", "type": "string", "value": "+01:00"},
        "/1/0": {"id": 0, "kind": "instance", "resources": [
            {"id": 2, "kind": "singleResource", "type": "integer", "value": "1"},
        ]},
    });
    let reply = http.begin("PUT", &format!("{base}?nodeformat=SENML_CBOR"), &body);
    let asked = device.play((Code::IPATCH, ""), Code::CHANGED, &[], &[]);
    assert_eq!(values(&asked, "/"), ["/1/0/2=1", "/3/0/14=+01:00"]);
    assert_eq!(reply.join().unwrap().status, 200);
}

#[test]
fn values_that_a_device_sends_by_itself_are_an_event() {
    let (_process, http, mut device) = started();
    let events = http.events("?ep=dev/1");
    let options = [(OptionNumber::URI_PATH, &b"dp"[..]), SENML_JSON];
    let pack = br#"[{"n":"/3303/0/5700","v":21.5},{"n":"/3/0/6/0","v":1}]"#;
    assert_eq!(
        device.request(Code::POST, &options, pack).code,
        Code::CHANGED
    );
    let event = events.next("SEND");
    assert_eq!(event["ep"], "dev/1");
    assert_eq!(event["val"]["/3303/0/5700"]["value"], "21.5");
    assert_eq!(event["val"]["/3/0/6"]["values"], json!({"0": "1"}));
}

#[test]
fn values_that_a_device_collected_come_with_their_times() {
    let (_process, http, mut device) = started();
    let events = http.events("?ep=dev/1");
    let options = [(OptionNumber::URI_PATH, &b"dp"[..]), SENML_JSON];
    // The newest value stands first.
    let pack = br#"[{"bn":"/3303/0/5700","bt":1367491215,"v":3,"t":60.5},{"v":1},{"v":2,"t":30}]"#;
    assert_eq!(
        device.request(Code::POST, &options, pack).code,
        Code::CHANGED
    );
    let event = events.next("SEND");
    assert_eq!(event["val"]["/3303/0/5700"]["value"], "3");
    let times = [
        "2013-05-02T10:40:15Z",
        "2013-05-02T10:40:45Z",
        "2013-05-02T10:41:15.500Z",
    ];
    assert_eq!(event["times"], json!(times));
    assert_eq!(event["history"][1]["time"], times[1]);
    assert_eq!(event["history"][1]["val"]["/3303/0/5700"]["value"], "2");
}

#[test]
fn what_can_not_be_asked_is_a_bad_request_that_says_why() {
    let (_process, http, _device) = started();
    for (method, path, body, why) in [
        ("GET", "3/x", "", "segment 1 is not an id"),
        ("GET", "3/0?format=XYZ", "", "format \"XYZ\" is not known"),
        ("GET", "3/0?timeout=soon", "", "timeout: expected seconds"),
        ("GET", "composite", "", "paths: expected at least one path"),
        (
            "GET",
            "composite?paths=/a",
            "",
            "\"/a\": segment 0 is not an id",
        ),
        ("PUT", "3/0/9", "{", "body: "),
        (
            "PUT",
            "3/0/9",
            r#"{"id":8,"kind":"singleResource","value":"1"}"#,
            "/3/0/9: the id is 8",
        ),
        (
            "PUT",
            "3/0/9",
            r#"{"id":9,"kind":"singleResource","value":"one"}"#,
            "/3/0/9: \"one\" is not a valid integer",
        ),
        (
            "PUT",
            "3/0/9",
            r#"{"kind":"obj","instances":[]}"#,
            "kind \"obj\" can't stand here",
        ),
        ("PUT", "3/0/attributes", "", "expected attributes"),
        ("POST", "3/0/6/0", "", "can be neither executed nor created"),
        (
            "PUT",
            "3",
            r#"{"id":3,"kind":"obj","instances":[]}"#,
            "can't be the target",
        ),
    ] {
        let path = format!("/api/clients/dev%2F1/{path}");
        let reply = http.send(method, &path, "application/json", body);
        assert_eq!(reply.status, 400, "{method} {path}: {}", reply.body);
        assert!(reply.body.contains(why), "{method} {path}: {}", reply.body);
    }
    assert_eq!(http.get("/api/clients/nobody/3/0").status, 404);
    assert_eq!(http.get("/api/nothing").status, 404);
    assert_eq!(
        http.send("PATCH", "/api/clients", "text/plain", "").status,
        405
    );
    let reply = http.send("PUT", "/api/clients/dev%2F1/3/0/discover", "text/plain", "");
    assert_eq!(reply.status, 405);
}

#[test]
fn a_silent_device_is_a_gateway_timeout() {
    let (_process, http, device) = started();
    let reply = http.begin(
        "GET",
        "/api/clients/dev%2F1/3/0/9?timeout=0.2",
        &Value::Null,
    );
    assert_eq!(device.asked().path, "/3/0/9");
    let reply = reply.join().unwrap();
    assert_eq!(
        (reply.status, &*reply.body),
        (504, "no answer within 200ms")
    );
    // The request was given up: the next one leaves at once.
    let reply = http.begin("GET", "/api/clients/dev%2F1/3/0/1", &Value::Null);
    device.play((Code::GET, "/3/0/1"), Code::CONTENT, &[TEXT], b"x");
    assert_eq!(reply.join().unwrap().status, 200);
}

#[test]
fn an_answer_that_makes_no_sense_is_a_bad_gateway() {
    let (_process, http, device) = started();
    let reply = http.begin("GET", "/api/clients/dev%2F1/3/0/9", &Value::Null);
    device.play((Code::GET, "/3/0/9"), Code::CONTENT, &[TEXT], b"many");
    let reply = reply.join().unwrap();
    assert_eq!(reply.status, 502);
    assert!(
        reply.body.contains("can't be decoded: at byte 0"),
        "{}",
        reply.body
    );
}

#[test]
fn definitions_listening_addresses_and_security_are_shown() {
    let (_process, http, _device) = started();
    let specifications = http.get("/api/objectspecs/dev%2F1").json();
    let device = &specifications[1];
    assert_eq!(
        (&device["id"], &device["name"]),
        (&json!(3), &json!("Device"))
    );
    // The core definitions have one version of it, which describes 1.1, too.
    assert_eq!(device["version"], "1.2");
    assert_eq!(device["resourcedefs"][4]["operations"], "E");
    let endpoints = http.get("/api/server/endpoint").json();
    assert_eq!(endpoints[0]["protocol"], "coap");
    assert_eq!(http.get("/api/server/security").json(), json!({}));
}
