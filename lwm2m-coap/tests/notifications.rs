//! Notifications and other responses that no request waits for (RFC 7641, RFC 7959 §2.6).

mod common;

use common::*;
use lwm2m_coap::{Config, Draft, Duration, EndpointEvent};
use lwm2m_codec::coap::{Code, MessageType, OptionNumber, Token};

fn token() -> Token {
    Token::new(b"obs").expect("a token")
}

fn notify(bench: &mut Bench, draft: &Draft, confirmable: bool) -> Vec<u8> {
    let (now, peer) = (bench.now, bench.peer);
    assert!(
        bench
            .engine
            .endpoint
            .notify(now, peer, token(), draft, confirmable)
    );
    bench.drain().remove(0)
}

fn events(bench: &Bench) -> Vec<EndpointEvent> {
    bench
        .engine
        .events
        .iter()
        .map(|(_, event)| *event)
        .collect()
}

#[test]
fn a_confirmable_notification_is_delivered_by_its_ack() {
    let mut bench = Bench::new(Config::default());
    let sent = notify(&mut bench, &content(b"1").observe(5), true);
    let message = parse(&sent);
    assert_eq!(message.message_type(), MessageType::Confirmable);
    assert_eq!(message.token(), token());
    assert_eq!(message.observe(), Some(5));
    bench.feed(&empty(MessageType::Acknowledgement, message.id().0));
    assert_eq!(
        events(&bench),
        [EndpointEvent::NotificationDelivered {
            peer: PEER,
            token: token()
        }]
    );
    assert!(bench.engine.endpoint.is_idle());
}

#[test]
fn a_confirmable_notification_that_nobody_acknowledges_is_lost() {
    let mut bench = Bench::new(Config::default());
    notify(&mut bench, &content(b"1"), true);
    assert_eq!(bench.pass(Duration::from_secs(100)).len(), 4);
    assert_eq!(
        events(&bench),
        [EndpointEvent::NotificationLost {
            peer: PEER,
            token: token()
        }]
    );
    assert!(bench.engine.endpoint.is_idle());
}

#[test]
fn a_reset_refuses_notifications_of_both_types() {
    for confirmable in [true, false] {
        let mut bench = Bench::new(Config::default());
        let sent = notify(&mut bench, &content(b"1"), confirmable);
        let reset = empty(MessageType::Reset, parse(&sent).id().0);
        bench.feed(&reset);
        bench.feed(&reset);
        let refused = EndpointEvent::NotificationRefused {
            peer: PEER,
            token: token(),
        };
        assert_eq!(events(&bench), [refused]);
        assert!(bench.engine.endpoint.is_idle());
    }
}

#[test]
fn a_reset_to_one_of_the_last_eight_non_confirmable_notifications_is_understood() {
    let mut bench = Bench::new(Config::default());
    let sent: Vec<_> = (0..9)
        .map(|_| notify(&mut bench, &content(b"1"), false))
        .collect();
    bench.feed(&empty(MessageType::Reset, parse(&sent[0]).id().0));
    assert!(bench.engine.events.is_empty());
    bench.feed(&empty(MessageType::Reset, parse(&sent[1]).id().0));
    assert_eq!(bench.engine.events.len(), 1);
}

#[test]
fn a_notification_to_an_unknown_peer_is_not_sent() {
    let mut bench = Bench::new(Config::default());
    let now = bench.now;
    bench.engine.endpoint.peer_down(now, PEER);
    for confirmable in [true, false] {
        let draft = content(b"1");
        assert!(
            !bench
                .engine
                .endpoint
                .notify(now, PEER, token(), &draft, confirmable)
        );
    }
}

#[test]
fn an_unsolicited_response_is_acknowledged_or_reset() {
    for (accepts, answer) in [
        (true, MessageType::Acknowledgement),
        (false, MessageType::Reset),
    ] {
        let mut bench = Bench::new(Config::default());
        bench.engine.accepts = accepts;
        let notice = datagram(
            MessageType::Confirmable,
            Code::CONTENT,
            9,
            b"obs",
            &[],
            b"1",
        );
        let answer = [empty(answer, 9)];
        assert_eq!(bench.feed(&notice), answer);
        assert_eq!(bench.feed(&notice), answer, "a duplicate gets the same");
        assert_eq!(bench.engine.notices.len(), 1);
        assert!(bench.engine.endpoint.is_idle());
    }
}

#[test]
fn a_non_confirmable_unsolicited_response_is_only_answered_by_reset() {
    for accepts in [true, false] {
        let mut bench = Bench::new(Config::default());
        bench.engine.accepts = accepts;
        let notice = datagram(
            MessageType::NonConfirmable,
            Code::CONTENT,
            9,
            b"obs",
            &[],
            b"1",
        );
        let expected = if accepts {
            vec![]
        } else {
            vec![empty(MessageType::Reset, 9)]
        };
        assert_eq!(bench.feed(&notice), expected);
        assert_eq!(
            bench.engine.endpoint.counters().unmatched,
            u64::from(!accepts)
        );
    }
}

#[test]
fn a_long_notification_carries_its_first_block_and_the_rest_is_fetched() {
    for (code, payload) in [(Code::GET, &b""[..]), (Code::FETCH, b"paths")] {
        let serve = |_: &Ask| Reply::Now(content(&body(3000)));
        let mut pair = Pair::serving(serve);
        let (now, peer) = (pair.net.now(), pair.server().peer());
        let draft = content(&body(3000)).observe(7);
        assert!(
            pair.server()
                .endpoint
                .notify(now, peer, token(), &draft, true)
        );
        pair.run(1);
        let notice = pair.client().notices.remove(0);
        let first = parse(&notice.datagram);
        assert_eq!(first.payload(), &body(3000)[..1024]);
        let size = first
            .option(OptionNumber::SIZE2)
            .and_then(|option| option.as_uint());
        assert_eq!(size, Some(3000));
        let rest = Draft {
            payload: payload.to_vec(),
            ..Draft::new(code).path_segment("a")
        };
        let (now, peer) = (pair.net.now(), pair.client().peer());
        let rest = rest.observe(0);
        pair.client()
            .endpoint
            .continue_download(now, peer, rest, &first)
            .expect("a request");
        pair.run(10);
        assert_eq!(pair.client().answers[0].body, body(3000));
        let asked = &pair.server().asked;
        assert!(
            asked.iter().all(|ask| ask.observe.is_none()),
            "the rest does not observe"
        );
        assert_eq!(asked.len(), 2, "the first block is not fetched again");
        pair.assert_idle();
    }
}

#[test]
fn a_notification_that_is_no_first_block_makes_the_download_start_at_the_beginning() {
    let mut pair = Pair::serving(|_| Reply::Now(content(&body(3000))));
    let odd = block(4, true, 64);
    let options = [(OptionNumber::BLOCK2, odd.as_slice())];
    let notice = datagram(
        MessageType::Confirmable,
        Code::CONTENT,
        9,
        b"obs",
        &options,
        &[1; 64],
    );
    let (now, peer) = (pair.net.now(), pair.client().peer());
    let endpoint = &mut pair.client().endpoint;
    endpoint
        .continue_download(now, peer, get("a"), &parse(&notice))
        .expect("a request");
    pair.run(10);
    assert_eq!(pair.client().answers[0].body, body(3000));
}

/// Observes `/a`, whose body has two blocks, and takes the first; returns the observation's
/// token and the request for the second block.
fn observed_halfway(bench: &mut Bench) -> (Token, Vec<u8>) {
    bench.request(get("a").observe(0));
    let sent = bench.drain().remove(0);
    let first = block(0, true, 64);
    let options = [
        (OptionNumber::ETAG, &[1][..]),
        (OptionNumber::OBSERVE, &[10][..]),
        (OptionNumber::BLOCK2, &first[..]),
    ];
    let next = bench.feed(&piggyback(&sent, Code::CONTENT, &options, &[1; 64]));
    (parse(&sent).token(), next[0].clone())
}

#[test]
fn later_blocks_do_not_use_the_token_of_the_observation() {
    let mut bench = Bench::new(Config::default());
    let (observation, next) = observed_halfway(&mut bench);
    assert_ne!(parse(&next).token(), observation);
    assert_eq!(parse(&next).observe(), None);
    let second = block(1, false, 64);
    let options = [
        (OptionNumber::ETAG, &[1][..]),
        (OptionNumber::BLOCK2, &second[..]),
    ];
    bench.feed(&piggyback(&next, Code::CONTENT, &options, &[2; 5]));
    let answer = &bench.engine.answers[0];
    assert_eq!((answer.observe, answer.body.len()), (Some(10), 69));
    assert!(bench.engine.endpoint.is_idle());
}

#[test]
fn a_newer_notification_replaces_the_body_that_is_being_fetched() {
    let mut bench = Bench::new(Config::default());
    let (observation, _) = observed_halfway(&mut bench);
    let first = block(0, true, 64);
    let notice = |id, number: u8| {
        let options = [
            (OptionNumber::ETAG, &[number][..]),
            (OptionNumber::OBSERVE, &[number][..]),
            (OptionNumber::BLOCK2, &first[..]),
        ];
        let con = MessageType::Confirmable;
        datagram(
            con,
            Code::CONTENT,
            id,
            observation.as_bytes(),
            &options,
            &[number; 64],
        )
    };
    let older = bench.feed(&notice(800, 9));
    assert_eq!(older.len(), 1, "an older one is only acknowledged");
    let newer = bench.feed(&notice(801, 11));
    assert_eq!(newer.len(), 2, "a newer one is acknowledged and followed");
    let second = block(1, false, 64);
    let options = [
        (OptionNumber::ETAG, &[11][..]),
        (OptionNumber::BLOCK2, &second[..]),
    ];
    bench.feed(&piggyback(&newer[1], Code::CONTENT, &options, &[2; 5]));
    let answer = &bench.engine.answers[0];
    assert_eq!(
        (answer.observe, answer.body[0], answer.body.len()),
        (Some(11), 11, 69)
    );
    assert!(bench.engine.endpoint.is_idle());
}

#[test]
fn a_short_newer_notification_ends_the_download() {
    let mut bench = Bench::new(Config::default());
    let (observation, _) = observed_halfway(&mut bench);
    let options = [(OptionNumber::OBSERVE, &[11][..])];
    let con = MessageType::Confirmable;
    bench.feed(&datagram(
        con,
        Code::CONTENT,
        800,
        observation.as_bytes(),
        &options,
        b"new",
    ));
    let answer = &bench.engine.answers[0];
    assert_eq!((answer.observe, &answer.body[..]), (Some(11), &b"new"[..]));
    assert!(bench.engine.endpoint.is_idle());
}

#[test]
fn an_observation_can_be_cancelled_under_its_own_token() {
    let mut bench = Bench::new(Config::default());
    let first = bench.request(get("a").observe(0));
    let token = bench.engine.endpoint.token_of(first).expect("a token");
    let sent = bench.drain();
    bench.feed(&piggyback(
        &sent[0],
        Code::CONTENT,
        &[(OptionNumber::OBSERVE, &[1])],
        b"1",
    ));
    for _ in 0..2 {
        let options = lwm2m_coap::RequestOptions {
            confirmable: true,
            token: Some(token),
        };
        let (now, peer) = (bench.now, bench.peer);
        let cancel = get("a").observe(1);
        let second = bench.engine.endpoint.request(now, peer, cancel, options);
        assert!(second.is_ok());
    }
    // Two requests under one token: the ACK's Message ID tells which is answered.
    let sent = bench.drain();
    assert_eq!(parse(&sent[0]).token(), token);
    let next = bench.feed(&piggyback(&sent[0], Code::CONTENT, &[], b"2"));
    bench.feed(&piggyback(&next[0], Code::CONTENT, &[], b"3"));
    assert_eq!(bench.engine.answers.len(), 3);
    assert!(bench.engine.endpoint.is_idle());
}
