//! When a notification is due, and what becomes of it (TS-Core §6.4, §7.3.2).

mod common;

use common::{SECOND, World, get, on};
use lwm2m_client::Config;
use lwm2m_coap::{Duration, sim::LinkConfig};
use lwm2m_codec::{ContentFormat, coap::Code};
use lwm2m_model::{Typed, objects::Server};

const TEMPERATURE: &str = "/3303/0/5700";

/// A world whose temperature is observed as text, after some attributes were written.
fn observed(attributes: &[&str]) -> World {
    let mut world = World::registered();
    if !attributes.is_empty() {
        let write = attributes
            .iter()
            .fold(on(Code::PUT, TEMPERATURE), |d, a| d.query(a));
        assert_eq!(world.ask(write).code, Code::CHANGED);
    }
    let (answer, _) = world.observe(get(TEMPERATURE));
    assert_eq!((answer.code, answer.text()), (Code::CONTENT, "21.5"));
    assert!(answer.observe.is_some());
    world
}

/// Sets the temperature at some seconds from now on, and returns the notifications with the
/// second in which each arrived.
fn play(world: &mut World, values: &[(u64, f64)], until: u64) -> Vec<(u64, String)> {
    let start = world.net.now();
    for (at, value) in values {
        let wait = (start + SECOND * (*at as u32)).since(world.net.now());
        world.run(wait);
        world.set_temperature(*value);
    }
    let rest = (start + SECOND * (until as u32)).since(world.net.now());
    world.run(rest);
    let notified = world.notified(start);
    notified
        .into_iter()
        .map(|(at, text)| (at as u64, text))
        .collect()
}

fn expect(notified: &[(u64, String)], expected: &[(u64, &str)]) {
    let notified: Vec<(u64, &str)> = notified.iter().map(|(at, text)| (*at, &text[..])).collect();
    assert_eq!(notified, expected);
}

#[test]
fn every_change_is_notified_and_an_equal_value_is_not() {
    let mut world = observed(&[]);
    let notified = play(&mut world, &[(1, 22.0), (2, 22.0), (3, 23.0)], 10);
    expect(&notified, &[(1, "22"), (3, "23")]);
}

#[test]
fn notifications_carry_rising_sequence_numbers() {
    let mut world = observed(&[]);
    for value in [1.0, 2.0, 3.0] {
        world.set_temperature(value);
        world.run(SECOND);
    }
    let sequence: Vec<u32> = world
        .script()
        .notifications
        .iter()
        .map(|(_, n)| n.observe.unwrap())
        .collect();
    assert!(sequence.is_sorted() && sequence.len() == 3, "{sequence:?}");
}

#[test]
fn pmin_holds_a_change_back_and_sends_the_value_of_that_time() {
    let mut world = observed(&["pmin=10"]);
    let notified = play(&mut world, &[(1, 22.0), (3, 23.0), (4, 21.5)], 40);
    // The value has returned, and the pending notification goes out all the same.
    expect(&notified, &[(10, "21.5")]);
}

#[test]
fn pmax_sends_without_a_change_and_a_pmax_below_pmin_is_ignored() {
    let mut world = observed(&["pmax=20"]);
    let notified = play(&mut world, &[(5, 22.0)], 50);
    expect(&notified, &[(5, "22"), (25, "22"), (45, "22")]);
    let mut world = observed(&["pmin=30", "pmax=20"]);
    expect(&play(&mut world, &[], 100), &[]);
}

#[test]
fn gt_and_lt_notify_each_time_the_limit_is_crossed_in_either_direction() {
    let mut world = observed(&["gt=25", "lt=10"]);
    let steps = [
        (1, 24.0),
        (2, 26.0),
        (3, 30.0),
        (4, 20.0),
        (5, 9.0),
        (6, 5.0),
        (7, 11.0),
    ];
    let notified = play(&mut world, &steps, 10);
    expect(&notified, &[(2, "26"), (4, "20"), (5, "9"), (7, "11")]);
}

#[test]
fn st_compares_with_the_value_that_was_reported_last() {
    let mut world = observed(&["st=2"]);
    let notified = play(
        &mut world,
        &[(1, 22.5), (2, 23.4), (3, 23.5), (4, 22.0), (5, 21.5)],
        10,
    );
    expect(&notified, &[(3, "23.5"), (5, "21.5")]);
}

#[test]
fn attributes_of_the_object_and_instance_are_inherited_and_the_nearest_wins() {
    let mut world = World::registered();
    assert_eq!(
        world.ask(on(Code::PUT, "/3303").query("pmin=30")).code,
        Code::CHANGED
    );
    assert_eq!(
        world.ask(on(Code::PUT, "/3303/0").query("pmin=5")).code,
        Code::CHANGED
    );
    world.observe(get(TEMPERATURE));
    let notified = play(&mut world, &[(1, 22.0)], 40);
    expect(&notified, &[(5, "22")]);
}

#[test]
fn the_default_periods_of_the_server_object_hold_where_no_attribute_does() {
    let mut tree = common::tree();
    let defaults = Server {
        default_minimum_period: Some(5),
        default_maximum_period: Some(15),
        ..common::server(1)
    };
    tree.insert(Typed::new().with(0, defaults));
    let mut world = World::with(Config::new("dev1"), tree, LinkConfig::default());
    world.start();
    world.observe(get(TEMPERATURE));
    let notified = play(&mut world, &[(1, 22.0)], 25);
    expect(&notified, &[(5, "22"), (20, "22")]);
}

#[test]
fn new_attributes_take_effect_in_a_running_observation() {
    let mut world = observed(&[]);
    assert_eq!(
        world.ask(on(Code::PUT, TEMPERATURE).query("pmax=10")).code,
        Code::CHANGED
    );
    let notified = play(&mut world, &[], 25);
    assert_eq!(notified.len(), 2, "{notified:?}");
}

#[test]
fn an_observe_of_lwm2m_1_2_brings_its_own_attributes_which_switch_off_the_attached_ones() {
    let mut world = World::registered();
    assert_eq!(
        world.ask(on(Code::PUT, TEMPERATURE).query("pmin=30")).code,
        Code::CHANGED
    );
    world.observe(get(TEMPERATURE).query("pmin=3"));
    let notified = play(&mut world, &[(1, 22.0)], 40);
    expect(&notified, &[(3, "22")]);
    let answer = world.ask(get(TEMPERATURE).query("gt=1").query("lt=2").observe(0));
    assert_eq!(answer.code, Code::BAD_REQUEST);
}

#[test]
fn con_decides_whether_a_notification_is_confirmable() {
    let mut config = Config::new("dev1");
    config.confirmable_notifications = false;
    for (attribute, message_type) in [("con=1", 0), ("con=0", 1)] {
        let mut world = World::with(config.clone(), common::tree(), LinkConfig::default());
        world.start();
        assert_eq!(
            world.ask(on(Code::PUT, TEMPERATURE).query(attribute)).code,
            Code::CHANGED
        );
        world.observe(get(TEMPERATURE));
        world.net.capture();
        world.set_temperature(30.0);
        world.run(SECOND);
        let first = world.net.captured().remove(0).1;
        assert_eq!((first[0] >> 4) & 3, message_type, "{attribute}");
    }
}

#[test]
fn a_reset_ends_the_observation_whether_the_notification_was_confirmable_or_not() {
    for confirmable in [true, false] {
        let mut config = Config::new("dev1");
        config.confirmable_notifications = confirmable;
        let mut world = World::with(config, common::tree(), LinkConfig::default());
        world.start();
        world.observe(get(TEMPERATURE));
        world.script().observed.clear();
        world.set_temperature(30.0);
        world.run(SECOND);
        assert_eq!(world.client().observation_count(), 0);
    }
}

#[test]
fn observe_1_with_the_same_token_ends_the_observation_and_answers_the_value() {
    let mut world = World::registered();
    let (_, token) = world.observe(get(TEMPERATURE));
    assert_eq!(world.client().observation_count(), 1);
    let answer = world.ask_with_token(get(TEMPERATURE).observe(1), token);
    assert_eq!(
        (answer.code, answer.text(), answer.observe),
        (Code::CONTENT, "21.5", None)
    );
    assert_eq!(world.client().observation_count(), 0);
}

#[test]
fn an_instance_that_is_created_or_deleted_is_notified_to_who_observes_the_object() {
    let mut world = World::registered();
    let json = ContentFormat::SENML_JSON;
    world.observe(get("/3303").accept(json));
    let create = on(Code::POST, "/3303").content(json, br#"[{"n":"/3303/4/5700","v":4}]"#.to_vec());
    assert_eq!(world.ask(create).code, Code::CREATED);
    world.run(SECOND);
    let notified = world.notified(world.net.now());
    assert_eq!(notified.len(), 1);
    assert!(notified[0].1.contains("\"4/5700\""), "{notified:?}");
}

#[test]
fn an_observed_instance_that_is_deleted_ends_its_observation_with_an_error() {
    let mut world = World::registered();
    world.observe(get(TEMPERATURE));
    assert_eq!(world.ask(on(Code::DELETE, "/3303/0")).code, Code::DELETED);
    world.run(SECOND);
    let notifications = std::mem::take(&mut world.script().notifications);
    assert_eq!(notifications.len(), 1);
    assert_eq!(notifications[0].1.code, Code::NOT_FOUND);
    assert_eq!(notifications[0].1.observe, None);
    assert_eq!(world.client().observation_count(), 0);
}

#[test]
fn observe_composite_notifies_all_its_paths_when_one_changes() {
    let mut world = World::registered();
    let json = ContentFormat::SENML_JSON;
    let paths = br#"[{"n":"/3/0/9"},{"n":"/3303/0/5700"}]"#;
    let fetch = on(Code::FETCH, "/")
        .content(json, paths.to_vec())
        .accept(json);
    let (answer, _) = world.observe(fetch);
    assert_eq!(answer.code, Code::CONTENT);
    assert!(answer.observe.is_some());
    world.set_temperature(30.0);
    world.run(SECOND);
    let notified = world.notified(world.net.now());
    assert_eq!(notified.len(), 1);
    assert!(notified[0].1.contains(r#""v":95"#) && notified[0].1.contains(r#""v":30"#));
}

#[test]
fn while_a_confirmable_notification_is_under_way_newer_values_wait_and_the_last_one_follows() {
    let mut world = observed(&[]);
    world.net.set_link(LinkConfig {
        min_delay: Duration::from_millis(500),
        max_delay: Duration::from_millis(500),
        ..LinkConfig::default()
    });
    let start = world.net.now();
    for value in [1.0, 2.0, 3.0, 4.0] {
        world.set_temperature(value);
        world.run(Duration::from_millis(100));
    }
    world.run(SECOND * 10);
    let texts: Vec<String> = world
        .notified(start)
        .into_iter()
        .map(|(_, text)| text)
        .collect();
    assert_eq!(texts, ["1", "4"]);
}

#[test]
fn a_notification_that_is_lost_follows_the_update_that_brings_the_connection_back() {
    let mut world = observed(&[]);
    world.net.forget_sessions(world.device);
    world.set_temperature(40.0);
    world.run(SECOND * 400);
    let texts: Vec<String> = world
        .notified(world.net.now())
        .into_iter()
        .map(|(_, text)| text)
        .collect();
    assert_eq!(texts.last().map(String::as_str), Some("40"));
    assert!(world.script().got.iter().any(|got| got.path == "/rd/5a3f"));
}

#[test]
fn a_new_registration_forgets_the_observations() {
    let mut world = observed(&[]);
    world
        .script()
        .answers
        .push_back(Some(lwm2m_coap::Draft::new(Code::NOT_FOUND)));
    let now = world.net.now();
    world.client().request_update(now, None);
    world.run(SECOND);
    assert_eq!(world.client().observation_count(), 0);
}

#[test]
fn the_table_of_observations_is_bounded() {
    let mut config = Config::new("dev1");
    config.max_observations = 2;
    let mut world = World::with(config, common::tree(), LinkConfig::default());
    world.start();
    for path in ["/3/0/9", "/3/0/14"] {
        assert!(world.observe(get(path)).0.observe.is_some());
    }
    let (answer, _) = world.observe(get(TEMPERATURE));
    assert_eq!((answer.code, answer.observe), (Code::CONTENT, None));
}
