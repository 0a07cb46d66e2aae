//! Bootstraps with the real bootstrap server (TS-Core §6.1).

mod common;

use common::{
    SECOND, Script, World,
    boot::{
        ACCOUNT, BootWorld, bootstrap_account, bootstrap_server, factory_tree, provisioned_tree,
    },
    get, on, server,
};
use lwm2m_bootstrap::server::{BootstrapServer, Event as ServerEvent};
use lwm2m_client::{Client, Config, Event};
use lwm2m_coap::{
    Engine, Instant,
    sim::{LinkConfig, Network},
};
use lwm2m_codec::{ContentFormat, Path, coap::Code};
use lwm2m_model::{
    Time,
    objects::{Security, Server},
};

const BOOTSTRAPPED: [&str; 3] = ["bootstrap started", "bootstrap finished", "registered 1"];

#[test]
fn a_device_without_accounts_bootstraps_and_registers_with_what_it_got() {
    let mut world = BootWorld::real(factory_tree(bootstrap_account()));
    world.start();
    world.run(SECOND * 2);
    assert_eq!(world.events(), BOOTSTRAPPED);
    assert_eq!(world.world.script().got[0].path, "/rd");
    assert_eq!(world.world.script().got[0].queries[0], "ep=dev1");
    // It is managed by the new server now.
    assert_eq!(world.world.ask(get("/3303/0/5700")).text(), "21.5");
    // The account of the bootstrap server stays.
    let securities: Vec<u16> = world
        .client()
        .tree()
        .typed::<Security>()
        .unwrap()
        .iter()
        .map(|(id, _)| id)
        .collect();
    assert!(securities.contains(&ACCOUNT), "{securities:?}");
    assert_eq!(securities.len(), 2);
}

#[test]
fn the_hold_off_time_passes_before_the_first_request() {
    let account = Security {
        client_hold_off_time: Some(30),
        ..bootstrap_account()
    };
    let mut world = BootWorld::real(factory_tree(account));
    world.start();
    world.run(SECOND * 29);
    assert_eq!(world.net().traffic().sent, 0);
    world.run(SECOND * 3);
    assert_eq!(world.events(), BOOTSTRAPPED);
}

#[test]
fn a_device_that_can_register_does_not_bootstrap() {
    let tree = provisioned_tree(bootstrap_account(), "coap://server", server(1));
    let mut world = BootWorld::real(tree);
    world.start();
    world.run(SECOND * 5_000);
    assert_eq!(world.events()[0], "registered 1");
    let bs: &BootstrapServer = world.world.net.get(world.bs);
    assert_eq!(bs.counters().started, 0);
}

#[test]
fn a_device_whose_server_can_not_be_reached_bootstraps_after_all_attempts() {
    let retries = Server {
        communication_retry_count: Some(2),
        communication_retry_timer: Some(10),
        ..server(1)
    };
    let tree = provisioned_tree(bootstrap_account(), "coap://nowhere", retries);
    let mut world = BootWorld::real(tree);
    world.start();
    world.run(SECOND * 15);
    let mut expected = vec![
        "registration failed 1, again in 10 s",
        "registration failed 1, again in 0 s",
    ];
    expected.extend(BOOTSTRAPPED);
    assert_eq!(world.events(), expected);
}

#[test]
fn an_account_may_forbid_the_bootstrap_after_failures() {
    let retries = Server {
        communication_retry_count: Some(1),
        bootstrap_on_registration_failure: Some(false),
        ..server(1)
    };
    let tree = provisioned_tree(bootstrap_account(), "coap://nowhere", retries);
    let mut world = BootWorld::real(tree);
    world.start();
    world.run(SECOND * 80_000);
    assert_eq!(world.events(), ["registration failed 1, again in 86400 s"]);
}

#[test]
fn the_time_of_the_bootstrap_is_kept_in_the_server_object() {
    let mut world = BootWorld::real(factory_tree(bootstrap_account()));
    let now = world.net().now();
    world.client().set_unix_time(now, 1_700_000_000);
    world.start();
    world.run(SECOND * 2);
    let tree = world.client().tree();
    let stamps: Vec<_> = tree
        .typed::<Server>()
        .unwrap()
        .iter()
        .map(|(_, server)| server.last_bootstrapped)
        .collect();
    assert!(
        matches!(stamps[..], [Some(Time(1_700_000_000..=1_700_000_002))]),
        "{stamps:?}"
    );
}

#[test]
fn a_registered_server_triggers_a_bootstrap_that_moves_the_device_to_another_one() {
    let tree = provisioned_tree(bootstrap_account(), "coap://server", server(1));
    let mut world = World::with(Config::new("dev1"), tree, LinkConfig::default());
    world
        .net
        .add_host("bs", bootstrap_server(2, "coap://other"));
    let other = world.net.add_host("other", Script::new());
    world.start();
    assert_eq!(world.ask(on(Code::POST, "/1/0/9")).code, Code::CHANGED);
    world.run(SECOND * 2);
    assert_eq!(world.client().registered_servers().collect::<Vec<_>>(), [2]);
    assert_eq!(world.net.get::<Script>(other).got[0].path, "/rd");
    // The old server hears no more of the device (TS-Core §6.2.4: it counts as de-registered).
    world.script().got.clear();
    world.run(SECOND * 1_000);
    assert_eq!(world.script().got.len(), 0);
}

#[test]
fn the_trigger_is_refused_without_a_bootstrap_account() {
    let mut tree = provisioned_tree(bootstrap_account(), "coap://server", server(1));
    tree.delete(Path::instance(0, ACCOUNT)).unwrap();
    let mut world = World::with(Config::new("dev1"), tree, LinkConfig::default());
    world.start();
    let answer = world.ask(on(Code::POST, "/1/0/9"));
    assert_eq!(answer.code, Code::METHOD_NOT_ALLOWED);
    let now = world.net.now();
    assert!(!world.client().bootstrap(now));
}

#[test]
fn an_account_that_comes_back_under_the_same_short_server_id_registers_anew() {
    let tree = provisioned_tree(bootstrap_account(), "coap://server", server(1));
    let mut world = BootWorld::real(tree);
    world.world.start();
    let now = world.net().now();
    assert!(world.client().bootstrap(now));
    world.run(SECOND * 2);
    assert_eq!(world.events(), BOOTSTRAPPED);
    assert_eq!(world.world.script().got.last().unwrap().path, "/rd");
}

#[test]
fn the_bootstrap_account_is_removed_when_its_time_is_over() {
    let account = Security {
        bootstrap_server_account_timeout: Some(100),
        ..bootstrap_account()
    };
    let mut world = BootWorld::real(factory_tree(account));
    world.start();
    world.run(SECOND * 2);
    assert_eq!(world.events(), BOOTSTRAPPED);
    let path = Path::instance(0, ACCOUNT);
    world.run(SECOND * 95);
    assert!(world.client().tree().contains(path));
    world.run(SECOND * 5);
    assert!(!world.client().tree().contains(path));
    let now = world.net().now();
    assert!(!world.client().bootstrap(now));
}

#[test]
fn a_value_that_changes_while_the_device_bootstraps_is_kept() {
    let mut world = BootWorld::real(factory_tree(bootstrap_account()));
    world.start();
    world.run(SECOND / 10);
    assert_eq!(world.events(), ["bootstrap started"]);
    world.world.set_temperature(30.0);
    world.run(SECOND * 2);
    assert_eq!(world.events(), ["bootstrap finished", "registered 1"]);
    assert_eq!(world.sensor(), 30.0);
}

#[test]
fn the_request_names_the_format_that_the_device_prefers() {
    for (format, known) in [
        (ContentFormat::SENML_CBOR, Some(ContentFormat::SENML_CBOR)),
        (ContentFormat::TLV, Some(ContentFormat::TLV)),
    ] {
        let mut config = Config::new("dev1");
        config.preferred_format = format;
        let tree = factory_tree(bootstrap_account());
        let mut world = World::with(config, tree, LinkConfig::default());
        let bs = world
            .net
            .add_host("bs", bootstrap_server(1, "coap://server"));
        let now = world.net.now();
        world.client().start(now);
        world.run(SECOND * 2);
        let event = world.net.get_mut::<BootstrapServer>(bs).poll_event();
        assert!(
            matches!(&event, Some(ServerEvent::SessionStarted { format, .. }) if *format == known),
            "{event:?}"
        );
        let last = world.events().pop();
        assert!(matches!(last, Some(Event::Registered { server: 1, .. })));
    }
}

#[test]
fn devices_bootstrap_over_a_lossy_link() {
    for seed in 0..40 {
        let mut net = Network::new(LinkConfig::lossy(), seed);
        net.add_host("server", Script::new());
        net.add_host("bs", bootstrap_server(1, "coap://server"));
        let tree = factory_tree(bootstrap_account());
        let device = net.add(Client::new(Config::new("dev1"), tree, seed));
        net.get_mut::<Client>(device).start(Instant::ZERO);
        let registered = net.run_while(Instant::ZERO + SECOND * 3_600, |net| {
            net.get::<Client>(device).registered_servers().count() == 0
        });
        assert!(registered, "seed {seed}");
    }
}

#[test]
fn security_of_a_server_is_never_readable_also_after_a_bootstrap() {
    let mut world = BootWorld::real(factory_tree(bootstrap_account()));
    world.start();
    world.run(SECOND * 2);
    for path in ["/0", "/0/7", "/0/0/5", "/0/7/0"] {
        assert_eq!(
            world.world.ask(get(path)).code,
            Code::UNAUTHORIZED,
            "{path}"
        );
    }
}
