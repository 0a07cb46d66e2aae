//! The bootstrap server against a device in virtual time.

mod common;

use std::sync::Arc;

use common::{
    device::{Ended, LONG, Override, TestDevice},
    run::{Run, config, entry, run},
    *,
};
use lwm2m_bootstrap::{
    accounts, check_consistency,
    server::{
        BootstrapEntry, BootstrapServer, Config, Event, FailedReason, Operation, Provision, Psk,
        RefusedReason, ServerEntry, Write,
    },
};
use lwm2m_coap::{
    Binding, DownReason, Draft, Duration, Engine, ExchangeError, Identity, Input, Instant, PeerId,
    RequestError,
    sim::{LinkConfig, Network, NodeId},
};
use lwm2m_codec::{
    ContentFormat, Path,
    coap::{Code, Message},
};
use lwm2m_model::{
    OwnedValue,
    objects::{AccessControl, Security},
};

fn provision() -> Provision {
    let mut provision = Provision::default();
    provision.delete = vec![path("/0"), path("/1")];
    let mut security = security(5);
    security.lwm2m_server_uri = "coaps://new.example".into();
    provision.servers = vec![ServerEntry::new(5, security, server(5))];
    provision
}

fn refusal(config: Config, query: &[&str]) -> (Ended, RefusedReason) {
    let run = run(config, factory_tree(), query);
    let ended = run.device().ended.unwrap();
    match &run.events[..] {
        [Event::Refused { reason, .. }] => (ended, *reason),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_device_is_provisioned_step_by_step() {
    let run = run(config(provision()), factory_tree(), &["ep=dev1"]);
    assert_eq!(run.device().ended, Some(Ended::Provisioned));
    assert_eq!(
        run.requests(),
        [
            "GET /",
            "DELETE /0",
            "DELETE /1",
            "PUT /0/0 tlv",
            "PUT /1/0 tlv",
            "POST /bs"
        ]
    );
    let accounts = accounts(&run.device().tree);
    assert_eq!(accounts.servers[0].ssid, 5);
    assert_eq!(accounts.servers[0].uri, "coaps://new.example");
    assert!(matches!(&run.events[0], Event::SessionStarted { endpoint, .. } if endpoint == "dev1"));
    assert!(matches!(run.events.last(), Some(Event::Finished { .. })));
    assert_eq!(run.events.len(), 8);
    let counters = run.server().counters();
    assert_eq!(
        (counters.started, counters.finished, counters.failed),
        (1, 1, 0)
    );
    assert_eq!(run.server().sessions(), 0);
}

#[test]
fn steps_are_told_with_their_sizes_codes_and_answers_but_without_keys() {
    let mut provision = provision();
    provision.read = vec![path("/1"), path("/2/9")];
    let run = run(config(provision), provisioned_tree(), &["ep=dev1"]);
    let steps: Vec<String> = run
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Step {
                step,
                code,
                received,
                answer,
                ..
            } => Some(format!(
                "{step}, {} bytes: {}.{:02}, {received} bytes, {} told",
                step.sent,
                code.class(),
                code.detail(),
                answer.len()
            )),
            _ => None,
        })
        .collect();
    assert_eq!(
        steps,
        [
            "discover /, 0 bytes: 2.05, 176 bytes, 176 told",
            "read /1 as tlv (11542), 0 bytes: 2.05, 16 bytes, 16 told",
            // Nothing to read is no reason to stop.
            "read /2/9 as tlv (11542), 0 bytes: 4.04, 21 bytes, 0 told",
            "delete /0, 0 bytes: 2.02, 0 bytes, 0 told",
            "delete /1, 0 bytes: 2.02, 0 bytes, 0 told",
            "write /0/0 as tlv (11542), 58 bytes: 2.04, 0 bytes, 0 told",
            "write /1/0 as tlv (11542), 13 bytes: 2.04, 0 bytes, 0 told",
            "finish, 0 bytes: 2.04, 0 bytes, 0 told",
        ]
    );
    assert!(!format!("{:?}", run.events).contains("17, 17"));
}

#[test]
fn writes_come_in_the_format_that_the_device_prefers() {
    for (pct, name) in [
        ("pct=110", "senml-json"),
        ("pct=112", "senml-cbor"),
        ("pct=11542", "tlv"),
        ("pct=11544", "lwm2m-cbor"),
    ] {
        let run = run(config(provision()), factory_tree(), &["ep=dev1", pct]);
        assert_eq!(run.device().ended, Some(Ended::Provisioned), "{pct}");
        assert_eq!(run.requests()[3], format!("PUT /0/0 {name}"));
        assert_eq!(check_consistency(&run.device().tree), Ok(()));
    }
}

#[test]
fn a_device_that_states_no_format_and_refuses_tlv_gets_senml_cbor() {
    let no_tlv: Override = |_, message| {
        (message.content_format() == Some(ContentFormat::TLV))
            .then(|| Draft::new(Code::UNSUPPORTED_CONTENT_FORMAT))
    };
    let device = TestDevice::new(factory_tree(), &["ep=dev1"], 1).overriding(no_tlv);
    let run = Run::new(LinkConfig::default(), 1, config(provision()), device).run(LONG);
    assert_eq!(run.device().ended, Some(Ended::Provisioned));
    assert_eq!(
        run.requests()[3..],
        [
            "PUT /0/0 tlv",
            "PUT /0/0 senml-cbor",
            "PUT /1/0 senml-cbor",
            "POST /bs"
        ]
    );
}

#[test]
fn a_device_that_refuses_every_format_fails() {
    let none: Override = |_, message| {
        message
            .content_format()
            .map(|_| Draft::new(Code::UNSUPPORTED_CONTENT_FORMAT))
    };
    let device = TestDevice::new(factory_tree(), &["ep=dev1"], 1).overriding(none);
    let run = Run::new(LinkConfig::default(), 1, config(provision()), device).run(LONG);
    let reason = FailedReason::Answer {
        code: Code::UNSUPPORTED_CONTENT_FORMAT,
        diagnostic: String::new(),
    };
    assert_eq!(
        run.failure(),
        ("write /0/0 as senml-cbor (112)".into(), reason)
    );
    assert_eq!(run.device().ended, Some(Ended::NoFinish));
    assert_eq!(snapshot(&run.device().tree), snapshot(&factory_tree()));
}

#[test]
fn an_account_without_fixed_ids_stays_clear_of_the_bootstrap_account() {
    let mut tree = factory_tree();
    let securities = tree.typed_mut::<Security>().unwrap();
    let account = securities.remove(BOOTSTRAP).unwrap();
    securities.insert(0, account);
    let run = run(config(provision()), tree, &["ep=dev1"]);
    assert_eq!(run.device().ended, Some(Ended::Provisioned));
    let accounts = accounts(&run.device().tree);
    assert_eq!(accounts.bootstrap.unwrap().instance, 0);
    assert_eq!(accounts.servers[0].security_instance, 1);
}

#[test]
fn an_account_that_the_device_has_is_written_to_its_place() {
    let mut provision = provision();
    provision.delete.clear();
    let one = ServerEntry::new(1, security(1), server(1));
    provision.servers.push(one);
    let mut tree = provisioned_tree();
    let securities = tree.typed_mut::<Security>().unwrap();
    let account = securities.remove(0).unwrap();
    securities.insert(4, account);
    let run = run(config(provision), tree, &["ep=dev1"]);
    assert_eq!(
        run.requests()[1..5],
        [
            "PUT /0/0 tlv",
            "PUT /0/4 tlv",
            "PUT /1/1 tlv",
            "PUT /1/0 tlv"
        ]
    );
    assert_eq!(run.device().ended, Some(Ended::Provisioned));
}

#[test]
fn everything_of_a_provision_is_written() {
    let mut provision = provision();
    let mut own = bootstrap_security();
    own.lwm2m_server_uri = "coap://bs2.example".into();
    provision.bootstrap = Some(BootstrapEntry {
        instance: None,
        security: own,
    });
    provision.access_control = vec![AccessControl {
        object_id: 3303,
        object_instance_id: 0,
        acl: [(5, 31), (0, 1)].into(),
        access_control_owner: 5,
    }];
    provision.writes = vec![
        Write {
            path: path("/3/0"),
            values: vec![(path("/3/0/14"), OwnedValue::from("+02:00"))],
        },
        Write {
            path: path("/1/0/2"),
            values: vec![(path("/1/0/2"), OwnedValue::from(3_i64))],
        },
    ];
    provision.servers[0].server_instance = Some(0);
    let run = run(config(provision), factory_tree(), &["ep=dev1", "pct=112"]);
    assert_eq!(
        run.requests()[3..],
        [
            "PUT /0/7 senml-cbor",
            "PUT /0/0 senml-cbor",
            "PUT /1/0 senml-cbor",
            "PUT /2/0 senml-cbor",
            "PUT /3/0 senml-cbor",
            "PUT /1/0/2 senml-cbor",
            "POST /bs"
        ]
    );
    assert_eq!(run.device().ended, Some(Ended::Provisioned));
    let all = snapshot(&run.device().tree);
    assert_eq!(all[&path("/0/7/0")], Some("coap://bs2.example".into()));
    assert_eq!(all[&path("/2/0/2/5")], Some(31_i64.into()));
    assert_eq!(all[&path("/3/0/14")], Some("+02:00".into()));
    assert_eq!(all[&path("/1/0/2")], Some(3_i64.into()));
}

#[test]
fn a_request_without_discover_starts_with_the_deletes() {
    let mut provision = provision();
    provision.discover = false;
    let run = run(config(provision), factory_tree(), &["ep=dev1"]);
    assert_eq!(run.requests()[0], "DELETE /0");
    assert_eq!(run.device().ended, Some(Ended::Provisioned));
}

#[test]
fn unknown_names_and_malformed_queries_are_refused_by_4_00() {
    let bad = Ended::Refused(Code::BAD_REQUEST);
    for (query, reason) in [
        (&["ep=dev2"][..], RefusedReason::UnknownEndpoint),
        (&["ep=dev1", "pct=x"], RefusedReason::MalformedQuery),
        (&["pct=112"], RefusedReason::MissingEndpoint),
        (&["ep="], RefusedReason::MissingEndpoint),
        (&[], RefusedReason::MissingEndpoint),
    ] {
        assert_eq!(refusal(config(provision()), query), (bad, reason));
    }
}

#[test]
fn a_preferred_format_that_no_bootstrap_has_is_refused_by_4_15() {
    for number in [0, 60, 11543, 65535] {
        let query = format!("pct={number}");
        let reason = RefusedReason::UnsupportedFormat(ContentFormat(number));
        let ended = Ended::Refused(Code::UNSUPPORTED_CONTENT_FORMAT);
        assert_eq!(
            refusal(config(provision()), &["ep=dev1", &query]),
            (ended, reason)
        );
    }
}

#[test]
fn the_best_pattern_wins() {
    let with_ssid = |ssid: u16| {
        let mut provision = provision();
        provision.servers[0] = ServerEntry::new(ssid, security(0), server(0));
        provision
    };
    let mut config = Config::default();
    config.entries = vec![
        entry("*", with_ssid(1)),
        entry("dev*", with_ssid(2)),
        entry("dev1*", with_ssid(3)),
        entry("dev12", with_ssid(4)),
    ];
    for (name, ssid) in [("x", 1), ("dev2", 2), ("dev13", 3), ("dev12", 4)] {
        let run = run(config.clone(), factory_tree(), &[&format!("ep={name}")]);
        assert_eq!(accounts(&run.device().tree).servers[0].ssid, ssid);
    }
}

/// A server with the key `identity` for `dev1`, and one for `dev2` by its name.
fn keyed() -> Config {
    let key = |identity: &[u8]| {
        Some(Psk {
            identity: identity.to_vec(),
            key: vec![7; 16].into(),
        })
    };
    let mut config = config(provision());
    config.entries[0].psk = key(b"identity");
    config.entries.push(entry("dev2", provision()));
    config.entries.push(entry("other", provision()));
    config.entries[2].psk = key(b"dev2");
    config
}

fn with_identity(identity: &[u8], query: &[&str]) -> Run {
    let device = TestDevice::new(factory_tree(), query, 1).psk(identity, &[7; 16]);
    Run::new(LinkConfig::default(), 1, keyed(), device).run(LONG)
}

#[test]
fn an_identity_must_be_that_of_the_entry_or_the_endpoint_name() {
    for (identity, query) in [
        (&b"identity"[..], &["ep=dev1"][..]),
        (b"dev2", &["ep=dev2"]),
        // The identity stands in for the name.
        (b"dev2", &[]),
    ] {
        let run = with_identity(identity, query);
        assert_eq!(run.device().ended, Some(Ended::Provisioned), "{query:?}");
    }
    for (identity, query) in [(&b"dev2"[..], &["ep=dev1"]), (b"identity", &["ep=dev2"])] {
        let run = with_identity(identity, query);
        assert_eq!(run.device().ended, Some(Ended::Refused(Code::BAD_REQUEST)));
        assert!(matches!(
            run.events[..],
            [Event::Refused {
                reason: RefusedReason::WrongIdentity,
                ..
            }]
        ));
    }
    let nosec = refusal(keyed(), &["ep=dev1"]);
    assert_eq!(nosec.1, RefusedReason::WrongIdentity);
    assert_eq!(keyed().key(b"identity"), Some(&[7; 16][..]));
    assert_eq!(keyed().key(b"nobody"), None);
}

#[test]
fn a_refused_finish_fails_with_the_rule_that_the_device_names() {
    // ETS 9.
    let mut provision = Provision::default();
    provision.writes = vec![Write {
        path: path("/1/0/5"),
        values: vec![(path("/1/0/5"), OwnedValue::from(60_i64))],
    }];
    let run = run(config(provision), factory_tree(), &["ep=dev1"]);
    let reason = FailedReason::Answer {
        code: Code::NOT_ACCEPTABLE,
        diagnostic: "4.00 Bad Request at /1/0/0: expected 1..65534".into(),
    };
    assert_eq!(run.failure(), ("finish".into(), reason));
    assert_eq!(snapshot(&run.device().tree), snapshot(&factory_tree()));
}

#[test]
fn an_error_at_any_step_ends_the_sequence_and_the_device_is_as_before() {
    const REFUSALS: [Override; 6] = [
        refuse::<0>,
        refuse::<1>,
        refuse::<2>,
        refuse::<3>,
        refuse::<4>,
        refuse::<5>,
    ];
    fn refuse<const STEP: usize>(number: usize, _: &Message<'_>) -> Option<Draft> {
        (number == STEP).then(|| Draft::new(Code::INTERNAL_SERVER_ERROR).diagnostic("no\nway"))
    }
    for (step, refuse) in REFUSALS.into_iter().enumerate() {
        let device = TestDevice::new(provisioned_tree(), &["ep=dev1"], 1).overriding(refuse);
        let run = Run::new(LinkConfig::default(), 1, config(provision()), device).run(LONG);
        let reason = FailedReason::Answer {
            code: Code::INTERNAL_SERVER_ERROR,
            diagnostic: "no way".into(),
        };
        assert_eq!(run.failure().1, reason);
        assert_eq!(run.requests().len(), step + 1);
        assert_eq!(snapshot(&run.device().tree), snapshot(&provisioned_tree()));
    }
}

#[test]
fn a_device_that_falls_silent_at_any_step_is_given_up_and_undoes_what_it_got() {
    for step in 1..6 {
        let device = TestDevice::new(provisioned_tree(), &["ep=dev1"], 1).silent_after(step);
        let run = Run::new(LinkConfig::default(), 1, config(provision()), device).run(LONG);
        let reason = FailedReason::Exchange(ExchangeError::Timeout);
        assert_eq!(run.failure().1, reason);
        assert_eq!(run.server().sessions(), 0);
        assert_eq!(run.device().ended, Some(Ended::NoFinish));
        assert_eq!(snapshot(&run.device().tree), snapshot(&provisioned_tree()));
    }
}

#[test]
fn a_session_without_progress_ends_after_its_timeout() {
    let mut config = config(provision());
    config.session_timeout = Duration::from_secs(20);
    let device = TestDevice::new(factory_tree(), &["ep=dev1"], 1).silent_after(2);
    let run = Run::new(LinkConfig::default(), 1, config, device);
    let run = run.run(Duration::from_secs(19));
    assert_eq!(run.server().sessions(), 1);
    let run = run.run(Duration::from_secs(2));
    assert_eq!(run.failure().1, FailedReason::Timeout);
}

#[test]
fn a_device_that_asks_again_starts_again() {
    let device = TestDevice::new(factory_tree(), &["ep=dev1"], 1);
    let mut run = Run::new(LinkConfig::default(), 1, config(provision()), device);
    let first_write = |network: &mut Network| {
        network
            .get::<TestDevice>(NodeId::clone(&run.device))
            .requests
            .len()
            < 4
    };
    run.network.run_while(Instant::ZERO + LONG, first_write);
    let now = run.network.now();
    run.network.get_mut::<TestDevice>(run.device).ask(now);
    let run = run.run(LONG);
    assert!(run.events.iter().any(|event| matches!(
        event,
        Event::Failed {
            reason: FailedReason::Superseded,
            ..
        }
    )));
    assert!(matches!(run.events.last(), Some(Event::Finished { .. })));
    assert_eq!(run.device().ended, Some(Ended::Provisioned));
    let counters = run.server().counters();
    assert_eq!(
        (counters.started, counters.finished, counters.failed),
        (2, 1, 1)
    );
}

#[test]
fn more_devices_than_allowed_are_told_to_come_back() {
    let mut config = config(provision());
    config.entries[0].name = "*".parse().unwrap();
    config.max_sessions = 2;
    let mut run = Run::new(
        LinkConfig::default(),
        1,
        config,
        TestDevice::new(factory_tree(), &["ep=a"], 1),
    );
    let other = TestDevice::new(factory_tree(), &["ep=b"], 2);
    let other = run.network.add(other);
    let third = run
        .network
        .add(TestDevice::new(factory_tree(), &["ep=c"], 3));
    let run = run.run(LONG);
    assert_eq!(run.device().ended, Some(Ended::Provisioned));
    assert_eq!(
        run.network.get::<TestDevice>(other).ended,
        Some(Ended::Provisioned)
    );
    assert_eq!(
        run.network.get::<TestDevice>(third).ended,
        Some(Ended::Refused(Code::SERVICE_UNAVAILABLE))
    );
    assert_eq!(run.server().counters().refused, 1);
}

#[test]
fn values_that_no_format_carries_fail_before_they_are_sent() {
    let mut provision = provision();
    provision.writes = vec![Write {
        path: path("/3/0"),
        values: vec![(path("/4/0/0"), OwnedValue::from(1_i64))],
    }];
    let run = run(config(provision), factory_tree(), &["ep=dev1"]);
    assert!(
        matches!(run.failure(), (step, FailedReason::Encode(_)) if step == "write /3/0 as tlv (11542)")
    );
    let mut config = config(Provision::default());
    config.entries[0].provision = Arc::new({
        let mut provision = Provision::default();
        provision.writes = vec![Write {
            path: path("/3/0"),
            values: vec![(path("/3/0/15"), OwnedValue::from("x".repeat(100_000)))],
        }];
        provision
    });
    let run = self::run(config, factory_tree(), &["ep=dev1"]);
    assert!(matches!(
        run.failure().1,
        FailedReason::Encode(_) | FailedReason::Request(RequestError::TooLarge)
    ));
}

fn peer(generation: u32) -> PeerId {
    PeerId {
        index: 0,
        generation,
    }
}

fn peer_up(server: &mut BootstrapServer, peer: PeerId) {
    let up = Input::PeerUp {
        peer,
        binding: Binding::Udp,
        remote: "127.0.0.1:5683".parse().unwrap(),
        identity: Identity::NoSec,
        connect: None,
    };
    server.handle_input(Instant::ZERO, up);
}

#[test]
fn other_requests_are_answered_by_what_the_standard_says() {
    // Asked by raw datagrams: the device engine only knows Bootstrap-Request.
    for (request, code) in [
        (Request::new(Code::GET, "/bspack"), Code::BAD_REQUEST),
        (
            Request::new(Code::POST, "/bspack"),
            Code::METHOD_NOT_ALLOWED,
        ),
        (Request::new(Code::GET, "/bs"), Code::METHOD_NOT_ALLOWED),
        (Request::new(Code::POST, "/rd"), Code::NOT_FOUND),
        (Request::new(Code::POST, "/bs/x"), Code::NOT_FOUND),
    ] {
        let mut server = BootstrapServer::new(config(provision()), 1);
        peer_up(&mut server, peer(1));
        let data = request.datagram();
        let input = Input::Message {
            peer: peer(1),
            data: &data,
        };
        server.handle_input(Instant::ZERO, input);
        let mut buf = [0; 1408];
        let sent = server.poll_transmit(Instant::ZERO, &mut buf).unwrap();
        let answer = Message::parse(&buf[..sent.len]).unwrap();
        assert_eq!(answer.code(), code, "{request:?}");
    }
}

#[test]
fn a_peer_that_goes_down_or_loses_its_slot_ends_its_session() {
    let down: fn(&mut BootstrapServer) = |server| {
        let reason = DownReason::Transport;
        let peer = peer(1);
        server.handle_input(Instant::ZERO, Input::PeerDown { peer, reason });
    };
    let replaced: fn(&mut BootstrapServer) = |server| peer_up(server, peer(2));
    for end in [down, replaced] {
        let mut config = config(provision());
        config.entries[0].name = "*".parse().unwrap();
        let mut server = BootstrapServer::new(config, 1);
        peer_up(&mut server, peer(1));
        // POST /bs?ep=a
        let data = [
            0x40, 0x02, 0, 1, 0xb2, b'b', b's', 0x44, b'e', b'p', b'=', b'a',
        ];
        let input = Input::Message {
            peer: peer(1),
            data: &data,
        };
        server.handle_input(Instant::ZERO, input);
        assert_eq!(server.sessions(), 1);
        end(&mut server);
        assert_eq!(server.sessions(), 0);
        let events: Vec<Event> = std::iter::from_fn(|| server.poll_event()).collect();
        assert!(matches!(
            events[..],
            [
                Event::SessionStarted { .. },
                Event::Failed {
                    reason: FailedReason::PeerDown,
                    ..
                }
            ]
        ));
    }
}

#[test]
fn over_a_lossy_link_a_device_is_provisioned_or_as_before_but_never_between() {
    let before = snapshot(&provisioned_tree());
    let mut provisioned = 0;
    for seed in 0..200 {
        let device = TestDevice::new(provisioned_tree(), &["ep=dev1", "pct=112"], seed);
        let run = Run::new(LinkConfig::lossy(), seed, config(provision()), device).run(LONG);
        assert_eq!(run.server().sessions(), 0, "seed {seed}");
        match run.device().ended {
            Some(Ended::Provisioned) => {
                provisioned += 1;
                let accounts = accounts(&run.device().tree);
                let ssids: Vec<u16> = accounts.servers.iter().map(|server| server.ssid).collect();
                assert_eq!(ssids, [5], "seed {seed}");
                assert_eq!(check_consistency(&run.device().tree), Ok(()));
            }
            Some(ended) => {
                assert_eq!(
                    snapshot(&run.device().tree),
                    before,
                    "seed {seed}: {ended:?}"
                );
                let counters = run.server().counters();
                assert_eq!(counters.finished, 0);
                assert_eq!(counters.started, counters.failed);
            }
            None => panic!("seed {seed}: the device still waits"),
        }
    }
    assert!(provisioned > 150, "{provisioned}");
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let record = || {
        let device = TestDevice::new(provisioned_tree(), &["ep=dev1"], 3);
        let mut run = Run::new(LinkConfig::lossy(), 3, config(provision()), device);
        run.network.capture();
        run.network.run_for(LONG);
        run.network.captured()
    };
    assert_eq!(record(), record());
}

#[test]
fn names_of_operations_and_steps_read_well() {
    let run = run(config(provision()), factory_tree(), &["ep=dev1"]);
    let last = run.events.iter().rev().find_map(|event| match event {
        Event::Step { step, .. } => Some(*step),
        _ => None,
    });
    let step = last.unwrap();
    assert_eq!((step.operation, step.path), (Operation::Finish, Path::ROOT));
    assert_eq!(step.to_string(), "finish");
}

#[test]
fn a_binding_that_names_no_transport_is_refused_before_any_device_sees_it() {
    let check = |binding: &str| {
        let mut provision = provision();
        provision.servers[0].server.binding = binding.into();
        provision.check(&lwm2m_model::Registry::core())
    };
    for good in ["U", "UQ", "US", "UTSNMH"] {
        assert_eq!(check(good), Ok(()), "{good}");
    }
    for wrong in ["", "Q", "X", "UU", "u"] {
        assert_eq!(
            check(wrong),
            Err(lwm2m_bootstrap::server::ProvisionError::Binding(5)),
            "{wrong}"
        );
    }
}

#[test]
fn a_server_without_packs_answers_5_01() {
    let mut config = config(provision());
    config.packs = false;
    let device = TestDevice::new(factory_tree(), &["ep=dev1"], 1).asking_for_pack();
    let run = Run::new(LinkConfig::default(), 1, config, device).run(LONG);
    assert_eq!(
        run.device().ended,
        Some(Ended::Refused(Code::NOT_IMPLEMENTED))
    );
}
