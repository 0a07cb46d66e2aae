//! Retransmission, acknowledgement and Reset of Confirmable messages (RFC 7252 §4.2).

mod common;

use common::*;
use lwm2m_coap::{
    Config, Draft, Duration, EndpointEvent, Engine, ExchangeError, Input, RequestError,
    RequestOptions, sim::LinkConfig,
};
use lwm2m_codec::coap::{Code, MessageType};

fn times(sent: &[(Duration, Vec<u8>)]) -> Vec<Duration> {
    sent.iter().map(|(at, _)| *at).collect()
}

#[test]
fn an_unanswered_request_is_sent_five_times_with_doubling_gaps_and_then_given_up() {
    for seed in 0..50 {
        let mut bench = Bench::seeded(Config::default(), seed);
        let start = bench.now;
        bench.request(get("a"));
        let sent = bench.pass(Duration::from_secs(300));
        let at = times(&sent);
        assert_eq!(at.len(), 5);
        let first = at[1];
        assert!(
            (Duration::from_secs(2)..=Duration::from_secs(3)).contains(&first),
            "{first:?}"
        );
        assert_eq!(at, [0, 1, 3, 7, 15].map(|n| first * n));
        assert!(
            sent.iter().all(|(_, datagram)| *datagram == sent[0].1),
            "the same bytes"
        );
        let failures = bench.engine.failures();
        assert_eq!(failures, [(start + first * 31, ExchangeError::Timeout)]);
        assert!(bench.engine.endpoint.is_idle());
        assert_eq!(bench.engine.endpoint.counters().retransmitted, 4);
        assert_eq!(bench.engine.endpoint.counters().timeouts, 1);
    }
}

#[test]
fn the_first_timeout_spreads_over_the_whole_range() {
    let firsts = (0..200).map(|seed| {
        let mut bench = Bench::seeded(Config::default(), seed);
        bench.request(get("a"));
        times(&bench.pass(Duration::from_secs(4)))[1].as_millis()
    });
    let firsts: Vec<_> = firsts.collect();
    assert!(firsts.iter().any(|ms| *ms < 2100) && firsts.iter().any(|ms| *ms > 2900));
}

#[test]
fn a_response_stops_retransmission() {
    let mut bench = Bench::new(Config::default());
    bench.request(get("a"));
    let sent = bench.drain();
    bench.feed(&piggyback(&sent[0], Code::CONTENT, &[], b"x"));
    assert_eq!(bench.engine.answers[0].body, b"x");
    assert!(bench.pass(Duration::from_secs(300)).is_empty());
    assert!(bench.engine.endpoint.is_idle());
}

#[test]
fn nstart_keeps_the_second_request_back_until_the_first_is_acknowledged() {
    let mut bench = Bench::new(Config::default());
    bench.request(get("a"));
    bench.request(get("b"));
    let sent = bench.drain();
    assert_eq!(sent.len(), 1);
    let ack = empty(MessageType::Acknowledgement, parse(&sent[0]).id().0);
    let next = bench.feed(&ack);
    assert_eq!(next.len(), 1);
    assert!(parse(&next[0]).uri_path().eq([Some("b")]));
}

#[test]
fn the_second_request_goes_when_the_first_is_given_up() {
    let mut bench = Bench::new(Config::default());
    bench.request(get("a"));
    bench.request(get("b"));
    let sent = bench.pass(Duration::from_secs(300));
    assert_eq!(sent.len(), 10);
    assert_eq!(bench.engine.failures().len(), 2);
    assert!(bench.engine.endpoint.is_idle());
}

#[test]
fn a_larger_nstart_lets_more_requests_fly() {
    let mut config = Config::default();
    config.nstart = 3;
    let mut bench = Bench::new(config);
    for path in ["a", "b", "c", "d"] {
        bench.request(get(path));
    }
    assert_eq!(bench.drain().len(), 3);
}

#[test]
fn a_request_that_waits_can_be_cancelled() {
    let mut bench = Bench::new(Config::default());
    bench.request(get("a"));
    let waiting = bench.request(get("b"));
    let sent = bench.drain();
    let now = bench.now;
    bench.engine.endpoint.cancel(now, waiting);
    bench.feed(&piggyback(&sent[0], Code::CONTENT, &[], b""));
    assert!(bench.drain().is_empty());
    assert!(bench.engine.endpoint.is_idle());
    assert!(bench.engine.events.is_empty(), "no event follows a cancel");
}

#[test]
fn cancelling_the_flying_request_starts_the_waiting_one() {
    let mut bench = Bench::new(Config::default());
    let first = bench.request(get("a"));
    bench.request(get("b"));
    bench.drain();
    let now = bench.now;
    bench.engine.endpoint.cancel(now, first);
    bench.engine.endpoint.cancel(now, first);
    assert_eq!(bench.drain().len(), 1);
}

#[test]
fn a_reset_fails_the_request() {
    let mut bench = Bench::new(Config::default());
    bench.request(get("a"));
    let sent = bench.drain();
    bench.feed(&empty(MessageType::Reset, parse(&sent[0]).id().0));
    assert_eq!(bench.engine.failures()[0].1, ExchangeError::Reset);
    assert!(bench.engine.endpoint.is_idle());
}

#[test]
fn a_reset_fails_a_non_confirmable_request() {
    let mut bench = Bench::new(Config::default());
    let options = RequestOptions {
        confirmable: false,
        token: None,
    };
    let (now, peer) = (bench.now, bench.peer);
    bench
        .engine
        .endpoint
        .request(now, peer, get("a"), options)
        .expect("a request");
    let sent = bench.drain();
    bench.feed(&empty(MessageType::Reset, parse(&sent[0]).id().0));
    assert_eq!(bench.engine.failures()[0].1, ExchangeError::Reset);
    assert!(bench.engine.endpoint.is_idle());
}

#[test]
fn a_non_confirmable_request_waits_for_its_response_and_then_fails() {
    let mut bench = Bench::new(Config::default());
    let options = RequestOptions {
        confirmable: false,
        token: None,
    };
    let (now, peer) = (bench.now, bench.peer);
    bench
        .engine
        .endpoint
        .request(now, peer, get("a"), options)
        .expect("a request");
    let sent = bench.pass(Duration::from_secs(300));
    assert_eq!(sent.len(), 1);
    assert_eq!(
        parse(&sent[0].1).message_type(),
        MessageType::NonConfirmable
    );
    let failed = now + Config::default().response_timeout;
    assert_eq!(bench.engine.failures(), [(failed, ExchangeError::Timeout)]);
}

#[test]
fn a_reset_that_is_not_empty_is_ignored() {
    let mut bench = Bench::new(Config::default());
    bench.request(get("a"));
    let sent = bench.drain();
    let id = parse(&sent[0]).id().0;
    bench.feed(&datagram(
        MessageType::Reset,
        Code::CONTENT,
        id,
        b"",
        &[],
        b"x",
    ));
    assert!(bench.engine.failures().is_empty());
}

#[test]
fn an_ack_with_a_foreign_token_or_a_method_does_not_end_the_request() {
    let mut bench = Bench::new(Config::default());
    bench.request(get("a"));
    let sent = bench.drain();
    let request = parse(&sent[0]);
    let (id, token) = (request.id().0, request.token());
    let ack = MessageType::Acknowledgement;
    bench.feed(&datagram(ack, Code::CONTENT, id, b"other", &[], b"x"));
    bench.feed(&datagram(ack, Code::GET, id, token.as_bytes(), &[], b""));
    bench.feed(&datagram(
        ack,
        Code::CONTENT,
        id.wrapping_add(1),
        token.as_bytes(),
        &[],
        b"x",
    ));
    assert!(bench.engine.answers.is_empty());
    assert_eq!(bench.engine.endpoint.counters().unmatched, 3);
    assert!(
        !bench.pass(Duration::from_secs(4)).is_empty(),
        "it is sent again"
    );
}

#[test]
fn an_ack_for_one_request_cannot_answer_another() {
    let mut config = Config::default();
    config.nstart = 2;
    let mut bench = Bench::new(config);
    bench.request(get("a"));
    bench.request(get("b"));
    let sent = bench.drain();
    let (one, two) = (parse(&sent[0]), parse(&sent[1]));
    let ack = MessageType::Acknowledgement;
    bench.feed(&datagram(
        ack,
        Code::CONTENT,
        one.id().0,
        two.token().as_bytes(),
        &[],
        b"x",
    ));
    assert!(bench.engine.answers.is_empty());
}

#[test]
fn a_ping_is_answered_by_reset() {
    let mut bench = Bench::new(Config::default());
    let answer = bench.feed(&empty(MessageType::Confirmable, 77));
    assert_eq!(answer, [empty(MessageType::Reset, 77)]);
    assert!(
        bench
            .feed(&empty(MessageType::NonConfirmable, 78))
            .is_empty()
    );
}

#[test]
fn a_request_survives_a_lost_datagram_and_a_lost_answer() {
    for answer_too in [false, true] {
        let mut pair = Pair::serving(|_| Reply::Now(content(b"hi")));
        let dead = LinkConfig {
            loss_percent: 100,
            ..LinkConfig::default()
        };
        if !answer_too {
            pair.net.set_link(dead.clone());
        }
        pair.request(get("a"));
        pair.net.settle();
        pair.net.set_link(dead);
        pair.run(1);
        pair.net.set_link(LinkConfig::default());
        pair.run(5);
        assert_eq!(pair.client().answers.len(), 1);
        assert_eq!(pair.server().asked.len(), 1, "the application saw it once");
        pair.assert_idle();
    }
}

#[test]
fn duplicated_and_reordered_datagrams_change_nothing() {
    let link = LinkConfig {
        duplicate_percent: 100,
        max_delay: Duration::from_millis(900),
        ..LinkConfig::default()
    };
    let server = Tester::new(Config::default(), 2).serving(|_| Reply::Now(content(b"hi")));
    let mut pair = Pair::new(Tester::new(Config::default(), 1), server, link, 9);
    for _ in 0..20 {
        pair.request(get("a"));
        pair.run(30);
    }
    assert_eq!(pair.client().answers.len(), 20);
    assert_eq!(pair.server().asked.len(), 20);
    pair.assert_idle();
}

#[test]
fn an_acknowledged_request_fails_when_its_response_never_comes() {
    let mut pair = Pair::serving(|_| Reply::Never);
    pair.request(get("a"));
    pair.run(600);
    assert_eq!(pair.client().failures()[0].1, ExchangeError::Timeout);
    assert_eq!(pair.client().events.len(), 1);
    let event = pair.client().events[0].1;
    assert!(matches!(event, EndpointEvent::ExchangeFailed { .. }));
    pair.assert_idle();
}

#[test]
fn a_request_too_large_for_a_datagram_is_refused() {
    let mut bench = Bench::new(Config::default());
    let (now, peer) = (bench.now, bench.peer);
    let long = Draft::new(Code::GET).query(&"q".repeat(2000));
    let refused = bench
        .engine
        .endpoint
        .request(now, peer, long, RequestOptions::default());
    assert_eq!(refused, Err(RequestError::TooLarge));
    assert!(bench.engine.endpoint.is_idle());
}

#[test]
fn time_that_goes_back_is_clamped() {
    let mut bench = Bench::new(Config::default());
    let start = bench.now;
    bench.pass(Duration::from_secs(100));
    let early = start;
    bench.request(get("a"));
    bench.drain();
    let due = bench.engine.poll_timeout().expect("a timer");
    bench.engine.endpoint.handle_timeout(early);
    let mut buf = [0; 1500];
    assert!(
        bench
            .engine
            .endpoint
            .poll_transmit(early, &mut buf)
            .is_none()
    );
    assert_eq!(bench.engine.poll_timeout(), Some(due));
    // A flight that starts at an early time is timed from the latest time seen.
    let first = bench
        .engine
        .endpoint
        .request(early, PEER, get("b"), RequestOptions::default());
    let first = first.expect("a request");
    bench.engine.endpoint.cancel(early, first);
    assert!(due > early + Duration::from_secs(100));
}

#[test]
fn an_extra_timeout_does_no_harm() {
    let mut bench = Bench::new(Config::default());
    bench.request(get("a"));
    bench.drain();
    let due = bench.engine.poll_timeout();
    for _ in 0..10 {
        let now = bench.now;
        bench.engine.handle_input(now, Input::Timeout);
        assert!(bench.drain().is_empty());
    }
    assert_eq!(bench.engine.poll_timeout(), due);
}
