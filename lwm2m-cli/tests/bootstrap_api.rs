//! The HTTP interface of `lwm2m bootstrap-server`, as Leshan's demo has it.

mod common;

use common::{Folder, Process, http::Http};
use serde_json::{Value, json};

const LOCAL: &str = "127.0.0.1:0";

/// A bootstrap server with a file that knows one device, `filed`.
struct Bootstrap {
    process: Process,
    coap: String,
    coaps: String,
    http: Http,
}

fn start(folder: &Folder, more: &[&str]) -> Bootstrap {
    let text = "[[endpoint]]\nname = 'filed'\npsk = { identity = 'filed', key = '00ff' }\n\
                delete = ['/0', '/1']\n[[endpoint.server]]\nssid = 1\nuri = 'coap://127.0.0.1:9'\n\
                security = 'nosec'\n";
    let config = folder.write("bootstrap.toml", text);
    let mut arguments = vec![
        "bootstrap-server",
        "--coap",
        LOCAL,
        "--coaps",
        LOCAL,
        "--http",
        LOCAL,
        "--config",
        &config,
    ];
    arguments.extend(more);
    let process = Process::start(&arguments);
    let addresses = process.addresses();
    Bootstrap {
        process,
        coap: format!("coap://{}", addresses.coap.unwrap()),
        coaps: format!("coaps://{}", addresses.coaps.unwrap()),
        http: Http::new(addresses.http),
    }
}

/// A configuration that sends a device to a server without security, as Leshan's users write it.
fn configuration(uri: &str, lifetime: u32) -> Value {
    json!({
        "toDelete": ["/0", "/1"],
        "autoIdForSecurityObject": true,
        "security": {
            "1": {"uri": uri, "bootstrapServer": false, "securityMode": "NO_SEC",
                  "publicKeyOrId": [], "serverPublicKey": [], "secretKey": [], "serverId": 7},
        },
        "servers": {"0": {"shortId": 7, "lifetime": lifetime, "binding": ["U"]}},
        "oscore": {}, "acls": {},
    })
}

fn post(http: &Http, endpoint: &str, body: &Value) -> (u16, String) {
    let path = format!("/api/bootstrap/{endpoint}");
    let reply = http.send("POST", &path, "application/json", &body.to_string());
    (reply.status, reply.body)
}

fn device(endpoint: &str, uri: &str, more: &[&str]) -> Process {
    let mut arguments = vec!["client", "--endpoint", endpoint, "--bootstrap", uri];
    arguments.extend(more);
    Process::start(&arguments)
}

#[test]
fn a_configuration_that_is_added_changed_and_removed_while_the_server_runs_counts_at_once() {
    let (server, addresses) = Process::server(&[]);
    let uri = format!("coap://{}", addresses.coap.unwrap());
    let folder = Folder::new();
    let bootstrap = start(&folder, &[]);
    let http = &bootstrap.http;
    let all = http.get("/api/bootstrap").json();
    assert_eq!(all.as_object().unwrap().len(), 1);
    assert_eq!(all["filed"]["servers"]["0"]["shortId"], 1);

    let mut first = device("dev", &bootstrap.coap, &[]);
    assert_eq!(
        first.line("bootstrap-failed")["step"],
        "at the Bootstrap-Request"
    );
    let refused = bootstrap.process.line("refused");
    assert_eq!(refused["reason"], "the endpoint name is not known");
    first.tell("quit");

    assert_eq!(post(http, "dev", &configuration(&uri, 300)).0, 204);
    assert_eq!(
        http.get("/api/bootstrap").json()["dev"]["servers"]["0"]["lifetime"],
        300
    );
    let mut second = device("dev", &bootstrap.coap, &[]);
    assert_eq!(server.line("registered")["endpoint"], "dev");
    let managed = Http::new(addresses.http);
    assert_eq!(managed.get("/api/clients/dev").json()["lifetime"], 300);
    second.tell("quit");

    assert_eq!(post(http, "dev", &configuration(&uri, 900)).0, 204);
    let mut third = device("dev", &bootstrap.coap, &[]);
    assert_eq!(server.line("registered")["endpoint"], "dev");
    assert_eq!(managed.get("/api/clients/dev").json()["lifetime"], 900);
    third.tell("quit");

    let reply = http.send("DELETE", "/api/bootstrap/dev", "", "");
    assert_eq!(reply.status, 204);
    assert_eq!(
        http.send("DELETE", "/api/bootstrap/dev", "", "").status,
        404
    );
    let fourth = device("dev", &bootstrap.coap, &[]);
    let reason = fourth.line("bootstrap-failed")["reason"].clone();
    assert_eq!(
        reason,
        "the server answered 4.00 Bad Request: the endpoint name is not known"
    );
}

#[test]
fn patterns_and_a_default_serve_devices_that_have_no_configuration_of_their_own() {
    let (server, addresses) = Process::server(&[]);
    let uri = format!("coap://{}", addresses.coap.unwrap());
    let folder = Folder::new();
    let bootstrap = start(&folder, &[]);
    assert_eq!(post(&bootstrap.http, "*", &configuration(&uri, 100)).0, 204);
    assert_eq!(
        post(&bootstrap.http, "dev*", &configuration(&uri, 200)).0,
        204
    );
    assert_eq!(
        post(&bootstrap.http, "dev1", &configuration(&uri, 300)).0,
        204
    );
    let managed = Http::new(addresses.http);
    for (endpoint, lifetime) in [("other", 100), ("dev2", 200), ("dev1", 300)] {
        let _device = device(endpoint, &bootstrap.coap, &[]);
        assert_eq!(server.line("registered")["endpoint"], endpoint);
        let path = format!("/api/clients/{endpoint}");
        assert_eq!(managed.get(&path).json()["lifetime"], lifetime);
    }
}

#[test]
fn what_no_device_could_take_is_refused_with_its_place_and_nothing_changes() {
    let folder = Folder::new();
    let bootstrap = start(&folder, &[]);
    let http = &bootstrap.http;
    let good = configuration("coap://h", 300);
    let wrong = |pointer: &str, value: Value| {
        let mut config = good.clone();
        *config.pointer_mut(pointer).unwrap() = value;
        post(http, "dev", &config)
    };
    for (reply, expected) in [
        (
            wrong("/security/1/serverId", json!(8)),
            "security.1.serverId: no server has this short id",
        ),
        (
            wrong("/security/1/uri", json!("coaps://h")),
            "no device could take it: /0/0/0: the scheme of the URI contradicts the security mode",
        ),
        (
            wrong("/servers/0/binding", json!("X")),
            "no device could take it: server 7: the binding is not one of the letters",
        ),
        (post(http, "a*b", &good), "`*` stands at its end only"),
        (post(http, "dev", &json!([])), "expected an object"),
    ] {
        assert_eq!(reply.0, 400, "{}", reply.1);
        assert!(reply.1.contains(expected), "{} / {expected}", reply.1);
    }
    let reply = http.send("POST", "/api/bootstrap/dev", "application/json", "{");
    assert_eq!(reply.status, 400);
    let reply = http.send("DELETE", "/api/bootstrap/filed", "", "");
    assert_eq!(reply.status, 400);
    assert!(
        reply.body.contains("in the file of --config"),
        "{}",
        reply.body
    );
    assert_eq!(
        http.get("/api/bootstrap").json().as_object().unwrap().len(),
        1
    );
    assert_eq!(http.send("PUT", "/api/bootstrap/dev", "", "").status, 405);
    assert_eq!(http.get("/api/other").status, 404);
}

#[test]
fn sessions_are_told_live_with_each_step_and_its_outcome() {
    let folder = Folder::new();
    let bootstrap = start(&folder, &[]);
    let uri = "coap://127.0.0.1:9";
    assert_eq!(
        post(&bootstrap.http, "dev", &configuration(uri, 300)).0,
        204
    );
    let events = bootstrap.http.events("?ep=dev");
    let _other = device("stranger", &bootstrap.coap, &[]);
    let _device = device("dev", &bootstrap.coap, &[]);
    let mut told = Vec::new();
    loop {
        let event = events.next("BSSESSION");
        assert_eq!(event["endpoint"], "dev");
        assert!(event["time"].as_u64().unwrap() > 1_600_000_000_000);
        let name = event["name"].as_str().unwrap().to_owned();
        let message = event["message"].as_str().unwrap();
        told.push(format!("{name}: {message}"));
        if name == "finished" {
            break;
        }
    }
    assert_eq!(
        told,
        [
            "new session: prefers senml-cbor (112)",
            "authorized: ",
            "sent discover: discover /",
            "response success: discover /: 2.05 Content",
            "sent delete: delete /0",
            "response success: delete /0: 2.02 Deleted",
            "sent delete: delete /1",
            "response success: delete /1: 2.02 Deleted",
            "sent write: write /0/1 as senml-cbor (112)",
            "response success: write /0/1 as senml-cbor (112): 2.04 Changed",
            "sent write: write /1/0 as senml-cbor (112)",
            "response success: write /1/0 as senml-cbor (112): 2.04 Changed",
            "sent finish: finish",
            "response success: finish: 2.04 Changed",
            "finished: ",
        ]
    );
    let everything = bootstrap.http.events("");
    let _stranger = device("stranger", &bootstrap.coap, &[]);
    let event = everything.next("BSSESSION");
    assert_eq!(
        (&event["name"], &event["endpoint"]),
        (&json!("no config"), &json!("stranger"))
    );
}

#[test]
fn what_was_set_lasts_over_a_kill_with_a_data_folder() {
    let folder = Folder::new();
    let data = ["--data", folder.path()];
    let bootstrap = start(&folder, &data);
    let good = configuration("coap://h", 300);
    assert_eq!(post(&bootstrap.http, "dev", &good).0, 204);
    assert_eq!(post(&bootstrap.http, "gone", &good).0, 204);
    let reply = bootstrap.http.send("DELETE", "/api/bootstrap/gone", "", "");
    assert_eq!(reply.status, 204);
    let key = json!({"endpoint": "dev",
        "tls": {"mode": "psk", "details": {"identity": "dev-id", "key": "0a0b"}}});
    let path = "/api/security/clients";
    let reply = bootstrap
        .http
        .send("PUT", path, "application/json", &key.to_string());
    assert_eq!(reply.status, 204, "{}", reply.body);
    let before = bootstrap.http.get("/api/bootstrap").json();
    bootstrap.process.kill();
    let bootstrap = start(&folder, &data);
    assert_eq!(bootstrap.http.get("/api/bootstrap").json(), before);
    assert!(before.get("dev").is_some() && before.get("gone").is_none());
    assert_eq!(bootstrap.http.get(path).json(), json!([key]));
}

#[test]
fn a_key_that_is_set_over_http_lets_its_device_in_over_dtls_and_no_other() {
    let folder = Folder::new();
    let bootstrap = start(&folder, &[]);
    let http = &bootstrap.http;
    let good = configuration("coap://127.0.0.1:9", 300);
    assert_eq!(post(http, "dev*", &good).0, 204);
    let put = |endpoint: &str, identity: &str, key: &str| {
        let json = json!({"endpoint": endpoint,
            "tls": {"mode": "psk", "details": {"identity": identity, "key": key}}});
        let path = "/api/security/clients";
        http.send("PUT", path, "application/json", &json.to_string())
    };
    assert_eq!(put("dev1", "id-1", "0a0b").status, 204);
    let psk = ["--psk-identity", "id-1", "--psk-key", "0a0b"];
    let mut right = device("dev1", &bootstrap.coaps, &psk);
    assert_eq!(bootstrap.process.line("finished")["endpoint"], "dev1");
    right.tell("quit");
    let mut wrong = device("dev2", &bootstrap.coaps, &psk);
    let refused = bootstrap.process.line("refused");
    assert_eq!(refused["endpoint"], "dev2");
    assert_eq!(
        refused["reason"],
        "the endpoint name does not belong to the device's identity"
    );
    wrong.tell("quit");
    // The name of a device with a key is not there for one without.
    let mut bare = device("dev1", &bootstrap.coap, &[]);
    assert_eq!(bootstrap.process.line("refused")["endpoint"], "dev1");
    bare.tell("quit");

    let clash = put("dev3", "filed", "dead");
    assert_eq!(clash.status, 400);
    assert!(clash.body.contains("another key in the file") && !clash.body.contains("dead"));
    assert_eq!(
        http.send("DELETE", "/api/security/clients/dev1", "", "")
            .status,
        204
    );
    assert_eq!(
        http.send("DELETE", "/api/security/clients/dev1", "", "")
            .status,
        404
    );
    let gone = device("dev1", &bootstrap.coaps, &psk);
    assert_eq!(
        gone.line("bootstrap-failed")["step"],
        "connecting to the bootstrap server"
    );
}

#[test]
fn requests_without_the_token_are_refused() {
    let folder = Folder::new();
    let bootstrap = start(&folder, &["--http-token", "secret"]);
    for (method, path) in [
        ("GET", "/api/bootstrap"),
        ("GET", "/api/security/clients"),
        ("GET", "/api/event"),
        ("DELETE", "/api/bootstrap/filed"),
    ] {
        assert_eq!(
            bootstrap.http.send(method, path, "", "").status,
            401,
            "{path}"
        );
    }
    let with = bootstrap.http.with_header("Authorization: Bearer secret");
    assert_eq!(with.get("/api/bootstrap").status, 200);
    let endpoints = with.get("/api/server/endpoint").json();
    assert_eq!(endpoints[0]["protocol"], "coap");
    assert_eq!(with.get("/api/server/security").json(), json!({}));
}
