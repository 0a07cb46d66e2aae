//! Each failure at each step of a bootstrap: the device is what it was before, asks again, and
//! says in one event how far it came, what was asked last and why it ended.

mod common;

use std::collections::BTreeMap;

use common::{
    SECOND, Script, World,
    boot::{BootWorld, bootstrap_account, provisioned_tree},
    get, on, server,
};
use lwm2m_client::{BootstrapStep, Config, Event};
use lwm2m_coap::{
    Action, Draft, Duration, Engine, Input, Instant, PeerId, Transmit, sim::LinkConfig,
};
use lwm2m_codec::{ContentFormat, Path, coap::Code};
use lwm2m_model::{OwnedValue, Tree};

const MOMENT: Duration = Duration::from_millis(200);

fn snapshot(tree: &Tree) -> BTreeMap<Path, Option<OwnedValue>> {
    let mut all = BTreeMap::new();
    let visited = tree.visit(Path::ROOT, &|_, _| true, &mut |record| {
        all.insert(record.path, record.value.and_then(OwnedValue::from_value));
        std::ops::ControlFlow::Continue(())
    });
    assert!(visited.unwrap().is_continue());
    all
}

fn known() -> Tree {
    provisioned_tree(bootstrap_account(), "coap://server", server(1))
}

fn text(path: &str, value: &str) -> Draft {
    on(Code::PUT, path).content(ContentFormat::TEXT, value.as_bytes().to_vec())
}

/// The requests of a bootstrap server, with the answers that they must get.
fn steps() -> Vec<(Draft, Code)> {
    vec![
        (get("/").accept(ContentFormat::LINK), Code::CONTENT),
        (get("/1"), Code::CONTENT),
        (on(Code::DELETE, "/3303"), Code::DELETED),
        (text("/0/0/0", "coap://server"), Code::CHANGED),
        (text("/1/0/1", "77"), Code::CHANGED),
        // Refused: what is wrong with it changes nothing.
        (text("/1/0/1", "x"), Code::BAD_REQUEST),
        (text("/77/0/1", "1"), Code::BAD_REQUEST),
    ]
}

/// What each of them is called in the reason of a failure.
const NAMES: [&str; 8] = [
    "before the first request of the bootstrap server",
    "after discover /, 0 bytes: 2.05 Content",
    "after read /1, 0 bytes: 2.05 Content",
    "after delete /3303, 0 bytes: 2.02 Deleted",
    "after write /0/0/0 as text (0), 13 bytes: 2.04 Changed",
    "after write /1/0/1 as text (0), 2 bytes: 2.04 Changed",
    "after write /1/0/1 as text (0), 1 bytes: 4.00 Bad Request: ",
    "after write /77/0/1 as text (0), 1 bytes: 4.00 Bad Request: the object is not supported",
];

/// A registered device with a bootstrap under way, after so many requests.
fn after(requests: usize) -> BootWorld {
    let mut world = BootWorld::scripted(known());
    world.world.start();
    let now = world.net().now();
    assert!(world.client().bootstrap(now));
    world.run(MOMENT);
    for (draft, code) in steps().into_iter().take(requests) {
        assert_eq!(world.order(draft), Some(code));
    }
    world.events();
    world
}

/// The one failure that the device told: step and reason.
fn failure(world: &mut BootWorld) -> (BootstrapStep, String) {
    let failures: Vec<_> = world
        .world
        .events()
        .into_iter()
        .filter_map(|event| match event {
            Event::BootstrapFailed { step, reason, .. } => Some((step, reason.to_string())),
            _ => None,
        })
        .collect();
    let [failure] = &failures[..] else {
        panic!("{failures:?}")
    };
    failure.clone()
}

/// Checks that the device is as it was and asks again.
fn is_as_before(world: &mut BootWorld) {
    assert_eq!(snapshot(world.client().tree()), snapshot(&known()));
    assert!(!world.client().tree().in_transaction());
    let asked = world.bs().got.len();
    world.run(SECOND * 65);
    assert_eq!(world.bs().got.len(), asked + 1, "it does not ask again");
    assert_eq!(world.bs().got[asked].path, "/bs");
}

#[test]
fn silence_after_each_step_is_told_with_that_step() {
    for (requests, name) in NAMES.iter().enumerate() {
        let mut world = after(requests);
        world.run(SECOND * 248);
        let (step, reason) = failure(&mut world);
        assert!(step.to_string().starts_with(name), "{step}");
        assert_eq!(reason, "nothing came from the server for too long");
        is_as_before(&mut world);
    }
}

#[test]
fn a_connection_that_breaks_after_each_step_is_told_with_that_step() {
    for (requests, name) in NAMES.iter().enumerate() {
        let mut world = after(requests);
        world.bs().hang_up();
        world.run(MOMENT);
        let (step, reason) = failure(&mut world);
        assert!(step.to_string().starts_with(name), "{step}");
        assert_eq!(reason, "the connection broke");
        is_as_before(&mut world);
    }
}

#[test]
fn a_finish_that_is_refused_is_told_with_the_rule_that_it_broke() {
    let mut world = after(2);
    assert_eq!(world.order(on(Code::DELETE, "/1/0")), Some(Code::DELETED));
    let finish = on(Code::POST, "/bs");
    assert_eq!(world.order(finish), Some(Code::NOT_ACCEPTABLE));
    world.run(SECOND * 248);
    let (step, _) = failure(&mut world);
    assert_eq!(
        step.to_string(),
        "after finish, 0 bytes: 4.06 Not Acceptable: /0/0/10: there is no server instance with \
         short server id 1"
    );
    is_as_before(&mut world);
}

#[test]
fn each_refusal_of_the_request_is_told_with_its_code_and_text() {
    for code in [
        Code::BAD_REQUEST,
        Code::UNAUTHORIZED,
        Code::FORBIDDEN,
        Code::NOT_FOUND,
        Code::UNSUPPORTED_CONTENT_FORMAT,
        Code::SERVICE_UNAVAILABLE,
    ] {
        let mut world = BootWorld::scripted(known());
        world.world.start();
        let refusal = Draft::new(code).diagnostic("not you");
        world.bs().answers.push_back(Some(refusal));
        let now = world.net().now();
        assert!(world.client().bootstrap(now));
        world.run(MOMENT);
        let (step, reason) = failure(&mut world);
        assert_eq!(step, BootstrapStep::Asking);
        assert_eq!(reason, format!("the server answered {code}: not you"));
        is_as_before(&mut world);
    }
}

/// A host that resets every message (RFC 7252 §4.2).
#[derive(Debug, Default)]
struct Resets {
    due: Option<(PeerId, [u8; 4])>,
}

impl Engine for Resets {
    type Event<'e> = ();

    fn handle_input(&mut self, _: Instant, input: Input<'_>) {
        if let Input::Message { peer, data } = input {
            self.due = Some((peer, [0x70, 0, data[2], data[3]]));
        }
    }

    fn poll_transmit(&mut self, _: Instant, buf: &mut [u8]) -> Option<Transmit> {
        let (peer, reset) = self.due.take()?;
        buf[..4].copy_from_slice(&reset);
        Some(Transmit { peer, len: 4 })
    }

    fn poll_action(&mut self) -> Option<Action<'_>> {
        None
    }

    fn poll_event(&mut self) -> Option<()> {
        None
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }
}

#[test]
fn a_reset_of_the_request_or_of_the_pack_request_is_told() {
    for (pack, expected) in [
        (false, BootstrapStep::Asking),
        (true, BootstrapStep::AskingForPack),
    ] {
        let mut config = Config::new("dev1");
        config.bootstrap_pack = pack;
        let mut world = World::with(config, known(), LinkConfig::default());
        world.net.add_host("bs", Resets::default());
        let now = world.net.now();
        world.client().start(now);
        assert!(world.client().bootstrap(now));
        world.run(SECOND);
        let failed = world.events().into_iter().find_map(|event| match event {
            Event::BootstrapFailed { step, reason, .. } => Some((step, reason.to_string())),
            _ => None,
        });
        let (step, reason) = failed.unwrap();
        assert_eq!(step, expected);
        assert!(reason.starts_with("no response: "), "{reason}");
        assert_eq!(snapshot(world.client().tree()), snapshot(&known()));
    }
}

#[test]
fn a_server_that_is_nowhere_is_told_as_the_connection() {
    let mut world = World::with(Config::new("dev1"), known(), LinkConfig::default());
    let now = world.net.now();
    world.client().start(now);
    assert!(world.client().bootstrap(now));
    world.run(SECOND);
    let failed = world.events().into_iter().find_map(|event| match event {
        Event::BootstrapFailed { step, .. } => Some(step),
        _ => None,
    });
    assert_eq!(failed, Some(BootstrapStep::Connecting));
}

#[test]
fn no_pack_and_no_sequence_are_told_one_after_the_other() {
    let mut config = Config::new("dev1");
    config.bootstrap_pack = true;
    let mut world = World::with(config, known(), LinkConfig::default());
    let bs = world.net.add_host("bs", Script::new());
    let script = world.net.get_mut::<Script>(bs);
    script.answers.extend([
        Some(Draft::new(Code::NOT_IMPLEMENTED)),
        Some(Draft::new(Code::BAD_REQUEST)),
    ]);
    let now = world.net.now();
    world.client().start(now);
    assert!(world.client().bootstrap(now));
    world.run(SECOND);
    let told: Vec<String> = world
        .events()
        .into_iter()
        .filter_map(|event| match event {
            Event::BootstrapPackFailed { reason } => Some(format!("pack: {reason}")),
            Event::BootstrapFailed { step, reason, .. } => Some(format!("{step}: {reason}")),
            _ => None,
        })
        .collect();
    assert_eq!(
        told,
        [
            "pack: the server answered 5.01 Not Implemented",
            "at the Bootstrap-Request: the server answered 4.00 Bad Request"
        ]
    );
}
