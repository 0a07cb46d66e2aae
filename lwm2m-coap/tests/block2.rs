//! Answers that are fetched block by block (RFC 7959 §2.4, §3.3).

mod common;

use common::*;
use lwm2m_coap::{Config, Draft, ExchangeError};
use lwm2m_codec::coap::{Block, Code, Message, MessageType, OptionNumber};

fn block2(message: &Message<'_>) -> Option<Block> {
    message.block(OptionNumber::BLOCK2)
}

fn serve(length: usize) -> impl FnMut(&Ask) -> Reply {
    move |_| Reply::Now(content(&body(length)))
}

/// A Confirmable request for `/a` that asks for a block.
fn ask(code: Code, id: u16, block: &[u8], payload: &[u8]) -> Vec<u8> {
    let options = [
        (OptionNumber::URI_PATH, &b"a"[..]),
        (OptionNumber::BLOCK2, block),
    ];
    datagram(MessageType::Confirmable, code, id, &[1], &options, payload)
}

/// Answers a request for a block of a body.
fn give(request: &[u8], body: &[u8], size: usize, etag: u8) -> Vec<u8> {
    let num = block2(&parse(request)).map_or(0, |block| block.num);
    let start = num as usize * size;
    let end = body.len().min(start + size);
    let block = block(num, end < body.len(), size);
    let options = [
        (OptionNumber::ETAG, &[etag][..]),
        (OptionNumber::BLOCK2, &block[..]),
    ];
    piggyback(request, Code::CONTENT, &options, &body[start..end])
}

#[test]
fn a_long_answer_arrives_whole_and_once() {
    for length in [1024, 1025, 2048, 5000, 65_536] {
        let mut pair = Pair::serving(serve(length));
        assert_eq!(pair.ask(get("a")).body, body(length));
        pair.assert_idle();
    }
}

#[test]
fn a_requester_with_small_blocks_asks_for_them_early() {
    let mut pair = Pair::configured(blocks_of(64), Config::default(), serve(1000));
    pair.net.capture();
    assert_eq!(pair.ask(get("a")).body, body(1000));
    let longest = pair
        .net
        .captured()
        .iter()
        .map(|(_, bytes)| bytes.len())
        .max();
    assert!(longest < Some(64 + 40), "{longest:?}");
    pair.assert_idle();
}

#[test]
fn a_responder_with_small_blocks_serves_a_requester_with_large_ones() {
    let mut pair = Pair::configured(Config::default(), blocks_of(64), serve(1000));
    assert_eq!(pair.ask(get("a")).body, body(1000));
    pair.assert_idle();
}

#[test]
fn any_block_can_be_asked_for() {
    let mut bench = Bench::new(Config::default()).serving(serve(1000));
    for (id, num) in [7, 2, 15, 0].into_iter().enumerate() {
        let answer = bench.feed(&ask(Code::GET, id as u16, &block(num, false, 64), b""));
        let answer = parse(&answer[0]);
        assert_eq!(block2(&answer), Some(Block::new(num, num < 15, 64)));
        let start = num as usize * 64;
        assert_eq!(answer.payload(), &body(1000)[start..1000.min(start + 64)]);
    }
}

#[test]
fn a_later_block_asked_for_in_a_large_size_is_served_in_the_own_size() {
    let mut bench = Bench::new(blocks_of(64)).serving(serve(3000));
    let answer = bench.feed(&ask(Code::GET, 1, &block(1, false, 1024), b""));
    let answer = parse(&answer[0]);
    assert_eq!(block2(&answer), Some(Block::new(16, true, 64)));
    assert_eq!(answer.payload(), &body(3000)[1024..1088]);
}

#[test]
fn a_block_behind_the_end_is_refused() {
    let mut bench = Bench::new(Config::default()).serving(serve(1000));
    for num in [16, Block::MAX_NUM] {
        let answer = bench.feed(&ask(Code::GET, num as u16, &block(num, false, 64), b""));
        assert_eq!(parse(&answer[0]).code(), Code::BAD_REQUEST);
    }
}

#[test]
fn the_first_block_announces_the_size_and_all_carry_the_same_etag() {
    let mut bench = Bench::new(Config::default()).serving(serve(2000));
    let first = bench.feed(&con(Code::GET, 1));
    let later = bench.feed(&ask(Code::GET, 2, &block(1, false, 1024), b""));
    let (first, later) = (parse(&first[0]), parse(&later[0]));
    let size = first
        .option(OptionNumber::SIZE2)
        .and_then(|option| option.as_uint());
    assert_eq!(size, Some(2000));
    let etag = first.option(OptionNumber::ETAG);
    assert!(etag.is_some());
    assert_eq!(etag, later.option(OptionNumber::ETAG));
}

#[test]
fn the_etag_of_the_engine_is_kept() {
    let script = |_: &Ask| Reply::Now(content(&body(2000)).option(OptionNumber::ETAG, b"v1"));
    let mut bench = Bench::new(Config::default()).serving(script);
    let answer = bench.feed(&con(Code::GET, 1));
    let etags = parse(&answer[0])
        .options()
        .filter(|o| o.number == OptionNumber::ETAG)
        .count();
    assert_eq!(etags, 1);
}

#[test]
fn a_body_that_changes_under_way_is_fetched_again_once() {
    let mut bench = Bench::new(Config::default());
    bench.request(get("a"));
    let (old, new) = (body(3000), vec![5; 3000]);
    let sent = bench.drain();
    let sent = bench.feed(&give(&sent[0], &old, 1024, 1));
    assert_eq!(block2(&parse(&sent[0])), Some(Block::new(1, false, 1024)));
    let sent = bench.feed(&give(&sent[0], &new, 1024, 2));
    assert!(
        block2(&parse(&sent[0])).is_none_or(|block| block.num == 0),
        "it starts again"
    );
    let sent = bench.feed(&give(&sent[0], &new, 1024, 2));
    let sent = bench.feed(&give(&sent[0], &new, 1024, 2));
    bench.feed(&give(&sent[0], &new, 1024, 2));
    assert_eq!(bench.engine.answers[0].body, new);
    assert!(bench.engine.endpoint.is_idle());
}

#[test]
fn a_body_that_changes_twice_fails() {
    let mut bench = Bench::new(Config::default());
    bench.request(get("a"));
    let mut sent = bench.drain();
    for etag in [1, 2, 2, 3] {
        sent = bench.feed(&give(&sent[0], &body(3000), 1024, etag));
    }
    assert!(sent.is_empty());
    assert_eq!(bench.engine.failures()[0].1, ExchangeError::Blocks);
    assert!(bench.engine.endpoint.is_idle());
}

#[test]
fn a_changed_answer_to_a_post_is_not_asked_for_again() {
    let mut bench = Bench::new(Config::default());
    bench.request(Draft::new(Code::POST));
    let mut sent = bench.drain();
    for etag in [1, 2] {
        sent = bench.feed(&give(&sent[0], &body(3000), 1024, etag));
    }
    assert!(sent.is_empty(), "that would run it twice");
    assert_eq!(bench.engine.failures()[0].1, ExchangeError::Blocks);
}

#[test]
fn a_fetch_that_starts_again_sends_its_body_again() {
    let mut bench = Bench::new(Config::default());
    bench.request(Draft {
        payload: b"paths".to_vec(),
        ..Draft::new(Code::FETCH)
    });
    let mut sent = bench.drain();
    for etag in [1, 2] {
        sent = bench.feed(&give(&sent[0], &body(3000), 1024, etag));
    }
    assert_eq!(parse(&sent[0]).payload(), b"paths");
}

#[test]
fn an_answer_above_the_limit_is_refused_by_the_requester() {
    let mut config = Config::default();
    config.max_body = 2000;
    let mut pair = Pair::configured(config, Config::default(), serve(3000));
    pair.request(get("a"));
    pair.run(60);
    assert_eq!(pair.client().failures()[0].1, ExchangeError::TooLarge);
    pair.assert_idle();
}

#[test]
fn an_answer_above_the_limit_of_the_responder_becomes_5_00() {
    let mut config = Config::default();
    config.max_body = 2000;
    let mut pair = Pair::configured(Config::default(), config, serve(3000));
    assert_eq!(pair.ask(get("a")).code, Code::INTERNAL_SERVER_ERROR);
}

#[test]
fn an_answer_whose_options_do_not_fit_becomes_5_00() {
    let script = |_: &Ask| {
        Reply::Now(Draft::new(Code::CREATED).option(OptionNumber::LOCATION_PATH, &[b'x'; 2000]))
    };
    let mut bench = Bench::new(Config::default()).serving(script);
    let answer = bench.feed(&con(Code::POST, 1));
    assert_eq!(parse(&answer[0]).code(), Code::INTERNAL_SERVER_ERROR);
}

#[test]
fn the_answer_to_a_request_with_a_body_is_kept_for_its_later_blocks() {
    for code in [Code::POST, Code::FETCH, Code::IPATCH] {
        let mut count = 0u8;
        let mut pair = Pair::serving(move |_| {
            count += 1;
            Reply::Now(content(&vec![count; 5000]))
        });
        let draft = Draft {
            payload: b"body".to_vec(),
            ..Draft::new(code).path_segment("a")
        };
        assert_eq!(pair.ask(draft).body, [1; 5000]);
        assert_eq!(pair.server().asked.len(), 1, "{code}");
        pair.assert_idle();
    }
}

#[test]
fn a_later_block_of_an_answer_that_is_not_kept_does_not_run_the_request() {
    let mut bench = Bench::new(Config::default()).serving(serve(5000));
    for code in [
        Code::POST,
        Code::PUT,
        Code::DELETE,
        Code::PATCH,
        Code::IPATCH,
        Code::FETCH,
    ] {
        let answer = bench.feed(&ask(code, u16::from(code.0), &block(1, false, 64), b""));
        assert_eq!(
            parse(&answer[0]).code(),
            Code::REQUEST_ENTITY_INCOMPLETE,
            "{code}"
        );
    }
    assert!(bench.engine.asked.is_empty());
}

#[test]
fn a_fetch_that_repeats_its_body_is_served_without_a_kept_answer() {
    let mut bench = Bench::new(Config::default()).serving(serve(5000));
    let answer = bench.feed(&ask(Code::FETCH, 1, &block(1, false, 1024), b"paths"));
    assert_eq!(parse(&answer[0]).payload(), &body(5000)[1024..2048]);
    assert_eq!(bench.engine.asked[0].body, b"paths");
}

#[test]
fn later_blocks_of_a_kept_answer_do_not_fill_the_pool_for_duplicates() {
    let mut config = Config::default();
    config.max_long_answers = 1;
    let mut bench = Bench::new(config).serving(serve(5000));
    let first = bench.feed(&con(Code::POST, 1));
    let later = ask(Code::POST, 2, &block(1, false, 1024), b"");
    let second = bench.feed(&later);
    assert_eq!(bench.feed(&later), second, "a duplicate is cut again");
    assert_eq!(
        bench.feed(&con(Code::POST, 1)),
        first,
        "a duplicate is replayed"
    );
    assert_eq!(bench.engine.asked.len(), 1);
}

#[test]
fn a_long_body_and_a_long_answer_go_together() {
    for (client, server) in [(1024, 1024), (64, 1024), (1024, 64), (256, 32)] {
        let (client, server) = (blocks_of(client), blocks_of(server));
        let mut pair = Pair::configured(client, server, |ask: &Ask| {
            let mut answer = ask.body.clone();
            answer.reverse();
            Reply::Now(content(&answer))
        });
        let draft = Draft {
            payload: body(4000),
            ..Draft::new(Code::POST).path_segment("a")
        };
        let answer = pair.ask(draft);
        let mut expected = body(4000);
        expected.reverse();
        assert_eq!(answer.body, expected);
        assert_eq!(pair.server().asked.len(), 1);
        pair.assert_idle();
    }
}

#[test]
fn a_peer_that_always_gives_the_first_block_fails_the_request() {
    let mut bench = Bench::new(Config::default());
    bench.request(get("a"));
    let sent = bench.drain();
    let first = block(0, true, 64);
    let options = [(OptionNumber::BLOCK2, first.as_slice())];
    let sent = bench.feed(&piggyback(&sent[0], Code::CONTENT, &options, &[1; 64]));
    bench.feed(&piggyback(&sent[0], Code::CONTENT, &options, &[1; 64]));
    assert_eq!(bench.engine.failures()[0].1, ExchangeError::Blocks);
    assert!(bench.engine.endpoint.is_idle());
}

#[test]
fn a_block_that_is_not_full_or_empty_fails_the_request() {
    for length in [0, 63, 65] {
        let mut bench = Bench::new(Config::default());
        bench.request(get("a"));
        let sent = bench.drain();
        let first = block(0, true, 64);
        let options = [(OptionNumber::BLOCK2, first.as_slice())];
        bench.feed(&piggyback(
            &sent[0],
            Code::CONTENT,
            &options,
            &vec![1; length],
        ));
        assert_eq!(bench.engine.failures()[0].1, ExchangeError::Blocks);
    }
}

#[test]
fn a_late_block_goes_by_while_the_next_is_awaited() {
    let mut bench = Bench::new(Config::default());
    bench.request(get("a"));
    let whole = body(150);
    let sent = bench.drain();
    let token = parse(&sent[0]).token();
    let sent = bench.feed(&give(&sent[0], &whole, 64, 1));
    let first = block(0, true, 64);
    let options = [
        (OptionNumber::ETAG, &[1][..]),
        (OptionNumber::BLOCK2, &first[..]),
    ];
    let non = MessageType::NonConfirmable;
    let late = datagram(
        non,
        Code::CONTENT,
        500,
        token.as_bytes(),
        &options,
        &whole[..64],
    );
    assert!(bench.feed(&late).is_empty());
    let sent = bench.feed(&give(&sent[0], &whole, 64, 1));
    bench.feed(&give(&sent[0], &whole, 64, 1));
    assert_eq!(bench.engine.answers[0].body, whole);
    assert!(bench.engine.endpoint.is_idle());
}

#[test]
fn an_error_in_the_middle_is_the_answer() {
    let mut bench = Bench::new(Config::default());
    bench.request(get("a"));
    let sent = bench.drain();
    let sent = bench.feed(&give(&sent[0], &body(3000), 1024, 1));
    bench.feed(&piggyback(&sent[0], Code::NOT_FOUND, &[], b""));
    assert_eq!(bench.engine.answers[0].code, Code::NOT_FOUND);
    assert!(bench.engine.endpoint.is_idle());
}

#[test]
fn a_long_diagnostic_payload_is_cut_between_characters() {
    let script = |_: &Ask| Reply::Now(Draft::new(Code::BAD_REQUEST).diagnostic(&"ä".repeat(1000)));
    let mut config = Config::default();
    config.block_size = 64;
    let mut bench = Bench::new(config).serving(script);
    let answer = bench.feed(&con(Code::GET, 1));
    let text = core::str::from_utf8(parse(&answer[0]).payload()).map(str::len);
    assert_eq!(text, Ok(64));
}
