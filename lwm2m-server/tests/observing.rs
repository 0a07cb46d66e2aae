//! Observations, from the first response to the last notification (TS-Core §6.4; RFC 7641).

mod common;

use common::{Received, Sent, Wire, device::Device, events};
use lwm2m_coap::{
    Duration, Identity, PeerId,
    sim::{LinkConfig, Network, NodeId},
};
use lwm2m_codec::{
    ContentFormat, Path,
    coap::{Code, MessageType, Token},
};
use lwm2m_server::{Config, EndReason, Event, ObservationId, RegistrationId, RequestError, Server};

fn path(text: &str) -> Path {
    text.parse().unwrap()
}

/// A registered device on the wire.
fn device(wire: &mut Wire, identity: Identity<'_>) -> (PeerId, RegistrationId) {
    let peer = wire.peer(0, identity);
    let id = wire.registered(peer, "dev");
    wire.events();
    (peer, id)
}

/// Observes a path, and answers for the device; returns the request and the observation.
fn observed(wire: &mut Wire, id: RegistrationId, target: &str) -> (Received, ObservationId) {
    let now = wire.now;
    let mut device = wire.server.device(id).unwrap();
    device.observe(now, path(target), None, "").unwrap();
    let request = wire.output().remove(0);
    assert_eq!((request.code, request.observe), (Code::GET, Some(0)));
    wire.answer(&request, &content(10, b"1"));
    let events = wire.events();
    let Some(Event::Response {
        observation: Some(observation),
        ..
    }) = events.last()
    else {
        panic!("{events:?}");
    };
    (request, *observation)
}

fn content(observe: u32, payload: &[u8]) -> Sent<'_> {
    Sent {
        code: Code::CONTENT,
        observe: Some(observe),
        format: Some(ContentFormat::TEXT),
        payload,
        path: "",
        ..Sent::default()
    }
}

fn notify<'a>(token: Token, observe: u32, payload: &'a [u8]) -> Sent<'a> {
    Sent {
        token,
        ..content(observe, payload)
    }
}

/// Payloads of the notifications among events.
fn values(events: &[Event]) -> Vec<String> {
    let payloads = events.iter().filter_map(|event| match event {
        Event::Notification { payload, .. } => Some(payload),
        _ => None,
    });
    payloads
        .map(|p| String::from_utf8(p.clone()).unwrap())
        .collect()
}

#[test]
fn a_notification_names_its_observation_and_is_acknowledged() {
    let mut wire = Wire::new(Config::default());
    let (peer, id) = device(&mut wire, Identity::NoSec);
    let (request, expected) = observed(&mut wire, id, "/3/0/9");
    let ack = wire.send(peer, &notify(request.token, 11, b"99"));
    assert_eq!(ack[0].message_type, MessageType::Acknowledgement);
    let events = wire.events();
    let [
        Event::Notification {
            observation,
            registration,
            paths,
            sequence,
            format,
            payload,
        },
    ] = &events[..]
    else {
        panic!("{events:?}");
    };
    assert_eq!((*observation, *registration, *sequence), (expected, id, 11));
    assert_eq!(paths[..], [path("/3/0/9")]);
    assert_eq!(
        (*format, payload.as_slice()),
        (Some(ContentFormat::TEXT), &b"99"[..])
    );
    assert_eq!(request.token.as_bytes()[0], wire.server.config().shard);
}

#[test]
fn a_notification_that_was_overtaken_is_acknowledged_and_dropped() {
    let mut wire = Wire::new(Config::default());
    let (peer, id) = device(&mut wire, Identity::NoSec);
    let (request, _) = observed(&mut wire, id, "/3/0/9");
    wire.send(peer, &notify(request.token, 12, b"new"));
    let ack = wire.send(peer, &notify(request.token, 11, b"old"));
    assert_eq!(ack[0].message_type, MessageType::Acknowledgement);
    assert_eq!(values(&wire.events()), ["new"]);
    assert_eq!(wire.server.counters().stale_notifications, 1);
}

#[test]
fn an_unknown_token_is_reset() {
    let mut wire = Wire::new(Config::default());
    let (peer, id) = device(&mut wire, Identity::NoSec);
    let (request, observation) = observed(&mut wire, id, "/3/0/9");
    let other = Token::new(b"other").unwrap();
    assert_eq!(
        wire.send(peer, &notify(other, 1, b"x"))[0].message_type,
        MessageType::Reset
    );
    // NoSec: another address is another device.
    let stranger = wire.peer(1, Identity::NoSec);
    let refused = wire.send(stranger, &notify(request.token, 20, b"x"));
    assert_eq!(refused[0].message_type, MessageType::Reset);
    // A cancelled observation is unknown.
    assert!(wire.server.cancel_observation(wire.now, observation));
    assert!(!wire.server.cancel_observation(wire.now, observation));
    let refused = wire.send(peer, &notify(request.token, 21, b"x"));
    assert_eq!(refused[0].message_type, MessageType::Reset);
    assert!(wire.events().is_empty());
    assert_eq!(wire.server.counters().unknown_notifications, 3);
}

#[test]
fn a_secured_device_notifies_from_a_new_session() {
    let mut wire = Wire::new(Config::default());
    let (_, id) = device(&mut wire, Identity::Psk(b"dev"));
    let (request, _) = observed(&mut wire, id, "/3/0/9");
    let back = wire.peer(1, Identity::Psk(b"dev"));
    let ack = wire.send(back, &notify(request.token, 20, b"here"));
    assert_eq!(ack[0].message_type, MessageType::Acknowledgement);
    assert_eq!(values(&wire.events()), ["here"]);
    assert_eq!(wire.registration(id).peer, Some(back));
    let thief = wire.peer(2, Identity::Psk(b"thief"));
    let refused = wire.send(thief, &notify(request.token, 21, b"x"));
    assert_eq!(refused[0].message_type, MessageType::Reset);
}

#[test]
fn a_device_that_answers_without_observe_does_not_observe() {
    let mut wire = Wire::new(Config::default());
    let (_, id) = device(&mut wire, Identity::NoSec);
    let now = wire.now;
    wire.server
        .device(id)
        .unwrap()
        .observe(now, path("/3/0/9"), None, "")
        .unwrap();
    let request = wire.output().remove(0);
    wire.answer(
        &request,
        &Sent {
            observe: None,
            ..content(0, b"1")
        },
    );
    assert!(matches!(
        wire.events()[..],
        [Event::Response {
            observation: None,
            ..
        }]
    ));
    assert_eq!(wire.server.observations(id).count(), 0);
}

#[test]
fn an_error_is_the_last_notification() {
    let mut wire = Wire::new(Config::default());
    let (peer, id) = device(&mut wire, Identity::NoSec);
    let (request, expected) = observed(&mut wire, id, "/3303/0");
    let gone = Sent {
        code: Code::NOT_FOUND,
        token: request.token,
        path: "",
        ..Sent::default()
    };
    assert_eq!(
        wire.send(peer, &gone)[0].message_type,
        MessageType::Acknowledgement
    );
    let events = wire.events();
    let [
        Event::ObservationEnded {
            observation,
            reason,
            ..
        },
    ] = events[..]
    else {
        panic!("{events:?}");
    };
    assert_eq!(
        (observation, reason),
        (expected, EndReason::Device(Code::NOT_FOUND))
    );
    let refused = wire.send(peer, &notify(request.token, 30, b"x"));
    assert_eq!(refused[0].message_type, MessageType::Reset);
}

#[test]
fn observing_a_path_again_ends_the_earlier_observation() {
    let mut wire = Wire::new(Config::default());
    let (_, id) = device(&mut wire, Identity::NoSec);
    let (_, first) = observed(&mut wire, id, "/3/0/9");
    let now = wire.now;
    let mut device = wire.server.device(id).unwrap();
    device
        .observe(now, path("/3/0/9"), None, "pmin=1&pmax=5")
        .unwrap();
    let request = wire.output().remove(0);
    assert_eq!(request.queries, ["pmin=1", "pmax=5"]);
    let events = wire.events();
    let [
        Event::ObservationEnded {
            observation,
            reason: EndReason::Replaced,
            ..
        },
    ] = events[..]
    else {
        panic!("{events:?}");
    };
    assert_eq!(observation, first);
    assert_eq!(wire.server.observations(id).count(), 1);
}

#[test]
fn an_observation_is_stopped_by_a_request_with_its_token() {
    let mut wire = Wire::new(Config::default());
    let (_, id) = device(&mut wire, Identity::NoSec);
    let (request, observation) = observed(&mut wire, id, "/3/0/9");
    let now = wire.now;
    let stop = wire
        .server
        .device(id)
        .unwrap()
        .stop_observing(now, observation)
        .unwrap();
    let sent = wire.output().remove(0);
    assert_eq!((sent.token, sent.observe), (request.token, Some(1)));
    assert_eq!((sent.code, sent.path.as_str()), (Code::GET, "/3/0/9"));
    wire.answer(
        &sent,
        &Sent {
            observe: None,
            ..content(0, b"1")
        },
    );
    let events = wire.events();
    assert!(matches!(events[..], [Event::Response { request, .. }] if request == stop));
    let again = wire
        .server
        .device(id)
        .unwrap()
        .stop_observing(now, observation);
    assert_eq!(again, Err(RequestError::UnknownObservation));
}

#[test]
fn a_composite_observation_is_a_fetch_that_is_stopped_by_the_same_list() {
    let mut wire = Wire::new(Config::default());
    let (peer, id) = device(&mut wire, Identity::NoSec);
    let now = wire.now;
    let paths = [path("/1/0/1"), path("/3/0/16")];
    let json = ContentFormat::SENML_JSON;
    let mut device = wire.server.device(id).unwrap();
    device
        .observe_composite(now, &paths, json, None, "pmax=60")
        .unwrap();
    let start = wire.output().remove(0);
    assert_eq!((start.code, start.observe), (Code::FETCH, Some(0)));
    wire.answer(&start, &content(1, b"[]"));
    wire.send(peer, &notify(start.token, 2, b"[1]"));
    let events = wire.events();
    let Some(Event::Notification {
        observation,
        paths: named,
        ..
    }) = events.last()
    else {
        panic!("{events:?}");
    };
    assert_eq!(named[..], paths);
    wire.server
        .device(id)
        .unwrap()
        .stop_observing(now, *observation)
        .unwrap();
    let stop = wire.output().remove(0);
    assert_eq!((stop.observe, stop.token), (Some(1), start.token));
    assert_eq!(stop.payload, start.payload);
}

#[test]
fn the_end_of_a_registration_ends_its_observations() {
    let mut wire = Wire::new(Config::default());
    let (_, id) = device(&mut wire, Identity::NoSec);
    observed(&mut wire, id, "/3/0/9");
    wire.wait(Duration::from_secs(300));
    assert!(matches!(
        wire.events()[..],
        [
            Event::ObservationEnded {
                reason: EndReason::Deregistered(_),
                ..
            },
            Event::Deregistered { .. }
        ]
    ));
}

#[test]
fn a_device_has_a_bounded_number_of_observations() {
    let mut config = Config::default();
    config.limits.observations_per_device = 1;
    let mut wire = Wire::new(config);
    let (_, id) = device(&mut wire, Identity::NoSec);
    observed(&mut wire, id, "/3/0/9");
    let now = wire.now;
    let second = wire
        .server
        .device(id)
        .unwrap()
        .observe(now, path("/3/0/7"), None, "");
    assert_eq!(second, Err(RequestError::TooManyObservations));
    // The same target takes its own place.
    observed_again(&mut wire, id);
}

fn observed_again(wire: &mut Wire, id: RegistrationId) {
    let now = wire.now;
    let again = wire
        .server
        .device(id)
        .unwrap()
        .observe(now, path("/3/0/9"), None, "");
    assert!(again.is_ok());
}

/// A network with a device that has a value at `/3/0/9`.
fn network() -> (Network, NodeId, NodeId) {
    let mut net = Network::new(LinkConfig::default(), 1);
    let server = net.add_host("server", Server::new(Config::default(), 1));
    let device = net.add(Device::new("dev", 2).value("/3/0/9", "100"));
    net.run_for(Duration::from_secs(1));
    (net, server, device)
}

fn observe(net: &mut Network, server: NodeId) -> ObservationId {
    let now = net.now();
    let engine = net.get_mut::<Server>(server);
    let id = engine.find("dev").unwrap().id;
    engine
        .device(id)
        .unwrap()
        .observe(now, path("/3/0/9"), None, "")
        .unwrap();
    net.run_for(Duration::from_secs(1));
    match events(net, server).pop() {
        Some(Event::Response {
            observation: Some(observation),
            ..
        }) => observation,
        other => panic!("{other:?}"),
    }
}

#[test]
fn observations_start_again_when_the_device_registers_anew() {
    let (mut net, server, device) = network();
    let observation = observe(&mut net, server);
    net.get_mut::<Device>(device).reboot();
    net.run_for(Duration::from_secs(2));
    assert_eq!(net.get::<Device>(device).observed(), 1);
    let after = events(&mut net, server);
    assert!(matches!(
        after[0],
        Event::Registered {
            replaced: Some(_),
            ..
        }
    ));
    // The first answer to the new Observe is a notification of the old observation.
    let [
        Event::Notification {
            observation: same, ..
        },
    ] = &after[1..]
    else {
        panic!("{after:?}");
    };
    assert_eq!(*same, observation);
    let now = net.now();
    net.get_mut::<Device>(device)
        .change(now, "/3/0/9", b"42", true);
    net.run_for(Duration::from_secs(1));
    assert_eq!(values(&events(&mut net, server)), ["42"]);
}

#[test]
fn an_observation_that_the_device_refuses_to_start_again_ends() {
    let (mut net, server, device) = network();
    let expected = observe(&mut net, server);
    let rebooted = Device::new("dev", 3);
    net.restart(device, rebooted);
    net.run_for(Duration::from_secs(2));
    let after = events(&mut net, server);
    let Some(Event::ObservationEnded {
        observation,
        reason,
        ..
    }) = after.last()
    else {
        panic!("{after:?}");
    };
    assert_eq!(
        (*observation, *reason),
        (expected, EndReason::Device(Code::NOT_FOUND))
    );
}

#[test]
fn a_passive_cancellation_reaches_the_device_as_reset() {
    for confirmable in [true, false] {
        let (mut net, server, device) = network();
        let observation = observe(&mut net, server);
        let now = net.now();
        net.get_mut::<Server>(server)
            .cancel_observation(now, observation);
        net.get_mut::<Device>(device)
            .change(now, "/3/0/9", b"1", confirmable);
        net.run_for(Duration::from_secs(1));
        assert_eq!(net.get::<Device>(device).refused_notifications, 1);
        assert_eq!(net.get::<Device>(device).observed(), 0);
    }
}

#[test]
fn a_notification_longer_than_a_block_arrives_whole() {
    let (mut net, server, device) = network();
    observe(&mut net, server);
    let long = "0123456789".repeat(300);
    let now = net.now();
    net.get_mut::<Device>(device)
        .change(now, "/3/0/9", long.as_bytes(), true);
    net.run_for(Duration::from_secs(3));
    assert_eq!(values(&events(&mut net, server)), [long]);
}

#[test]
fn a_newer_notification_makes_the_download_of_an_older_one_useless() {
    let (mut net, server, device) = network();
    observe(&mut net, server);
    let long = "0123456789".repeat(300);
    let now = net.now();
    let engine = net.get_mut::<Device>(device);
    engine.change(now, "/3/0/9", long.as_bytes(), false);
    engine.change(now, "/3/0/9", b"short", false);
    net.run_for(Duration::from_secs(3));
    let seen = events(&mut net, server);
    assert_eq!(values(&seen).last().map(String::as_str), Some("short"));
}
