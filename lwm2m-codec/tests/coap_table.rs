//! Options and codes have the properties that the RFCs' tables give them.

use lwm2m_codec::coap::{
    Block, Code, Message, MessageError, MessageId, MessageType, MessageWriter, OptionNumber, Token,
    WriteError, uint_value,
};

/// Number, name, critical, cache key, repeatable, shortest and longest value: RFC 7252 table 4, and
/// the tables of RFC 7641, 7959, 7967, 8613 and 9175.
const OPTIONS: [(u16, &str, bool, bool, bool, usize, usize); 23] = [
    (1, "If-Match", true, true, true, 0, 8),
    (3, "Uri-Host", true, true, false, 1, 255),
    (4, "ETag", false, true, true, 1, 8),
    (5, "If-None-Match", true, true, false, 0, 0),
    (6, "Observe", false, true, false, 0, 3),
    (7, "Uri-Port", true, true, false, 0, 2),
    (8, "Location-Path", false, true, true, 0, 255),
    (9, "OSCORE", true, true, false, 0, 255),
    (11, "Uri-Path", true, true, true, 0, 255),
    (12, "Content-Format", false, true, false, 0, 2),
    (14, "Max-Age", false, true, false, 0, 4),
    (15, "Uri-Query", true, true, true, 0, 255),
    (17, "Accept", true, true, false, 0, 2),
    (20, "Location-Query", false, true, true, 0, 255),
    (23, "Block2", true, true, false, 0, 3),
    (27, "Block1", true, true, false, 0, 3),
    (28, "Size2", false, false, false, 0, 4),
    (35, "Proxy-Uri", true, true, false, 1, 1034),
    (39, "Proxy-Scheme", true, true, false, 1, 255),
    (60, "Size1", false, false, false, 0, 4),
    (252, "Echo", false, false, false, 1, 40),
    (258, "No-Response", false, true, false, 0, 1),
    (292, "Request-Tag", false, true, true, 0, 8),
];

#[test]
fn each_option_has_the_properties_of_its_table() {
    for (number, name, critical, cache_key, repeatable, shortest, longest) in OPTIONS {
        let option = OptionNumber(number);
        assert_eq!(option.name(), Some(name));
        assert_eq!(option.is_critical(), critical, "{name}");
        assert_eq!(option.is_cache_key(), cache_key, "{name}");
        assert_eq!(option.is_repeatable(), repeatable, "{name}");
        assert_eq!(option.length_range(), Some((shortest, longest)), "{name}");
    }
    let unknown = OptionNumber(65000);
    assert_eq!((unknown.name(), unknown.length_range()), (None, None));
    assert!(!unknown.is_critical() && !unknown.is_repeatable());
}

#[test]
fn codes_belong_to_classes_and_print_with_their_names() {
    for (code, text, is_request, is_response, is_success, is_signal) in [
        (Code::EMPTY, "0.00 Empty", false, false, false, false),
        (Code::IPATCH, "0.07 iPATCH", true, false, false, false),
        (Code::CONTENT, "2.05 Content", false, true, true, false),
        (
            Code::BAD_REQUEST,
            "4.00 Bad Request",
            false,
            true,
            false,
            false,
        ),
        (
            Code::GATEWAY_TIMEOUT,
            "5.04 Gateway Timeout",
            false,
            true,
            false,
            false,
        ),
        (Code::CSM, "7.01 CSM", false, false, false, true),
        (Code::new(2, 30), "2.30", false, true, true, false),
    ] {
        assert_eq!(code.to_string(), text);
        assert_eq!(format!("{code:?}"), text);
        assert_eq!(code.is_request(), is_request, "{text}");
        assert_eq!(code.is_response(), is_response, "{text}");
        assert_eq!(code.is_success(), is_success, "{text}");
        assert_eq!(code.is_signal(), is_signal, "{text}");
        assert_eq!(Code::new(code.class(), code.detail()), code);
    }
}

#[test]
fn block_values_are_those_of_rfc_7959() {
    for (bytes, num, more, size, text) in [
        (&b""[..], 0, false, 16, "0/0/16"),
        (b"\x0e", 0, true, 1024, "0/1/1024"),
        (b"\x12\x3a", 0x123, true, 64, "291/1/64"),
        (
            b"\xff\xff\xf6",
            Block::MAX_NUM,
            false,
            1024,
            "1048575/0/1024",
        ),
    ] {
        let block = Block::parse(bytes).unwrap();
        assert_eq!((block.num, block.more, block.size()), (num, more, size));
        assert_eq!(block.to_string(), text);
        assert_eq!(block.offset(), num as usize * size);
        assert_eq!(Some(block.to_uint()), uint_value(bytes));
    }
    assert_eq!(Block::parse(b"\x07"), None);
    assert_eq!(Block::parse(b"\0\0\0\x06"), None);
    assert_eq!(uint_value(b"\0\0\0\0\x01"), None);
}

#[test]
fn a_message_gives_what_was_written() {
    let mut buf = [0; 64];
    let token = Token::new(&[0xab, 1]).unwrap();
    let kind = MessageType::NonConfirmable;
    let mut writer = MessageWriter::new(&mut buf, kind, Code::GET, MessageId(7), token).unwrap();
    writer.uint(OptionNumber::OBSERVE, 0).unwrap();
    writer.option(OptionNumber::URI_PATH, b"3").unwrap();
    writer.option(OptionNumber::URI_QUERY, b"pmin=1").unwrap();
    writer.option(OptionNumber::URI_QUERY, b"\xff").unwrap();
    let format = lwm2m_codec::ContentFormat::TLV;
    writer.format(OptionNumber::ACCEPT, format).unwrap();
    let block = Block::parse(b"\x16").unwrap();
    writer.block(OptionNumber::BLOCK2, block).unwrap();
    let len = writer.payload(b"xyz").unwrap();
    let message = Message::parse(&buf[..len]).unwrap();
    assert_eq!(
        format!("{message:?}"),
        "NON 0.01 GET mid 7 token ab01 (3 B payload)"
    );
    assert_eq!(message.datagram_len(), len);
    assert_eq!((message.message_type(), message.id()), (kind, MessageId(7)));
    assert_eq!(message.observe(), Some(0));
    assert!(message.uri_path().eq([Some("3")]));
    assert!(message.uri_query().eq([Some("pmin=1"), None]));
    assert_eq!(message.accept(), Some(format));
    assert_eq!(message.content_format(), None);
    assert_eq!(message.block(OptionNumber::BLOCK2), Some(block));
    assert_eq!(message.block(OptionNumber::BLOCK1), None);
    assert_eq!(format!("{:?}", message.token()), "ab01");
    let names = [
        MessageType::Confirmable,
        MessageType::Acknowledgement,
        MessageType::Reset,
    ];
    assert_eq!(names.map(MessageType::name), ["CON", "ACK", "RST"]);
}

fn get(buf: &mut [u8]) -> Result<MessageWriter<'_>, WriteError> {
    let kind = MessageType::Confirmable;
    MessageWriter::new(buf, kind, Code::GET, MessageId(0), Token::EMPTY)
}

#[test]
fn what_can_not_be_written_is_named() {
    let mut buf = [0; 16];
    let small = WriteError::BufferTooSmall { capacity: 3 };
    assert_eq!(get(&mut buf[..3]).err(), Some(small));
    let mut writer = get(&mut buf).unwrap();
    let long = vec![0; 65_536];
    let number = OptionNumber::PROXY_URI;
    assert_eq!(
        writer.option(number, &long),
        Err(WriteError::OptionLength(number))
    );
    assert_eq!(Token::new(&[0; 9]), None);
    assert_eq!(small.to_string(), "the buffer of 3 bytes is too small");
}

#[test]
fn a_broken_datagram_is_refused_at_its_place() {
    for (datagram, error, offset) in [
        (&b"\x40\x01\x00"[..], MessageError::TooShort, 0),
        (b"\x80\x01\x00\x00", MessageError::Version, 0),
        (b"\x49\x01\x00\x00", MessageError::TokenLength, 4),
        (b"\x42\x01\x00\x00\x01", MessageError::Truncated, 4),
        (b"\x40\x01\x00\x00\xf0", MessageError::OptionHeader, 4),
        (
            b"\x40\x01\x00\x00\xe0\xff\xff",
            MessageError::OptionHeader,
            4,
        ),
        (b"\x40\x01\x00\x00\xd0", MessageError::Truncated, 4),
        (b"\x40\x01\x00\x00\xff", MessageError::EmptyPayload, 4),
        (b"\x40\x00\x00\x00\x00", MessageError::EmptyNotEmpty, 4),
        (b"\x40\x20\x00\x00", MessageError::ReservedCode, 4),
    ] {
        let refused = Message::parse(datagram).unwrap_err();
        assert_eq!(
            (refused.error, refused.offset),
            (error, offset),
            "{refused}"
        );
    }
}
