//! Bootstrap-Pack: what a server gives out and what a device makes of it (TS-Core §6.1.7.7).

mod common;

use std::sync::Arc;

use common::*;
use lwm2m_bootstrap::{
    accounts,
    device::{PackError, Provisioning, pack_accounts, remove_bootstrap_account},
    server::{BootstrapServer, Config, Entry, Event, Provision, RefusedReason, ServerEntry},
};
use lwm2m_coap::{Binding, Engine, Identity, Input, Instant, PeerId};
use lwm2m_codec::{
    ContentFormat, Encoder, ObjectLink, Path, Record, Value,
    coap::{Code, Message, MessageId, MessageType, MessageWriter, OptionNumber, Token},
};
use lwm2m_model::{OwnedValue, Tree, objects::Security};

const PEER: PeerId = PeerId {
    index: 0,
    generation: 1,
};

fn provision() -> Provision {
    let mut provision = Provision::default();
    provision.delete = vec![path("/0"), path("/1")];
    provision.servers = vec![ServerEntry::new(5, security(5), server(5))];
    provision
}

/// The answer to a Bootstrap-Pack-Request: code, format, body; and what was told.
fn ask(
    provision: Provision,
    queries: &[&str],
    accept: Option<ContentFormat>,
) -> (Code, Option<ContentFormat>, Vec<u8>, Event) {
    let mut config = Config::default();
    config.entries = vec![Entry {
        name: "dev1".parse().unwrap(),
        psk: None,
        subscriber: None,
        provision: Arc::new(provision),
    }];
    let mut server = BootstrapServer::new(config, 1);
    let up = Input::PeerUp {
        peer: PEER,
        binding: Binding::Udp,
        remote: ([127, 0, 0, 1], 1).into(),
        identity: Identity::NoSec,
        connect: None,
    };
    server.handle_input(Instant::ZERO, up);
    let mut buf = vec![0; 2048];
    let con = MessageType::Confirmable;
    let mut writer =
        MessageWriter::new(&mut buf, con, Code::GET, MessageId(1), Token::EMPTY).unwrap();
    writer.option(OptionNumber::URI_PATH, b"bspack").unwrap();
    for query in queries {
        writer
            .option(OptionNumber::URI_QUERY, query.as_bytes())
            .unwrap();
    }
    if let Some(accept) = accept {
        writer.uint(OptionNumber::ACCEPT, accept.0.into()).unwrap();
    }
    let len = writer.payload(&[]).unwrap();
    let data = buf[..len].to_vec();
    let input = Input::Message {
        peer: PEER,
        data: &data,
    };
    server.handle_input(Instant::ZERO, input);
    let sent = server.poll_transmit(Instant::ZERO, &mut buf).unwrap().len;
    let message = Message::parse(&buf[..sent]).unwrap();
    let event = server.poll_event().unwrap();
    assert_eq!(server.sessions(), 0);
    let body = message.payload().to_vec();
    (message.code(), message.content_format(), body, event)
}

fn apply(tree: &mut Tree, format: ContentFormat, pack: &[u8]) -> Result<(), PackError> {
    Provisioning::new(BOOTSTRAP).apply_pack(tree, format, pack)
}

fn pack(values: &[(&str, Value<'_>)]) -> Vec<u8> {
    let mut buf = vec![0; 2048];
    let mut encoder = Encoder::new(ContentFormat::SENML_CBOR, Path::ROOT, &mut buf).unwrap();
    for (at, value) in values {
        encoder.push(&Record::new(path(at), *value)).unwrap();
    }
    let len = encoder.finish().unwrap();
    buf.truncate(len);
    buf
}

fn account(ssid: i64) -> Vec<(&'static str, Value<'static>)> {
    vec![
        ("/0/0/0", Value::string("coap://new.example")),
        ("/0/0/1", Value::Boolean(false)),
        ("/0/0/2", Value::Integer(3)),
        ("/0/0/10", Value::Integer(ssid)),
        ("/1/0/0", Value::Integer(ssid)),
        ("/1/0/1", Value::Integer(600)),
        ("/1/0/6", Value::Boolean(true)),
        ("/1/0/7", Value::string("U")),
    ]
}

#[test]
fn a_pack_in_each_format_gives_the_device_its_accounts_and_leaves_the_bootstrap_account() {
    for format in [
        ContentFormat::SENML_JSON,
        ContentFormat::SENML_CBOR,
        ContentFormat::LWM2M_CBOR,
    ] {
        let mut tree = provisioned_tree();
        let before = accounts(&tree).bootstrap;
        let acc = format!("acc={}", pack_accounts(&tree, BOOTSTRAP));
        assert_eq!(acc, "acc=</0/7>");
        let (code, got, body, event) = ask(provision(), &["ep=dev1", &acc], Some(format));
        assert_eq!((code, got), (Code::CONTENT, Some(format)));
        assert!(
            matches!(&event, Event::Packed { endpoint, sent, .. }
                if endpoint == "dev1" && *sent == body.len()),
            "{event:?}"
        );
        assert_eq!(apply(&mut tree, format, &body), Ok(()));
        let accounts = accounts(&tree);
        let ssids: Vec<u16> = accounts.servers.iter().map(|server| server.ssid).collect();
        assert_eq!(ssids, [5]);
        assert_eq!(accounts.bootstrap, before);
        assert!(!tree.in_transaction());
    }
}

#[test]
fn the_instances_of_the_bootstrap_account_are_left_out_of_the_numbering() {
    let query = ["ep=dev1", "acc=</0/0>,</21/0>"];
    let (_, _, body, _) = ask(provision(), &query, Some(ContentFormat::SENML_JSON));
    let text = String::from_utf8(body).unwrap();
    assert!(text.contains("/0/1/") && !text.contains("/0/0/"), "{text}");
}

#[test]
fn a_provision_that_no_pack_can_say_is_refused_by_4_05() {
    let change = |change: &dyn Fn(&mut Provision)| {
        let mut provision = provision();
        change(&mut provision);
        provision
    };
    let write = |at: &str| lwm2m_bootstrap::server::Write {
        path: path(at),
        values: vec![(path(at), OwnedValue::String("+01:00".into()))],
    };
    let cases = [
        change(&|p| p.read = vec![path("/1")]),
        change(&|p| p.delete = vec![]),
        change(&|p| p.delete = vec![path("/")]),
        change(&|p| p.delete.push(path("/6"))),
        change(&|p| p.writes = vec![write("/3/0/14")]),
    ];
    for provision in cases {
        let (code, _, body, event) = ask(provision, &["ep=dev1"], None);
        assert_eq!(code, Code::METHOD_NOT_ALLOWED);
        assert_eq!(body, b"this provision needs the plain sequence");
        let reason = RefusedReason::NotPackable;
        assert!(matches!(event, Event::Refused { reason: r, .. } if r == reason));
    }
}

#[test]
fn other_wrong_pack_requests_are_refused_by_their_codes() {
    let code = |query: &str, accept| ask(provision(), &[query], accept).0;
    assert_eq!(code("ep=dev2", None), Code::BAD_REQUEST);
    assert_eq!(code("acc=</0/0>", None), Code::BAD_REQUEST);
    assert_eq!(
        code("ep=dev1", Some(ContentFormat::TLV)),
        Code::NOT_ACCEPTABLE
    );
    let (code, ..) = ask(provision(), &["ep=dev1", "acc=<"], None);
    assert_eq!(code, Code::BAD_REQUEST);
}

#[test]
fn a_pack_replaces_all_instances_of_its_objects_and_no_others() {
    let mut tree = provisioned_tree();
    tree.typed_mut::<Security>().unwrap().insert(3, security(3));
    let format = ContentFormat::SENML_CBOR;
    assert_eq!(apply(&mut tree, format, &pack(&account(9))), Ok(()));
    let ssids: Vec<u16> = accounts(&tree).servers.iter().map(|s| s.ssid).collect();
    assert_eq!(ssids, [9]);
    assert!(!tree.contains(path("/0/3")));
    assert!(tree.contains(path("/0/7")) && tree.contains(path("/3303/0")));
}

#[test]
fn a_pack_that_is_wrong_anywhere_changes_nothing_and_says_why() {
    let mut inconsistent = account(9);
    inconsistent.truncate(4);
    let mut protected = account(9);
    protected.insert(4, ("/0/7/0", Value::string("coap://evil.example")));
    let mut device = account(9);
    device.push(("/3/0/14", Value::string("+01:00")));
    let mut unknown = account(9);
    unknown.push(("/6/0/0", Value::Float(1.0)));
    let mut type_ = account(9);
    type_[0].1 = Value::Integer(1);
    let cases = [
        (
            pack(&inconsistent),
            "there is no server instance with short server id 9",
        ),
        (
            pack(&protected),
            "the pack would change /0/7, which stays as it is",
        ),
        (
            pack(&device),
            "the pack would change /3/0, which stays as it is",
        ),
        (
            pack(&unknown),
            "the pack has object 6, which the device has not",
        ),
        (pack(&type_), "the value is not a valid string"),
        (vec![0xff], "the pack can't be decoded"),
    ];
    for (pack, why) in cases {
        let mut tree = provisioned_tree();
        let before = snapshot(&tree);
        let error = apply(&mut tree, ContentFormat::SENML_CBOR, &pack).unwrap_err();
        assert!(error.to_string().contains(why), "{error}, not {why}");
        assert_eq!(snapshot(&tree), before, "{why}");
        assert!(!tree.in_transaction());
    }
}

#[test]
fn a_cut_pack_never_changes_a_device() {
    let pack = pack(&account(9));
    for len in 0..pack.len() {
        let mut tree = provisioned_tree();
        let before = snapshot(&tree);
        assert!(apply(&mut tree, ContentFormat::SENML_CBOR, &pack[..len]).is_err());
        assert_eq!(snapshot(&tree), before);
    }
}

#[test]
fn the_bootstrap_account_is_removed_with_what_it_links_to_and_nothing_else() {
    let mut tree = provisioned_tree();
    for instance in [0, 1] {
        tree.create(21, Some(instance)).unwrap();
    }
    let link = Value::ObjectLink(ObjectLink::new(21, 1));
    tree.write(path("/0/7/17"), link).unwrap();
    assert_eq!(pack_accounts(&tree, BOOTSTRAP), "</0/7>,</21/1>");
    assert_eq!(remove_bootstrap_account(&mut tree), Ok(true));
    assert!(!tree.contains(path("/0/7")) && !tree.contains(path("/21/1")));
    assert!(tree.contains(path("/21/0")) && tree.contains(path("/3/0")));
    assert_eq!(accounts(&tree).servers.len(), 1);
    assert_eq!(remove_bootstrap_account(&mut tree), Ok(false));
    assert_eq!(pack_accounts(&tree, BOOTSTRAP), "");
}

#[test]
fn the_sequence_that_a_device_would_get_is_known_before_there_is_one() {
    let steps = provision().sequence(ContentFormat::TLV).unwrap();
    let lines: Vec<String> = steps.iter().map(|step| step.info.to_string()).collect();
    assert_eq!(
        lines,
        [
            "discover /",
            "delete /0",
            "delete /1",
            "write /0/0 as tlv (11542)",
            "write /1/0 as tlv (11542)",
            "finish"
        ]
    );
    assert!(steps[3].info.sent > 40);
    let uri = (
        path("/0/0/0"),
        OwnedValue::String("coaps://server.example".into()),
    );
    assert!(steps[3].values.contains(&uri));
}
