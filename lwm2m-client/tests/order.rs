//! Registrations one after the other, as /1/x/13 to /1/x/16 order them (TS-Core §6.2.1.1).

mod common;

use common::{
    SECOND, Script, World,
    boot::{bootstrap_account, bootstrap_server},
    security, server, tree,
};
use lwm2m_client::{Config, Event};
use lwm2m_coap::{
    Duration,
    sim::{LinkConfig, NodeId},
};
use lwm2m_model::{
    Typed,
    objects::{Security, Server},
};

/// Servers 1, 2, 3 at the hosts `server`, `two` and `three`, those of `there` exist.
fn world(there: &[&str], accounts: [Server; 3]) -> (World, Vec<NodeId>) {
    let mut tree = tree();
    let securities = Typed::<Security>::new()
        .with(0, security(1, "coap://server"))
        .with(1, security(2, "coap://two"))
        .with(2, security(3, "coap://three"))
        .with(9, bootstrap_account());
    tree.insert(securities);
    let mut servers = Typed::new();
    for (id, account) in (0..).zip(accounts) {
        servers = servers.with(id, account);
    }
    tree.insert(servers);
    let mut world = World::with(Config::new("dev1"), tree, LinkConfig::default());
    let hosts = there
        .iter()
        .map(|host| world.net.add_host(host, Script::new()));
    let hosts = hosts.collect();
    world
        .net
        .add_host("bs", bootstrap_server(8, "coap://server"));
    (world, hosts)
}

fn ordered(ssid: i64, priority: u64) -> Server {
    Server {
        registration_priority_order: Some(priority),
        communication_retry_count: Some(2),
        communication_retry_timer: Some(10),
        ..server(ssid)
    }
}

fn start(world: &mut World) {
    let now = world.net.now();
    world.client().start(now);
}

/// What happened, and to which server: `r` for registered, `f` for failed, `b` for bootstrap.
fn story(world: &mut World) -> String {
    let told = world.events().into_iter().filter_map(|event| match event {
        Event::Registered { server, .. } => Some(format!("r{server}")),
        Event::RegistrationFailed { server, .. } => Some(format!("f{server}")),
        Event::BootstrapStarted => Some("b".to_owned()),
        _ => None,
    });
    told.collect::<Vec<_>>().join(" ")
}

#[test]
fn servers_register_in_ascending_order_of_their_priority() {
    let accounts = [ordered(1, 30), ordered(2, 10), ordered(3, 20)];
    let (mut world, _) = world(&["two", "three"], accounts);
    start(&mut world);
    world.run(SECOND * 5);
    assert_eq!(story(&mut world), "r2 r3 r1");
}

#[test]
fn the_initial_delay_runs_from_the_end_of_the_registration_before() {
    let late = |server: Server| Server {
        initial_registration_delay_timer: Some(20),
        ..server
    };
    let accounts = [
        late(ordered(1, 1)),
        late(ordered(2, 2)),
        late(ordered(3, 3)),
    ];
    let (mut world, _) = world(&["two", "three"], accounts);
    start(&mut world);
    for expected in ["", "r1", "r2", "r3"] {
        assert_eq!(story(&mut world), expected);
        world.run(SECOND * 20 + Duration::from_millis(500));
    }
}

#[test]
fn a_server_without_a_priority_waits_for_no_other() {
    let accounts = [ordered(1, 1), ordered(2, 2), server(3)];
    // Server 2 does not exist.
    let (mut world, _) = world(&["three"], accounts);
    start(&mut world);
    world.run(SECOND);
    let story = story(&mut world);
    assert!(story.contains("r3") && story.contains("r1"), "{story}");
}

#[test]
fn a_failure_that_does_not_block_lets_the_next_server_begin_at_once() {
    let accounts = [ordered(1, 2), ordered(2, 1), ordered(3, 3)];
    let (mut world, _) = world(&["three"], accounts);
    start(&mut world);
    world.run(SECOND * 9);
    assert_eq!(story(&mut world), "f2");
    world.run(SECOND * 3);
    // No bootstrap, although /1/x/16 is true by default: others are left.
    assert_eq!(story(&mut world), "f2 r1 r3");
    world.run(SECOND * 10_000);
    assert_eq!(story(&mut world), "");
    // It is tried again later.
    world.net.add_host("two", Script::new());
    world.run(SECOND * 80_000);
    assert_eq!(story(&mut world), "r2");
}

#[test]
fn a_blocking_failure_goes_through_all_sequences_and_keeps_the_others_waiting() {
    let blocking = Server {
        registration_failure_block: Some(true),
        bootstrap_on_registration_failure: Some(false),
        communication_sequence_retry_count: Some(2),
        communication_sequence_delay_timer: Some(100),
        ..ordered(2, 1)
    };
    let accounts = [ordered(1, 2), blocking, ordered(3, 3)];
    let (mut world, _) = world(&["three"], accounts);
    start(&mut world);
    world.run(SECOND * 150);
    assert_eq!(story(&mut world), "f2 f2 f2 f2");
    world.net.add_host("two", Script::new());
    world.run(SECOND * 200);
    assert_eq!(story(&mut world), "r2 r1 r3");
}

#[test]
fn a_blocking_failure_leads_to_a_bootstrap_where_the_account_wants_it() {
    let blocking = Server {
        registration_failure_block: Some(true),
        ..ordered(2, 1)
    };
    let accounts = [ordered(1, 2), blocking, ordered(3, 3)];
    let (mut world, _) = world(&["three"], accounts);
    start(&mut world);
    world.run(SECOND * 15);
    assert_eq!(story(&mut world), "f2 f2 b r8");
}

#[test]
fn when_all_ordered_servers_failed_the_device_bootstraps() {
    let accounts = [ordered(1, 3), ordered(2, 1), ordered(3, 2)];
    let (mut world, _) = world(&[], accounts);
    // The first server is there for the account of the bootstrap only: it refuses to begin with.
    let refusals = (0..2).map(|_| Some(lwm2m_coap::Draft::new(lwm2m_codec::coap::Code::FORBIDDEN)));
    world.script().answers.extend(refusals);
    start(&mut world);
    world.run(SECOND * 40);
    assert_eq!(story(&mut world), "f2 f2 f3 f3 f1 f1 b r8");
}
