//! What messages over TCP say, and how broken ones are refused.

use lwm2m_codec::coap::{
    Code, MessageError, OptionNumber, Signal, SignalError, SignalOption, TcpMessage, TcpWriter,
    Token, WriteError,
};

fn error(bytes: &[u8]) -> (MessageError, usize) {
    let error = TcpMessage::parse(bytes).unwrap_err();
    assert_eq!(error.header, None);
    (error.error, error.offset)
}

fn signal(bytes: &[u8]) -> Option<Result<Signal, SignalError>> {
    TcpMessage::parse(bytes).unwrap().signal()
}

#[test]
fn a_broken_message_is_refused_at_its_place() {
    assert_eq!(error(b""), (MessageError::TooShort, 0));
    assert_eq!(error(b"\x00"), (MessageError::TooShort, 1));
    assert_eq!(error(b"\xd0\x00"), (MessageError::TooShort, 1));
    assert_eq!(error(b"\x00\x20"), (MessageError::ReservedCode, 2));
    assert_eq!(error(b"\x09\x01"), (MessageError::TokenLength, 0));
    assert_eq!(error(b"\x00\x01\x00"), (MessageError::FrameLength, 0));
    assert_eq!(error(b"\x11\x01\x00"), (MessageError::FrameLength, 0));
    assert_eq!(error(b"\x10\x01\xff"), (MessageError::EmptyPayload, 2));
    assert_eq!(error(b"\x20\x01\x00\xf0"), (MessageError::OptionHeader, 3));
    assert_eq!(error(b"\x20\x01\x00\x02"), (MessageError::Truncated, 3));
}

#[test]
fn an_empty_message_carries_what_it_likes() {
    let message = TcpMessage::parse(b"\x21\x00\x42\xff\x01").unwrap();
    assert_eq!(message.code(), Code::EMPTY);
    assert_eq!(message.token(), Token::new(&[0x42]).unwrap());
    assert_eq!(message.payload(), [1]);
    assert_eq!(message.signal(), None);
    assert_eq!(format!("{message:?}"), "0.00 Empty token 42 (1 B payload)");
}

#[test]
fn signals_tell_their_options() {
    assert_eq!(
        signal(b"\x10\xe2\x20"),
        Some(Ok(Signal::Ping { custody: true }))
    );
    assert_eq!(
        signal(b"\x10\xe3\x20"),
        Some(Ok(Signal::Pong { custody: true }))
    );
    let release = b"\x70\xe4\x22ab\x01c\x21\x3c";
    let hold_off = Some(60);
    assert_eq!(signal(release), Some(Ok(Signal::Release { hold_off })));
    let message = TcpMessage::parse(release).unwrap();
    assert!(
        message
            .strings(SignalOption::ALTERNATIVE_ADDRESS)
            .eq([Some("ab"), Some("c")])
    );
}

#[test]
fn what_a_signal_must_not_say_is_named() {
    assert_eq!(
        signal(b"\x10\xe1\x10"),
        Some(Err(SignalError::UnknownOption {
            code: Code::CSM,
            number: OptionNumber(1)
        }))
    );
    let code = Code::new(7, 9);
    assert_eq!(
        signal(b"\x00\xe9"),
        Some(Err(SignalError::UnknownCode(code)))
    );
    // Elective options that are unknown or too long do not count.
    let capabilities = Signal::Capabilities {
        max_message_size: None,
        block_wise: false,
    };
    assert_eq!(
        signal(b"\x90\xe1\x25\0\0\0\0\0\x21\x01\x20"),
        Some(Ok(capabilities))
    );
}

#[test]
fn a_length_moves_what_was_written() {
    for len in [11, 12, 13, 267, 268, 269, 65_803, 65_804, 65_805] {
        let payload = vec![b'x'; len];
        let mut buf = vec![0; len + 16];
        let token = Token::new(b"12345678").unwrap();
        let writer = TcpWriter::new(&mut buf, Code::CONTENT, token).unwrap();
        let written = writer.payload(&payload).unwrap();
        let message = TcpMessage::parse(&buf[..written]).unwrap();
        assert_eq!(message.payload(), payload);
        assert_eq!(message.token(), token);
        // One byte less is too little.
        let capacity = written - 1;
        let writer = TcpWriter::new(&mut buf[..capacity], Code::CONTENT, token).unwrap();
        let refused = writer.payload(&payload);
        assert_eq!(refused, Err(WriteError::BufferTooSmall { capacity }));
    }
}

#[test]
fn options_are_those_of_udp() {
    let mut buf = [0; 32];
    let mut writer = TcpWriter::new(&mut buf, Code::GET, Token::EMPTY).unwrap();
    writer.option(OptionNumber::URI_PATH, b"3").unwrap();
    writer.uint(OptionNumber::ACCEPT, 11542).unwrap();
    let refused = writer.option(OptionNumber::OBSERVE, b"");
    assert_eq!(refused, Err(WriteError::OptionOrder(OptionNumber::OBSERVE)));
    let len = writer.finish().unwrap();
    assert_eq!(buf[..len], *b"\x50\x01\xb13\x62\x2d\x16");
}
