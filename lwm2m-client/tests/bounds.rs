//! What servers can make a device keep is bounded, and what is gone makes room.

mod common;

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use common::{SECOND, World, get, on, tree};
use lwm2m_client::Config;
use lwm2m_coap::{Draft, sim::LinkConfig};
use lwm2m_codec::{ContentFormat, coap::Code};
use lwm2m_model::{Outcome, Typed, objects::Device};

fn senml(method: Code, path: &str, json: &str) -> Draft {
    on(method, path).content(ContentFormat::SENML_JSON, json.as_bytes().to_vec())
}

fn pmin(path: &str) -> Draft {
    on(Code::PUT, path).query("pmin=1")
}

fn create(world: &mut World, id: u16) {
    let json = format!(r#"[{{"bn":"/3303/{id}/","n":"5700","v":1}}]"#);
    let answer = world.ask(senml(Code::POST, "/3303", &json));
    assert_eq!(answer.code, Code::CREATED);
}

#[test]
fn attributes_of_instances_that_are_gone_make_room() {
    let mut config = Config::new("dev1");
    config.max_attributes = 3;
    let mut world = World::with(config, tree(), LinkConfig::default());
    world.start();
    for id in 1..20 {
        create(&mut world, id);
        let attributes = pmin(&format!("/3303/{id}/5700"));
        assert_eq!(world.ask(attributes).code, Code::CHANGED, "instance {id}");
        let delete = on(Code::DELETE, &format!("/3303/{id}"));
        assert_eq!(world.ask(delete).code, Code::DELETED);
    }
}

#[test]
fn a_new_instance_has_no_attributes_of_one_that_was_deleted() {
    let mut world = World::registered();
    create(&mut world, 1);
    assert_eq!(world.ask(pmin("/3303/1")).code, Code::CHANGED);
    assert_eq!(world.ask(pmin("/3303/1/5700")).code, Code::CHANGED);
    assert_eq!(world.ask(on(Code::DELETE, "/3303/1")).code, Code::DELETED);
    create(&mut world, 1);
    let discover = get("/3303/1").accept(ContentFormat::LINK);
    let answer = world.ask(discover);
    assert!(!answer.text().contains("pmin"), "{}", answer.text());
}

#[test]
fn attributes_of_what_is_there_are_bounded() {
    let mut config = Config::new("dev1");
    config.max_attributes = 3;
    let mut world = World::with(config, tree(), LinkConfig::default());
    world.start();
    for path in ["/3", "/3/0", "/3303"] {
        assert_eq!(world.ask(pmin(path)).code, Code::CHANGED);
    }
    let answer = world.ask(pmin("/3303/0"));
    assert_eq!(answer.code, Code::INTERNAL_SERVER_ERROR);
    assert!(answer.text().contains("too many"), "{}", answer.text());
    // Those that there are may change.
    assert_eq!(
        world.ask(on(Code::PUT, "/3").query("pmin=2")).code,
        Code::CHANGED
    );
}

#[test]
fn an_execute_that_may_be_deferred_does_not_run_when_no_answer_can_be_kept() {
    let runs = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&runs);
    let mut tree = tree();
    let device = Typed::new().with(0, Device::default());
    tree.insert(device.on_execute(move |_, _, _| {
        counted.fetch_add(1, Ordering::Relaxed);
        Outcome::Later
    }));
    let mut config = Config::new("dev1");
    config.max_deferred = 2;
    let mut world = World::with(config, tree, LinkConfig::default());
    world.start();
    let now = world.net.now();
    for _ in 0..2 {
        // NSTART 1: the empty ACK makes way for the next one.
        world.script().send(now, on(Code::POST, "/3/0/4"));
        world.run(SECOND);
    }
    let answer = world.ask(on(Code::POST, "/3/0/4"));
    assert_eq!(answer.code, Code::SERVICE_UNAVAILABLE);
    assert_eq!(runs.load(Ordering::Relaxed), 2);
}

#[test]
fn observations_that_are_cancelled_make_room() {
    let mut config = Config::new("dev1");
    config.max_observations = 2;
    let mut world = World::with(config, tree(), LinkConfig::default());
    world.start();
    for _ in 0..10 {
        let (answer, token) = world.observe(get("/3303/0/5700"));
        assert!(answer.observe.is_some());
        world.ask_with_token(get("/3303/0/5700").observe(1), token);
    }
    assert_eq!(world.client().observation_count(), 0);
}

#[test]
fn an_observe_composite_takes_periods_and_con_only() {
    let mut world = World::registered();
    let body = r#"[{"n":"/3303/0/5700"}]"#;
    for query in ["gt=5", "lt=3", "st=1", "edge=1", "hqmax=4"] {
        let draft = senml(Code::FETCH, "/", body).query(query).observe(0);
        let answer = world.ask(draft);
        assert_eq!(answer.code, Code::BAD_REQUEST, "{query}");
    }
    for query in ["pmin=1", "pmax=30", "epmin=1", "epmax=30", "con=1"] {
        let draft = senml(Code::FETCH, "/", body).query(query).observe(0);
        let answer = world.ask(draft);
        assert_eq!(answer.code, Code::CONTENT, "{query}");
    }
}

#[test]
fn hqmax_is_refused_because_no_history_is_kept() {
    let mut world = World::registered();
    let answer = world.ask(on(Code::PUT, "/3303/0/5700").query("hqmax=3"));
    assert_eq!(answer.code, Code::BAD_REQUEST);
    assert!(answer.text().contains("hqmax"), "{}", answer.text());
    let answer = world.ask(get("/3303/0/5700").query("hqmax=3").observe(0));
    assert_eq!((answer.code, answer.observe), (Code::BAD_REQUEST, None));
}

#[test]
fn events_that_nobody_takes_are_dropped_and_counted() {
    let mut config = Config::new("dev1");
    config.max_events = 4;
    let mut world = World::with(config, tree(), LinkConfig::default());
    world.start();
    for value in 0..10 {
        let draft = on(Code::PUT, "/1/0/1").content(
            ContentFormat::TEXT,
            format!("{}", 1_000 + value).into_bytes(),
        );
        assert_eq!(world.ask(draft).code, Code::CHANGED);
    }
    assert!(world.client().events_dropped() >= 6);
    assert_eq!(world.events().len(), 4);
}
