//! `lwm2m decode` and `lwm2m encode` as a script sees them.

use std::{
    io::Write,
    process::{Command, Output, Stdio},
};

use serde_json::{Value, json};

fn lwm2m(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_lwm2m"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    // A command that does not read may have closed it.
    let _ = stdin.write_all(input);
    drop(stdin);
    child.wait_with_output().expect("the command ends")
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).expect("text")
}

fn run(arguments: &[&str]) -> String {
    text(&lwm2m(arguments, b""))
}

fn json_of(arguments: &[&str]) -> Value {
    serde_json::from_str(&run(arguments)).expect("JSON")
}

fn refusal(arguments: &[&str]) -> (Option<i32>, String) {
    let output = lwm2m(arguments, b"");
    (
        output.status.code(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

/// Battery level and a multiple-instance resource of a device, in TLV.
const TLV: &str = "c1 09 64 86 06 41 00 01 41 01 05";

#[test]
fn records_come_with_names_and_units_of_the_definitions() {
    assert_eq!(
        run(&["decode", "--path", "/3/0", TLV]),
        "tlv (11542), guessed\n\
         /3/0/9           Battery Level                    100 /100\n\
         /3/0/6/0         Available Power Sources          1\n\
         /3/0/6/1         Available Power Sources          5\n"
    );
    let shown = json_of(&[
        "decode", "--json", "--format", "11542", "--path", "/3/0", TLV,
    ]);
    assert_eq!(shown["format"], json!({"number": 11542, "name": "tlv"}));
    assert_eq!(shown["guessed"], false);
    assert_eq!(
        shown["records"][0],
        json!({"path": "/3/0/9", "value": {"integer": 100}, "name": "Battery Level", "units": "/100"})
    );
}

#[test]
fn text_times_and_prefixes_are_shown() {
    let pack =
        r#"[{"bn":"/d01/3303/0/","bt":1700000000,"n":"5700","v":21.5},{"n":"5701","vs":"Cel"}]"#;
    let shown = run(&["decode", pack]);
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(lines[0], "senml-json (110), guessed");
    assert!(lines[1].starts_with("/d01/3303/0/5700"), "{shown}");
    assert!(lines[1].ends_with("21.5 @ 1700000000 s"), "{shown}");
    assert!(lines[2].ends_with("\"Cel\" @ 1700000000 s"), "{shown}");
    let shown = json_of(&["decode", "--json", pack]);
    assert_eq!(shown["records"][0]["root"], "d01");
    let links = json_of(&["decode", "--json", "</>;rt=\"oma.lwm2m\",</3/0>;obs"]);
    assert_eq!(
        links["links"],
        json!([
            {"target": "/", "attributes": {"rt": "oma.lwm2m"}},
            {"target": "/3/0", "attributes": {"obs": true}}
        ])
    );
}

#[test]
fn objects_of_folders_name_the_records_too() {
    let folder = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../lwm2m-build/tests/fixtures/lint"
    );
    let path = "/3999/0/0";
    let arguments = ["decode", "--json", "--path", path, "--format", "text", "35"];
    let unknown = json_of(&arguments);
    assert_eq!(unknown["records"][0].get("name"), None);
    let known = json_of(&[&arguments[..], &["--objects", folder]].concat());
    assert!(known["records"][0]["name"].is_string(), "{known}");
    assert_eq!(known["records"][0]["value"], json!({"float": 5.0}));
}

#[test]
fn a_datagram_is_shown_with_its_options_and_its_payload() {
    // 2.05 with TLV, as the answer to a Read of a path that it does not name.
    let datagram = "62 45 12 34 aa bb c2 2d 16 ff c1 09 64";
    let shown = run(&["decode", "--coap", "--path", "/3/0", datagram]);
    assert_eq!(
        shown,
        "ACK 2.05 Content mid 4660 token aabb\n  \
         Content-Format: tlv (11542)\n\
         tlv (11542)\n\
         /3/0/9           Battery Level                    100 /100\n"
    );
    // A Write names its path itself.
    let write = "40 03 00 01 b1 33 01 30 12 2d 16 ff c1 09 64";
    let shown = json_of(&["decode", "--json", "--coap", write]);
    assert_eq!(shown["code"], "0.03 PUT");
    assert_eq!(shown["type"], "CON");
    assert_eq!(
        shown["options"][0],
        json!({"number": 11, "name": "Uri-Path", "value": "\"3\""})
    );
    assert_eq!(shown["payload"]["records"][0]["path"], "/3/0/9");
    // What can't be decoded is shown as it is, with the reason.
    let broken = json_of(&[
        "decode",
        "--json",
        "--coap",
        "40 03 00 01 b1 33 01 30 12 2d 16 ff c1",
    ]);
    assert_eq!(broken["payload"]["hex"], "c1");
    assert!(broken["payload"]["error"].is_string());
    // A diagnostic payload is text.
    let refused = json_of(&["decode", "--json", "--coap", "60 84 00 01 ff 6e 6f"]);
    assert_eq!(refused["payload"], json!({"text": "no"}));
}

#[test]
fn messages_over_tcp_are_cut_from_their_stream() {
    let stream = "40 e1 22 04 80 20 01 e2 42";
    let shown = run(&["decode", "--coap-tcp", stream]);
    assert_eq!(
        shown,
        "7.01 CSM\n  option 2: 0480\n  option 4\n7.02 Ping token 42\n"
    );
    let (code, reason) = refusal(&["decode", "--coap-tcp", "40 e1 22"]);
    assert_eq!(code, Some(1));
    assert!(
        reason.contains("message at byte 0: 3 bytes are missing"),
        "{reason}"
    );
}

#[test]
fn what_can_not_be_decoded_is_named_with_its_place() {
    let (code, reason) = refusal(&["decode", "--format", "tlv", "--path", "/3/0", "c1 09"]);
    assert_eq!(code, Some(1));
    assert!(
        reason.starts_with("error: tlv (11542), at byte 2: "),
        "{reason}"
    );
    let (code, reason) = refusal(&["decode", "c1 09 64"]);
    assert_eq!(code, Some(1));
    assert!(reason.contains("--path"), "{reason}");
    for wrong in [
        &["decode", "c1 0"][..],
        &["decode", "--format", "xml", "c1"],
        &["encode", "--format", "tlv", "/3/0/9=full"],
        &["encode", "--format", "tlv", "/3/x=1"],
    ] {
        assert_eq!(refusal(wrong).0, Some(2), "{wrong:?}");
    }
    let (code, reason) = refusal(&["encode", "--format", "tlv", "/3/0/9=1", "/3/0/2=1"]);
    assert_eq!(code, Some(1));
    assert!(reason.contains("/3/0/2 is out of order"), "{reason}");
}

#[test]
fn values_are_encoded_by_their_types() {
    let encode = |more: &[&str]| {
        let records = ["/3/0/9=100", "/3/0/13=1700000000"];
        run(&[&["encode", "--format"], more, &records].concat())
    };
    assert_eq!(encode(&["tlv"]), "c10964c40d6553f100\n");
    assert_eq!(
        encode(&["lwm2m-cbor", "--flat"]),
        "a28303000918648303000d1a6553f100\n"
    );
    let json = run(&["encode", "--format", "110", "--raw", "/3/0/9=100"]);
    assert_eq!(json, r#"[{"bn":"/3/0/9","v":100}]"#);
    // A path without a value asks for it.
    let fetch = run(&[
        "encode",
        "--format",
        "senml-etch-json",
        "--path",
        "/",
        "--raw",
        "/3/0",
        "/4",
    ]);
    assert_eq!(fetch, r#"[{"n":"/3/0"},{"n":"/4"}]"#);
}

#[test]
fn what_decode_prints_encode_reads() {
    let digits = TLV.replace(' ', "");
    for format in ["tlv", "senml-json", "senml-cbor", "lwm2m-cbor", "oma-json"] {
        let decoded = run(&["decode", "--json", "--path", "/3/0", TLV]);
        // TLV allows any order; its encoder and that of LwM2M CBOR want the ascending one.
        let mut value: Value = serde_json::from_str(&decoded).expect("JSON");
        let records = value["records"].as_array_mut().expect("a list");
        records.rotate_left(1);
        let input = value.to_string();
        let encode = ["encode", "--format", format, "--path", "/3/0", "-"];
        let encoded = text(&lwm2m(&encode, input.as_bytes()));
        let again = json_of(&[
            "decode",
            "--json",
            "--format",
            format,
            "--path",
            "/3/0",
            encoded.trim(),
        ]);
        assert_eq!(again["records"], value["records"], "{format}");
    }
    let raw = lwm2m(&["decode", "--path", "/3/0", "-"], &[0xc1, 9, 100]);
    assert!(text(&raw).contains("100 /100"));
    assert_eq!(digits.len(), 22);
}
