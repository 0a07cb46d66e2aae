//! Bootstraps that fail (TS-Core §6.1.4): everything is as it was, and the next attempt follows.

mod common;

use common::{
    SECOND, Script, World,
    boot::{BootWorld, bootstrap_account, factory_tree, provisioned_tree},
    get, on, server,
};
use lwm2m_client::{Config, Event};
use lwm2m_coap::{Draft, Duration, sim::LinkConfig};
use lwm2m_codec::{ContentFormat, Path, Version, coap::Code};
use lwm2m_model::objects::Security;

const MOMENT: Duration = Duration::from_millis(200);

fn text(path: &str, value: &str) -> Draft {
    on(Code::PUT, path).content(ContentFormat::TEXT, value.as_bytes().to_vec())
}

/// A registered device that a bootstrap server, which says nothing by itself, provisions.
fn provisioning() -> BootWorld {
    let tree = provisioned_tree(bootstrap_account(), "coap://server", server(1));
    let mut world = BootWorld::scripted(tree);
    world.world.start();
    let now = world.net().now();
    assert!(world.client().bootstrap(now));
    world.run(MOMENT);
    assert_eq!(world.events(), ["bootstrap started"]);
    world
}

fn lifetime(world: &mut BootWorld) -> i64 {
    let tree = world.client().tree();
    let servers = tree.typed::<lwm2m_model::objects::Server>().unwrap();
    servers.get(0).unwrap().lifetime
}

#[test]
fn a_refused_request_is_repeated_with_doubled_delays_up_to_a_day() {
    let mut world = BootWorld::scripted(factory_tree(bootstrap_account()));
    let refusals = (0..20).map(|_| Some(Draft::new(Code::BAD_REQUEST)));
    world.bs().answers.extend(refusals);
    world.start();
    world.run(SECOND * 500_000);
    let waits: Vec<u64> = world
        .world
        .events()
        .iter()
        .map(|event| match event {
            Event::BootstrapFailed { retry_in, .. } => retry_in.as_secs(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(waits[..6], [60, 120, 240, 480, 960, 1_920]);
    assert_eq!(waits.last(), Some(&86_400));
}

#[test]
fn a_refusal_tells_its_code_and_reason() {
    let mut world = BootWorld::scripted(factory_tree(bootstrap_account()));
    let refusal = Draft::new(Code::BAD_REQUEST).diagnostic("unknown endpoint");
    world.bs().answers.push_back(Some(refusal));
    world.start();
    world.run(SECOND);
    let expected =
        "bootstrap failed: the server answered 4.00 Bad Request: unknown endpoint, again in 60 s";
    assert_eq!(world.events(), [expected]);
}

#[test]
fn a_server_that_can_not_be_reached_fails_the_bootstrap() {
    let account = Security {
        lwm2m_server_uri: "coap://nowhere".into(),
        ..bootstrap_account()
    };
    let mut world = BootWorld::scripted(factory_tree(account));
    world.start();
    world.run(SECOND);
    let expected = "bootstrap failed: no connection: ";
    let events = world.events();
    assert!(events[0].starts_with(expected), "{events:?}");
    assert_eq!(events.len(), 1);
}

#[test]
fn a_format_that_is_not_supported_is_not_stated_again() {
    let mut world = BootWorld::scripted(factory_tree(bootstrap_account()));
    let refusal = Draft::new(Code::UNSUPPORTED_CONTENT_FORMAT);
    world.bs().answers.push_back(Some(refusal));
    world.start();
    world.run(SECOND * 61);
    let queries: Vec<_> = world
        .bs()
        .got
        .iter()
        .map(|got| got.queries.clone())
        .collect();
    assert_eq!(queries[0], ["ep=dev1", "pct=112"]);
    assert_eq!(queries[1], ["ep=dev1"]);
}

#[test]
fn a_device_of_lwm2m_1_0_states_no_format() {
    let mut config = Config::new("dev1");
    config.versions = vec![Version::V1_0];
    let tree = factory_tree(bootstrap_account());
    let mut world = World::with(config, tree, LinkConfig::default());
    let bs = world.net.add_host("bs", Script::new());
    let now = world.net.now();
    world.client().start(now);
    world.run(SECOND);
    assert_eq!(world.net.get::<Script>(bs).got[0].queries, ["ep=dev1"]);
}

#[test]
fn a_request_without_an_answer_fails_the_bootstrap() {
    let mut world = BootWorld::scripted(factory_tree(bootstrap_account()));
    world.bs().answers.push_back(None);
    world.start();
    world.run(MOMENT);
    let device = world.world.device;
    world.net().forget_sessions(device);
    world.run(SECOND * 100);
    let events = world.events();
    assert_eq!(events.len(), 1, "{events:?}");
    assert!(
        events[0].starts_with("bootstrap failed: no response"),
        "{events:?}"
    );
}

#[test]
fn silence_of_247_seconds_undoes_what_was_written() {
    let mut world = provisioning();
    assert_eq!(world.order(text("/1/0/1", "77")), Some(Code::CHANGED));
    assert_eq!(lifetime(&mut world), 77);
    world.run(SECOND * 245);
    assert_eq!(world.events(), [""; 0]);
    world.run(SECOND * 2);
    let expected = "bootstrap failed: nothing came from the server for too long, again in 60 s";
    // The Update that was due meanwhile follows.
    assert_eq!(world.events(), [expected, "updated 1"]);
    assert_eq!(lifetime(&mut world), 300);
}

#[test]
fn each_request_of_the_bootstrap_server_restarts_the_247_seconds() {
    let mut world = provisioning();
    for _ in 0..5 {
        world.run(SECOND * 200);
        assert_eq!(world.order(get("/1")), Some(Code::CONTENT));
    }
    // The lifetime of the registration may be over, but the bootstrap goes on.
    assert_eq!(world.events(), [""; 0]);
    world.run(SECOND * 248);
    assert!(world.events()[0].starts_with("bootstrap failed"));
}

#[test]
fn the_end_of_the_connection_undoes_what_was_written() {
    let mut world = provisioning();
    assert_eq!(world.order(on(Code::DELETE, "/1")), Some(Code::DELETED));
    assert!(!world.client().tree().contains(Path::instance(1, 0)));
    world.bs().hang_up();
    world.run(MOMENT);
    let expected = "bootstrap failed: the connection broke, again in 60 s";
    assert_eq!(world.events(), [expected]);
    assert_eq!(lifetime(&mut world), 300);
}

#[test]
fn the_end_of_the_connection_before_the_answer_fails_the_request() {
    let mut world = BootWorld::scripted(factory_tree(bootstrap_account()));
    world.bs().answers.push_back(None);
    world.start();
    world.run(MOMENT);
    world.bs().hang_up();
    world.run(MOMENT);
    let events = world.events();
    assert_eq!(events.len(), 1, "{events:?}");
    world.run(SECOND * 60);
    assert_eq!(world.events(), ["bootstrap started"]);
}

#[test]
fn accounts_that_contradict_each_other_are_refused_at_the_finish() {
    let mut world = provisioning();
    assert_eq!(world.order(on(Code::DELETE, "/1/0")), Some(Code::DELETED));
    assert_eq!(
        world.order(on(Code::POST, "/bs")),
        Some(Code::NOT_ACCEPTABLE)
    );
    assert_eq!(world.events(), [""; 0]);
    // The server may correct them.
    assert_eq!(world.order(on(Code::DELETE, "/0/0")), Some(Code::DELETED));
    assert_eq!(
        world.order(on(Code::POST, "/bs")),
        Some(Code::NOT_ACCEPTABLE)
    );
    world.run(SECOND * 248);
    assert!(world.events()[0].starts_with("bootstrap failed"));
    assert_eq!(lifetime(&mut world), 300);
}

#[test]
fn a_new_bootstrap_account_that_is_not_complete_is_refused_and_the_old_one_stays() {
    let mut world = provisioning();
    // A scheme with security, but no key.
    let uri = text("/0/7/0", "coaps://other");
    assert_eq!(world.order(uri), Some(Code::CHANGED));
    let finish = || on(Code::POST, "/bs");
    assert_eq!(world.order(finish()), Some(Code::NOT_ACCEPTABLE));
    world.run(SECOND * 248);
    assert!(world.events()[0].starts_with("bootstrap failed"));
    let account = |world: &mut BootWorld| {
        let accounts = lwm2m_bootstrap::accounts(world.client().tree());
        accounts.bootstrap.map(|account| account.uri)
    };
    assert_eq!(account(&mut world).as_deref(), Some("coap://bs"));
    // Completed, it takes the old one's place.
    let mut world = provisioning();
    let uri = text("/0/7/0", "coap://other");
    assert_eq!(world.order(uri), Some(Code::CHANGED));
    assert_eq!(world.order(finish()), Some(Code::CHANGED));
    assert_eq!(account(&mut world).as_deref(), Some("coap://other"));
}

#[test]
fn a_registration_and_its_observations_survive_a_bootstrap_that_fails() {
    let tree = provisioned_tree(bootstrap_account(), "coap://server", server(1));
    let mut world = BootWorld::scripted(tree);
    world.world.start();
    let (answer, _) = world.world.observe(get("/3303/0/5700"));
    assert_eq!(answer.text(), "21.5");
    assert_eq!(
        world.world.ask(on(Code::POST, "/1/0/9")).code,
        Code::CHANGED
    );
    world.run(SECOND);
    assert_eq!(world.order(text("/1/0/1", "77")), Some(Code::CHANGED));
    world.events();
    world.world.script().got.clear();
    // The device is another server's business now: nothing of it leaves.
    world.world.set_temperature(33.0);
    let now = world.net().now();
    let (read, _) = world.world.script().send(now, get("/1/0/1"));
    world.run(SECOND);
    assert_eq!(world.world.script().got.len(), 0);
    assert_eq!(world.world.script().notifications.len(), 0);
    let read = world
        .world
        .script()
        .responses
        .iter()
        .any(|(id, _)| *id == read);
    assert!(!read, "a server read what may be undone yet");
    world.bs().hang_up();
    world.run(SECOND);
    assert!(world.events()[0].starts_with("bootstrap failed"));
    let registered: Vec<u16> = world.client().registered_servers().collect();
    assert_eq!(registered, [1]);
    // What changed meanwhile is told now, and the server may ask again.
    let values: Vec<String> = world
        .world
        .script()
        .notifications
        .iter()
        .map(|(_, answer)| answer.text().to_owned())
        .collect();
    assert_eq!(values, ["33"]);
    assert_eq!(world.world.ask(get("/1/0/1")).text(), "300");
    // Nothing of the undone lifetime went out.
    assert!(
        world
            .world
            .script()
            .got
            .iter()
            .all(|got| got.queries.is_empty())
    );
}

#[test]
fn a_trigger_ends_the_wait_after_failed_attempts() {
    let tree = provisioned_tree(bootstrap_account(), "coap://server", server(1));
    let mut world = BootWorld::scripted(tree);
    world.world.start();
    let refusals = (0..6).map(|_| Some(Draft::new(Code::BAD_REQUEST)));
    world.bs().answers.extend(refusals);
    let now = world.net().now();
    assert!(world.client().bootstrap(now));
    world.run(SECOND * 2_000);
    let before = world.bs().got.len();
    world.bs().answers.clear();
    assert_eq!(
        world.world.ask(on(Code::POST, "/1/0/9")).code,
        Code::CHANGED
    );
    world.run(SECOND);
    assert_eq!(world.bs().got.len(), before + 1);
}

#[test]
fn a_server_that_comes_back_makes_the_waiting_bootstrap_needless() {
    let tree = provisioned_tree(bootstrap_account(), "coap://late", {
        let mut server = server(1);
        server.communication_retry_count = Some(2);
        server.communication_retry_timer = Some(10);
        server
    });
    let mut world = BootWorld::scripted(tree);
    let refusals = (0..2).map(|_| Some(Draft::new(Code::BAD_REQUEST)));
    world.bs().answers.extend(refusals);
    world.start();
    // Two attempts, a refused bootstrap; then the server is there.
    world.run(SECOND * 20);
    world.net().add_host("late", Script::new());
    world.run(SECOND * 400);
    let events = world.events();
    assert!(events.contains(&"registered 1".to_owned()), "{events:?}");
    let asked = world.bs().got.len();
    world.run(SECOND * 100_000);
    assert_eq!(world.bs().got.len(), asked);
}

#[test]
fn a_device_without_any_account_left_keeps_trying() {
    let mut world = BootWorld::scripted(factory_tree(bootstrap_account()));
    world
        .bs()
        .answers
        .push_back(Some(Draft::new(Code::INTERNAL_SERVER_ERROR)));
    world.start();
    world.run(SECOND * 70);
    let events = world.events();
    assert_eq!(events.last().map(String::as_str), Some("bootstrap started"));
}

#[test]
fn a_bootstrap_server_has_no_rights_before_and_after_the_bootstrap() {
    let mut world = provisioning();
    assert_eq!(world.order(on(Code::POST, "/bs")), Some(Code::CHANGED));
    assert_eq!(world.events()[0], "bootstrap finished");
    assert_eq!(world.order(get("/1/0/1")), None);
    assert_eq!(world.order(text("/1/0/1", "5")), None);
    assert_eq!(lifetime(&mut world), 300);
}

#[test]
fn stop_undoes_a_bootstrap_and_nothing_follows() {
    for wait in [0, 20, 50, 65, 200, 3_000] {
        let tree = factory_tree(bootstrap_account());
        let mut world = BootWorld::scripted(tree);
        world.start();
        world.run(Duration::from_millis(wait));
        if wait == 3_000 {
            let now = world.net().now();
            world.bs().send(now, on(Code::DELETE, "/3303"));
            world.run(MOMENT);
        }
        let now = world.net().now();
        world.client().stop(now);
        world.run(SECOND);
        assert!(world.client().is_stopped(), "after {wait} ms");
        assert!(
            world.client().tree().contains(Path::instance(3303, 0)),
            "after {wait} ms"
        );
        assert!(!world.client().tree().in_transaction(), "after {wait} ms");
        let sent = world.net().traffic().sent;
        world.run(SECOND * 200_000);
        // The scripted server may repeat what was not answered; the device says nothing new.
        let asked = world.bs().got.len();
        assert!(asked <= 1, "after {wait} ms");
        assert!(world.net().traffic().sent <= sent + 5, "after {wait} ms");
        // It starts over.
        world.events();
        world.start();
        world.run(SECOND);
        assert_eq!(world.events(), ["bootstrap started"], "after {wait} ms");
        assert_eq!(world.bs().got.len(), asked + 1, "after {wait} ms");
    }
}

#[test]
fn a_second_bootstrap_right_after_the_first_leaves_no_connection_behind() {
    let mut world = provisioning();
    assert_eq!(world.order(on(Code::POST, "/bs")), Some(Code::CHANGED));
    let now = world.net().now();
    assert!(world.client().bootstrap(now));
    world.run(SECOND);
    assert_eq!(world.order(on(Code::POST, "/bs")), Some(Code::CHANGED));
    world.run(SECOND * 60);
    // Only the server's connection is left.
    let device = world.world.device;
    assert_eq!(world.net().session_count(device), 1);
}
