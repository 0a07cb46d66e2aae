//! The retry resources /1/x/13 to /1/x/20 to the second, and the order of servers
//! (TS-Core §6.2.1.1).

mod common;

use common::{SECOND, Script, security, server};
use lwm2m_client::{Client, Config, Event};
use lwm2m_coap::{
    Draft, Duration, Engine,
    sim::{LinkConfig, Network, NodeId},
};
use lwm2m_codec::coap::Code;
use lwm2m_model::{
    Tree, Typed,
    objects::{Security, Server},
};

/// The bootstrap account's Security instance.
const BOOTSTRAP: u16 = 9;

/// What happened, with its second.
type Log = Vec<(u64, String)>;

/// A device whose servers refuse or are nowhere, on a network without delays: times are exact.
struct Run {
    net: Network,
    device: NodeId,
    bootstrap: NodeId,
}

impl Run {
    /// Servers get the Short Server IDs 1, 2, … and the host names `s1`, `s2`, …; those that
    /// `up` lists are there.
    fn new(servers: Vec<Server>, up: &[u16], bootstrap: bool) -> Self {
        let delay = LinkConfig {
            min_delay: Duration::ZERO,
            max_delay: Duration::ZERO,
            ..LinkConfig::default()
        };
        let mut net = Network::new(delay, 1);
        let node = net.add_host("bs", Script::new());
        // The bootstrap server refuses: what was there before goes on.
        net.get_mut::<Script>(node)
            .answers
            .extend(vec![Some(Draft::new(Code::BAD_REQUEST)); 64]);
        for ssid in up {
            net.add_host(&format!("s{ssid}"), Script::new());
        }
        let mut tree = Tree::new();
        let mut securities = Typed::<Security>::new();
        let mut instances = Typed::<Server>::new();
        for (ssid, mut instance) in (1..).zip(servers) {
            instance.short_server_id = i64::from(ssid);
            let uri = format!("coap://s{ssid}");
            securities = securities.with(ssid, security(i64::from(ssid), &uri));
            instances = instances.with(ssid, instance);
        }
        if bootstrap {
            let account = Security {
                bootstrap_server: true,
                short_server_id: None,
                client_hold_off_time: Some(3),
                ..security(1, "coap://bs")
            };
            securities = securities.with(BOOTSTRAP, account);
        }
        tree.insert(securities);
        tree.insert(instances);
        let mut config = Config::new("dev1");
        config.max_events = 1000;
        let device = net.add(Client::new(config, tree, 42));
        Self {
            net,
            device,
            bootstrap: node,
        }
    }

    /// Runs in steps of a second and notes what is told in each.
    fn log(&mut self, seconds: u64) -> Log {
        let now = self.net.now();
        self.net.get_mut::<Client>(self.device).start(now);
        let mut log = Log::new();
        for second in 0..=seconds {
            self.net.run_for(Duration::ZERO);
            let client = self.net.get_mut::<Client>(self.device);
            while let Some(event) = client.poll_event() {
                let text = match event {
                    Event::Registered { server, .. } => format!("{server} ok"),
                    Event::RegistrationFailed {
                        server, retry_in, ..
                    } if retry_in == Duration::MAX => format!("{server} fails, ends"),
                    Event::RegistrationFailed {
                        server, retry_in, ..
                    } => format!("{server} fails, {} s", retry_in.as_secs()),
                    Event::BootstrapFailed { retry_in, .. } => {
                        format!("bootstrap fails, {} s", retry_in.as_secs())
                    }
                    _ => continue,
                };
                log.push((second, text));
            }
            self.net.run_for(SECOND);
        }
        log
    }

    fn bootstrap_requests(&self) -> usize {
        self.net.get::<Script>(self.bootstrap).got.len()
    }
}

fn unordered() -> Server {
    server(0)
}

/// A server with a place, that has two attempts 10 s apart, and 100 s between sequences.
fn ordered(priority: u64) -> Server {
    Server {
        registration_priority_order: Some(priority),
        communication_retry_count: Some(2),
        communication_retry_timer: Some(10),
        communication_sequence_delay_timer: Some(100),
        lifetime: 0,
        ..server(0)
    }
}

fn table(expected: &[(u64, &str)]) -> Log {
    let rows = expected.iter();
    rows.map(|(at, text)| (*at, (*text).to_owned())).collect()
}

#[test]
fn an_unordered_server_gets_five_attempts_60_120_240_and_480_s_apart_then_a_bootstrap() {
    let mut run = Run::new(vec![unordered()], &[], true);
    let log = run.log(910);
    assert_eq!(
        log,
        table(&[
            (0, "1 fails, 60 s"),
            (60, "1 fails, 120 s"),
            (180, "1 fails, 240 s"),
            (420, "1 fails, 480 s"),
            (900, "1 fails, 0 s"),
            // After the hold-off time of 3 s.
            (903, "bootstrap fails, 60 s"),
        ])
    );
    assert_eq!(run.bootstrap_requests(), 1);
}

#[test]
fn sequences_follow_each_other_after_their_delay_and_the_attempts_start_at_one_again() {
    let server = Server {
        communication_retry_count: Some(3),
        communication_retry_timer: Some(5),
        communication_sequence_delay_timer: Some(1000),
        communication_sequence_retry_count: Some(3),
        ..unordered()
    };
    let log = Run::new(vec![server], &[], true).log(2100);
    assert_eq!(
        log,
        table(&[
            (0, "1 fails, 5 s"),
            (5, "1 fails, 10 s"),
            (15, "1 fails, 1000 s"),
            (1015, "1 fails, 5 s"),
            (1020, "1 fails, 10 s"),
            (1030, "1 fails, 1000 s"),
            (2030, "1 fails, 5 s"),
            (2035, "1 fails, 10 s"),
            (2045, "1 fails, 0 s"),
            (2048, "bootstrap fails, 60 s"),
        ])
    );
}

#[test]
fn a_sequence_delay_of_all_ones_means_that_there_is_one_sequence() {
    for never in [u64::from(u32::MAX), u64::MAX] {
        let server = Server {
            communication_retry_count: Some(2),
            communication_retry_timer: Some(5),
            communication_sequence_delay_timer: Some(never),
            communication_sequence_retry_count: Some(3),
            bootstrap_on_registration_failure: Some(false),
            ..unordered()
        };
        let mut run = Run::new(vec![server], &[], true);
        let log = run.log(5000);
        assert_eq!(log, table(&[(0, "1 fails, 5 s"), (5, "1 fails, ends")]));
        assert_eq!(run.bootstrap_requests(), 0);
    }
}

#[test]
fn without_bootstrap_on_failure_the_procedure_starts_over_after_the_sequence_delay() {
    let server = Server {
        communication_retry_count: Some(1),
        communication_sequence_delay_timer: Some(50),
        bootstrap_on_registration_failure: Some(false),
        ..unordered()
    };
    let mut run = Run::new(vec![server], &[], true);
    let log = run.log(120);
    let rows = [
        (0, "1 fails, 50 s"),
        (50, "1 fails, 50 s"),
        (100, "1 fails, 50 s"),
    ];
    assert_eq!(log, table(&rows));
    assert_eq!(run.bootstrap_requests(), 0);
}

#[test]
fn the_initial_delay_of_an_unordered_server_runs_from_the_start() {
    let server = Server {
        initial_registration_delay_timer: Some(30),
        lifetime: 0,
        ..unordered()
    };
    let log = Run::new(vec![server, unordered()], &[1, 2], false).log(40);
    assert_eq!(log, table(&[(0, "2 ok"), (30, "1 ok")]));
}

#[test]
fn ordered_servers_register_by_priority_each_delay_from_the_end_of_the_one_before() {
    let delayed = |priority, delay| Server {
        initial_registration_delay_timer: Some(delay),
        ..ordered(priority)
    };
    // Of the same priority, the lower Short Server ID comes first. Server 4 waits for nobody.
    let servers = vec![delayed(7, 20), delayed(3, 5), delayed(7, 10), unordered()];
    let log = Run::new(servers, &[1, 2, 3, 4], false).log(60);
    assert_eq!(
        log,
        table(&[(0, "4 ok"), (5, "2 ok"), (25, "1 ok"), (35, "3 ok")])
    );
}

#[test]
fn a_non_blocking_failure_gives_the_next_server_its_turn_at_once_and_no_bootstrap_follows() {
    let second = Server {
        initial_registration_delay_timer: Some(4),
        ..ordered(2)
    };
    let first = Server {
        // Further sequences do not count for a server that does not block.
        communication_sequence_retry_count: Some(9),
        ..ordered(1)
    };
    let mut run = Run::new(vec![first, second], &[2], true);
    let log = run.log(100);
    let rows = [(0, "1 fails, 10 s"), (10, "1 fails, 100 s"), (14, "2 ok")];
    assert_eq!(log, table(&rows));
    assert_eq!(run.bootstrap_requests(), 0);
}

#[test]
fn after_a_non_blocking_failure_a_server_goes_on_as_an_unordered_one() {
    let first = Server {
        bootstrap_on_registration_failure: Some(false),
        ..ordered(1)
    };
    let log = Run::new(vec![first, ordered(2)], &[2], true).log(230);
    assert_eq!(
        log,
        table(&[
            (0, "1 fails, 10 s"),
            (10, "1 fails, 100 s"),
            (10, "2 ok"),
            (110, "1 fails, 10 s"),
            (120, "1 fails, 100 s"),
            (220, "1 fails, 10 s"),
            (230, "1 fails, 100 s"),
        ])
    );
}

#[test]
fn when_all_ordered_servers_have_failed_without_blocking_a_bootstrap_follows() {
    let mut run = Run::new(vec![ordered(1), ordered(2)], &[], true);
    let log = run.log(30);
    assert_eq!(
        log,
        table(&[
            (0, "1 fails, 10 s"),
            (10, "1 fails, 100 s"),
            (10, "2 fails, 10 s"),
            (20, "2 fails, 0 s"),
            (23, "bootstrap fails, 60 s"),
        ])
    );
    assert_eq!(run.bootstrap_requests(), 1);
}

#[test]
fn a_server_that_blocks_has_all_its_sequences_while_the_others_wait_then_a_bootstrap() {
    let first = Server {
        registration_failure_block: Some(true),
        communication_sequence_retry_count: Some(2),
        ..ordered(1)
    };
    let log = Run::new(vec![first, ordered(2)], &[2], true).log(140);
    assert_eq!(
        log,
        table(&[
            (0, "1 fails, 10 s"),
            (10, "1 fails, 100 s"),
            (110, "1 fails, 10 s"),
            (120, "1 fails, 0 s"),
            (123, "bootstrap fails, 60 s"),
        ])
    );
}

#[test]
fn a_blocking_failure_without_a_bootstrap_stops_the_list() {
    let first = Server {
        registration_failure_block: Some(true),
        bootstrap_on_registration_failure: Some(false),
        communication_sequence_delay_timer: Some(u64::from(u32::MAX)),
        ..ordered(1)
    };
    let mut run = Run::new(vec![first, ordered(2), unordered()], &[2, 3], true);
    let log = run.log(250);
    let rows = [(0, "1 fails, 10 s"), (0, "3 ok"), (10, "1 fails, ends")];
    assert_eq!(log, table(&rows));
    assert_eq!(run.bootstrap_requests(), 0);
}

#[test]
fn an_explicit_refusal_counts_as_a_failed_attempt() {
    let mut run = Run::new(vec![ordered(1)], &[], false);
    let refused = Some(Draft::new(Code::FORBIDDEN));
    let host = run.net.add_host("s1", Script::new());
    run.net.get_mut::<Script>(host).answers.push_back(refused);
    let log = run.log(20);
    assert_eq!(log, table(&[(0, "1 fails, 10 s"), (10, "1 ok")]));
}
