//! CoAP messages.

use lwm2m_codec::coap::{Message, MessageWriter, OptionNumber, ParseError, WriteError};

/// Parses a datagram; a message that parses is written again and must give the same bytes.
///
/// Equal bytes are asked for, not only equal fields, because RFC 7252 §3 leaves a writer no
/// choice: each delta and length has one encoding.
///
/// # Panics
/// If the message differs after the round trip, or an error names a place outside the datagram.
pub fn coap_message(datagram: &[u8]) {
    let message = match Message::parse(datagram) {
        Ok(message) => message,
        Err(error) => return check_error(datagram, &error),
    };
    check_accessors(datagram, &message);
    let mut buffer = vec![0; datagram.len()];
    let length = write(&message, &mut buffer).expect("what was parsed can be written");
    assert_eq!(&buffer[..length], datagram, "bytes after a round trip");
    let again = Message::parse(&buffer).expect("what was written parses");
    assert!(again.options().eq(message.options()));
    assert_eq!(again.payload(), message.payload());
    // A buffer that is too small by one is an error, not a panic.
    let short = datagram.len() - 1;
    let refused = write(&message, &mut buffer[..short]);
    assert_eq!(refused, Err(WriteError::BufferTooSmall { capacity: short }));
}

/// Writes a parsed message into a buffer.
fn write(message: &Message<'_>, buffer: &mut [u8]) -> Result<usize, WriteError> {
    let (kind, code, id) = (message.message_type(), message.code(), message.id());
    let mut writer = MessageWriter::new(buffer, kind, code, id, message.token())?;
    for option in message.options() {
        writer.option(option.number, option.value)?;
    }
    writer.payload(message.payload())
}

/// Every accessor answers, and options come in ascending order.
fn check_accessors(datagram: &[u8], message: &Message<'_>) {
    assert_eq!(message.datagram_len(), datagram.len());
    assert!(message.options().is_sorted_by_key(|option| option.number));
    for option in message.options() {
        let first = message
            .option(option.number)
            .expect("an option that is listed");
        assert_eq!(first.number, option.number);
        let _ = (option.as_uint(), option.as_str());
    }
    let _ = (message.uri_path().count(), message.uri_query().count());
    let _ = (
        message.content_format(),
        message.accept(),
        message.observe(),
    );
    for number in [OptionNumber::BLOCK1, OptionNumber::BLOCK2] {
        if let Some(block) = message.block(number) {
            assert!(block.szx <= 6 && (16..=1024).contains(&block.size()));
            let _ = block.offset();
        }
    }
    assert!(!format!("{message:?}").is_empty());
}

/// An error lies inside the datagram, and carries the header if there is one of version 1.
fn check_error(datagram: &[u8], error: &ParseError) {
    assert!(error.offset <= datagram.len(), "{error}");
    let has_header = datagram.len() >= 4 && datagram[0] >> 6 == 1;
    assert_eq!(error.header.is_some(), has_header, "{error}");
}
