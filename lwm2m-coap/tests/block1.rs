//! Bodies that are sent block by block (RFC 7959 §2.5).

mod common;

use common::*;
use lwm2m_coap::{Config, Draft, Duration, ExchangeError, RequestError, RequestOptions};
use lwm2m_codec::coap::{Block, Code, Message, MessageType, OptionNumber};

fn changed(_: &Ask) -> Reply {
    Reply::Now(Draft::new(Code::CHANGED))
}

fn put(payload: Vec<u8>) -> Draft {
    Draft {
        payload,
        ..Draft::new(Code::PUT).path_segment("a")
    }
}

/// One block as a Confirmable PUT of `/a`.
fn part(id: u16, block: &[u8], payload: &[u8]) -> Vec<u8> {
    let options = [
        (OptionNumber::URI_PATH, &b"a"[..]),
        (OptionNumber::BLOCK1, block),
    ];
    datagram(
        MessageType::Confirmable,
        Code::PUT,
        id,
        &[1],
        &options,
        payload,
    )
}

fn block1(message: &Message<'_>) -> Option<Block> {
    message.block(OptionNumber::BLOCK1)
}

#[test]
fn a_long_body_arrives_whole_and_once() {
    for length in [1024, 1025, 2048, 5000, 65_536] {
        let mut pair = Pair::serving(changed);
        let answer = pair.ask(put(body(length)));
        assert_eq!(answer.code, Code::CHANGED);
        assert_eq!(pair.server().asked.len(), 1);
        assert_eq!(pair.server().asked[0].body, body(length));
        pair.assert_idle();
    }
}

#[test]
fn a_body_of_one_block_needs_no_option() {
    let mut bench = Bench::new(Config::default());
    bench.request(put(body(1024)));
    let sent = bench.drain();
    assert!(block1(&parse(&sent[0])).is_none());
    assert_eq!(parse(&sent[0]).payload().len(), 1024);
}

#[test]
fn a_receiver_of_64_byte_blocks_slows_a_sender_of_1024() {
    let mut pair = Pair::configured(Config::default(), blocks_of(64), changed);
    pair.net.capture();
    pair.ask(put(body(3000)));
    assert_eq!(pair.server().asked[0].body, body(3000));
    let sent = pair.net.captured();
    let blocks = sent.iter().map(|(_, bytes)| parse(bytes));
    let blocks = blocks
        .filter(|m| m.code() == Code::PUT)
        .filter_map(|m| block1(&m));
    let blocks: Vec<_> = blocks.collect();
    assert_eq!(blocks[0], Block::new(0, true, 1024));
    assert_eq!(blocks[1], Block::new(16, true, 64));
    assert_eq!(blocks.len(), 1 + (3000 - 1024_usize).div_ceil(64));
    pair.assert_idle();
}

#[test]
fn the_first_block_announces_the_size_of_the_body() {
    let mut bench = Bench::new(blocks_of(64));
    bench.request(put(body(100)));
    let sent = bench.drain();
    let size = parse(&sent[0])
        .option(OptionNumber::SIZE1)
        .and_then(|o| o.as_uint());
    assert_eq!(size, Some(100));
    let reply = block(0, true, 64);
    let options = [(OptionNumber::BLOCK1, reply.as_slice())];
    let sent = bench.feed(&piggyback(&sent[0], Code::CONTINUE, &options, b""));
    assert!(parse(&sent[0]).option(OptionNumber::SIZE1).is_none());
    assert_eq!(parse(&sent[0]).payload(), &body(100)[64..]);
}

#[test]
fn a_gap_is_answered_by_4_08_and_ends_the_transfer() {
    let mut bench = Bench::new(Config::default()).serving(changed);
    let first = bench.feed(&part(1, &block(0, true, 64), &[0; 64]));
    assert_eq!(parse(&first[0]).code(), Code::CONTINUE);
    assert_eq!(block1(&parse(&first[0])), Some(Block::new(0, true, 64)));
    let gap = bench.feed(&part(2, &block(2, true, 64), &[2; 64]));
    assert_eq!(parse(&gap[0]).code(), Code::REQUEST_ENTITY_INCOMPLETE);
    let late = bench.feed(&part(3, &block(1, false, 64), &[1; 64]));
    assert_eq!(parse(&late[0]).code(), Code::REQUEST_ENTITY_INCOMPLETE);
    assert!(bench.engine.asked.is_empty());
    assert!(bench.engine.endpoint.is_idle());
}

#[test]
fn a_block_without_a_first_one_is_answered_by_4_08() {
    let mut bench = Bench::new(Config::default()).serving(changed);
    let answer = bench.feed(&part(1, &block(3, false, 64), &[0; 10]));
    assert_eq!(parse(&answer[0]).code(), Code::REQUEST_ENTITY_INCOMPLETE);
}

#[test]
fn block_0_starts_again() {
    let mut bench = Bench::new(Config::default()).serving(changed);
    bench.feed(&part(1, &block(0, true, 64), &[9; 64]));
    bench.feed(&part(2, &block(1, true, 64), &[9; 64]));
    bench.feed(&part(3, &block(0, true, 64), &[1; 64]));
    bench.feed(&part(4, &block(1, false, 64), &[2; 3]));
    let expected = [&[1; 64][..], &[2; 3]].concat();
    assert_eq!(bench.engine.asked[0].body, expected);
}

#[test]
fn a_block_sent_again_in_a_new_message_is_taken_once() {
    let mut bench = Bench::new(Config::default()).serving(changed);
    bench.feed(&part(1, &block(0, true, 64), &[0; 64]));
    bench.feed(&part(2, &block(1, true, 64), &[1; 64]));
    let again = bench.feed(&part(3, &block(1, true, 64), &[1; 64]));
    assert_eq!(parse(&again[0]).code(), Code::CONTINUE);
    bench.feed(&part(4, &block(2, false, 64), &[2; 1]));
    assert_eq!(bench.engine.asked[0].body.len(), 129);
}

#[test]
fn a_payload_that_does_not_fit_its_block_is_refused() {
    let mut bench = Bench::new(Config::default()).serving(changed);
    for (id, more, length) in [(1, true, 63), (2, true, 65), (3, false, 65)] {
        let answer = bench.feed(&part(id, &block(0, more, 64), &vec![0; length]));
        assert_eq!(parse(&answer[0]).code(), Code::BAD_REQUEST);
    }
    assert!(bench.engine.asked.is_empty());
}

#[test]
fn a_single_block_is_a_whole_body_and_is_echoed() {
    let mut bench = Bench::new(Config::default()).serving(changed);
    let answer = bench.feed(&part(1, &block(0, false, 64), &[7; 9]));
    assert_eq!(bench.engine.asked[0].body, [7; 9]);
    assert_eq!(parse(&answer[0]).code(), Code::CHANGED);
    assert_eq!(block1(&parse(&answer[0])), Some(Block::new(0, false, 64)));
}

#[test]
fn a_body_announced_or_grown_above_the_limit_gets_4_13_with_the_limit() {
    let mut config = Config::default();
    config.max_body = 100;
    let mut bench = Bench::new(config).serving(changed);
    let first = block(0, true, 64);
    let size = uint(101);
    let options = [
        (OptionNumber::BLOCK1, &first[..]),
        (OptionNumber::SIZE1, &size[..]),
    ];
    let request = datagram(
        MessageType::Confirmable,
        Code::PUT,
        1,
        &[1],
        &options,
        &[0; 64],
    );
    let limit = |answer: &[Vec<u8>]| {
        let answer = parse(&answer[0]);
        assert_eq!(answer.code(), Code::REQUEST_ENTITY_TOO_LARGE);
        answer
            .option(OptionNumber::SIZE1)
            .and_then(|option| option.as_uint())
    };
    assert_eq!(limit(&bench.feed(&request)), Some(100));
    bench.feed(&part(2, &first, &[0; 64]));
    assert_eq!(
        limit(&bench.feed(&part(3, &block(1, false, 64), &[0; 37]))),
        Some(100)
    );
    assert_eq!(bench.engine.endpoint.counters().bodies_refused, 2);
    assert!(bench.engine.asked.is_empty());
    assert!(bench.engine.endpoint.is_idle());
}

#[test]
fn a_sender_keeps_its_own_limit() {
    let mut config = Config::default();
    config.max_body = 100;
    let mut bench = Bench::new(config);
    let (now, peer) = (bench.now, bench.peer);
    let refused =
        bench
            .engine
            .endpoint
            .request(now, peer, put(body(101)), RequestOptions::default());
    assert_eq!(refused, Err(RequestError::TooLarge));
}

#[test]
fn a_4_13_with_a_smaller_size_makes_the_sender_start_again_in_that_size() {
    for length in [900, 3000] {
        let mut bench = Bench::new(Config::default());
        bench.request(put(body(length)));
        let sent = bench.drain();
        let hint = block(0, true, 256);
        let options = [(OptionNumber::BLOCK1, hint.as_slice())];
        let refused = piggyback(&sent[0], Code::REQUEST_ENTITY_TOO_LARGE, &options, b"");
        let sent = bench.feed(&refused);
        assert_eq!(block1(&parse(&sent[0])), Some(Block::new(0, true, 256)));
        let options = [(OptionNumber::BLOCK1, &hint[..])];
        let refused = piggyback(&sent[0], Code::REQUEST_ENTITY_TOO_LARGE, &options, b"");
        assert!(bench.feed(&refused).is_empty());
        assert_eq!(bench.engine.answers[0].code, Code::REQUEST_ENTITY_TOO_LARGE);
        assert!(bench.engine.endpoint.is_idle());
    }
}

#[test]
fn an_error_in_the_middle_ends_the_upload_with_that_answer() {
    let mut bench = Bench::new(Config::default());
    bench.request(put(body(3000)));
    let sent = bench.drain();
    assert!(
        bench
            .feed(&piggyback(&sent[0], Code::FORBIDDEN, &[], b"no"))
            .is_empty()
    );
    assert_eq!(bench.engine.answers[0].code, Code::FORBIDDEN);
    assert!(bench.engine.endpoint.is_idle());
}

#[test]
fn a_peer_that_takes_blocks_on_their_own_gets_all_of_them() {
    let mut bench = Bench::new(blocks_of(64));
    bench.request(put(body(150)));
    let mut sent = bench.drain();
    for num in 0..3 {
        assert_eq!(block1(&parse(&sent[0])), Some(Block::new(num, num < 2, 64)));
        let echo = block(num, false, 64);
        let options = [(OptionNumber::BLOCK1, echo.as_slice())];
        sent = bench.feed(&piggyback(&sent[0], Code::CHANGED, &options, b""));
    }
    assert_eq!(bench.engine.answers.len(), 1);
}

#[test]
fn acks_that_contradict_the_transfer_fail_it() {
    let echoes = [Some(block(5, true, 64)), None];
    for echo in echoes {
        let mut bench = Bench::new(blocks_of(64));
        bench.request(put(body(150)));
        let sent = bench.drain();
        let options: Vec<_> = echo
            .iter()
            .map(|echo| (OptionNumber::BLOCK1, echo.as_slice()))
            .collect();
        bench.feed(&piggyback(&sent[0], Code::CONTINUE, &options, b""));
        assert_eq!(bench.engine.failures()[0].1, ExchangeError::Blocks);
        assert!(bench.engine.endpoint.is_idle());
    }
}

#[test]
fn a_continue_after_the_last_block_fails_the_transfer() {
    let mut bench = Bench::new(Config::default());
    bench.request(put(body(10)));
    let sent = bench.drain();
    bench.feed(&piggyback(&sent[0], Code::CONTINUE, &[], b""));
    assert_eq!(bench.engine.failures()[0].1, ExchangeError::Blocks);
}

#[test]
fn an_abandoned_upload_is_forgotten_after_247_seconds() {
    let mut bench = Bench::new(Config::default()).serving(changed);
    bench.feed(&part(1, &block(0, true, 64), &[0; 64]));
    bench.pass(Duration::from_secs(246));
    assert!(!bench.engine.endpoint.is_idle());
    bench.pass(Duration::from_secs(2));
    assert!(bench.engine.endpoint.is_idle());
    let late = bench.feed(&part(2, &block(1, false, 64), &[1; 1]));
    assert_eq!(parse(&late[0]).code(), Code::REQUEST_ENTITY_INCOMPLETE);
}

#[test]
fn transfers_under_different_paths_do_not_mix() {
    let mut bench = Bench::new(Config::default()).serving(changed);
    let part = |id, path: &str, num, more, payload: &[u8]| {
        let block = block(num, more, 16);
        let options = [
            (OptionNumber::URI_PATH, path.as_bytes()),
            (OptionNumber::BLOCK1, &block[..]),
        ];
        datagram(
            MessageType::Confirmable,
            Code::PUT,
            id,
            &[1],
            &options,
            payload,
        )
    };
    bench.feed(&part(1, "a", 0, true, &[1; 16]));
    bench.feed(&part(2, "b", 0, true, &[2; 16]));
    bench.feed(&part(3, "a", 1, false, &[1; 4]));
    bench.feed(&part(4, "b", 1, false, &[2; 4]));
    assert_eq!(bench.engine.asked[0].body, [1; 20]);
    assert_eq!(bench.engine.asked[1].body, [2; 20]);
}

#[test]
fn a_transfer_passes_requests_that_fill_the_queue() {
    let mut config = blocks_of(64);
    config.max_queue = 2;
    let mut pair = Pair::configured(config, Config::default(), changed);
    pair.request(put(body(640)));
    pair.request(get("b"));
    pair.request(get("c"));
    pair.run(60);
    assert_eq!(pair.client().answers.len(), 3, "{:?}", pair.client().events);
    pair.assert_idle();
}
