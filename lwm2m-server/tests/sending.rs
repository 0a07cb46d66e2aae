//! Send: values that a device reports of its own accord (TS-Core §6.4.6; ETS 306, 311).

mod common;

use common::{Sent, Wire};
use lwm2m_coap::{Identity, PeerId};
use lwm2m_codec::{ContentFormat, coap::Code};
use lwm2m_server::{Config, Event};

fn send<'a>(format: ContentFormat, payload: &'a [u8]) -> Sent<'a> {
    Sent {
        path: "/dp",
        format: Some(format),
        payload,
        ..Sent::default()
    }
}

fn code(wire: &mut Wire, peer: PeerId, format: ContentFormat, payload: &[u8]) -> Code {
    wire.ask(peer, &send(format, payload)).code
}

const JSON: ContentFormat = ContentFormat::SENML_JSON;

#[test]
fn a_send_of_registered_objects_is_an_event() {
    let mut wire = Wire::new(Config::default());
    let peer = wire.peer(0, Identity::NoSec);
    let id = wire.registered(peer, "dev");
    wire.events();
    let json = br#"[{"bn":"/3303/0/","n":"5700","v":21.5}]"#;
    assert_eq!(code(&mut wire, peer, JSON, json), Code::CHANGED);
    let events = wire.events();
    let [
        Event::Send {
            registration,
            format,
            payload,
        },
    ] = &events[..]
    else {
        panic!("{events:?}");
    };
    assert_eq!((*registration, *format), (id, JSON));
    assert_eq!(payload[..], json[..]);
    // LwM2M CBOR {3303: {0: {5700: 1}}}
    let cbor = b"\xa1\x19\x0c\xe7\xa1\x00\xa1\x19\x16\x44\x01";
    assert_eq!(
        code(&mut wire, peer, ContentFormat::LWM2M_CBOR, cbor),
        Code::CHANGED
    );
    assert_eq!(wire.server.counters().sends, 2);
}

#[test]
fn a_send_that_breaks_the_rules_is_refused() {
    let mut wire = Wire::new(Config::default());
    let peer = wire.peer(0, Identity::NoSec);
    let stranger = wire.peer(1, Identity::NoSec);
    wire.registered(peer, "dev");
    wire.events();
    let known = br#"[{"n":"/3/0/9","v":1}]"#;
    let unknown = br#"[{"n":"/3/0/9","v":1},{"n":"/3304/0/1","v":1}]"#;
    assert_eq!(code(&mut wire, peer, JSON, unknown), Code::NOT_FOUND);
    assert_eq!(code(&mut wire, stranger, JSON, known), Code::NOT_FOUND);
    assert_eq!(code(&mut wire, peer, JSON, b"[{"), Code::BAD_REQUEST);
    let tlv = ContentFormat::TLV;
    assert_eq!(
        code(&mut wire, peer, tlv, known),
        Code::UNSUPPORTED_CONTENT_FORMAT
    );
    let bare = Sent {
        format: None,
        ..send(JSON, known)
    };
    assert_eq!(wire.ask(peer, &bare).code, Code::BAD_REQUEST);
    assert!(wire.events().is_empty());
    assert_eq!(wire.server.counters().refused_sends, 5);
}

#[test]
fn a_secured_device_sends_from_a_new_session() {
    let mut wire = Wire::new(Config::default());
    let peer = wire.peer(0, Identity::Psk(b"dev"));
    let id = wire.registered(peer, "dev");
    let back = wire.peer(1, Identity::Psk(b"dev"));
    let known = br#"[{"n":"/3/0/9","v":1}]"#;
    assert_eq!(code(&mut wire, back, JSON, known), Code::CHANGED);
    assert_eq!(wire.registration(id).peer, Some(back));
}

#[test]
fn of_several_registrations_the_one_with_the_objects_sends() {
    let mut wire = Wire::new(Config::default());
    let peer = wire.peer(0, Identity::NoSec);
    for (endpoint, objects) in [("a", "</1/0>,</3/0>,</6/0>"), ("b", "</1/0>,</3/0>,</7/0>")] {
        let ep = format!("ep={endpoint}");
        wire.register(peer, &[&ep, "lt=60", "lwm2m=1.1"], objects);
    }
    wire.events();
    let payload = br#"[{"n":"/7/0/1","v":1}]"#;
    assert_eq!(code(&mut wire, peer, JSON, payload), Code::CHANGED);
    let events = wire.events();
    let [Event::Send { registration, .. }] = events[..] else {
        panic!("{events:?}");
    };
    assert_eq!(wire.registration(registration).endpoint, "b");
}
