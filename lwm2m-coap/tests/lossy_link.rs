//! Exchanges over a link that loses 30 % each way, duplicates 10 % and reorders.

mod common;

use common::*;
use lwm2m_coap::{Config, Draft, Duration, ExchangeError, sim::LinkConfig};
use lwm2m_codec::coap::Code;

const SEEDS: u64 = 400;

/// Runs one request per seed; returns how many succeeded.
fn succeeded(config: &Config, draft: &Draft, reply: fn(&Ask) -> Reply) -> u64 {
    let mut count = 0;
    for seed in 0..SEEDS {
        let client = Tester::new(config.clone(), seed * 2);
        let server = Tester::new(config.clone(), seed * 2 + 1).serving(reply);
        let mut pair = Pair::new(client, server, LinkConfig::lossy(), seed);
        pair.request(draft.clone());
        pair.run(2000);
        let delivered = pair.server().asked.len();
        assert!(
            delivered <= 1,
            "delivered {delivered} times with seed {seed}"
        );
        let (answers, failures) = (pair.client().answers.len(), pair.client().failures());
        assert_eq!(answers + failures.len(), 1, "one end with seed {seed}");
        assert!(
            failures
                .iter()
                .all(|(_, error)| *error == ExchangeError::Timeout)
        );
        count += answers as u64;
        pair.assert_idle();
    }
    count
}

fn rate(name: &str, count: u64) -> u64 {
    let percent = count * 100 / SEEDS;
    println!("{name}: {count} of {SEEDS} exchanges succeed ({percent} %)");
    percent
}

#[test]
fn nearly_all_single_exchanges_succeed_and_none_is_delivered_twice() {
    let draft = Draft::new(Code::POST).path_segment("a");
    let short = |_: &Ask| Reply::Now(Draft::new(Code::CHANGED));
    let percent = rate("short answer", succeeded(&Config::default(), &draft, short));
    assert!(percent >= 95);
    let long = |_: &Ask| Reply::Now(content(&body(900)));
    let percent = rate("long answer", succeeded(&Config::default(), &draft, long));
    assert!(percent >= 95);
}

#[test]
fn nearly_all_separate_responses_arrive() {
    let draft = Draft::new(Code::POST).path_segment("a");
    let slow = |_: &Ask| Reply::Later(Duration::from_secs(4), Draft::new(Code::CHANGED));
    let percent = rate(
        "separate response",
        succeeded(&Config::default(), &draft, slow),
    );
    // Request and response are two exchanges.
    assert!(percent >= 90);
}

#[test]
fn bodies_in_blocks_arrive_whole_or_fail_by_timeout() {
    let mut config = Config::default();
    config.block_size = 256;
    config.max_retransmit = 8;
    let draft = Draft {
        payload: body(2000),
        ..Draft::new(Code::POST).path_segment("a")
    };
    let echo = |ask: &Ask| {
        assert_eq!(ask.body, body(2000));
        Reply::Now(content(&body(2000)))
    };
    let percent = rate("8 blocks each way", succeeded(&config, &draft, echo));
    assert!(percent >= 90);
}
