//! Bootstraps with keys that are made for each of them, in virtual time.

mod common;

use std::sync::Arc;

use common::{
    device::{Ended, LONG, Override, TestDevice},
    *,
};
use lwm2m_bootstrap::{
    AccountSecurity, accounts,
    one_time::{Holder, KeySource, KeySourceFailed, OneTimeKey, OneTimeKeys},
    server::{
        BootstrapRequest, BootstrapServer, Config, DecisionError, Entry, Event, Provision,
        RefusedReason, ServerEntry,
    },
};
use lwm2m_coap::{
    Draft, Duration, Engine, Instant,
    sim::{LinkConfig, Network, NodeId},
};
use lwm2m_codec::coap::Code;
use lwm2m_model::Registry;

const HOUR: Duration = Duration::from_secs(3600);

/// Bytes that count up, so that no two keys are alike.
struct Counting(u8);

impl KeySource for Counting {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), KeySourceFailed> {
        self.0 += 1;
        bytes.fill(self.0);
        Ok(())
    }
}

fn provision() -> Provision {
    let mut provision = Provision::default();
    provision.delete = vec![path("/0"), path("/1")];
    let mut security = security(5);
    security.public_key_or_identity.clear();
    security.secret_key = Vec::new().into();
    provision.servers = vec![ServerEntry::with_one_time_key(5, security, server(5), HOUR)];
    provision
}

struct Run {
    network: Network,
    server: NodeId,
    device: NodeId,
    source: Counting,
    events: Vec<Event>,
}

impl Run {
    fn new(link: LinkConfig, device: TestDevice) -> Self {
        let mut config = Config::default();
        config.entries = vec![Entry {
            name: "dev1".parse().unwrap(),
            psk: None,
            subscriber: None,
            provision: Arc::new(provision()),
        }];
        let mut network = Network::new(link, 1);
        let server = network.add_host("bs", BootstrapServer::new(config, 1));
        let device = network.add(device);
        Self {
            network,
            server,
            device,
            source: Counting(0),
            events: Vec::new(),
        }
    }

    /// Runs until the server asks for a decision.
    fn requested(&mut self) -> BootstrapRequest {
        for _ in 0..10_000 {
            self.network.run_for(Duration::from_millis(50));
            match self.server().poll_event() {
                Some(Event::Requested(request)) => return request,
                Some(event) => self.events.push(event),
                None => {}
            }
        }
        panic!("nobody asked: {:?}", self.events)
    }

    fn server(&mut self) -> &mut BootstrapServer {
        self.network.get_mut(self.server)
    }

    fn key(&mut self, request: &BootstrapRequest) -> OneTimeKey {
        let [wanted] = request.keys[..] else {
            panic!("one key")
        };
        assert_eq!((wanted.ssid, wanted.unused_for), (5, HOUR));
        let holder = Holder {
            endpoint: request.endpoint.clone(),
            ssid: wanted.ssid,
            subscriber: None,
        };
        let keys = OneTimeKeys::new();
        keys.issue(0, holder, 3600, &mut self.source).unwrap().0
    }

    fn accept(
        &mut self,
        request: BootstrapRequest,
        keys: &[OneTimeKey],
    ) -> Result<(), DecisionError> {
        let now = self.now();
        self.server().accept(now, request, keys)
    }

    fn now(&self) -> Instant {
        self.network.now()
    }

    fn run(&mut self, duration: Duration) {
        self.network.run_for(duration);
        let server = self.network.get_mut::<BootstrapServer>(self.server);
        self.events
            .extend(std::iter::from_fn(|| server.poll_event()));
    }

    fn device(&self) -> &TestDevice {
        self.network.get(self.device)
    }

    fn not_taken(&self) -> Vec<&String> {
        let events = self.events.iter();
        let lists = events.filter_map(|event| match event {
            Event::KeysNotTaken { identities, .. } => Some(identities),
            _ => None,
        });
        lists.flatten().collect()
    }
}

fn device(query: &[&str]) -> TestDevice {
    TestDevice::new(factory_tree(), query, 1)
}

#[test]
fn the_provision_is_consistent_before_there_is_a_key() {
    assert_eq!(provision().check(&Registry::core()), Ok(()));
}

#[test]
fn a_device_gets_the_key_that_was_made_for_it() {
    let mut run = Run::new(LinkConfig::default(), device(&["ep=dev1"]));
    let request = run.requested();
    assert_eq!(request.endpoint, "dev1");
    assert!(!request.pack);
    assert!(
        run.device().requests.is_empty(),
        "nothing before the decision"
    );
    let key = run.key(&request);
    assert_eq!(run.accept(request, std::slice::from_ref(&key)), Ok(()));
    run.run(LONG);
    assert_eq!(run.device().ended, Some(Ended::Provisioned));
    let account = &accounts(&run.device().tree).servers[0];
    let expected = AccountSecurity::Psk {
        identity: key.identity.clone().into_bytes(),
        key: key.key.clone(),
    };
    assert_eq!(account.security, expected);
    assert!(run.not_taken().is_empty());
    assert!(!format!("{:?}", run.events).contains("2, 2, 2"));
}

#[test]
fn a_device_that_nobody_decides_about_gets_5_03_after_a_minute() {
    let mut run = Run::new(LinkConfig::default(), device(&["ep=dev1"]));
    let request = run.requested();
    let asked = run.now();
    run.run(Duration::from_secs(58));
    assert_eq!(run.device().ended, None);
    run.run(Duration::from_secs(3));
    assert_eq!(
        run.device().ended,
        Some(Ended::Refused(Code::SERVICE_UNAVAILABLE))
    );
    assert!(matches!(
        run.events[..],
        [Event::Refused {
            reason: RefusedReason::NoDecision,
            ..
        }]
    ));
    let key = run.key(&request);
    assert_eq!(run.accept(request, &[key]), Err(DecisionError::Late));
    assert!(run.now() > asked);
}

#[test]
fn a_device_is_refused_when_its_key_is_missing_or_the_application_says_so() {
    let mut run = Run::new(LinkConfig::default(), device(&["ep=dev1"]));
    let request = run.requested();
    assert_eq!(run.accept(request, &[]), Err(DecisionError::KeyMissing(5)));
    run.run(Duration::from_secs(5));
    assert_eq!(
        run.device().ended,
        Some(Ended::Refused(Code::SERVICE_UNAVAILABLE))
    );

    let mut run = Run::new(LinkConfig::default(), device(&["ep=dev1"]));
    let request = run.requested();
    let now = run.now();
    let reason = RefusedReason::WrongSubscriber;
    assert_eq!(run.server().reject(now, request, reason), Ok(()));
    run.run(Duration::from_secs(5));
    assert_eq!(run.device().ended, Some(Ended::Refused(Code::BAD_REQUEST)));
}

#[test]
fn a_key_in_a_sequence_that_fails_before_finish_is_told_to_be_not_taken() {
    let refuses: Override =
        |_, message| (message.code() == Code::PUT).then(|| Draft::new(Code::BAD_REQUEST));
    let mut run = Run::new(
        LinkConfig::default(),
        device(&["ep=dev1"]).overriding(refuses),
    );
    let request = run.requested();
    let key = run.key(&request);
    run.accept(request, std::slice::from_ref(&key)).unwrap();
    run.run(LONG);
    assert_eq!(run.not_taken(), [&key.identity]);
}

#[test]
fn a_key_may_be_taken_when_the_answer_to_finish_is_lost() {
    // GET, two DELETEs, two PUTs, then silence.
    let mut run = Run::new(LinkConfig::default(), device(&["ep=dev1"]).silent_after(5));
    let request = run.requested();
    let key = run.key(&request);
    run.accept(request, &[key]).unwrap();
    run.run(LONG);
    assert!(matches!(run.events.last(), Some(Event::Failed { .. })));
    assert!(run.not_taken().is_empty());
}

#[test]
fn a_device_that_asks_again_makes_the_first_decision_late() {
    let mut run = Run::new(LinkConfig::default(), device(&["ep=dev1"]));
    let first = run.requested();
    let now = run.now();
    run.network.get_mut::<TestDevice>(run.device).ask(now);
    let second = run.requested();
    let (old, new) = (run.key(&first), run.key(&second));
    assert_eq!(run.accept(first, &[old]), Err(DecisionError::Late));
    assert_eq!(run.accept(second, &[new]), Ok(()));
    run.run(LONG);
    assert_eq!(run.device().ended, Some(Ended::Provisioned));
}

#[test]
fn an_application_that_wants_to_decide_is_asked_about_devices_without_keys_too() {
    let mut run = Run::new(LinkConfig::default(), device(&["ep=dev1"]));
    let mut config = Config::default();
    config.decide = true;
    let mut plain = provision();
    plain.servers = vec![ServerEntry::new(5, security(5), server(5))];
    config.entries = vec![Entry {
        name: "dev1".parse().unwrap(),
        psk: None,
        subscriber: None,
        provision: Arc::new(plain),
    }];
    run.network
        .restart(run.server, BootstrapServer::new(config, 1));
    let request = run.requested();
    assert!(request.keys.is_empty());
    assert_eq!(run.accept(request, &[]), Ok(()));
    run.run(LONG);
    assert_eq!(run.device().ended, Some(Ended::Provisioned));
}

#[test]
fn a_pack_carries_the_key_that_was_made_for_it() {
    let mut run = Run::new(
        LinkConfig::default(),
        device(&["ep=dev1"]).asking_for_pack(),
    );
    let request = run.requested();
    assert!(request.pack);
    let key = run.key(&request);
    assert_eq!(run.accept(request, std::slice::from_ref(&key)), Ok(()));
    run.run(Duration::from_secs(5));
    let pack = &run.device().answer_body;
    let contains = |part: &[u8]| pack.windows(part.len()).any(|window| window == part);
    assert!(contains(key.identity.as_bytes()) && contains(key.key.expose()));
    assert!(matches!(run.events[..], [Event::Packed { .. }]));
}
