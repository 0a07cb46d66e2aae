//! Operations on a device as messages (TS-Transport §6.4.4).

mod common;

use common::{OBJECTS, Received, Sent, Wire};
use lwm2m_coap::{Draft, Duration, Identity, Input, PeerId};
use lwm2m_codec::{
    ContentFormat, Path,
    coap::{Code, MessageType},
};
use lwm2m_server::{
    Config, DeviceView, Event, FailReason, RegistrationId, RequestError, RequestId, WriteMode,
};

fn device(wire: &mut Wire) -> (PeerId, RegistrationId) {
    let peer = wire.peer(0, Identity::NoSec);
    let id = wire.registered(peer, "dev");
    wire.events();
    (peer, id)
}

/// A request, and what it should be: code, path, queries, Accept, Content-Format.
type Case = (
    Received,
    Code,
    &'static str,
    &'static [&'static str],
    Option<ContentFormat>,
    Option<ContentFormat>,
);

type Made = Result<RequestId, RequestError>;

/// What the server sends for a request.
fn sent(
    wire: &mut Wire,
    id: RegistrationId,
    make: impl FnOnce(&mut DeviceView<'_>) -> Made,
) -> Received {
    make(&mut wire.server.device(id).unwrap()).unwrap();
    let output = wire.output();
    let [request] = output.as_slice() else {
        panic!("{output:?}");
    };
    // Answered, so that the next one may leave.
    wire.answer(
        request,
        &Sent {
            code: Code::CHANGED,
            ..Sent::default()
        },
    );
    request.clone()
}

fn path(text: &str) -> Path {
    text.parse().unwrap()
}

#[test]
fn each_operation_is_the_message_that_the_standard_gives_it() {
    let mut wire = Wire::new(Config::default());
    let (_, id) = device(&mut wire);
    let now = wire.now;
    let tlv = Some(ContentFormat::TLV);
    let link = Some(ContentFormat::LINK);
    let payload = || b"x".to_vec();
    let cases: Vec<Case> = vec![
        (
            sent(&mut wire, id, |d| d.read(now, path("/3/0"), tlv)),
            Code::GET,
            "/3/0",
            &[],
            tlv,
            None,
        ),
        (
            sent(&mut wire, id, |d| d.read(now, path("/3/0/11/1"), None)),
            Code::GET,
            "/3/0/11/1",
            &[],
            None,
            None,
        ),
        (
            sent(&mut wire, id, |d| d.discover(now, path("/3"), None)),
            Code::GET,
            "/3",
            &[],
            link,
            None,
        ),
        (
            sent(&mut wire, id, |d| d.discover(now, path("/3"), Some(3))),
            Code::GET,
            "/3",
            &["depth=3"],
            link,
            None,
        ),
        (
            sent(&mut wire, id, |d| {
                d.write(
                    now,
                    path("/3/0/13"),
                    WriteMode::Replace,
                    ContentFormat::TEXT,
                    payload(),
                )
            }),
            Code::PUT,
            "/3/0/13",
            &[],
            None,
            Some(ContentFormat::TEXT),
        ),
        (
            sent(&mut wire, id, |d| {
                d.write(
                    now,
                    path("/3/0"),
                    WriteMode::Update,
                    ContentFormat::TLV,
                    payload(),
                )
            }),
            Code::POST,
            "/3/0",
            &[],
            None,
            tlv,
        ),
        (
            sent(&mut wire, id, |d| {
                d.write_attributes(now, path("/3/0/9"), "pmin=1&pmax")
            }),
            Code::PUT,
            "/3/0/9",
            &["pmin=1", "pmax"],
            None,
            None,
        ),
        (
            sent(&mut wire, id, |d| d.execute(now, path("/3/0/4"), "")),
            Code::POST,
            "/3/0/4",
            &[],
            None,
            None,
        ),
        (
            sent(&mut wire, id, |d| d.execute(now, path("/1/0/8"), "0='U'")),
            Code::POST,
            "/1/0/8",
            &[],
            None,
            Some(ContentFormat::TEXT),
        ),
        (
            sent(&mut wire, id, |d| {
                d.create(now, 3303, ContentFormat::TLV, payload())
            }),
            Code::POST,
            "/3303",
            &[],
            None,
            tlv,
        ),
        (
            sent(&mut wire, id, |d| d.delete(now, path("/3303/0"))),
            Code::DELETE,
            "/3303/0",
            &[],
            None,
            None,
        ),
        (
            sent(&mut wire, id, |d| {
                d.write_composite(now, ContentFormat::SENML_JSON, payload())
            }),
            Code::IPATCH,
            "/",
            &[],
            None,
            Some(ContentFormat::SENML_JSON),
        ),
        (
            sent(&mut wire, id, |d| {
                d.raw(
                    now,
                    Draft::new(Code::DELETE).path_segment("3").path_segment("0"),
                )
            }),
            Code::DELETE,
            "/3/0",
            &[],
            None,
            None,
        ),
    ];
    for (request, code, path, queries, accept, format) in cases {
        assert_eq!(request.message_type, MessageType::Confirmable);
        assert_eq!((request.code, request.path.as_str()), (code, path));
        assert_eq!(request.queries, queries, "{path}");
        assert_eq!((request.accept, request.format), (accept, format), "{path}");
    }
}

#[test]
fn a_composite_read_names_its_paths_in_the_payload() {
    let mut wire = Wire::new(Config::default());
    let (_, id) = device(&mut wire);
    let now = wire.now;
    let paths = [path("/3/0/16"), path("/1")];
    let json = ContentFormat::SENML_JSON;
    let accept = Some(ContentFormat::SENML_CBOR);
    let request = sent(&mut wire, id, |d| {
        d.read_composite(now, &paths, json, accept)
    });
    assert_eq!((request.code, request.path.as_str()), (Code::FETCH, "/"));
    assert_eq!((request.format, request.accept), (Some(json), accept));
    assert_eq!(request.payload, br#"[{"n":"/3/0/16"},{"n":"/1"}]"#);
    let cbor = ContentFormat::SENML_CBOR;
    let request = sent(&mut wire, id, |d| {
        d.read_composite(now, &paths[1..], cbor, None)
    });
    assert_eq!(request.payload, b"\x81\xa1\x00\x62/1");
}

#[test]
fn an_alternate_root_stands_before_every_path() {
    let mut wire = Wire::new(Config::default());
    let peer = wire.peer(0, Identity::NoSec);
    let list = r#"</l/m>;rt="oma.lwm2m",</l/m/3/0>"#;
    let answer = wire.register(peer, &["ep=d", "lt=60", "lwm2m=1.1"], list);
    let id = answer.location[1].parse().unwrap();
    let now = wire.now;
    assert_eq!(
        sent(&mut wire, id, |d| d.read(now, path("/3/0/0"), None)).path,
        "/l/m/3/0/0"
    );
    let json = ContentFormat::SENML_JSON;
    let request = sent(&mut wire, id, |d| {
        d.read_composite(now, &[path("/3")], json, None)
    });
    assert_eq!(request.path, "/l/m");
}

#[test]
fn a_response_comes_back_as_an_event_with_all_it_says() {
    let mut wire = Wire::new(Config::default());
    let (_, id) = device(&mut wire);
    let now = wire.now;
    let made = wire
        .server
        .device(id)
        .unwrap()
        .read(now, path("/3/0/0"), None)
        .unwrap();
    let request = wire.output().remove(0);
    let content = Sent {
        code: Code::CONTENT,
        format: Some(ContentFormat::TEXT),
        payload: b"Acme",
        ..Sent::default()
    };
    wire.answer(&request, &content);
    let events = wire.events();
    let [
        Event::Response {
            request,
            registration,
            code,
            format,
            payload,
            ..
        },
    ] = &events[..]
    else {
        panic!("{events:?}");
    };
    assert_eq!((*request, *registration, *code), (made, id, Code::CONTENT));
    assert_eq!(
        (*format, payload.as_slice()),
        (Some(ContentFormat::TEXT), &b"Acme"[..])
    );
}

#[test]
fn an_error_of_the_device_is_a_response_too() {
    let mut wire = Wire::new(Config::default());
    let (_, id) = device(&mut wire);
    let now = wire.now;
    wire.server
        .device(id)
        .unwrap()
        .delete(now, path("/3/0"))
        .unwrap();
    let request = wire.output().remove(0);
    wire.answer(
        &request,
        &Sent {
            code: Code::METHOD_NOT_ALLOWED,
            ..Sent::default()
        },
    );
    assert!(matches!(
        wire.events()[..],
        [Event::Response {
            code: Code::METHOD_NOT_ALLOWED,
            ..
        }]
    ));
}

#[test]
fn a_created_instance_is_named_by_its_path() {
    use common::events;
    use lwm2m_coap::sim::{LinkConfig, Network};
    use lwm2m_server::Server;
    let mut net = Network::new(LinkConfig::default(), 1);
    let server = net.add_host("server", Server::new(Config::default(), 1));
    net.add(common::device::Device::new("dev", 2));
    net.run_for(Duration::from_secs(1));
    let now = net.now();
    let engine = net.get_mut::<Server>(server);
    let id = engine.find("dev").unwrap().id;
    engine
        .device(id)
        .unwrap()
        .create(now, 3303, ContentFormat::TLV, vec![])
        .unwrap();
    net.run_for(Duration::from_secs(1));
    let events = events(&mut net, server);
    let Some(Event::Response { location, code, .. }) = events.last() else {
        panic!("{events:?}");
    };
    assert_eq!((*code, *location), (Code::CREATED, Some(path("/3303/7"))));
}

#[test]
fn a_path_that_the_operation_does_not_know_is_refused_at_once() {
    let mut wire = Wire::new(Config::default());
    let (_, id) = device(&mut wire);
    let now = wire.now;
    let mut device = wire.server.device(id).unwrap();
    let wrong = |text| Err(RequestError::Path(path(text)));
    let text = ContentFormat::TEXT;
    assert_eq!(device.read(now, path("/"), None), wrong("/"));
    assert_eq!(
        device.write(now, path("/3"), WriteMode::Replace, text, vec![]),
        wrong("/3")
    );
    assert_eq!(device.execute(now, path("/3/0"), ""), wrong("/3/0"));
    assert_eq!(device.delete(now, path("/3")), wrong("/3"));
    assert_eq!(device.read(now, path("/3/65535"), None), wrong("/3/65535"));
    assert_eq!(
        device.read_composite(now, &[], text, None),
        Err(RequestError::NoPath)
    );
    let attributes = device.write_attributes(now, path("/3/0"), "pmin=x");
    assert_eq!(attributes, Err(RequestError::Attributes));
    assert!(matches!(
        device.read_composite(now, &[path("/3")], text, None),
        Err(RequestError::Encode(_))
    ));
    assert_eq!(wire.output(), []);
}

#[test]
fn requests_leave_one_after_the_other() {
    let mut wire = Wire::new(Config::default());
    let (_, id) = device(&mut wire);
    let now = wire.now;
    let mut device = wire.server.device(id).unwrap();
    device.read(now, path("/3/0/0"), None).unwrap();
    let second = device.read(now, path("/3/0/1"), None).unwrap();
    device.read(now, path("/3/0/2"), None).unwrap();
    let first = wire.output().remove(0);
    assert_eq!(first.path, "/3/0/0");
    // A cancelled one never leaves.
    assert!(wire.server.cancel(now, second));
    assert!(!wire.server.cancel(now, second));
    let next = wire.answer(
        &first,
        &Sent {
            code: Code::CONTENT,
            ..Sent::default()
        },
    );
    assert_eq!(next.len(), 1);
    assert_eq!(next[0].path, "/3/0/2");
}

#[test]
fn a_device_that_does_not_answer_fails_the_request_after_93_seconds() {
    let mut wire = Wire::new(Config::default());
    let (_, id) = device(&mut wire);
    let now = wire.now;
    let made = wire
        .server
        .device(id)
        .unwrap()
        .read(now, path("/3/0"), None)
        .unwrap();
    assert_eq!(wire.output().len(), 1);
    assert_eq!(wire.wait(Duration::from_secs(93)).len(), 4);
    let events = wire.events();
    let [
        Event::RequestFailed {
            request, reason, ..
        },
    ] = events[..]
    else {
        panic!("{events:?}");
    };
    assert_eq!(request, made);
    assert_eq!(
        reason,
        FailReason::Exchange(lwm2m_coap::ExchangeError::Timeout)
    );
}

#[test]
fn the_end_of_a_registration_ends_its_requests() {
    let mut wire = Wire::new(Config::default());
    let (_, id) = device(&mut wire);
    let now = wire.now;
    let mut device = wire.server.device(id).unwrap();
    device.read(now, path("/3/0/0"), None).unwrap();
    device.read(now, path("/3/0/1"), None).unwrap();
    assert!(wire.server.remove(now, id));
    let events = wire.events();
    let kinds: Vec<_> = events
        .iter()
        .map(|event| match event {
            Event::RequestFailed {
                reason: FailReason::Deregistered(_),
                ..
            } => "failed",
            Event::Deregistered { .. } => "gone",
            _ => "other",
        })
        .collect();
    assert_eq!(kinds, ["failed", "failed", "gone"]);
    assert!(wire.server.device(id).is_none());
}

#[test]
fn a_device_that_registers_anew_gets_what_may_be_repeated() {
    let mut wire = Wire::new(Config::default());
    let (peer, id) = device(&mut wire);
    let now = wire.now;
    let register = |wire: &mut Wire| {
        let queries = &["ep=dev", "lt=300", "lwm2m=1.1"];
        let payload = OBJECTS.as_bytes();
        wire.send(
            peer,
            &Sent {
                queries,
                payload,
                ..Sent::default()
            },
        )
    };
    let mut device = wire.server.device(id).unwrap();
    device.read(now, path("/3/0/0"), None).unwrap();
    wire.output();
    let output = register(&mut wire);
    assert_eq!(output[0].code, Code::CREATED);
    assert_eq!(
        (output[1].code, output[1].path.as_str()),
        (Code::GET, "/3/0/0")
    );
    wire.answer(
        &output[1],
        &Sent {
            code: Code::CONTENT,
            ..Sent::default()
        },
    );
    assert!(matches!(
        wire.events()[..],
        [Event::Registered { .. }, Event::Response { .. }]
    ));
    // An Execute may have been carried out already.
    let id = wire.server.find("dev").unwrap().id;
    let mut device = wire.server.device(id).unwrap();
    device.execute(now, path("/3/0/4"), "").unwrap();
    wire.output();
    assert_eq!(register(&mut wire).len(), 1);
    assert!(matches!(
        wire.events()[..],
        [
            Event::RequestFailed {
                reason: FailReason::Reregistered,
                ..
            },
            Event::Registered { .. }
        ]
    ));
}

#[test]
fn a_session_that_ends_keeps_requests_until_the_device_is_back() {
    let mut wire = Wire::new(Config::default());
    let peer = wire.peer(0, Identity::Psk(b"dev"));
    let id = wire.registered(peer, "dev");
    wire.events();
    let now = wire.now;
    let mut device = wire.server.device(id).unwrap();
    let read = device.read(now, path("/3/0/0"), None).unwrap();
    device.execute(now, path("/3/0/4"), "").unwrap();
    assert_eq!(wire.output().len(), 1);
    let reason = lwm2m_coap::DownReason::Remote;
    let down = Input::PeerDown { peer, reason };
    lwm2m_coap::Engine::handle_input(&mut wire.server, now, down);
    assert_eq!(wire.output(), []);
    assert!(wire.events().is_empty());
    let back = wire.peer(1, Identity::Psk(b"dev"));
    let path = format!("/rd/{id}");
    let output = wire.send(
        back,
        &Sent {
            path: &path,
            ..Sent::default()
        },
    );
    assert_eq!(output[0].code, Code::CHANGED);
    assert_eq!((output[1].code, output[1].peer), (Code::GET, back));
    let next = wire.answer(
        &output[1],
        &Sent {
            code: Code::CONTENT,
            ..Sent::default()
        },
    );
    assert_eq!(next[0].code, Code::POST);
    let events = wire.events();
    assert!(matches!(events[1], Event::Response { request, .. } if request == read));
}

#[test]
fn bounds_refuse_what_exceeds_them() {
    let mut config = Config::default();
    config.limits.requests_per_device = 2;
    config.limits.registrations = 1;
    config.limits.objects = 3;
    let mut wire = Wire::new(config);
    let (peer, id) = device(&mut wire);
    let now = wire.now;
    let mut device = wire.server.device(id).unwrap();
    let first = device.read(now, path("/3/0/0"), None).unwrap();
    device.read(now, path("/3/0/1"), None).unwrap();
    assert_eq!(
        device.read(now, path("/3/0/2"), None),
        Err(RequestError::QueueFull)
    );
    let huge = vec![0; 70_000];
    let text = ContentFormat::TEXT;
    wire.server.cancel(now, first);
    let mut device = wire.server.device(id).unwrap();
    let written = device.write(now, path("/3/0/0"), WriteMode::Replace, text, huge);
    assert_eq!(written, Err(RequestError::TooLarge));
    wire.output();
    let queries = ["ep=other", "lt=60", "lwm2m=1.1"];
    let full = wire.register(peer, &queries, OBJECTS);
    assert_eq!(full.code, Code::SERVICE_UNAVAILABLE);
    let many = wire.register(
        peer,
        &["ep=dev", "lt=60", "lwm2m=1.1"],
        "</1>,</2>,</3>,</4>",
    );
    assert_eq!(many.code, Code::BAD_REQUEST);
    assert!(wire.server.counters().overflows >= 2);
}

#[test]
fn a_large_write_goes_out_in_blocks() {
    let mut wire = Wire::new(Config::default());
    let (_, id) = device(&mut wire);
    let now = wire.now;
    let mut device = wire.server.device(id).unwrap();
    let body = vec![7; 1500];
    let format = ContentFormat::OPAQUE;
    device
        .write(now, path("/5/0/0"), WriteMode::Replace, format, body)
        .unwrap();
    let first = wire.output().remove(0);
    assert_eq!(first.payload.len(), 1024);
}
