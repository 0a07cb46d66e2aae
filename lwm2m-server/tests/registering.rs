//! Register, Update, De-register: parameters, codes, replacement and lifetimes
//! (TS-Core §6.2; ETS 101, 102, 103, 105, 107).

mod common;

use common::{OBJECTS, Sent, Wire};
use lwm2m_coap::{Duration, Identity};
use lwm2m_codec::{ContentFormat, Path, Version, coap::Code};
use lwm2m_server::{Config, DeregisterReason, Event, RefuseReason};

fn wire() -> Wire {
    Wire::new(Config::default())
}

#[test]
fn a_register_is_created_with_a_location_under_rd() {
    let mut wire = wire();
    let peer = wire.peer(0, Identity::NoSec);
    let queries = [
        "b=U",
        "lwm2m=1.1",
        "sms=4912345",
        "lt=60",
        "ep=dev",
        "x=1",
        "Q",
    ];
    let answer = wire.register(peer, &queries, "</>;ct=110,</1/0>,</3/0>;ver=1.2,</5>");
    assert_eq!(answer.code, Code::CREATED);
    assert_eq!(answer.location[0], "rd");
    let id = answer.location[1].parse().unwrap();
    let registration = wire.registration(id);
    assert_eq!(registration.endpoint, "dev");
    assert_eq!(registration.lifetime, 60);
    assert_eq!(registration.version, Version::V1_1);
    assert!(registration.queue_mode && registration.binding.contains('U'));
    assert_eq!(registration.sms.as_deref(), Some("4912345"));
    assert_eq!(
        registration.extra,
        [("x".to_string(), Some("1".to_string()))]
    );
    assert_eq!(registration.formats, [ContentFormat::SENML_JSON]);
    assert_eq!(registration.object_version(3), Some(Version::V1_2));
    assert_eq!(registration.object_version(1), Some(Version::V1_1));
    assert_eq!(registration.object_version(4), None);
    let events = wire.events();
    let [
        Event::Registered {
            registration,
            replaced: None,
        },
    ] = events.as_slice()
    else {
        panic!("{events:?}");
    };
    assert_eq!(*registration, id);
}

#[test]
fn a_wrong_register_is_answered_by_the_code_of_its_fault() {
    let cases: &[(&[&str], &str, Code)] = &[
        (&["lt=60", "lwm2m=1.1"], OBJECTS, Code::BAD_REQUEST),
        (&["ep=d", "lt=60"], OBJECTS, Code::BAD_REQUEST),
        (&["ep=", "lt=60", "lwm2m=1.1"], OBJECTS, Code::BAD_REQUEST),
        (
            &["ep=d", "ep=e", "lt=60", "lwm2m=1.1"],
            OBJECTS,
            Code::BAD_REQUEST,
        ),
        (&["ep=d", "lt=-1", "lwm2m=1.1"], OBJECTS, Code::BAD_REQUEST),
        (&["ep=d", "lt=1", "lwm2m=one"], OBJECTS, Code::BAD_REQUEST),
        (
            &["ep=d", "lt=1", "lwm2m=1.1", "b=X"],
            OBJECTS,
            Code::BAD_REQUEST,
        ),
        (&["ep=d", "lt=1", "lwm2m=1.1"], "</1/0", Code::BAD_REQUEST),
        (&["ep=d", "lt=1", "lwm2m=1.1"], "", Code::BAD_REQUEST),
        // A 1.2 device may leave its list out, if the server knows it otherwise.
        (
            &["ep=d", "lt=1", "lwm2m=1.2", "pid=6:27354b9a"],
            "",
            Code::CONFLICT,
        ),
        (
            &["ep=d", "lt=1", "lwm2m=1.3"],
            OBJECTS,
            Code::PRECONDITION_FAILED,
        ),
        (
            &["ep=d", "lt=1", "lwm2m=2.0"],
            OBJECTS,
            Code::PRECONDITION_FAILED,
        ),
    ];
    for (queries, objects, code) in cases {
        let mut wire = wire();
        let peer = wire.peer(0, Identity::NoSec);
        assert_eq!(
            wire.register(peer, queries, objects).code,
            *code,
            "{queries:?}"
        );
        assert!(wire.server.is_empty());
        assert!(matches!(wire.events()[..], [Event::RegisterRefused { .. }]));
    }
}

#[test]
fn what_may_be_missing_has_its_default() {
    let mut wire = wire();
    let peer = wire.peer(0, Identity::NoSec);
    let answer = wire.register(peer, &["ep=d", "lwm2m=\"1.0\"", "b=UQ"], OBJECTS);
    let registration = wire.registration(answer.location[1].parse().unwrap());
    assert_eq!(registration.lifetime, 86_400);
    assert_eq!(registration.version, Version::V1_0);
    assert!(registration.queue_mode);
}

#[test]
fn a_register_replaces_the_earlier_one_of_its_endpoint() {
    let mut wire = wire();
    let one = wire.peer(0, Identity::NoSec);
    let two = wire.peer(1, Identity::NoSec);
    let old = wire.registered(one, "dev");
    let new = wire.registered(two, "dev");
    assert_ne!(old, new);
    assert_eq!(wire.server.len(), 1);
    assert_eq!(wire.server.find("dev").unwrap().id, new);
    let events = wire.events();
    let Some(Event::Registered {
        replaced: Some(replaced),
        ..
    }) = events.last()
    else {
        panic!("{events:?}");
    };
    assert_eq!(replaced.id, old);
    // Nothing else used the old address.
    assert_eq!(wire.closed(), [one]);
    let two_still = wire.update(two, old, &[]);
    assert_eq!(two_still.code, Code::NOT_FOUND);
}

#[test]
fn an_update_changes_what_it_carries_and_renews_the_lifetime() {
    let mut wire = wire();
    let peer = wire.peer(0, Identity::NoSec);
    let id = wire.registered(peer, "dev");
    wire.events();
    wire.wait(Duration::from_secs(299));
    assert_eq!(wire.update(peer, id, &[]).code, Code::CHANGED);
    wire.wait(Duration::from_secs(299));
    assert_eq!(
        wire.update(peer, id, &["lt=20", "b=UT"]).code,
        Code::CHANGED
    );
    let events = wire.events();
    let [
        Event::Updated { changes: none, .. },
        Event::Updated { changes, .. },
    ] = events[..]
    else {
        panic!("{events:?}");
    };
    assert!(!none.any());
    assert!(changes.lifetime && changes.binding && !changes.objects && !changes.address);
    assert_eq!(wire.registration(id).lifetime, 20);
    // ETS 102: without a further Update the device is dropped after 20 s.
    wire.wait(Duration::from_secs(19));
    assert_eq!(wire.server.len(), 1);
    wire.wait(Duration::from_secs(1));
    assert!(wire.server.is_empty());
    let events = wire.events();
    let [
        Event::Deregistered {
            registration,
            reason: DeregisterReason::Expired,
        },
    ] = &events[..]
    else {
        panic!("{events:?}");
    };
    assert_eq!(registration.id, id);
    assert_eq!(wire.server.counters().expired, 1);
    // ETS 105: its next Update tells it to register again.
    assert_eq!(wire.update(peer, id, &[]).code, Code::NOT_FOUND);
}

#[test]
fn an_update_with_a_list_replaces_the_whole_list() {
    let mut wire = wire();
    let peer = wire.peer(0, Identity::NoSec);
    let id = wire.registered(peer, "dev");
    let path = format!("/rd/{id}");
    let update = |payload: &'static str| Sent {
        format: Some(ContentFormat::LINK),
        payload: payload.as_bytes(),
        ..Sent::default()
    };
    let sent = Sent {
        path: &path,
        ..update("</1/0>,</3/0>,</16/3>")
    };
    assert_eq!(wire.ask(peer, &sent).code, Code::CHANGED);
    let paths: Vec<Path> = wire.registration(id).objects.paths().collect();
    let expected = [
        Path::instance(1, 0),
        Path::instance(3, 0),
        Path::instance(16, 3),
    ];
    assert_eq!(paths, expected);
    let wrong = Sent {
        path: &path,
        ..update("</1/0>;")
    };
    assert_eq!(wire.ask(peer, &wrong).code, Code::BAD_REQUEST);
    assert_eq!(wire.registration(id).objects.len(), 3);
}

#[test]
fn a_lifetime_of_zero_never_ends_and_a_grace_prolongs_the_others() {
    let mut config = Config::default();
    config.lifetime_grace = Duration::from_secs(10);
    let mut wire = Wire::new(config);
    let peer = wire.peer(0, Identity::NoSec);
    wire.register(peer, &["ep=ever", "lt=0", "lwm2m=1.1"], OBJECTS);
    wire.register(peer, &["ep=brief", "lt=5", "lwm2m=1.1"], OBJECTS);
    wire.wait(Duration::from_secs(14));
    assert_eq!(wire.server.len(), 2);
    wire.wait(Duration::from_secs(1_000_000_000));
    assert!(wire.server.find("brief").is_none());
    assert!(wire.server.find("ever").is_some());
}

#[test]
fn a_deregister_removes_the_registration() {
    let mut wire = wire();
    let peer = wire.peer(0, Identity::NoSec);
    let id = wire.registered(peer, "dev");
    wire.events();
    let path = format!("/rd/{id}");
    let sent = Sent {
        code: Code::DELETE,
        path: &path,
        ..Sent::default()
    };
    assert_eq!(wire.ask(peer, &sent).code, Code::DELETED);
    assert!(wire.server.is_empty());
    let events = wire.events();
    assert!(matches!(
        events[..],
        [Event::Deregistered {
            reason: DeregisterReason::Device,
            ..
        }]
    ));
    assert_eq!(wire.ask(peer, &sent).code, Code::NOT_FOUND);
}

#[test]
fn other_resources_and_methods_are_refused() {
    let mut wire = wire();
    let peer = wire.peer(0, Identity::NoSec);
    for (code, path, expected) in [
        (Code::GET, "/rd", Code::METHOD_NOT_ALLOWED),
        (Code::PUT, "/rd/000000000000", Code::METHOD_NOT_ALLOWED),
        (Code::GET, "/dp", Code::METHOD_NOT_ALLOWED),
        (Code::POST, "/bs", Code::NOT_FOUND),
        (Code::GET, "/", Code::NOT_FOUND),
        (Code::POST, "/rd/none", Code::NOT_FOUND),
        (Code::POST, "/rd/1/2", Code::NOT_FOUND),
    ] {
        let sent = Sent {
            code,
            path,
            ..Sent::default()
        };
        assert_eq!(wire.ask(peer, &sent).code, expected, "{code} {path}");
    }
}

#[test]
fn the_application_decides_about_a_register() {
    let mut config = Config::default();
    config.decide_register = true;
    let mut wire = Wire::new(config);
    let peer = wire.peer(0, Identity::NoSec);
    let register = |wire: &mut Wire, ep: &str| {
        wire.send(
            peer,
            &Sent {
                queries: &[ep, "lt=60", "lwm2m=1.1"],
                payload: OBJECTS.as_bytes(),
                ..Sent::default()
            },
        )
    };
    let token = |wire: &mut Wire| match wire.events().pop() {
        Some(Event::RegisterRequested(request)) => request,
        other => panic!("{other:?}"),
    };
    assert_eq!(register(&mut wire, "ep=good"), []);
    let request = token(&mut wire);
    assert_eq!(request.registration().endpoint, "good");
    let id = wire.server.accept(wire.now, request).unwrap();
    assert_eq!(wire.output()[0].code, Code::CREATED);
    assert_eq!(wire.registration(id).endpoint, "good");
    wire.events();

    register(&mut wire, "ep=bad");
    let request = token(&mut wire);
    wire.server
        .reject(wire.now, request, Code::FORBIDDEN)
        .unwrap();
    assert_eq!(wire.output()[0].code, Code::FORBIDDEN);

    // Undecided, the device gets an empty ACK, and 5.03 after the deadline.
    register(&mut wire, "ep=late");
    let request = token(&mut wire);
    let output = wire.wait(Duration::from_secs(30));
    let codes: Vec<_> = output.iter().map(|message| message.code).collect();
    assert_eq!(codes, [Code::EMPTY, Code::SERVICE_UNAVAILABLE]);
    assert!(wire.server.accept(wire.now, request).is_err());
    assert_eq!(wire.server.len(), 1);
    let refused = wire.events();
    assert!(matches!(
        refused.last(),
        Some(Event::RegisterRefused {
            reason: RefuseReason::Late,
            ..
        })
    ));
}

#[test]
fn a_known_profile_stands_for_a_list_and_is_merged_with_one() {
    let mut wire = wire();
    let peer = wire.peer(0, Identity::NoSec);
    let queries = ["ep=dev", "lt=60", "lwm2m=1.2", "pid=6:27354b9a"];
    // ETS 110: 4.09 asks for the list, until the profile is known.
    assert_eq!(wire.register(peer, &queries, "").code, Code::CONFLICT);
    let links = "</1/0>,</3/0>;ver=1.3";
    wire.server.define_profile("6:27354b9a", links).unwrap();
    let answer = wire.register(peer, &queries, "");
    assert_eq!(answer.code, Code::CREATED);
    let id = answer.location[1].parse().unwrap();
    let paths: Vec<Path> = wire.registration(id).objects.paths().collect();
    assert_eq!(paths, [Path::instance(1, 0), Path::instance(3, 0)]);
    assert_eq!(
        wire.registration(id).object_version(3),
        Some(Version::new(1, 3))
    );
    // ETS 111: an explicit list is merged.
    let answer = wire.register(peer, &queries, "</4/0>");
    let id = answer.location[1].parse().unwrap();
    assert_eq!(wire.registration(id).objects.len(), 3);
    // An Update with an unknown profile leaves the objects alone.
    assert_eq!(wire.update(peer, id, &["pid=v:other"]).code, Code::CHANGED);
    assert_eq!(wire.registration(id).objects.len(), 3);
    assert_eq!(wire.registration(id).profiles, ["v:other"]);
    assert_eq!(
        wire.update(peer, id, &["pid=6:27354b9a"]).code,
        Code::CHANGED
    );
    assert_eq!(wire.registration(id).objects.len(), 2);
}
