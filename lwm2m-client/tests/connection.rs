//! Connections that break, in each state of a registration.

mod common;

use common::{SECOND, World, get, on, security, server, tree};
use lwm2m_client::{Config, Event, Failed, SendError};
use lwm2m_coap::{Draft, Duration, ExchangeError, RequestError, sim::LinkConfig};
use lwm2m_codec::{Path, Version, coap::Code};
use lwm2m_model::{
    Typed,
    objects::{Server, Temperature},
};

const MOMENT: Duration = Duration::from_millis(100);

/// Ends the session from the server's side, and lets the device see it.
fn cut(world: &mut World) {
    world.script().hang_up();
    world.run(MOMENT);
}

fn paths(world: &mut World) -> Vec<String> {
    let got = &world.script().got;
    got.iter()
        .map(|got| format!("{} {}", got.code.name().unwrap(), got.path))
        .collect()
}

fn observe_temperature(world: &mut World) {
    let (answer, _) = world.observe(get("/3303/0/5700"));
    assert_eq!(answer.code, Code::CONTENT);
}

#[test]
fn a_registration_survives_the_end_of_its_connection() {
    let mut world = World::registered();
    cut(&mut world);
    world.run(SECOND * 60);
    assert_eq!(world.script().got.len(), 0);
    assert_eq!(world.client().registered_servers().collect::<Vec<_>>(), [1]);
}

#[test]
fn an_update_that_is_due_without_a_connection_makes_one() {
    let mut world = World::registered();
    cut(&mut world);
    world.run(SECOND * 250);
    assert_eq!(paths(&mut world), ["POST /rd/5a3f"]);
}

#[test]
fn a_change_that_is_observed_brings_the_connection_back() {
    let mut world = World::registered();
    observe_temperature(&mut world);
    cut(&mut world);
    world.set_temperature(22.5);
    world.run(SECOND);
    assert_eq!(paths(&mut world), ["POST /rd/5a3f"]);
    let start = world.net.now();
    let notified = world.notified(start);
    let values: Vec<&str> = notified.iter().map(|(_, value)| value.as_str()).collect();
    assert_eq!(values, ["22.5"]);
}

#[test]
fn a_notification_that_pmax_asks_for_brings_the_connection_back() {
    let mut world = World::registered();
    let attributes = on(Code::PUT, "/3303/0/5700").query("pmax=20");
    assert_eq!(world.ask(attributes).code, Code::CHANGED);
    observe_temperature(&mut world);
    cut(&mut world);
    world.run(SECOND * 25);
    assert_eq!(world.script().notifications.len(), 1);
}

#[test]
fn a_notification_that_was_under_way_when_the_connection_broke_is_sent_again() {
    let mut world = World::registered();
    observe_temperature(&mut world);
    // The notification is lost, and then the connection ends.
    world.net.set_link(LinkConfig {
        loss_percent: 100,
        ..LinkConfig::default()
    });
    world.set_temperature(30.0);
    world.net.set_link(LinkConfig::default());
    cut(&mut world);
    world.run(SECOND);
    let notifications = &world.script().notifications;
    assert_eq!(notifications.len(), 1);
    assert_eq!(notifications[0].1.text(), "30");
}

#[test]
fn more_notifications_than_may_wait_are_all_sent_in_the_end() {
    let mut tree = tree();
    let mut sensors = Typed::new();
    for id in 0..40 {
        sensors = sensors.with(id, Temperature::default());
    }
    tree.insert(sensors);
    let mut world = World::with(Config::new("dev1"), tree, LinkConfig::default());
    world.start();
    for id in 0..40 {
        world.observe(get(&format!("/3303/{id}/5700")));
    }
    let now = world.net.now();
    world.client().change(now, |tree| {
        for id in 0..40 {
            tree.update(id, |sensor: &mut Temperature| sensor.sensor_value = 1.5);
        }
    });
    world.run(SECOND * 10);
    assert_eq!(world.script().notifications.len(), 40);
    // The same with nobody there: the device waits.
    world.net.forget_sessions(world.device);
    let now = world.net.now();
    world.client().change(now, |tree| {
        for id in 0..40 {
            tree.update(id, |sensor: &mut Temperature| sensor.sensor_value = 2.5);
        }
    });
    world.run(SECOND * 60);
}

#[test]
fn an_update_that_finds_no_room_waits_and_the_registration_stays() {
    let mut tree = tree();
    let mut sensors = Typed::new();
    for id in 0..40 {
        sensors = sensors.with(id, Temperature::default());
    }
    tree.insert(sensors);
    let mut world = World::with(Config::new("dev1"), tree, LinkConfig::default());
    world.start();
    for id in 0..40 {
        world.observe(get(&format!("/3303/{id}/5700")));
    }
    let now = world.net.now();
    world.client().change(now, |tree| {
        for id in 0..40 {
            tree.update(id, |sensor: &mut Temperature| sensor.sensor_value = 1.5);
        }
    });
    world.client().request_update(now, None);
    assert_eq!(world.events(), []);
    world.run(SECOND * 10);
    assert_eq!(world.events(), [Event::Updated { server: 1 }]);
    assert_eq!(world.script().notifications.len(), 40);
}

#[test]
fn a_connection_that_breaks_while_registering_fails_the_attempt() {
    let mut world = World::new();
    world.script().answers.push_back(None);
    let now = world.net.now();
    world.client().start(now);
    world.run(MOMENT);
    cut(&mut world);
    let failed = Event::RegistrationFailed {
        server: 1,
        reason: Failed::Exchange(ExchangeError::PeerDown),
        retry_in: SECOND * 60,
    };
    assert_eq!(world.events(), [failed]);
    world.run(SECOND * 61);
    assert!(matches!(world.events()[..], [Event::Registered { .. }]));
}

#[test]
fn a_connection_that_breaks_during_an_update_is_made_anew_once() {
    let mut world = World::registered();
    world.script().answers.extend([None, None]);
    let now = world.net.now();
    world.client().request_update(now, None);
    world.run(MOMENT);
    cut(&mut world);
    assert_eq!(world.events(), []);
    assert_eq!(paths(&mut world), ["POST /rd/5a3f", "POST /rd/5a3f"]);
    cut(&mut world);
    assert!(matches!(
        world.events()[..],
        [Event::RegistrationFailed { .. }]
    ));
    world.run(SECOND * 61);
    assert_eq!(
        paths(&mut world).last().map(String::as_str),
        Some("POST /rd")
    );
}

#[test]
fn a_connection_that_breaks_while_leaving_ends_the_registration() {
    let mut world = World::registered();
    world.script().answers.push_back(None);
    let now = world.net.now();
    world.client().stop(now);
    world.run(MOMENT);
    cut(&mut world);
    assert_eq!(world.events(), [Event::Deregistered { server: 1 }]);
    assert!(world.client().is_stopped());
}

#[test]
fn stop_in_any_state_is_the_end_until_the_next_start() {
    for after in [0, 15, 45, 55, 65, 500] {
        let mut world = World::new();
        let now = world.net.now();
        world.client().start(now);
        world.run(Duration::from_millis(after));
        let now = world.net.now();
        world.client().stop(now);
        world.run(SECOND * 200_000);
        assert!(world.client().is_stopped(), "after {after} ms");
        world.events();
        world.script().got.clear();
        world.run(SECOND * 200_000);
        assert_eq!(world.script().got.len(), 0, "after {after} ms");
        let now = world.net.now();
        world.client().start(now);
        world.run(SECOND);
        assert!(
            matches!(world.events()[..], [Event::Registered { .. }]),
            "after {after} ms"
        );
    }
}

#[test]
fn a_device_that_is_stopped_while_a_server_disables_it_does_not_return() {
    let mut tree = tree();
    let disabled = Server {
        disable_timeout: Some(60),
        ..server(1)
    };
    tree.insert(Typed::new().with(0, disabled).with_executable(4));
    let mut world = World::with(Config::new("dev1"), tree, LinkConfig::default());
    world.start();
    // The De-register of Disable is not answered yet.
    world.script().answers.push_back(None);
    assert_eq!(world.ask(on(Code::POST, "/1/0/4")).code, Code::CHANGED);
    let now = world.net.now();
    world.client().stop(now);
    world.run(SECOND * 1_000);
    assert!(world.client().is_stopped());
    assert!(!paths(&mut world).contains(&"POST /rd".to_owned()));
}

#[test]
fn a_send_without_a_connection_fails_and_brings_it_back() {
    let mut world = World::registered();
    cut(&mut world);
    let path = [Path::resource(3303, 0, 5700)];
    let now = world.net.now();
    assert_eq!(
        world.client().send(now, 1, &path),
        Err(SendError::Request(RequestError::UnknownPeer))
    );
    world.run(SECOND);
    let now = world.net.now();
    assert_eq!(world.client().send(now, 1, &path), Ok(()));
}

#[test]
fn sends_that_wait_for_an_answer_are_bounded() {
    let mut world = World::registered();
    world.net.forget_sessions(world.device);
    let now = world.net.now();
    let path = [Path::resource(3303, 0, 5700)];
    let sent = (0..1_000)
        .take_while(|_| world.client().send(now, 1, &path).is_ok())
        .count();
    assert!((1..=16).contains(&sent), "{sent}");
    world.run(SECOND * 2_000);
    let results = world.events();
    let ended = results
        .iter()
        .filter(|event| matches!(event, Event::Sent { .. }));
    assert_eq!(ended.count(), sent);
}

#[test]
fn a_2_01_without_a_location_is_no_registration() {
    let mut world = World::new();
    world
        .script()
        .answers
        .push_back(Some(Draft::new(Code::CREATED)));
    let now = world.net.now();
    world.client().start(now);
    world.run(SECOND);
    let events = world.events();
    assert!(
        matches!(
            &events[..],
            [Event::RegistrationFailed {
                reason: Failed::Refused {
                    code: Code::CREATED,
                    ..
                },
                ..
            }]
        ),
        "{events:?}"
    );
}

#[test]
fn a_new_connection_needs_a_new_registration_before_lwm2m_1_2() {
    let mut config = Config::new("dev1");
    config.versions = vec![Version::V1_1];
    let mut world = World::with(config, tree(), LinkConfig::default());
    world.start();
    cut(&mut world);
    let now = world.net.now();
    world.client().request_update(now, None);
    world.run(SECOND);
    assert_eq!(paths(&mut world), ["POST /rd"]);
    assert!(matches!(world.events()[..], [Event::Registered { .. }]));
}

#[test]
fn a_connection_that_is_not_wanted_any_more_is_closed() {
    let mut world = World::new();
    let now = world.net.now();
    world.client().start(now);
    world.net.settle();
    // The connection is being made.
    let now = world.net.now();
    world.client().stop(now);
    world.run(SECOND);
    assert_eq!(world.script().got.len(), 0);
    assert!(world.script().peer.is_some());
    let traffic = world.net.traffic();
    world.run(SECOND * 100);
    assert_eq!(world.net.traffic(), traffic);
}

#[test]
fn a_server_that_is_gone_leaves_the_others_alone() {
    let mut tree = tree();
    tree.insert(
        Typed::new()
            .with(0, security(1, "coap://server"))
            .with(1, security(2, "coap://nowhere")),
    );
    tree.insert(Typed::new().with(0, server(1)).with(1, server(2)));
    let mut world = World::with(Config::new("dev1"), tree, LinkConfig::default());
    let now = world.net.now();
    world.client().start(now);
    world.run(SECOND * 1_000);
    assert_eq!(world.client().registered_servers().collect::<Vec<_>>(), [1]);
    assert_eq!(world.ask(get("/3/0/0")).code, Code::CONTENT);
}
