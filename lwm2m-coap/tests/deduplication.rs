//! Duplicates of received messages (RFC 7252 §4.5).

mod common;

use common::*;
use lwm2m_coap::{Config, Draft, Duration};
use lwm2m_codec::coap::{Code, MessageType, OptionNumber};

#[test]
fn a_duplicate_gets_the_same_bytes_and_does_not_reach_the_application() {
    let mut count = 0u8;
    let mut bench = Bench::new(Config::default()).serving(move |_| {
        count += 1;
        Reply::Now(content(&[count]))
    });
    let first = bench.feed(&con(Code::POST, 7));
    bench.pass(Duration::from_secs(200));
    let second = bench.feed(&con(Code::POST, 7));
    assert_eq!(first, second);
    assert_eq!(parse(&first[0]).payload(), [1]);
    assert_eq!(bench.engine.asked.len(), 1);
    assert_eq!(bench.engine.endpoint.counters().duplicates, 1);
}

#[test]
fn an_id_used_again_after_247_seconds_is_a_new_request() {
    let mut bench = Bench::new(Config::default());
    bench.feed(&con(Code::GET, 7));
    bench.pass(Duration::from_secs(248));
    bench.feed(&con(Code::GET, 7));
    assert_eq!(bench.engine.asked.len(), 2);
}

#[test]
fn a_restarted_peer_that_uses_an_id_with_another_token_is_served() {
    let mut bench = Bench::new(Config::default());
    bench.feed(&datagram(
        MessageType::Confirmable,
        Code::POST,
        7,
        &[1],
        &[],
        b"",
    ));
    let answer = bench.feed(&datagram(
        MessageType::Confirmable,
        Code::POST,
        7,
        &[2],
        &[],
        b"",
    ));
    assert_eq!(bench.engine.asked.len(), 2);
    assert_eq!(parse(&answer[0]).token().as_bytes(), [2]);
}

#[test]
fn a_duplicate_of_a_non_confirmable_request_is_dropped() {
    let mut bench = Bench::new(Config::default());
    let request = datagram(MessageType::NonConfirmable, Code::POST, 7, &[1], &[], b"");
    let answer = bench.feed(&request);
    assert_eq!(
        parse(&answer[0]).message_type(),
        MessageType::NonConfirmable
    );
    assert!(bench.feed(&request).is_empty());
    assert_eq!(bench.engine.asked.len(), 1);
}

#[test]
fn a_duplicate_of_a_request_without_answer_stays_silent_until_the_ack() {
    let mut bench = Bench::new(Config::default()).serving(|_| Reply::Never);
    assert!(bench.feed(&con(Code::GET, 7)).is_empty());
    assert!(bench.feed(&con(Code::GET, 7)).is_empty());
    let ack = empty(MessageType::Acknowledgement, 7);
    let sent = bench.pass(Duration::from_secs(10));
    assert_eq!(sent, [(Duration::from_secs(1), ack.clone())]);
    assert_eq!(bench.feed(&con(Code::GET, 7)), [ack]);
    assert_eq!(bench.engine.asked.len(), 1);
}

#[test]
fn a_long_answer_to_a_request_that_is_not_idempotent_is_replayed() {
    for code in [
        Code::POST,
        Code::PUT,
        Code::DELETE,
        Code::PATCH,
        Code::IPATCH,
    ] {
        let mut bench = Bench::new(Config::default()).serving(|_| Reply::Now(content(&body(500))));
        let first = bench.feed(&con(code, 7));
        assert_eq!(bench.feed(&con(code, 7)), first);
        assert_eq!(bench.engine.asked.len(), 1);
    }
}

#[test]
fn a_long_answer_to_an_idempotent_request_is_made_again() {
    for code in [Code::GET, Code::FETCH] {
        let mut bench = Bench::new(Config::default()).serving(|_| Reply::Now(content(&body(500))));
        let first = bench.feed(&con(code, 7));
        assert_eq!(bench.feed(&con(code, 7)), first);
        assert_eq!(bench.feed(&con(code, 7)), first);
        assert_eq!(bench.engine.asked.len(), 3);
        assert_eq!(bench.engine.endpoint.counters().duplicates, 2);
    }
}

#[test]
fn a_long_answer_to_a_body_in_blocks_is_replayed_even_if_idempotent() {
    let mut bench = Bench::new(blocks_of(512)).serving(|_| Reply::Now(content(&body(500))));
    let part = |num, more, id, payload: &[u8]| {
        let block = block(num, more, 64);
        let options = [(OptionNumber::BLOCK1, block.as_slice())];
        datagram(
            MessageType::Confirmable,
            Code::FETCH,
            id,
            &[1],
            &options,
            payload,
        )
    };
    bench.feed(&part(0, true, 1, &[0; 64]));
    let last = part(1, false, 2, &[0; 10]);
    let first = bench.feed(&last);
    assert_eq!(parse(&first[0]).code(), Code::CONTENT);
    assert_eq!(bench.feed(&last), first);
    assert_eq!(bench.engine.asked.len(), 1);
}

#[test]
fn the_newest_long_answer_is_replayed_when_an_id_returns() {
    let mut count = 0u8;
    let mut bench = Bench::new(Config::default()).serving(move |_| {
        count += 1;
        Reply::Now(content(&[count; 100]))
    });
    bench.feed(&con(Code::POST, 7));
    bench.pass(Duration::from_secs(248));
    let second = bench.feed(&con(Code::POST, 7));
    assert_eq!(parse(&second[0]).payload()[0], 2);
    assert_eq!(bench.feed(&con(Code::POST, 7)), second);
}

#[test]
fn the_pool_of_long_answers_is_bounded_and_never_runs_a_request_twice() {
    let mut config = Config::default();
    config.max_long_answers = 2;
    let mut bench = Bench::new(config).serving(|_| Reply::Now(content(&body(500))));
    for id in 1..=3 {
        bench.feed(&con(Code::POST, id));
    }
    assert!(
        bench.feed(&con(Code::POST, 1)).is_empty(),
        "its answer is forgotten"
    );
    assert_eq!(bench.feed(&con(Code::POST, 3)).len(), 1);
    assert_eq!(bench.engine.asked.len(), 3);
}

#[test]
fn eight_messages_are_remembered_and_a_ninth_pushes_the_oldest_out() {
    let mut bench = Bench::new(Config::default());
    for id in 1..=9 {
        bench.feed(&con(Code::POST, id));
    }
    assert_eq!(bench.engine.endpoint.counters().dedup_evicted, 1);
    for id in 2..=9 {
        bench.feed(&con(Code::POST, id));
    }
    assert_eq!(bench.engine.asked.len(), 9);
    bench.feed(&con(Code::POST, 1));
    assert_eq!(bench.engine.asked.len(), 10);
}

#[test]
fn a_request_that_waits_for_its_answer_is_not_pushed_out() {
    let mut slow = true;
    let mut bench = Bench::new(Config::default()).serving(move |_| {
        let draft = Draft::new(Code::CHANGED);
        match core::mem::take(&mut slow) {
            true => Reply::Later(Duration::from_millis(500), draft),
            false => Reply::Now(draft),
        }
    });
    bench.feed(&con(Code::POST, 1));
    for id in 2..=30 {
        bench.feed(&con(Code::POST, id));
    }
    let sent = bench.pass(Duration::from_secs(5));
    assert_eq!(sent.len(), 1);
    let answer = parse(&sent[0].1);
    assert_eq!(
        answer.message_type(),
        MessageType::Acknowledgement,
        "still piggybacked"
    );
    assert_eq!(answer.id().0, 1);
}

#[test]
fn a_ninth_request_beside_eight_that_wait_is_as_good_as_lost() {
    let mut bench = Bench::new(Config::default())
        .serving(|_| Reply::Later(Duration::from_millis(500), Draft::new(Code::CHANGED)));
    for id in 1..=9 {
        bench.feed(&con(Code::POST, id));
    }
    assert_eq!(bench.engine.asked.len(), 8);
    assert_eq!(bench.engine.endpoint.counters().dropped, 1);
    assert_eq!(bench.pass(Duration::from_secs(1)).len(), 8);
    bench.feed(&con(Code::POST, 9));
    assert_eq!(bench.engine.asked.len(), 9, "its repetition is served");
}

#[test]
fn an_ignored_request_is_new_when_it_comes_again() {
    let mut early = true;
    let mut bench =
        Bench::new(Config::default()).serving(move |_| match core::mem::take(&mut early) {
            true => Reply::Ignored,
            false => Reply::Now(Draft::new(Code::CHANGED)),
        });
    assert!(bench.feed(&con(Code::POST, 1)).is_empty());
    assert!(
        bench.pass(Duration::from_millis(2500)).is_empty(),
        "no ACK either"
    );
    assert_eq!(bench.feed(&con(Code::POST, 1)).len(), 1);
}
