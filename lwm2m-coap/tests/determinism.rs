//! The same seed and inputs give the same bytes.

mod common;

use common::*;
use lwm2m_coap::{Config, Draft, Duration, Instant, sim::LinkConfig};
use lwm2m_codec::coap::{Code, Token};

/// All datagrams of a busy lossy hour.
fn traffic(seed: u64, network: u64) -> Vec<(Instant, Vec<u8>)> {
    let script = |ask: &Ask| match ask.body.len() {
        0 => Reply::Now(content(&body(3000))),
        _ => Reply::Later(Duration::from_millis(1500), Draft::new(Code::CHANGED)),
    };
    let client = Tester::new(Config::default(), seed);
    let server = Tester::new(Config::default(), seed + 1).serving(script);
    let mut pair = Pair::new(client, server, LinkConfig::lossy(), network);
    pair.net.capture();
    for _ in 0..10 {
        pair.request(get("a"));
        pair.request(Draft {
            payload: body(2000),
            ..Draft::new(Code::PUT).path_segment("b")
        });
        let (now, peer) = (pair.net.now(), pair.server().peer());
        pair.server()
            .endpoint
            .notify(now, peer, Token::EMPTY, &content(b"1"), true);
        pair.run(360);
    }
    pair.net.captured()
}

#[test]
fn the_same_seeds_give_the_same_bytes_at_the_same_times() {
    for seed in 0..5 {
        assert_eq!(traffic(seed, 7), traffic(seed, 7));
    }
}

#[test]
fn other_seeds_give_other_tokens_message_ids_and_times() {
    let first = |seed| {
        let mut bench = Bench::seeded(Config::default(), seed);
        bench.request(get("a"));
        let sent = bench.pass(Duration::from_secs(4));
        let message = parse(&sent[0].1);
        (message.token(), message.id(), sent[1].0)
    };
    let (one, two) = (first(1), first(2));
    assert_ne!(one.0, two.0);
    assert_ne!(one.1, two.1);
    assert_ne!(one.2, two.2);
}

#[test]
fn tokens_of_one_endpoint_differ_and_begin_with_the_prefix() {
    let mut config = Config::default();
    config.token_prefix = 0xab;
    let mut bench = Bench::new(config);
    let mut tokens = Vec::new();
    for _ in 0..1000 {
        bench.request(get("a"));
        let sent = bench.drain();
        tokens.push(parse(&sent[0]).token());
        bench.feed(&piggyback(&sent[0], Code::CONTENT, &[], b""));
    }
    assert!(
        tokens
            .iter()
            .all(|token| token.as_bytes().first() == Some(&0xab))
    );
    tokens.sort();
    tokens.dedup();
    assert_eq!(tokens.len(), 1000);
}
