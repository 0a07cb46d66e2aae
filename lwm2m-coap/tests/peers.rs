//! Peers come and go.

mod common;

use common::*;
use lwm2m_coap::{Config, Duration, ExchangeError, PeerId, RequestError, RequestOptions};
use lwm2m_codec::coap::{Code, OptionNumber};

const NEXT: PeerId = PeerId {
    index: 0,
    generation: 2,
};

#[test]
fn requests_to_a_peer_that_goes_down_fail() {
    let mut bench = Bench::new(Config::default());
    for _ in 0..3 {
        bench.request(get("a"));
    }
    let now = bench.now;
    bench.engine.endpoint.peer_down(now, PEER);
    assert!(bench.drain().is_empty(), "nothing is sent to it");
    let failures: Vec<_> = bench
        .engine
        .failures()
        .iter()
        .map(|(_, error)| *error)
        .collect();
    assert_eq!(failures, [ExchangeError::PeerDown; 3]);
    assert!(bench.engine.endpoint.is_idle());
}

#[test]
fn everything_of_a_peer_goes_with_it() {
    let mut bench = Bench::new(Config::default())
        .serving(|_| Reply::Deferred(Duration::from_secs(9), content(b"")));
    let first = block(0, true, 16);
    let options = [(OptionNumber::BLOCK1, first.as_slice())];
    let con = lwm2m_codec::coap::MessageType::Confirmable;
    bench.feed(&datagram(con, Code::PUT, 1, &[1], &options, &[0; 16]));
    bench.feed(&common::con(Code::GET, 2));
    let (now, token) = (bench.now, lwm2m_codec::coap::Token::EMPTY);
    bench
        .engine
        .endpoint
        .notify(now, PEER, token, &content(b"1"), true);
    bench.drain();
    bench.engine.endpoint.peer_down(now, PEER);
    bench.engine.endpoint.peer_down(now, PEER);
    assert!(bench.pass(Duration::from_secs(20)).is_empty());
    assert!(bench.engine.endpoint.is_idle());
}

#[test]
fn messages_of_unknown_peers_are_counted_and_dropped() {
    let mut bench = Bench::new(Config::default());
    for peer in [
        NEXT,
        PeerId {
            index: 7,
            generation: 1,
        },
    ] {
        bench.peer = peer;
        assert!(bench.feed(&con(Code::GET, 1)).is_empty());
    }
    assert_eq!(bench.engine.endpoint.counters().unknown_peer, 2);
    assert_eq!(bench.engine.endpoint.counters().received, 0);
}

#[test]
fn a_new_generation_in_a_slot_ends_the_old_peer() {
    let mut bench = Bench::new(Config::default());
    bench.request(get("a"));
    bench.feed(&con(Code::POST, 1));
    bench.peer_up(NEXT);
    assert_eq!(bench.engine.failures()[0].1, ExchangeError::PeerDown);
    bench.feed(&con(Code::POST, 1));
    assert_eq!(
        bench.engine.asked.len(),
        2,
        "message ids of the old peer don't count"
    );
    let now = bench.now;
    let old = bench
        .engine
        .endpoint
        .request(now, PEER, get("a"), RequestOptions::default());
    assert_eq!(old, Err(RequestError::UnknownPeer));
    bench.engine.endpoint.peer_down(now, PEER);
    assert!(
        bench
            .engine
            .endpoint
            .request(now, NEXT, get("a"), Default::default())
            .is_ok()
    );
}

#[test]
fn a_response_counts_only_from_the_peer_that_was_asked() {
    let mut bench = Bench::new(Config::default());
    bench.request(get("a"));
    let sent = bench.drain();
    let other = PeerId {
        index: 1,
        generation: 1,
    };
    bench.peer_up(other);
    bench.feed(&piggyback(&sent[0], Code::CONTENT, &[], b"forged"));
    assert!(bench.engine.answers.is_empty());
    let request = parse(&sent[0]);
    let con = lwm2m_codec::coap::MessageType::Confirmable;
    let token = request.token();
    bench.feed(&datagram(
        con,
        Code::CONTENT,
        9,
        token.as_bytes(),
        &[],
        b"forged",
    ));
    assert!(bench.engine.answers.is_empty());
    assert_eq!(
        bench.engine.notices.len(),
        1,
        "to that peer it is unsolicited"
    );
}

#[test]
fn peers_do_not_share_message_ids_or_queues() {
    let mut bench = Bench::new(Config::default());
    let other = PeerId {
        index: 1,
        generation: 1,
    };
    bench.request(get("a"));
    bench.feed(&con(Code::POST, 1));
    bench.peer_up(other);
    assert_eq!(bench.feed(&con(Code::POST, 1)).len(), 1);
    assert_eq!(bench.engine.asked.len(), 2);
    bench.request(get("b"));
    assert_eq!(bench.drain().len(), 1, "NSTART counts per peer");
}
