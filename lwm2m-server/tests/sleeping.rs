//! Queue mode: requests wait for a device that sleeps (TS-Transport §6.5; ETS 108, 109).

mod common;

use common::{OBJECTS, Received, Sent, Wire};
use lwm2m_coap::{Duration, Identity, PeerId};
use lwm2m_codec::{Path, coap::Code};
use lwm2m_server::{Config, Event, FailReason, RegistrationId, RequestId};

fn sleepy(wire: &mut Wire) -> (PeerId, RegistrationId) {
    let peer = wire.peer(0, Identity::NoSec);
    let answer = wire.register(
        peer,
        &["ep=dev", "lt=7200", "lwm2m=1.1", "b=U", "Q"],
        OBJECTS,
    );
    let id = answer.location[1].parse().unwrap();
    wire.events();
    (peer, id)
}

fn read(wire: &mut Wire, id: RegistrationId, resource: u16) -> RequestId {
    let now = wire.now;
    let path = Path::resource(3, 0, resource);
    wire.server
        .device(id)
        .unwrap()
        .read(now, path, None)
        .unwrap()
}

fn content<'a>() -> Sent<'a> {
    Sent {
        code: Code::CONTENT,
        ..Sent::default()
    }
}

fn wake(wire: &mut Wire, peer: PeerId, id: RegistrationId) -> Vec<Received> {
    let path = format!("/rd/{id}");
    wire.send(
        peer,
        &Sent {
            path: &path,
            ..Sent::default()
        },
    )
}

#[test]
fn a_request_to_a_sleeping_device_waits_for_its_update() {
    let mut wire = Wire::new(Config::default());
    let (peer, id) = sleepy(&mut wire);
    wire.wait(Duration::from_secs(93));
    assert!(matches!(wire.events()[..], [Event::Sleeping { registration }] if registration == id));
    let (one, two) = (read(&mut wire, id, 0), read(&mut wire, id, 1));
    assert_eq!(wire.output(), []);
    assert_eq!(wire.wait(Duration::from_secs(1000)), []);
    // The Update is answered first; then the requests leave, one at a time.
    let output = wake(&mut wire, peer, id);
    assert_eq!(output.len(), 2);
    assert_eq!(
        (output[0].code, output[1].path.as_str()),
        (Code::CHANGED, "/3/0/0")
    );
    let next = wire.answer(&output[1], &content());
    assert_eq!(next[0].path, "/3/0/1");
    wire.answer(&next[0], &content());
    let events = wire.events();
    let [
        Event::Updated { .. },
        Event::Awake { .. },
        Event::Response { request: first, .. },
        Event::Response {
            request: second, ..
        },
    ] = &events[..]
    else {
        panic!("{events:?}");
    };
    assert_eq!((*first, *second), (one, two));
}

#[test]
fn each_message_prolongs_the_time_awake() {
    let mut wire = Wire::new(Config::default());
    let (_, id) = sleepy(&mut wire);
    wire.wait(Duration::from_secs(60));
    read(&mut wire, id, 0);
    let request = wire.output().remove(0);
    wire.answer(&request, &content());
    wire.events();
    wire.wait(Duration::from_secs(92));
    assert!(wire.events().is_empty());
    wire.wait(Duration::from_secs(1));
    assert!(matches!(wire.events()[..], [Event::Sleeping { .. }]));
}

#[test]
fn the_binding_of_1_0_means_queue_mode_too() {
    let mut wire = Wire::new(Config::default());
    let peer = wire.peer(0, Identity::NoSec);
    let queries = ["ep=dev", "lt=300", "lwm2m=1.0", "b=UQ"];
    wire.register(peer, &queries, OBJECTS);
    wire.events();
    wire.wait(Duration::from_secs(94));
    assert!(matches!(wire.events()[..], [Event::Sleeping { .. }]));
}

#[test]
fn a_read_that_finds_the_device_asleep_is_repeated_when_it_wakes() {
    let mut wire = Wire::new(Config::default());
    let (peer, id) = sleepy(&mut wire);
    let request = read(&mut wire, id, 0);
    wire.output();
    // The device sleeps earlier than it should: no answer to any transmission.
    wire.wait(Duration::from_secs(200));
    assert!(matches!(wire.events()[..], [Event::Sleeping { .. }]));
    let output = wake(&mut wire, peer, id);
    assert_eq!(output[1].path, "/3/0/0");
    wire.answer(&output[1], &content());
    let events = wire.events();
    assert!(
        matches!(events.last(), Some(Event::Response { request: same, .. }) if *same == request)
    );
}

#[test]
fn an_execute_that_finds_the_device_asleep_fails() {
    let mut wire = Wire::new(Config::default());
    let (_, id) = sleepy(&mut wire);
    let now = wire.now;
    let path = Path::resource(3, 0, 4);
    wire.server
        .device(id)
        .unwrap()
        .execute(now, path, "")
        .unwrap();
    wire.wait(Duration::from_secs(200));
    let events = wire.events();
    assert!(matches!(
        events[..],
        [
            Event::RequestFailed {
                reason: FailReason::Exchange(_),
                ..
            },
            Event::Sleeping { .. }
        ] | [
            Event::Sleeping { .. },
            Event::RequestFailed {
                reason: FailReason::Exchange(_),
                ..
            }
        ]
    ));
}

#[test]
fn a_request_waits_no_longer_than_it_was_told() {
    let mut wire = Wire::new(Config::default());
    let (peer, id) = sleepy(&mut wire);
    wire.wait(Duration::from_secs(100));
    wire.events();
    let now = wire.now;
    let device = wire.server.device(id).unwrap();
    let path = Path::resource(3, 0, 0);
    let mut device = device.within(Duration::from_secs(60));
    let brief = device.read(now, path, None).unwrap();
    read(&mut wire, id, 1);
    wire.wait(Duration::from_secs(61));
    let events = wire.events();
    let [
        Event::RequestFailed {
            request,
            reason: FailReason::Expired,
            ..
        },
    ] = events[..]
    else {
        panic!("{events:?}");
    };
    assert_eq!(request, brief);
    assert_eq!(wake(&mut wire, peer, id)[1].path, "/3/0/1");
}

#[test]
fn an_update_can_end_and_start_queue_mode() {
    let mut wire = Wire::new(Config::default());
    let (peer, id) = sleepy(&mut wire);
    wire.update(peer, id, &["b=U"]);
    assert!(!wire.registration(id).queue_mode);
    wire.events();
    wire.wait(Duration::from_secs(200));
    assert!(wire.events().is_empty());
    wire.update(peer, id, &["b=U", "Q"]);
    assert!(wire.registration(id).queue_mode);
    wire.wait(Duration::from_secs(93));
    assert!(matches!(wire.events().last(), Some(Event::Sleeping { .. })));
}
