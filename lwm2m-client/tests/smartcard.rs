//! A device with a smartcard, in virtual time: its accounts come and go with the card.

mod common;

use common::{
    SECOND, Script,
    boot::{bootstrap_server, factory_tree, provisioned_tree},
    server,
};
use lwm2m_bootstrap::{
    accounts,
    smartcard::{
        CardFile, CardObject, CardSource, Status,
        soft::{SoftApplication, SoftCard, SoftReader},
    },
    source::{Answer, Fixed, Information, Origin, Source, SourceError, ask},
};
use lwm2m_client::{Client, Config, Event};
use lwm2m_coap::{
    Draft, Duration, Engine,
    sim::{LinkConfig, Network, NodeId},
};
use lwm2m_codec::{ContentFormat, Encoder, Path, Record, coap::Code};
use lwm2m_model::{OwnedValue, Registry, Tree, objects::Security};

const FIRST: &str = "8949000000000000017";
const SECOND_CARD: &str = "8949000000000000025";
const IMSI: &str = "001010000000001";
const FILE: [u8; 2] = [0x64, 0x32];

/// Values of an account without security; of the bootstrap server, if there is no SSID.
fn account(instance: u16, uri: &str, ssid: Option<i64>) -> Vec<(Path, OwnedValue)> {
    let security = |resource| Path::resource(0, instance, resource);
    let server = |resource| Path::resource(1, instance, resource);
    let mut values = vec![
        (security(0), uri.into()),
        (security(1), ssid.is_none().into()),
        (security(2), OwnedValue::Integer(3)),
    ];
    if let Some(ssid) = ssid {
        values.push((security(10), ssid.into()));
        values.push((server(0), ssid.into()));
        values.push((server(1), OwnedValue::Integer(300)));
        values.push((server(6), true.into()));
        values.push((server(7), "U".into()));
    }
    values
}

/// A bootstrap file of these values.
fn file(values: &[(Path, OwnedValue)]) -> Vec<u8> {
    let mut objects = Vec::new();
    for id in [0, 1] {
        let mut buf = vec![0; 1024];
        let base = Path::object(id);
        let mut encoder = Encoder::new(ContentFormat::TLV, base, &mut buf).unwrap();
        for (path, value) in values {
            if path.object_id() == Some(id) {
                encoder.push(&Record::new(*path, value.as_value())).unwrap();
            }
        }
        let length = encoder.finish().unwrap();
        objects.extend((length > 0).then(|| CardObject {
            id,
            version: None,
            instances: buf[..length].into(),
        }));
    }
    CardFile { objects }.encode().unwrap().to_vec()
}

fn card(iccid: &str, host: &str) -> SoftCard {
    let values = account(0, &format!("coap://{host}"), Some(1));
    SoftCard::new(iccid, IMSI).with_file(file(&values))
}

/// A device with a reader, the servers of two operators, and the factory's.
struct World {
    net: Network,
    device: NodeId,
    first: NodeId,
    second: NodeId,
    factory: NodeId,
    reader: SoftReader,
    /// What the factory wrote, as a source of its own.
    fixed: Option<Information>,
    /// The application answers the checks.
    answers: bool,
    checks: usize,
}

impl World {
    fn new(tree: Tree, card: Option<SoftCard>) -> Self {
        let mut net = Network::new(LinkConfig::default(), 9);
        let first = net.add_host("first", Script::new());
        let second = net.add_host("second", Script::new());
        let factory = net.add_host("factory", Script::new());
        net.add_host("bs", bootstrap_server(1, "coap://first"));
        let mut config = Config::new("dev1");
        config.check_sources = true;
        let device = net.add(Client::new(config, tree, 42));
        Self {
            net,
            device,
            first,
            second,
            factory,
            reader: SoftReader::new(card),
            fixed: None,
            answers: true,
            checks: 0,
        }
    }

    /// A device without any account of its own.
    fn blank(card: Option<SoftCard>) -> Self {
        let mut tree = factory_tree(Security::default());
        tree.delete(Path::instance(0, common::boot::ACCOUNT))
            .unwrap();
        Self::new(tree, card)
    }

    /// A device that the factory gave an account of the host `factory`.
    fn with_factory(card: Option<SoftCard>) -> Self {
        let account = Security {
            lwm2m_server_uri: "coap://nowhere".into(),
            bootstrap_server: true,
            security_mode: 3,
            ..Security::default()
        };
        let tree = provisioned_tree(account, "coap://factory", server(1));
        Self::new(tree, card)
    }

    fn started(mut self) -> Self {
        self.call(Client::start);
        self
    }

    fn client(&mut self) -> &mut Client {
        self.net.get_mut(self.device)
    }

    fn call<R>(&mut self, call: impl FnOnce(&mut Client, lwm2m_coap::Instant) -> R) -> R {
        let now = self.net.now();
        call(self.client(), now)
    }

    fn ask(&mut self, after: Option<Origin>) -> Answer {
        let mut card = CardSource::new(&mut self.reader, Registry::core());
        let mut fixed = self.fixed.clone().map(Fixed::new);
        let mut sources: Vec<&mut dyn Source> = vec![&mut card];
        sources.extend(fixed.as_mut().map(|fixed| fixed as &mut dyn Source));
        ask(&mut sources, after)
    }

    /// Runs, answers the checks, and gives the other events in few words.
    fn run(&mut self, duration: Duration) -> Vec<String> {
        let until = self.net.now() + duration;
        let mut told = Vec::new();
        loop {
            while let Some(event) = self.client().poll_event() {
                match event {
                    Event::CheckSources { after } => {
                        self.checks += 1;
                        if self.answers {
                            let answer = self.ask(after);
                            assert!(self.call(|client, now| client.sources_checked(now, answer)));
                        }
                    }
                    event => told.extend(words(&event)),
                }
            }
            if self.net.now() >= until {
                return told;
            }
            self.net.run_for(SECOND);
        }
    }

    fn uris(&mut self) -> Vec<String> {
        let accounts = accounts(self.client().tree());
        let servers = accounts.servers.into_iter().map(|account| account.uri);
        let bootstrap = accounts.bootstrap.map(|account| account.uri);
        bootstrap.into_iter().chain(servers).collect()
    }

    /// Code and path of the requests that a server got since the last call.
    fn got(&mut self, server: NodeId) -> Vec<String> {
        let script = self.net.get_mut::<Script>(server);
        let got = std::mem::take(&mut script.got).into_iter();
        got.map(|got| format!("{} {}", got.code, got.path))
            .collect()
    }

    /// Makes the device send an Update, and with it a check.
    fn update(&mut self) -> Vec<String> {
        self.call(|client, now| client.request_update(now, None));
        self.run(SECOND * 3)
    }
}

fn words(event: &Event) -> Option<String> {
    Some(match event {
        Event::Registered { server, .. } => format!("registered {server}"),
        Event::Updated { server } => format!("updated {server}"),
        Event::Deregistered { server } => format!("deregistered {server}"),
        Event::SourcesChanged(renewal) => {
            format!("{:?} -> {:?}", renewal.removed, renewal.established.origin)
        }
        Event::SourcesFailed(failed) => {
            let failed = failed.iter().map(|(origin, error)| match error {
                SourceError::Invalid(_) => format!("{origin:?} invalid"),
                _ => format!("{origin:?} unreadable"),
            });
            failed.collect::<Vec<_>>().join(", ")
        }
        Event::SourcesSilent => "nobody answers".into(),
        Event::BootstrapFinished => "bootstrap finished".into(),
        _ => return None,
    })
}

#[test]
fn a_blank_device_registers_where_its_card_says() {
    let mut world = World::blank(Some(card(FIRST, "first"))).started();
    let events = world.run(SECOND * 3);
    assert_eq!(events, ["None -> Some(Smartcard)", "registered 1"]);
    assert_eq!(world.got(world.first), ["0.02 POST /rd"]);
    assert_eq!(world.checks, 1);
}

#[test]
fn nothing_is_registered_before_the_sources_were_asked() {
    let mut world = World::with_factory(None);
    world.answers = false;
    let mut world = world.started();
    assert!(world.run(SECOND * 9).is_empty());
    assert!(world.got(world.factory).is_empty());
    // An application that never answers does not keep the device from its accounts.
    let events = world.run(SECOND * 4);
    assert_eq!(events, ["nobody answers", "registered 1"]);
    let late = world.ask(None);
    assert!(!world.call(|client, now| client.sources_checked(now, late)));
}

#[test]
fn after_a_swap_the_device_leaves_the_first_operator_and_turns_up_at_the_second() {
    let mut world = World::blank(Some(card(FIRST, "first"))).started();
    world.run(SECOND * 3);
    world.got(world.first);
    world.reader.insert(card(SECOND_CARD, "second"));
    let events = world.update();
    let expected = [
        "deregistered 1",
        "Some(Smartcard) -> Some(Smartcard)",
        "registered 1",
    ];
    assert_eq!(events, expected);
    assert_eq!(world.got(world.first), ["0.04 DELETE /rd/5a3f"]);
    assert_eq!(world.got(world.second), ["0.02 POST /rd"]);
    assert_eq!(world.uris(), ["coap://second"]);
    // The new card is the card now.
    assert_eq!(world.update(), ["updated 1"]);
}

#[test]
fn a_swap_is_seen_at_the_update_that_the_lifetime_asks_for() {
    let mut world = World::blank(Some(card(FIRST, "first"))).started();
    world.run(SECOND * 3);
    world.reader.insert(card(SECOND_CARD, "second"));
    let events = world.run(SECOND * 300);
    assert_eq!(events[1], "Some(Smartcard) -> Some(Smartcard)");
    assert_eq!(world.uris(), ["coap://second"]);
}

#[test]
fn the_same_file_on_another_card_is_another_card() {
    let mut world = World::blank(Some(card(FIRST, "first"))).started();
    world.run(SECOND * 3);
    world.reader.insert(card(SECOND_CARD, "first"));
    assert_eq!(world.update()[1], "Some(Smartcard) -> Some(Smartcard)");
    world.reader.insert(card(SECOND_CARD, "first"));
    assert_eq!(world.update(), ["updated 1"]);
}

#[test]
fn an_operator_that_does_not_answer_is_left_after_five_seconds() {
    let mut world = World::blank(Some(card(FIRST, "first"))).started();
    world.run(SECOND * 3);
    let script = world.net.get_mut::<Script>(world.first);
    // Neither to the De-register nor to its retransmissions.
    script.answers.extend([None, None, None]);
    world.reader.insert(card(SECOND_CARD, "second"));
    assert!(world.call(Client::check_sources));
    let before = world.run(SECOND * 4);
    assert!(before.is_empty(), "{before:?}");
    let events = world.run(SECOND * 3);
    let expected = ["Some(Smartcard) -> Some(Smartcard)", "registered 1"];
    assert_eq!(events, expected);
    assert_eq!(world.uris(), ["coap://second"]);
}

#[test]
fn without_the_card_its_accounts_are_gone_and_the_factorys_are_back() {
    let mut world = World::with_factory(Some(card(FIRST, "first"))).started();
    let events = world.run(SECOND * 3);
    assert_eq!(events, ["None -> Some(Smartcard)", "registered 1"]);
    assert!(world.got(world.factory).is_empty());
    // The card has no bootstrap server: the factory's stays.
    assert_eq!(world.uris(), ["coap://nowhere", "coap://first"]);

    world.reader.remove();
    let events = world.update();
    let expected = ["deregistered 1", "Some(Smartcard) -> None", "registered 1"];
    assert_eq!(events, expected);
    assert_eq!(world.got(world.factory), ["0.02 POST /rd"]);
    assert_eq!(world.uris(), ["coap://nowhere", "coap://factory"]);
    assert_eq!(world.client().provenance().instances().count(), 0);

    // The card comes back while the factory's server has the device.
    world.reader.insert(card(FIRST, "first"));
    assert_eq!(world.update()[1], "None -> Some(Smartcard)");
    assert_eq!(world.uris(), ["coap://nowhere", "coap://first"]);
}

#[test]
fn a_blank_device_without_its_card_has_no_account_left() {
    let mut world = World::blank(Some(card(FIRST, "first"))).started();
    world.run(SECOND * 3);
    world.reader.remove();
    let events = world.update();
    assert_eq!(events, ["deregistered 1", "Some(Smartcard) -> None"]);
    assert!(world.uris().is_empty());
    // A card that comes later is seen when somebody says so.
    world.reader.insert(card(SECOND_CARD, "second"));
    assert!(world.call(Client::check_sources));
    let events = world.run(SECOND * 3);
    assert_eq!(events, ["None -> Some(Smartcard)", "registered 1"]);
}

#[test]
fn a_card_that_can_not_be_read_at_the_start_leaves_the_turn_to_the_factory() {
    let mut world = World::blank(Some(card(FIRST, "first")));
    world.fixed = Some(Information::new(
        Origin::Factory,
        account(0, "coap://factory", Some(1)),
    ));
    world.reader.set_broken(true);
    let mut world = world.started();
    let events = world.run(SECOND * 3);
    let expected = [
        "Smartcard unreadable",
        "None -> Some(Factory)",
        "registered 1",
    ];
    assert_eq!(events, expected);
    assert_eq!(world.got(world.factory), ["0.02 POST /rd"]);
    // Once it can be read, it counts.
    world.reader.set_broken(false);
    world.update();
    assert_eq!(world.uris(), ["coap://first"]);
}

#[test]
fn a_card_that_can_not_be_read_for_a_while_keeps_its_accounts() {
    let mut world = World::blank(Some(card(FIRST, "first"))).started();
    world.run(SECOND * 3);
    world.reader.set_broken(true);
    assert_eq!(world.update(), ["Smartcard unreadable", "updated 1"]);
    world.reader.set_broken(false);
    let locked = world.reader.card_mut().unwrap().file_mut(FILE).unwrap();
    locked.refused = Some(Status::SECURITY);
    assert_eq!(world.update(), ["Smartcard unreadable", "updated 1"]);
    assert_eq!(world.uris(), ["coap://first"]);
}

#[test]
fn a_half_written_file_is_never_half_a_configuration() {
    let values = account(0, "coap://first", Some(1));
    let whole = file(&values);
    for length in 1..whole.len() {
        let half = SoftCard::new(FIRST, IMSI).with_file(whole[..length].to_vec());
        let mut world = World::with_factory(Some(half)).started();
        let events = world.run(SECOND * 3);
        assert_eq!(events[0], "Smartcard invalid", "{length}");
        assert_eq!(world.uris(), ["coap://nowhere", "coap://factory"]);
    }
    // What was on the card before counts no more (TS-Core §6.1.3.2).
    let mut world = World::with_factory(Some(card(FIRST, "first"))).started();
    world.run(SECOND * 3);
    let written = world.reader.card_mut().unwrap().file_mut(FILE).unwrap();
    *written = whole[..40].to_vec().into();
    let events = world.update();
    let expected = [
        "Smartcard invalid",
        "deregistered 1",
        "Some(Smartcard) -> None",
        "registered 1",
    ];
    assert_eq!(events, expected);
    assert_eq!(world.uris(), ["coap://nowhere", "coap://factory"]);
}

#[test]
fn accounts_that_contradict_each_other_are_refused_once_and_the_factory_is_asked() {
    // A Security instance whose Server instance is missing.
    let mut values = account(0, "coap://first", Some(1));
    values.retain(|(path, _)| path.object_id() == Some(0));
    let wrong = SoftCard::new(FIRST, IMSI).with_file(file(&values));
    let mut world = World::blank(Some(wrong));
    world.fixed = Some(Information::new(
        Origin::Factory,
        account(0, "coap://factory", Some(1)),
    ));
    let mut world = world.started();
    let events = world.run(SECOND * 3);
    assert_eq!(events, ["None -> Some(Factory)", "registered 1"]);
    assert_eq!(world.update(), ["updated 1"]);
    assert_eq!(world.uris(), ["coap://factory"]);
}

#[test]
fn of_two_applications_on_the_card_the_one_with_the_file_is_used() {
    let pkcs15 = b"\xa0\x00\x00\x00\x63PKCS-15";
    let other = SoftApplication::new(pkcs15, [0x7f, 0x51]);
    let values = account(0, "coap://first", Some(1));
    let ours = SoftApplication::bootstrap([0x7f, 0x50], file(&values));
    let card = SoftCard::new(FIRST, IMSI)
        .with_application(other)
        .with_application(ours);
    let mut world = World::blank(Some(card)).started();
    let events = world.run(SECOND * 3);
    assert_eq!(events, ["None -> Some(Smartcard)", "registered 1"]);
}

#[test]
fn what_a_bootstrap_server_of_the_card_wrote_goes_with_the_card() {
    let values = account(3, "coap://bs", None);
    let card = SoftCard::new(FIRST, IMSI).with_file(file(&values));
    let mut world = World::blank(Some(card)).started();
    let events = world.run(SECOND * 5);
    let expected = [
        "None -> Some(Smartcard)",
        "bootstrap finished",
        "registered 1",
    ];
    assert_eq!(events, expected);
    assert_eq!(world.uris(), ["coap://bs", "coap://first"]);
    world.reader.remove();
    let events = world.update();
    assert_eq!(events, ["deregistered 1", "Some(Smartcard) -> None"]);
    assert!(world.uris().is_empty());
}

#[test]
fn a_card_that_was_changed_while_the_device_was_off_is_seen_at_the_start() {
    let mut world = World::blank(Some(card(FIRST, "first"))).started();
    world.run(SECOND * 3);
    let provenance = world.client().provenance().clone();
    let instances: Vec<_> = provenance.instances().collect();
    let prints: Vec<_> = provenance.fingerprints().collect();
    let stored = lwm2m_bootstrap::source::Provenance::restore(instances, prints);

    // After the restart: the accounts of the first card, and no card.
    let mut tree = factory_tree(Security::default());
    tree.delete(Path::instance(0, common::boot::ACCOUNT))
        .unwrap();
    let known = Information::new(Origin::Smartcard, account(0, "coap://first", Some(1)));
    known.apply(&mut tree).unwrap();
    let mut world = World::new(tree, None);
    world.client().set_provenance(stored);
    let mut world = world.started();
    assert_eq!(world.run(SECOND * 3), ["Some(Smartcard) -> None"]);
    assert!(world.uris().is_empty());
    assert!(world.got(world.first).is_empty());
}

#[test]
fn a_servers_request_to_bootstrap_counts_after_the_sources_only() {
    let values = [
        account(0, "coap://first", Some(1)),
        account(3, "coap://bs", None),
    ]
    .concat();
    let card = SoftCard::new(FIRST, IMSI).with_file(file(&values));
    let mut world = World::blank(Some(card)).started();
    world.run(SECOND * 3);
    world.answers = false;
    let now = world.net.now();
    let trigger = ["1", "0", "9"]
        .iter()
        .fold(Draft::new(Code::POST), |draft, id| draft.path_segment(id));
    world.net.get_mut::<Script>(world.first).send(now, trigger);
    assert!(world.run(SECOND * 5).is_empty(), "the check is open");
    world.answers = true;
    let answer = world.ask(None);
    assert!(world.call(|client, now| client.sources_checked(now, answer)));
    let events = world.run(SECOND * 5);
    assert_eq!(events[..1], ["bootstrap finished"]);
}
