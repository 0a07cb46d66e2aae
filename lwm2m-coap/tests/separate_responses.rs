//! Answers that do not come with the ACK (RFC 7252 §5.2.2).

mod common;

use common::*;
use lwm2m_coap::{Config, Draft, Duration, sim::LinkConfig};
use lwm2m_codec::coap::{Code, MessageType};

#[test]
fn a_slow_answer_is_preceded_by_an_empty_ack_and_comes_confirmable() {
    let mut bench = Bench::new(Config::default())
        .serving(|_| Reply::Later(Duration::from_secs(5), content(b"slow")));
    assert!(bench.feed(&con(Code::GET, 7)).is_empty());
    let sent = bench.pass(Duration::from_secs(6));
    assert_eq!(
        sent[0],
        (
            Duration::from_secs(1),
            empty(MessageType::Acknowledgement, 7)
        )
    );
    assert_eq!(sent.len(), 2);
    assert_eq!(sent[1].0, Duration::from_secs(5));
    let response = parse(&sent[1].1);
    assert_eq!(response.message_type(), MessageType::Confirmable);
    assert_eq!(response.token().as_bytes(), [1, 2]);
    assert_eq!(response.payload(), b"slow");
    bench.feed(&empty(MessageType::Acknowledgement, response.id().0));
    assert!(bench.engine.endpoint.is_idle());
}

#[test]
fn a_deferred_request_is_acknowledged_at_once() {
    let mut bench = Bench::new(Config::default())
        .serving(|_| Reply::Deferred(Duration::from_secs(5), content(b"slow")));
    assert_eq!(
        bench.feed(&con(Code::GET, 7)),
        [empty(MessageType::Acknowledgement, 7)]
    );
    let sent = bench.pass(Duration::from_secs(6));
    assert_eq!(sent.len(), 1, "no second ACK");
    assert_eq!(parse(&sent[0].1).message_type(), MessageType::Confirmable);
}

#[test]
fn an_answer_in_time_leaves_no_timer_behind() {
    let mut bench = Bench::new(Config::default());
    bench.feed(&con(Code::GET, 7));
    assert!(bench.engine.endpoint.is_idle());
    assert_eq!(bench.engine.endpoint.poll_timeout(), None);
}

#[test]
fn a_separate_response_that_is_not_acknowledged_is_sent_again_and_given_up() {
    let mut bench = Bench::new(Config::default())
        .serving(|_| Reply::Deferred(Duration::from_secs(1), content(b"slow")));
    bench.feed(&con(Code::GET, 7));
    assert_eq!(bench.pass(Duration::from_secs(200)).len(), 5);
    assert_eq!(bench.engine.endpoint.counters().timeouts, 1);
    assert!(bench.engine.endpoint.is_idle());
}

#[test]
fn a_separate_response_passes_requests_that_wait() {
    let mut bench = Bench::new(Config::default())
        .serving(|_| Reply::Deferred(Duration::from_secs(1), content(b"slow")));
    bench.request(get("a"));
    bench.request(get("b"));
    bench.drain();
    bench.feed(&con(Code::GET, 7));
    let sent = bench.pass(Duration::from_millis(1500));
    assert_eq!(sent.len(), 1);
    assert_eq!(parse(&sent[0].1).code(), Code::CONTENT);
}

#[test]
fn the_requester_takes_ack_and_separate_response() {
    let mut pair = Pair::serving(|_| Reply::Deferred(Duration::from_secs(30), content(b"slow")));
    let answer = pair.ask(get("a"));
    assert_eq!(answer.body, b"slow");
    assert_eq!(pair.server().asked.len(), 1);
    assert_eq!(
        pair.server().endpoint.counters().retransmitted,
        0,
        "it was acknowledged"
    );
    pair.assert_idle();
}

#[test]
fn a_separate_response_before_the_ack_is_an_implicit_one() {
    let mut bench = Bench::new(Config::default());
    bench.request(get("a"));
    let sent = bench.drain();
    let request = parse(&sent[0]);
    let token = request.token();
    let response = datagram(
        MessageType::Confirmable,
        Code::CONTENT,
        900,
        token.as_bytes(),
        &[],
        b"x",
    );
    assert_eq!(
        bench.feed(&response),
        [empty(MessageType::Acknowledgement, 900)]
    );
    assert_eq!(bench.engine.answers.len(), 1);
    assert!(
        bench.pass(Duration::from_secs(300)).is_empty(),
        "no retransmission"
    );
    bench.feed(&empty(MessageType::Acknowledgement, request.id().0));
    assert_eq!(bench.engine.answers.len(), 1);
    assert!(bench.engine.endpoint.is_idle());
}

#[test]
fn a_duplicate_of_a_separate_response_is_acknowledged_again() {
    let mut bench = Bench::new(Config::default());
    bench.request(get("a"));
    let sent = bench.drain();
    let token = parse(&sent[0]).token();
    let response = datagram(
        MessageType::Confirmable,
        Code::CONTENT,
        900,
        token.as_bytes(),
        &[],
        b"x",
    );
    let ack = bench.feed(&response);
    assert_eq!(bench.feed(&response), ack);
    assert_eq!(bench.engine.answers.len(), 1);
}

#[test]
fn a_non_confirmable_response_needs_no_ack() {
    let mut bench = Bench::new(Config::default());
    bench.request(get("a"));
    let sent = bench.drain();
    let token = parse(&sent[0]).token();
    let response = datagram(
        MessageType::NonConfirmable,
        Code::CONTENT,
        900,
        token.as_bytes(),
        &[],
        b"x",
    );
    assert!(bench.feed(&response).is_empty());
    assert_eq!(bench.engine.answers.len(), 1);
    assert!(bench.engine.endpoint.is_idle());
}

#[test]
fn a_response_comes_for_a_request_whose_next_message_waits_its_turn() {
    // The second request waits for NSTART; a late response to it can only be a forgery or a
    // repetition under a reused token, and must leave no trace behind.
    let mut bench = Bench::new(Config::default());
    bench.request(get("a"));
    let waiting = bench.request(get("b"));
    let first = bench.drain();
    let token = bench.engine.endpoint.token_of(waiting).expect("a token");
    let response = datagram(
        MessageType::Confirmable,
        Code::CONTENT,
        900,
        token.as_bytes(),
        &[],
        b"x",
    );
    bench.feed(&response);
    assert_eq!(bench.engine.answers.len(), 1);
    bench.feed(&piggyback(&first[0], Code::CONTENT, &[], b"y"));
    assert_eq!(bench.engine.answers.len(), 2);
    assert!(bench.engine.endpoint.is_idle());
}

#[test]
fn a_lost_separate_response_is_repeated_until_it_arrives() {
    let mut pair = Pair::serving(|_| Reply::Deferred(Duration::from_secs(2), content(b"slow")));
    pair.request(get("a"));
    pair.run(1);
    pair.net.set_link(LinkConfig {
        loss_percent: 100,
        ..LinkConfig::default()
    });
    pair.run(8);
    pair.net.set_link(LinkConfig::default());
    pair.run(20);
    assert_eq!(pair.client().answers.len(), 1);
    assert!(pair.server().endpoint.counters().retransmitted > 0);
    pair.assert_idle();
}

#[test]
fn an_answer_to_a_peer_that_left_goes_nowhere() {
    let mut bench = Bench::new(Config::default())
        .serving(|_| Reply::Later(Duration::from_secs(5), Draft::new(Code::CHANGED)));
    bench.feed(&con(Code::POST, 7));
    let now = bench.now;
    bench.engine.endpoint.peer_down(now, PEER);
    assert!(bench.pass(Duration::from_secs(300)).is_empty());
    assert!(bench.engine.endpoint.is_idle());
}

#[test]
fn unacknowledged_separate_responses_to_one_peer_are_bounded() {
    let mut bench = Bench::new(Config::default())
        .serving(|_| Reply::Deferred(Duration::ZERO, content(b"slow")));
    for id in 0..200 {
        bench.feed(&con(Code::GET, id));
    }
    let config = Config::default();
    let flying = config.nstart + config.max_queue;
    let counters = *bench.engine.endpoint.counters();
    assert_eq!(counters.dropped, 200 - flying as u64);
}
