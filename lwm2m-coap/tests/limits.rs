//! Every queue and table is bounded, counts what it drops, and empties itself.

mod common;

use common::*;
use lwm2m_coap::{
    Config, Draft, Duration, Engine, Input, Instant, MAX_DATAGRAM, RequestError, RequestOptions,
};
use lwm2m_codec::coap::{Code, MessageType, OptionNumber, Token};

fn options(confirmable: bool) -> RequestOptions {
    RequestOptions {
        confirmable,
        token: None,
    }
}

#[test]
fn requests_in_the_queue_of_a_peer_are_bounded() {
    let mut config = Config::default();
    config.max_queue = 3;
    let mut bench = Bench::new(config);
    let (now, peer) = (bench.now, bench.peer);
    let results = (0..6).map(|_| {
        bench
            .engine
            .endpoint
            .request(now, peer, get("a"), options(true))
    });
    let results: Vec<_> = results.map(|result| result.err()).collect();
    let full = Some(RequestError::QueueFull);
    assert_eq!(results, [None, None, None, None, full, full]);
    assert_eq!(bench.engine.endpoint.counters().dropped, 2);
    let token = Token::EMPTY;
    assert!(
        !bench
            .engine
            .endpoint
            .notify(now, peer, token, &content(b"1"), true)
    );
    assert_eq!(bench.engine.endpoint.counters().dropped, 3);
    bench.pass(Duration::from_secs(600));
    assert_eq!(bench.engine.failures().len(), 4);
    assert!(bench.engine.endpoint.is_idle());
}

#[test]
fn exchanges_are_bounded() {
    let mut config = Config::default();
    config.max_exchanges = 5;
    let mut bench = Bench::new(config);
    let (now, peer) = (bench.now, bench.peer);
    for _ in 0..5 {
        assert!(
            bench
                .engine
                .endpoint
                .request(now, peer, get("a"), options(false))
                .is_ok()
        );
    }
    let refused = bench
        .engine
        .endpoint
        .request(now, peer, get("a"), options(false));
    assert_eq!(refused, Err(RequestError::QueueFull));
    bench.pass(Duration::from_secs(100));
    assert!(bench.engine.endpoint.is_idle());
    let now = bench.now;
    assert!(
        bench
            .engine
            .endpoint
            .request(now, peer, get("a"), options(false))
            .is_ok()
    );
}

#[test]
fn messages_that_wait_for_the_driver_are_bounded() {
    let mut config = Config::default();
    config.max_out = 4;
    let mut bench = Bench::new(config);
    let (now, peer) = (bench.now, bench.peer);
    for id in 0..10 {
        let ping = empty(MessageType::Confirmable, id);
        assert!(bench.engine.endpoint.receive(now, peer, &ping).is_none());
    }
    assert!(
        !bench
            .engine
            .endpoint
            .notify(now, peer, Token::EMPTY, &content(b""), false)
    );
    let refused = bench
        .engine
        .endpoint
        .request(now, peer, get("a"), options(false));
    assert_eq!(refused, Err(RequestError::QueueFull));
    assert_eq!(bench.engine.endpoint.counters().dropped, 8);
    bench.request(get("a"));
    assert_eq!(
        bench.drain().len(),
        5,
        "a Confirmable message has its own bound"
    );
    bench.pass(Duration::from_secs(100));
    assert!(bench.engine.endpoint.is_idle());
}

#[test]
fn requests_that_end_before_the_driver_takes_them_do_not_pile_up() {
    let mut bench = Bench::new(Config::default());
    let (now, peer) = (bench.now, bench.peer);
    for _ in 0..100_000 {
        let id = bench
            .engine
            .endpoint
            .request(now, peer, get("a"), options(true));
        bench.engine.endpoint.cancel(now, id.expect("a request"));
    }
    // The Debug form shows every entry of the queue.
    assert!(format!("{:?}", bench.engine.endpoint).len() < 100_000);
    assert!(bench.drain().is_empty());
    assert!(bench.engine.endpoint.is_idle());
}

#[test]
fn bodies_of_one_peer_are_bounded_and_the_one_that_rested_longest_goes() {
    let mut bench = Bench::new(Config::default());
    let part = |id: u16, tag: u8, num| {
        let block = block(num, true, 16);
        let tag = [tag];
        let options = [
            (OptionNumber::BLOCK1, &block[..]),
            (OptionNumber::REQUEST_TAG, &tag[..]),
        ];
        datagram(
            MessageType::Confirmable,
            Code::PUT,
            id,
            &[1],
            &options,
            &[0; 16],
        )
    };
    for tag in 0..20 {
        bench.feed(&part(u16::from(tag), tag, 0));
        bench.pass(Duration::from_millis(1));
    }
    assert_eq!(bench.engine.endpoint.counters().bodies_refused, 12);
    let old = bench.feed(&part(100, 11, 1));
    assert_eq!(parse(&old[0]).code(), Code::REQUEST_ENTITY_INCOMPLETE);
    let young = bench.feed(&part(101, 12, 1));
    assert_eq!(parse(&young[0]).code(), Code::CONTINUE);
    bench.pass(Duration::from_secs(300));
    assert!(bench.engine.endpoint.is_idle());
}

#[test]
fn bodies_of_all_peers_are_bounded() {
    let mut config = Config::default();
    config.max_assemblies = 2;
    let mut bench = Bench::new(config);
    let first = block(0, true, 16);
    let put = |id| {
        let options = [(OptionNumber::BLOCK1, first.as_slice())];
        datagram(
            MessageType::Confirmable,
            Code::PUT,
            id,
            &[1],
            &options,
            &[0; 16],
        )
    };
    let mut codes = Vec::new();
    for index in 1..=3 {
        bench.peer_up(lwm2m_coap::PeerId {
            index,
            generation: 1,
        });
        codes.push(parse(&bench.feed(&put(index as u16))[0]).code());
    }
    assert_eq!(
        codes,
        [Code::CONTINUE, Code::CONTINUE, Code::SERVICE_UNAVAILABLE]
    );
    assert_eq!(bench.engine.endpoint.counters().bodies_refused, 1);
}

#[test]
fn no_datagram_is_longer_than_the_limit() {
    let long = "q".repeat(240);
    let draft = Draft {
        payload: body(60_000),
        ..Draft::new(Code::POST).path_segment("rd").query(&long)
    };
    let mut pair = Pair::serving(|_| Reply::Now(content(&body(60_000))));
    pair.net.capture();
    pair.ask(draft);
    let longest = pair
        .net
        .captured()
        .iter()
        .map(|(_, bytes)| bytes.len())
        .max();
    assert!(
        longest > Some(1024) && longest <= Some(MAX_DATAGRAM),
        "{longest:?}"
    );
}

#[test]
fn a_buffer_that_is_too_small_drops_and_counts() {
    let mut bench = Bench::new(Config::default());
    bench.request(get("a"));
    let now = bench.now;
    assert!(bench.engine.poll_transmit(now, &mut [0; 3]).is_none());
    assert_eq!(bench.engine.endpoint.counters().dropped, 1);
    let sent = bench.pass(Duration::from_secs(4));
    assert_eq!(sent.len(), 1, "the retransmission has another chance");
}

#[test]
fn the_end_of_time_and_absurd_parameters_do_no_harm() {
    let mut config = Config::default();
    config.ack_timeout = Duration::MAX;
    config.response_timeout = Duration::MAX;
    config.ack_delay = Duration::MAX;
    config.ack_random_percent = u32::MAX;
    config.max_retransmit = u8::MAX;
    config.nstart = 0;
    config.block_size = 0;
    let mut bench = Bench::new(config).serving(|_| Reply::Never);
    bench.now = Instant::from_micros(u64::MAX);
    bench.request(Draft {
        payload: body(100),
        ..Draft::new(Code::PUT)
    });
    bench.feed(&con(Code::GET, 1));
    let (now, peer) = (bench.now, bench.peer);
    bench
        .engine
        .endpoint
        .request(now, peer, get("a"), options(false))
        .expect("a request");
    // All timers end at once where time can't go on.
    for _ in 0..300 {
        bench.engine.handle_input(now, Input::Timeout);
        bench.drain();
    }
    assert_eq!(bench.engine.failures().len(), 2);
    assert!(bench.engine.endpoint.is_idle());
}

#[test]
fn an_endpoint_that_did_everything_ends_up_empty() {
    let script = |ask: &Ask| match ask.path.as_str() {
        "/now" => Reply::Now(content(b"now")),
        "/long" => Reply::Now(content(&body(5000))),
        "/later" => Reply::Later(Duration::from_secs(3), content(&body(100))),
        "/defer" => Reply::Deferred(Duration::from_secs(3), content(&body(2000))),
        "/lost" => Reply::Ignored,
        _ => Reply::Never,
    };
    let mut pair = Pair::configured(blocks_of(256), Config::default(), script);
    for path in ["now", "long", "later", "defer", "lost", "never"] {
        pair.request(get(path));
        let draft = Draft {
            payload: body(1000),
            ..Draft::new(Code::POST).path_segment(path)
        };
        pair.request(draft);
    }
    let (now, peer) = (pair.net.now(), pair.server().peer());
    for confirmable in [true, false] {
        let endpoint = &mut pair.server().endpoint;
        assert!(endpoint.notify(now, peer, Token::EMPTY, &content(&body(3000)), confirmable));
    }
    pair.run(2000);
    // Of the body that was ignored, the last block comes again and finds no others: 4.08.
    assert_eq!(pair.client().answers.len(), 9);
    assert_eq!(pair.client().failures().len(), 3);
    pair.assert_idle();
}
