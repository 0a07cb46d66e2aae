//! `lwm2m server`: what it refuses, and how it says so.

mod common;

use std::net::{TcpListener, UdpSocket};

use common::{Folder, Process, device::Device, failure, http::Http};
use lwm2m_codec::coap::Code;

/// Arguments of a server on free ports.
const FREE: [&str; 5] = ["server", "--coap", "127.0.0.1:0", "--http", "127.0.0.1:0"];

fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    FREE.iter().chain(more).copied().collect()
}

#[test]
fn a_request_without_the_right_token_is_unauthorized() {
    let (_process, addresses) = Process::server(&["--http-token", "s3cret"]);
    let http = Http::new(addresses.http);
    for path in ["/api/clients", "/api/event", "/api/security/clients", "/"] {
        assert_eq!(http.get(path).status, 401, "{path}");
    }
    let wrong = http.clone().with_header("Authorization: Bearer s3cres");
    assert_eq!(wrong.get("/api/clients").status, 401);
    let right = http.with_header("Authorization: Bearer s3cret");
    assert_eq!(right.get("/api/clients").status, 200);
}

#[test]
fn a_web_page_of_another_origin_is_not_answered() {
    let (_process, addresses) = Process::server(&[]);
    let http = Http::new(addresses.http).with_header("Origin: https://example.com");
    assert_eq!(http.get("/api/clients").status, 403);
}

#[test]
fn an_http_address_beyond_loopback_wants_a_token() {
    let arguments = ["server", "--coap", "127.0.0.1:0", "--http", "0.0.0.0:0"];
    let (code, text) = failure(&arguments);
    assert_eq!(code, 2);
    assert!(
        text.contains("--http 0.0.0.0:0 is not a loopback address"),
        "{text}"
    );
    let all: Vec<&str> = arguments
        .iter()
        .chain(&["--http-token", "x"])
        .copied()
        .collect();
    let process = Process::start(&all);
    assert!(process.addresses().http.is_some());
}

#[test]
fn an_address_in_use_is_named() {
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = udp.local_addr().unwrap().to_string();
    let (code, text) = failure(&["server", "--coap", &address, "--http", "127.0.0.1:0"]);
    assert_eq!(code, 1);
    assert_eq!(text, format!("error: can't listen: {address} is in use\n"));

    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = tcp.local_addr().unwrap().to_string();
    let (code, text) = failure(&["server", "--coap", "127.0.0.1:0", "--http", &address]);
    assert_eq!(code, 1);
    assert_eq!(
        text,
        format!("error: can't listen for HTTP at {address}: it is in use\n")
    );
}

#[test]
fn a_data_folder_that_can_not_be_used_is_named() {
    let folder = Folder::new();
    let file = folder.write("file", "");
    let data = format!("{file}/data");
    let (code, text) = failure(&with(&["--data", &data]));
    assert_eq!(code, 1);
    assert!(text.starts_with(&format!("error: {data}: ")), "{text}");

    folder.write(
        "server.redb",
        "this is no database, only a text of some length",
    );
    let (code, text) = failure(&with(&["--data", folder.path()]));
    assert_eq!(code, 1);
    assert!(
        text.starts_with(&format!("error: {}/server.redb: ", folder.path())),
        "{text}"
    );
}

#[test]
fn a_data_folder_belongs_to_one_server() {
    let folder = Folder::new();
    let (_process, _) = Process::server(&["--data", folder.path()]);
    let (code, text) = failure(&with(&["--data", folder.path()]));
    assert_eq!(code, 1);
    assert!(
        text.contains("server.redb: another process uses it"),
        "{text}"
    );
}

#[test]
fn a_definition_that_can_not_be_read_is_named_with_line_and_column() {
    let folder = Folder::new();
    let path = folder.write("bad.xml", "<LWM2M>\n  <Object>\n  </Objekt>\n</LWM2M>");
    let (code, text) = failure(&with(&["--objects", folder.path()]));
    assert_eq!(code, 2);
    assert_eq!(
        text,
        format!("error: {path}: line 3, column 3: not well-formed XML\n")
    );
    let (code, text) = failure(&with(&["--objects", "no/such/folder"]));
    assert_eq!(code, 2);
    assert!(
        text.starts_with("error: can't read no/such/folder: "),
        "{text}"
    );
}

#[test]
fn a_definition_from_a_folder_gives_resources_their_types() {
    let folder = Folder::new();
    folder.write(
        "lamp.xml",
        r#"<LWM2M><Object ObjectType="MODefinition">
            <Name>Lamp</Name><ObjectID>42769</ObjectID>
            <ObjectURN>urn:oma:lwm2m:x:42769</ObjectURN>
            <MultipleInstances>Multiple</MultipleInstances><Mandatory>Optional</Mandatory>
            <Resources><Item ID="5851"><Name>Dimmer</Name><Operations>RW</Operations>
              <MultipleInstances>Single</MultipleInstances><Mandatory>Mandatory</Mandatory>
              <Type>Integer</Type><RangeEnumeration>0..100</RangeEnumeration>
            </Item></Resources></Object></LWM2M>"#,
    );
    let (_process, addresses) = Process::server(&["--objects", folder.path()]);
    let mut device = Device::new(addresses.coap);
    let objects = "</1/0>,</3/0>,</42769/0>";
    let got = device.try_register("lamp", &["lwm2m=1.1", "lt=60"], objects);
    assert_eq!(got.code, Code::CREATED);
    let http = Http::new(addresses.http);
    let specifications = http.get("/api/objectspecs/lamp").json();
    assert_eq!(specifications[2]["name"], "Lamp");
    let reply = http.begin("PUT", "/api/clients/lamp/42769/0/5851", &"bright".into());
    let reply = reply.join().unwrap();
    assert_eq!(
        reply.body,
        "/42769/0/5851: \"bright\" is not a valid integer"
    );
}

#[test]
fn a_wrong_key_on_the_command_line_is_not_repeated() {
    let (code, text) = failure(&with(&["--psk", "a,b,00", "--psk", "a,b,secretkey"]));
    assert_eq!(code, 2);
    let why = "the key is not written in pairs of hexadecimal digits";
    assert_eq!(text, format!("error: --psk number 2: {why}\n"));
    let (code, text) = failure(&with(&["--psk", "a,b,00", "--psk", "a,c,01"]));
    assert_eq!((code, &*text), (2, "error: --psk: two keys for \"a\"\n"));
}

#[test]
fn an_endpoint_that_belongs_to_an_identity_is_refused_to_others() {
    let (process, addresses) = Process::server(&["--psk", "dev,id,00ff"]);
    let mut device = Device::new(addresses.coap);
    let parameters = ["lwm2m=1.1", "lt=60"];
    let got = device.try_register("dev", &parameters, "</1/0>,</3/0>");
    assert_eq!(got.code, Code::BAD_REQUEST);
    assert_eq!(
        got.diagnostic,
        "the endpoint name belongs to another identity"
    );
    let line = process.line("refused");
    assert_eq!(
        (&line["endpoint"], &line["reason"]),
        (&"dev".into(), &got.diagnostic.into())
    );
    assert_eq!(
        Http::new(addresses.http).get("/api/clients/dev").status,
        404
    );
}

#[test]
fn a_server_of_listed_endpoints_refuses_all_others() {
    let (_process, addresses) = Process::server(&["--endpoints", "listed"]);
    let mut device = Device::new(addresses.coap);
    let got = device.try_register("any", &["lwm2m=1.1", "lt=60"], "</1/0>,</3/0>");
    assert_eq!(got.code, Code::FORBIDDEN);
}
