//! Register, Update, De-register, and what happens when they fail.

mod common;

use common::{SECOND, Script, World, get, on, security, server, tree};
use lwm2m_client::{Client, Config, Event, Failed};
use lwm2m_coap::{ConnectError, Draft, Duration, sim::LinkConfig};
use lwm2m_codec::{ContentFormat, Path, Version, coap::Code};
use lwm2m_model::{
    Tree, Typed,
    objects::{Security, Server},
};

#[test]
fn a_device_registers_with_its_name_lifetime_version_and_objects() {
    let mut world = World::new();
    let now = world.net.now();
    world.client().start(now);
    world.run(SECOND);
    let got = &world.script().got[0];
    assert_eq!((got.code, got.path.as_str()), (Code::POST, "/rd"));
    assert_eq!(got.queries, ["ep=dev1", "lt=300", "lwm2m=1.2"]);
    assert_eq!(got.format, Some(ContentFormat::LINK));
    assert_eq!(
        got.body_text(),
        "</>;rt=\"oma.lwm2m\";ct=\"60 110 112 320 322 11542 11543 11544\",\
         </1/0>,</3/0>,</3303>;ver=1.1,</3303/0>,</3442/0>"
    );
    let events = world.events();
    let registered = Event::Registered {
        server: 1,
        version: Version::V1_2,
        location: "/rd/5a3f".into(),
    };
    assert_eq!(events, [registered]);
}

#[test]
fn a_server_that_answers_4_12_gets_the_next_lower_version_which_is_remembered() {
    let mut world = World::new();
    let refusal = || Some(Draft::new(Code::PRECONDITION_FAILED));
    world.script().answers.extend([refusal(), refusal()]);
    let now = world.net.now();
    world.client().start(now);
    world.run(SECOND);
    let versions: Vec<String> = world
        .script()
        .got
        .iter()
        .map(|got| got.queries[2].clone())
        .collect();
    assert_eq!(versions, ["lwm2m=1.2", "lwm2m=1.1", "lwm2m=1.0"]);
    // LwM2M 1.0 states the binding. The objects of the enabler go by the versions that it implies,
    // others by their own.
    let last = world.script().got[2].clone();
    assert_eq!(last.queries[3], "b=U");
    let list = last.body_text();
    assert!(list.contains(",</1/0>,</3/0>,"), "{list}");
    assert!(list.contains("</3303>;ver=1.1,</3303/0>"), "{list}");
    world.script().got.clear();
    // 4.04 to an Update: Register again, in the version that the server took.
    world
        .script()
        .answers
        .push_back(Some(Draft::new(Code::NOT_FOUND)));
    let now = world.net.now();
    world.client().request_update(now, None);
    world.run(SECOND);
    let got = &world.script().got;
    assert_eq!(
        (got[0].path.as_str(), got[1].path.as_str()),
        ("/rd/5a3f", "/rd")
    );
    assert_eq!(got[1].queries[2], "lwm2m=1.0");
}

#[test]
fn after_4_12_to_every_version_the_next_attempt_begins_with_the_first_one() {
    let mut world = World::new();
    let refusals = (0..3).map(|_| Some(Draft::new(Code::PRECONDITION_FAILED)));
    world.script().answers.extend(refusals);
    let now = world.net.now();
    world.client().start(now);
    world.run(SECOND * 61);
    let versions: Vec<&str> = world
        .script()
        .got
        .iter()
        .map(|got| got.queries[2].as_str())
        .collect();
    assert_eq!(
        versions,
        ["lwm2m=1.2", "lwm2m=1.1", "lwm2m=1.0", "lwm2m=1.2"]
    );
}

#[test]
fn an_ordered_server_keeps_one_without_a_priority_from_nothing() {
    let mut tree = tree();
    tree.insert(
        Typed::<Security>::new()
            .with(0, security(1, "coap://server"))
            .with(1, security(2, "coap://nowhere")),
    );
    let first = Server {
        registration_priority_order: Some(1),
        registration_failure_block: Some(true),
        ..server(2)
    };
    tree.insert(Typed::new().with(0, server(1)).with(1, first));
    let mut world = World::with(Config::new("dev1"), tree, LinkConfig::default());
    let now = world.net.now();
    world.client().start(now);
    world.run(SECOND);
    assert_eq!(world.client().registered_servers().collect::<Vec<_>>(), [1]);
}

#[test]
fn a_device_in_queue_mode_stays_awake_for_the_answer_to_its_update() {
    let mut config = Config::new("dev1");
    config.queue_mode = true;
    let mut world = World::with(config, tree(), LinkConfig::default());
    world.start();
    world.run(SECOND * 100);
    assert!(!world.client().is_awake(1));
    world.script().answers.push_back(None);
    let now = world.net.now();
    world.client().request_update(now, None);
    assert!(world.client().is_awake(1));
}

#[test]
fn an_update_comes_93_seconds_before_the_lifetime_ends_and_carries_nothing_that_is_known() {
    let mut world = World::registered();
    let start = world.net.now();
    world.run(SECOND * 250);
    let got = world.script().got.clone();
    assert_eq!(got.len(), 1);
    let after = got[0].at.since(start).as_secs_f64();
    assert!((205.9..=207.1).contains(&after), "{after}");
    assert_eq!(got[0].path, "/rd/5a3f");
    assert!(got[0].queries.is_empty() && got[0].body.is_empty());
    assert_eq!(world.events(), [Event::Updated { server: 1 }]);
}

#[test]
fn a_short_lifetime_is_renewed_at_its_half() {
    let mut tree = tree();
    tree.insert(Typed::new().with(
        0,
        Server {
            lifetime: 60,
            ..server(1)
        },
    ));
    let mut world = World::with(Config::new("dev1"), tree, LinkConfig::default());
    world.start();
    world.run(SECOND * 95);
    assert_eq!(world.script().got.len(), 3);
}

#[test]
fn an_infinite_lifetime_needs_no_update() {
    let mut tree = tree();
    tree.insert(Typed::new().with(
        0,
        Server {
            lifetime: 0,
            ..server(1)
        },
    ));
    let mut world = World::with(Config::new("dev1"), tree, LinkConfig::default());
    world.start();
    world.run(SECOND * 1_000_000);
    assert!(world.script().got.is_empty());
}

#[test]
fn a_lifetime_that_the_server_writes_is_told_back_in_an_update() {
    let mut world = World::registered();
    let write = on(Code::PUT, "/1/0/1").content(ContentFormat::TEXT, b"600".to_vec());
    assert_eq!(world.ask(write).code, Code::CHANGED);
    world.run(SECOND);
    let got = &world.script().got;
    assert_eq!(got.len(), 1);
    assert_eq!(got[0].queries, ["lt=600"]);
}

#[test]
fn a_new_object_instance_is_told_in_an_update_with_the_whole_list() {
    let mut world = World::registered();
    let create = on(Code::POST, "/3303").content(ContentFormat::TLV, vec![]);
    let answer = world.ask(create);
    assert_eq!(
        (answer.code, answer.location.as_str()),
        (Code::CREATED, "/3303/1")
    );
    world.run(SECOND);
    let got = &world.script().got;
    assert_eq!(got.len(), 1);
    assert!(
        got[0].body_text().contains("</3303/0>,</3303/1>"),
        "{}",
        got[0].body_text()
    );
    assert!(got[0].queries.is_empty());
}

#[test]
fn stop_deregisters_and_closes() {
    let mut world = World::registered();
    let now = world.net.now();
    world.client().stop(now);
    world.run(SECOND);
    let got = &world.script().got;
    assert_eq!(
        (got[0].code, got[0].path.as_str()),
        (Code::DELETE, "/rd/5a3f")
    );
    assert_eq!(world.events(), [Event::Deregistered { server: 1 }]);
    assert!(world.client().is_stopped());
    world.run(SECOND * 100_000);
    assert_eq!(world.script().got.len(), 1);
}

#[test]
fn disable_deregisters_and_registers_again_after_the_disable_timeout() {
    let mut tree = tree();
    tree.insert(
        Typed::new()
            .with(
                0,
                Server {
                    disable_timeout: Some(120),
                    ..server(1)
                },
            )
            .with_executable(4),
    );
    let mut world = World::with(Config::new("dev1"), tree, LinkConfig::default());
    world.start();
    let start = world.net.now();
    assert_eq!(world.ask(on(Code::POST, "/1/0/4")).code, Code::CHANGED);
    world.run(SECOND * 119);
    let codes: Vec<Code> = world.script().got.iter().map(|got| got.code).collect();
    assert_eq!(codes, [Code::DELETE]);
    world.run(SECOND * 3);
    let got = world.script().got.last().unwrap().clone();
    assert_eq!(got.path, "/rd");
    assert!(got.at.since(start) >= SECOND * 120);
}

#[test]
fn the_registration_update_trigger_leads_to_an_update() {
    let mut world = World::registered();
    assert_eq!(world.ask(on(Code::POST, "/1/0/8")).code, Code::CHANGED);
    world.run(SECOND);
    assert_eq!(world.script().got[0].path, "/rd/5a3f");
}

#[test]
fn failed_registrations_are_repeated_after_60_120_240_and_480_seconds_then_after_a_day() {
    let mut tree = Tree::new();
    tree.insert(Typed::new().with(0, security(1, "coap://nowhere")));
    tree.insert(Typed::new().with(0, server(1)));
    let mut world = World::with(Config::new("dev1"), tree, LinkConfig::default());
    let now = world.net.now();
    world.client().start(now);
    world.run(SECOND * 87_340);
    let waits: Vec<u64> = world
        .events()
        .iter()
        .map(|event| match event {
            Event::RegistrationFailed {
                server: 1,
                reason,
                retry_in,
            } => {
                assert_eq!(*reason, Failed::Connect(ConnectError::Resolve));
                retry_in.as_secs()
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(waits, [60, 120, 240, 480, 86_400, 60]);
}

#[test]
fn the_retry_resources_of_the_account_are_used() {
    let mut tree = Tree::new();
    tree.insert(Typed::new().with(0, security(1, "coap://nowhere")));
    let retries = Server {
        communication_retry_count: Some(2),
        communication_retry_timer: Some(7),
        communication_sequence_retry_count: Some(2),
        communication_sequence_delay_timer: Some(100),
        ..server(1)
    };
    tree.insert(Typed::new().with(0, retries));
    let mut world = World::with(Config::new("dev1"), tree, LinkConfig::default());
    let now = world.net.now();
    world.client().start(now);
    world.run(SECOND * 120);
    let waits: Vec<u64> = world
        .events()
        .iter()
        .filter_map(|event| match event {
            Event::RegistrationFailed { retry_in, .. } => Some(retry_in.as_secs()),
            _ => None,
        })
        .collect();
    assert_eq!(waits, [7, 100, 7, 100]);
}

#[test]
fn an_update_without_an_answer_is_repeated_on_a_new_connection() {
    let mut world = World::registered();
    world.net.forget_sessions(world.device);
    let now = world.net.now();
    world.client().request_update(now, None);
    world.run(SECOND * 100);
    let got = &world.script().got;
    assert_eq!(got.len(), 1);
    assert_eq!(got[0].path, "/rd/5a3f");
    assert_eq!(world.events(), [Event::Updated { server: 1 }]);
}

#[test]
fn queue_mode_is_announced_and_the_device_sleeps_93_seconds_after_its_last_message() {
    let mut config = Config::new("dev1");
    config.queue_mode = true;
    let mut world = World::with(config, tree(), LinkConfig::default());
    let now = world.net.now();
    world.client().start(now);
    world.run(SECOND);
    assert_eq!(
        world.script().got[0].queries,
        ["ep=dev1", "lt=300", "lwm2m=1.2", "Q"]
    );
    world.run(SECOND * 50);
    world.ask(get("/3/0/0"));
    world.events();
    world.run(SECOND * 92);
    assert!(world.client().is_awake(1));
    world.run(SECOND * 2);
    assert!(!world.client().is_awake(1));
    assert_eq!(world.events(), [Event::Asleep { server: 1 }]);
}

#[test]
fn a_device_registers_at_each_of_its_servers() {
    let mut tree = tree();
    tree.insert(
        Typed::<Security>::new()
            .with(0, security(1, "coap://server"))
            .with(1, security(2, "coap://other")),
    );
    tree.insert(Typed::new().with(0, server(1)).with(1, server(2)));
    let mut world = World::with(Config::new("dev1"), tree, LinkConfig::default());
    let other = world.net.add_host("other", Script::new());
    let now = world.net.now();
    world.client().start(now);
    world.run(SECOND);
    assert_eq!(world.script().got[0].path, "/rd");
    assert_eq!(world.net.get::<Script>(other).got[0].path, "/rd");
    let servers: Vec<u16> = world.client().registered_servers().collect();
    assert_eq!(servers, [1, 2]);
}

#[test]
fn requests_before_the_registration_is_complete_get_no_answer() {
    let mut world = World::new();
    // The first Register gets no answer.
    world.script().answers.push_back(None);
    let now = world.net.now();
    world.client().start(now);
    world.run(SECOND);
    let now = world.net.now();
    let (id, _) = world.script().send(now, get("/3/0/0"));
    world.run(Duration::from_millis(500));
    assert!(world.script().responses.is_empty());
    // The device repeats its Register, is registered then, and the repeated Read is answered.
    world.run(SECOND * 8);
    let answered = world
        .script()
        .responses
        .iter()
        .any(|(other, _)| *other == id);
    assert!(answered);
}

#[test]
fn an_account_of_psk_connects_with_its_identity_and_key() {
    let mut tree = tree();
    let secure = Security {
        security_mode: 0,
        public_key_or_identity: b"id".to_vec(),
        secret_key: vec![1; 16].into(),
        ..security(1, "coaps://server")
    };
    tree.insert(Typed::new().with(0, secure));
    let mut world = World::with(Config::new("dev1"), tree, LinkConfig::default());
    world.net.allow_psk(world.server, b"id", &[1; 16]);
    world.start();
}

#[test]
fn a_tls_alert_fails_the_attempt_and_is_kept_in_the_server_object() {
    let mut tree = tree();
    let secure = Security {
        security_mode: 0,
        public_key_or_identity: b"id".to_vec(),
        secret_key: vec![1; 16].into(),
        ..security(1, "coaps://server")
    };
    tree.insert(Typed::new().with(0, secure));
    let mut world = World::with(Config::new("dev1"), tree, LinkConfig::default());
    world.net.allow_psk(world.server, b"id", &[2; 16]);
    let now = world.net.now();
    world.client().start(now);
    world.run(SECOND);
    let client: &Client = world.net.get(world.device);
    let alert = client
        .tree()
        .typed::<Server>()
        .unwrap()
        .get(0)
        .unwrap()
        .tls_dtls_alert_code;
    assert_eq!(alert, Some(51));
    let _ = Path::ROOT;
}
