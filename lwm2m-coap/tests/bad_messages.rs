//! Messages that are malformed or carry options that are not understood (RFC 7252 §4.2, §5.4).

mod common;

use common::*;
use lwm2m_coap::{Config, Duration};
use lwm2m_codec::coap::{Code, MessageType, OptionNumber};

const CRITICAL: OptionNumber = OptionNumber(2049);
const ELECTIVE: OptionNumber = OptionNumber(2048);

fn request(message_type: MessageType, options: &[(OptionNumber, &[u8])]) -> Vec<u8> {
    datagram(message_type, Code::GET, 7, &[1], options, b"")
}

#[test]
fn an_unknown_critical_option_gets_4_02_if_confirmable_and_silence_if_not() {
    let mut bench = Bench::new(Config::default());
    let con = request(MessageType::Confirmable, &[(CRITICAL, b"")]);
    let answer = bench.feed(&con);
    assert_eq!(parse(&answer[0]).code(), Code::BAD_OPTION);
    assert_eq!(
        parse(&answer[0]).message_type(),
        MessageType::Acknowledgement
    );
    assert_eq!(bench.feed(&con), answer, "a duplicate gets the same");
    let non = datagram(
        MessageType::NonConfirmable,
        Code::GET,
        8,
        &[1],
        &[(CRITICAL, b"")],
        b"",
    );
    assert!(bench.feed(&non).is_empty());
    assert!(bench.feed(&non).is_empty());
    assert!(bench.engine.asked.is_empty());
    assert_eq!(bench.engine.endpoint.counters().bad_option, 2);
    assert!(bench.pass(Duration::from_secs(5)).is_empty());
    assert!(bench.engine.endpoint.is_idle());
}

#[test]
fn an_unknown_elective_option_is_skipped() {
    let mut bench = Bench::new(Config::default());
    bench.feed(&request(MessageType::Confirmable, &[(ELECTIVE, b"x")]));
    assert_eq!(bench.engine.asked.len(), 1);
}

#[test]
fn malformed_and_repeated_critical_options_get_4_02() {
    let cases: [&[(OptionNumber, &[u8])]; 7] = [
        &[(OptionNumber::URI_HOST, b"")],
        &[(OptionNumber::URI_PATH, &[b'a'; 256])],
        &[(OptionNumber::ACCEPT, &[0, 0, 60])],
        &[(OptionNumber::ACCEPT, &[60]), (OptionNumber::ACCEPT, &[60])],
        &[(OptionNumber::BLOCK2, &[7])],
        &[(OptionNumber::BLOCK1, &[0, 0, 0, 6])],
        &[(OptionNumber::IF_NONE_MATCH, b"")],
    ];
    for options in cases {
        let mut bench = Bench::new(Config::default());
        let answer = bench.feed(&request(MessageType::Confirmable, options));
        assert_eq!(parse(&answer[0]).code(), Code::BAD_OPTION, "{options:?}");
    }
}

#[test]
fn a_confirmable_response_with_an_unknown_critical_option_is_reset() {
    let mut bench = Bench::new(Config::default());
    bench.request(get("a"));
    let sent = bench.drain();
    let token = parse(&sent[0]).token();
    let options = [(CRITICAL, &b""[..])];
    let response = |message_type, id| {
        datagram(
            message_type,
            Code::CONTENT,
            id,
            token.as_bytes(),
            &options,
            b"x",
        )
    };
    let answer = bench.feed(&response(MessageType::Confirmable, 9));
    assert_eq!(answer, [empty(MessageType::Reset, 9)]);
    assert!(
        bench
            .feed(&response(MessageType::NonConfirmable, 10))
            .is_empty()
    );
    let id = parse(&sent[0]).id().0;
    assert!(
        bench
            .feed(&response(MessageType::Acknowledgement, id))
            .is_empty()
    );
    assert!(bench.engine.answers.is_empty());
    assert_eq!(bench.engine.endpoint.counters().bad_option, 3);
}

#[test]
fn a_malformed_confirmable_message_is_reset_and_others_are_dropped() {
    // Token length 9; reserved option nibble; marker without payload; reserved class; an Empty
    // message with a token.
    let bodies: [(u8, u8, &[u8]); 5] = [
        (9, 1, &[0; 9]),
        (0, 1, &[0xf0]),
        (0, 1, &[0xff]),
        (0, 0x20, &[]),
        (1, 0, &[1]),
    ];
    for (tkl, code, rest) in bodies {
        for (message_type, answered) in [(0u8, true), (1, false), (2, false), (3, false)] {
            let mut bench = Bench::new(Config::default());
            let mut bytes = vec![0x40 | message_type << 4 | tkl, code, 0x12, 0x34];
            bytes.extend_from_slice(rest);
            let answer = bench.feed(&bytes);
            let reset = vec![empty(MessageType::Reset, 0x1234)];
            assert_eq!(
                answer,
                if answered { reset } else { vec![] },
                "{bytes:02x?}"
            );
            assert_eq!(bench.engine.endpoint.counters().malformed, 1);
        }
    }
}

#[test]
fn another_version_and_a_short_datagram_are_dropped_in_silence() {
    let mut bench = Bench::new(Config::default());
    for version in [0x00, 0x80, 0xc0] {
        assert!(bench.feed(&[version, 1, 0, 1]).is_empty());
    }
    for length in 0..4 {
        assert!(bench.feed(&vec![0x40; length]).is_empty());
    }
    assert_eq!(bench.engine.endpoint.counters().malformed, 7);
}

#[test]
fn an_observe_option_of_four_bytes_counts_as_absent() {
    let mut bench = Bench::new(Config::default());
    bench.request(get("a").observe(0));
    let sent = bench.drain();
    let options = [(OptionNumber::OBSERVE, &[1, 2, 3, 4][..])];
    bench.feed(&piggyback(&sent[0], Code::CONTENT, &options, b"x"));
    assert_eq!(bench.engine.answers[0].observe, None);
}
