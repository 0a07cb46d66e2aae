//! `lwm2m bootstrap-server`: its file, and a device that knows nothing else.

mod common;

use common::{Folder, Process, failure, http::Http};
use serde_json::json;

const FREE: [&str; 4] = ["bootstrap-server", "--coap", "127.0.0.1:0", "--config"];

fn with(config: &str) -> Vec<&str> {
    let mut arguments = FREE.to_vec();
    arguments.push(config);
    arguments
}

#[test]
fn a_wrong_file_is_named_with_line_and_column() {
    let folder = Folder::new();
    for (text, place, why) in [
        ("[[endpoint]\n", "line 1, column 12", ""),
        (
            "[[endpoint]]\nname = 'a*b'\n",
            "line 2, column 8",
            "`*` stands at its end only",
        ),
        (
            "[[endpoint]]\nname = 'a'\ncolour = 1\n",
            "line 3, column 1",
            "unknown field `colour`",
        ),
        (
            "[[endpoint]]\nname = 'a'\n[[endpoint.server]]\nssid = 0\nuri = 'coap://h'\n",
            "line 4, column 8",
            "a short server id is 1 to 65534",
        ),
        (
            "[[endpoint]]\nname = 'a'\n[[endpoint.server]]\nssid = 1\nuri = 'coaps://h'\n\
             security = 'nosec'\n",
            "line 5, column 7",
            "the scheme of the URI contradicts the keys",
        ),
    ] {
        let path = folder.write("bootstrap.toml", text);
        let (code, error) = failure(&with(&path));
        assert_eq!(code, 2, "{error}");
        assert!(
            error.starts_with(&format!("error: {path}: {place}: ")),
            "{text}{error}"
        );
        assert!(error.contains(why), "{text}{error}");
    }
    let (code, error) = failure(&with("no/such/file"));
    assert_eq!(code, 2);
    assert!(
        error.starts_with("error: can't read no/such/file: "),
        "{error}"
    );
}

#[test]
fn a_key_in_a_wrong_file_is_not_repeated() {
    let folder = Folder::new();
    let text = "[[endpoint]]\nname = 'a'\npsk = { identity = 'a', key = 'secretkey' }\n";
    let (code, error) = failure(&with(&folder.write("bootstrap.toml", text)));
    assert_eq!(code, 2);
    assert!(
        error.contains("line 3") && !error.contains("secretkey"),
        "{error}"
    );
}

#[test]
fn a_right_file_can_be_checked_without_listening() {
    let folder = Folder::new();
    let path = folder.write("bootstrap.toml", "[[endpoint]]\nname = '*'\n");
    let mut arguments = with(&path);
    arguments.push("--check");
    let process = Process::start(&arguments);
    assert_eq!(process.line("checked")["endpoints"], 1);
}

#[test]
fn a_device_with_a_bootstrap_account_only_ends_up_registered_over_dtls() {
    let folder = Folder::new();
    let key = "101112131415161718191a1b1c1d1e1f";
    let psk = format!("dev,dev-id,{key}");
    let server = Process::start(&[
        "server",
        "--coaps",
        "127.0.0.1:0",
        "--http",
        "127.0.0.1:0",
        "--psk",
        &psk,
    ]);
    let addresses = server.addresses();
    let text = format!(
        "[[endpoint]]\nname = 'dev'\npsk = {{ identity = 'dev', key = '00ff' }}\n\
         delete = ['/0', '/1']\n[[endpoint.server]]\nssid = 7\nuri = 'coaps://{}'\n\
         psk = {{ identity = 'dev-id', key = '{key}' }}\nlifetime = 300\n",
        addresses.coaps.unwrap()
    );
    let config = folder.write("bootstrap.toml", &text);
    let bootstrap = [
        "bootstrap-server",
        "--coaps",
        "127.0.0.1:0",
        "--config",
        &config,
    ];
    let bootstrap = Process::start(&bootstrap);
    let uri = format!("coaps://{}", bootstrap.addresses().coaps.unwrap());
    let _device = Process::start(&[
        "client",
        "--endpoint",
        "dev",
        "--bootstrap",
        &uri,
        "--psk-identity",
        "dev",
        "--psk-key",
        "00ff",
    ]);
    assert_eq!(bootstrap.line("started")["endpoint"], "dev");
    assert_eq!(bootstrap.line("finished")["endpoint"], "dev");
    assert_eq!(server.line("registered")["endpoint"], "dev");
    let http = Http::new(addresses.http);
    let device = http.get("/api/clients/dev").json();
    assert_eq!(
        (&device["secure"], &device["lifetime"]),
        (&json!(true), &json!(300))
    );
    let ssid = http.get("/api/clients/dev/1/0/0?timeout=20").json();
    assert_eq!(ssid["content"]["value"], "7");
}

#[test]
fn a_device_under_a_name_that_is_not_its_own_is_refused_over_dtls() {
    let server = Process::start(&[
        "server",
        "--coaps",
        "127.0.0.1:0",
        "--http",
        "127.0.0.1:0",
        "--psk",
        "dev,dev-id,00ff",
    ]);
    let addresses = server.addresses();
    let uri = format!("coaps://{}", addresses.coaps.unwrap());
    let _device = Process::start(&[
        "client",
        "--endpoint",
        "other",
        "--server",
        &uri,
        "--psk-identity",
        "dev-id",
        "--psk-key",
        "00ff",
    ]);
    let line = server.line("refused");
    assert_eq!(line["endpoint"], "other");
    assert_eq!(
        line["reason"],
        "the endpoint name belongs to another identity"
    );
    assert_eq!(
        Http::new(addresses.http).get("/api/clients").json(),
        json!([])
    );
}

#[test]
fn a_dry_run_prints_the_sequence_of_a_device_without_its_keys() {
    let folder = Folder::new();
    let text = "[[endpoint]]\nname = 'dev*'\ndelete = ['/0', '/1']\n[[endpoint.server]]\n\
                ssid = 7\nuri = 'coaps://h'\npsk = { identity = 'me', key = 'c0ffee' }\n";
    let path = folder.write("bootstrap.toml", text);
    let mut arguments = with(&path);
    arguments.extend(["--dry-run", "dev1"]);
    let process = Process::start(&arguments);
    assert_eq!(process.line("dry-run")["entry"], "dev*");
    for (operation, path) in [("discover", "/"), ("delete", "/0"), ("delete", "/1")] {
        let step = process.line("step");
        assert_eq!(
            (&step["operation"], &step["path"]),
            (&json!(operation), &json!(path))
        );
    }
    let write = process.line("step");
    assert_eq!(write["path"], "/0/0");
    assert_eq!(write["values"]["/0/0/10"], "7");
    assert!(!write.to_string().contains("c0ffee"), "{write}");
    assert_eq!(process.line("step")["path"], "/1/0");
    assert_eq!(process.line("step")["operation"], "finish");
    arguments.pop();
    arguments.push("other");
    let (code, error) = failure(&arguments);
    assert_eq!(code, 2);
    assert!(error.contains("no entry is for \"other\""), "{error}");
}
