//! Bootstrap-Pack at the device, its fallbacks, and the removal of the bootstrap account.

mod common;

use std::sync::Arc;

use common::{SECOND, Script, World, security, server};
use lwm2m_bootstrap::{
    accounts,
    server::{BootstrapServer, Config as ServerConfig, Entry, Provision, ServerEntry},
};
use lwm2m_client::{Client, Config, Event};
use lwm2m_coap::{
    Draft, Engine,
    sim::{LinkConfig, Network, NodeId},
};
use lwm2m_codec::{ContentFormat, coap::Code};
use lwm2m_model::{
    Tree, Typed,
    objects::{Security, Server},
};

fn factory(timeout: Option<i64>) -> Tree {
    let account = Security {
        bootstrap_server: true,
        short_server_id: None,
        bootstrap_server_account_timeout: timeout,
        ..security(1, "coap://bs")
    };
    let mut tree = Tree::new();
    tree.insert(Typed::new().with(1, account));
    tree.insert(Typed::<Server>::new());
    tree
}

fn config() -> Config {
    let mut config = Config::new("dev1");
    config.bootstrap_pack = true;
    config
}

fn bootstrap_server(delete: &[&str]) -> BootstrapServer {
    let mut provision = Provision::default();
    provision.delete = delete.iter().map(|path| path.parse().unwrap()).collect();
    let entry = ServerEntry::new(1, security(1, "coap://server"), server(1));
    provision.servers = vec![entry];
    let mut config = ServerConfig::default();
    config.entries = vec![Entry {
        name: "*".parse().unwrap(),
        psk: None,
        subscriber: None,
        provision: Arc::new(provision),
    }];
    BootstrapServer::new(config, 2)
}

/// Runs a device against a bootstrap server until it is registered.
fn provision(bs: BootstrapServer, config: Config, tree: Tree) -> (Network, NodeId, NodeId) {
    let mut net = Network::new(LinkConfig::default(), 1);
    net.add_host("server", Script::new());
    let bs = net.add_host("bs", bs);
    let device = net.add(Client::new(config, tree, 42));
    let now = net.now();
    net.get_mut::<Client>(device).start(now);
    net.run_for(SECOND * 5);
    assert_eq!(net.get::<Client>(device).registered_servers().count(), 1);
    (net, bs, device)
}

#[test]
fn ets_12_a_device_that_asks_for_a_pack_gets_all_in_one_answer_and_registers() {
    let (net, bs, device) = provision(bootstrap_server(&["/0", "/1"]), config(), factory(None));
    let counters = net.get::<BootstrapServer>(bs).counters();
    assert_eq!((counters.packed, counters.started), (1, 0));
    let accounts = accounts(net.get::<Client>(device).tree());
    assert_eq!(accounts.bootstrap.unwrap().instance, 1);
    assert_eq!(accounts.servers[0].security_instance, 0);
}

#[test]
fn a_server_that_prefers_the_plain_sequence_by_4_05_gets_a_bootstrap_request() {
    let (net, bs, _) = provision(bootstrap_server(&[]), config(), factory(None));
    let counters = net.get::<BootstrapServer>(bs).counters();
    assert_eq!(
        (counters.packed, counters.finished, counters.refused),
        (0, 1, 1)
    );
}

#[test]
fn without_a_pack_that_fits_the_device_asks_for_the_plain_sequence_on_the_same_connection() {
    let wrong = Draft::new(Code::CONTENT).content(ContentFormat::SENML_CBOR, vec![0xff]);
    let answers = [
        Draft::new(Code::NOT_IMPLEMENTED),
        Draft::new(Code::METHOD_NOT_ALLOWED),
        Draft::new(Code::NOT_FOUND),
        wrong,
    ];
    for answer in answers {
        let mut world = World::with(config(), factory(None), LinkConfig::default());
        let bs = world.net.add_host("bs", Script::new());
        world
            .net
            .get_mut::<Script>(bs)
            .answers
            .push_back(Some(answer));
        let now = world.net.now();
        world.client().start(now);
        world.run(SECOND);
        let got = &world.net.get::<Script>(bs).got;
        let paths: Vec<&str> = got.iter().map(|got| got.path.as_str()).collect();
        assert_eq!(paths, ["/bspack", "/bs"]);
        assert_eq!(got[0].queries, ["ep=dev1", "acc=</0/1>"]);
        assert_eq!(got[1].queries, ["ep=dev1", "pct=112"]);
        assert!(!world.client().tree().in_transaction());
    }
}

#[test]
fn a_pack_request_without_an_answer_is_tried_again_later() {
    let mut world = World::with(config(), factory(None), LinkConfig::default());
    let bs = world.net.add_host("bs", Script::new());
    world
        .net
        .get_mut::<Script>(bs)
        .answers
        .extend(vec![None; 5]);
    let now = world.net.now();
    world.client().start(now);
    world.run(SECOND * 100);
    let events = world.events();
    assert!(
        matches!(events[..], [Event::BootstrapFailed { .. }]),
        "{events:?}"
    );
    world.run(SECOND * 100);
    let got = &world.net.get::<Script>(bs).got;
    assert_eq!(got.last().unwrap().path, "/bs");
}

#[test]
fn the_bootstrap_account_is_removed_after_its_timeout_and_the_application_hears_of_it() {
    let bs = bootstrap_server(&["/0", "/1"]);
    let (mut net, _, device) = provision(bs, config(), factory(Some(60)));
    net.run_for(SECOND * 54);
    let client = net.get_mut::<Client>(device);
    assert!(accounts(client.tree()).bootstrap.is_some());
    let events: Vec<Event> = std::iter::from_fn(|| client.poll_event()).collect();
    assert!(!events.contains(&Event::BootstrapAccountRemoved));
    net.run_for(SECOND * 2);
    let client = net.get_mut::<Client>(device);
    assert_eq!(accounts(client.tree()).bootstrap, None);
    assert_eq!(client.poll_event(), Some(Event::BootstrapAccountRemoved));
    assert_eq!(accounts(client.tree()).servers.len(), 1);
}

#[test]
fn a_device_that_lost_power_starts_the_timeout_again_when_it_is_registered() {
    let mut tree = factory(Some(60));
    tree.typed_mut::<Security>()
        .unwrap()
        .insert(0, security(1, "coap://server"));
    tree.typed_mut::<Server>().unwrap().insert(0, server(1));
    let (mut net, _, device) = provision(bootstrap_server(&[]), config(), tree);
    net.run_for(SECOND * 50);
    assert!(
        accounts(net.get::<Client>(device).tree())
            .bootstrap
            .is_some()
    );
    net.run_for(SECOND * 10);
    assert_eq!(accounts(net.get::<Client>(device).tree()).bootstrap, None);
}
