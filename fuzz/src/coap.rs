//! CoAP messages as they come in: over UDP, also beside coap-lite, and over TCP.

use lwm2m_codec::coap::{
    Code, Content, Frame, FrameError, Message, MessageError, MessageWriter, OptionNumber,
    ParseError, TcpMessage, TcpWriter, WriteError,
};

use crate::Verdict;

/// Parses a datagram; a message that parses is written again and must give the same bytes.
///
/// Equal bytes are asked for, not only equal fields, because RFC 7252 §3 leaves a writer no
/// choice: each delta and length has one encoding.
///
/// # Panics
/// If the message differs after the round trip, or an error names a place outside the datagram.
pub fn coap_message(datagram: &[u8]) -> Verdict {
    let message = match Message::parse(datagram) {
        Ok(message) => message,
        Err(error) => return check_error(datagram, &error),
    };
    assert_eq!(message.datagram_len(), datagram.len());
    check_accessors(&message);
    compare_with_coap_lite(datagram, &message);
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
    Verdict::Accepted
}

/// Most bytes that a message over TCP may have here.
const MAX_TCP: usize = 4096;

/// Cuts a stream into messages and writes each that parses again, which must give the same bytes.
///
/// However many bytes of a message have come, those missing are never more than really are.
///
/// # Panics
/// If a message differs after the round trip, or the frame cutter gives another answer for a part
/// of the stream.
pub fn coap_tcp(stream: &[u8]) -> Verdict {
    let mut rest = stream;
    loop {
        let len = match Frame::find(rest, MAX_TCP) {
            Ok(Frame::Complete { len }) => len,
            Ok(Frame::Incomplete { missing }) => {
                assert!(missing > 0 && rest.len() + missing <= MAX_TCP.max(6));
                return Verdict::accepted_if(rest.is_empty() && !stream.is_empty());
            }
            Err(FrameError::TooLong { len, max }) => {
                assert!(len > max as u64);
                return Verdict::Refused;
            }
            Err(_) => return Verdict::Refused,
        };
        let (frame, after) = rest.split_at(len);
        for received in 0..frame.len().min(16) {
            let part = Frame::find(&frame[..received], MAX_TCP);
            let Ok(Frame::Incomplete { missing }) = part else {
                panic!("{part:?} after {received} of {len} bytes");
            };
            assert!(missing > 0 && received + missing <= len);
        }
        if !tcp_message(frame) {
            return Verdict::Refused;
        }
        rest = after;
    }
}

/// Parses and writes one message; false if it is refused.
fn tcp_message(frame: &[u8]) -> bool {
    let message = match TcpMessage::parse(frame) {
        Ok(message) => message,
        Err(error) => {
            assert!(error.offset <= frame.len(), "{error}");
            // The length of what was cut from a stream is right.
            assert_ne!(error.error, MessageError::FrameLength);
            return false;
        }
    };
    check_accessors(&message);
    assert_eq!(message.signal().is_some(), message.code().is_signal());
    let mut buffer = vec![0; frame.len()];
    let written = write_tcp(&message, &mut buffer);
    assert_eq!(written, Ok(frame.len()));
    assert_eq!(buffer, frame, "bytes after a round trip");
    let capacity = frame.len() - 1;
    let refused = write_tcp(&message, &mut buffer[..capacity]);
    assert_eq!(refused, Err(WriteError::BufferTooSmall { capacity }));
    true
}

fn write_tcp(message: &TcpMessage<'_>, buffer: &mut [u8]) -> Result<usize, WriteError> {
    let mut writer = TcpWriter::new(buffer, message.code(), message.token())?;
    for option in message.options() {
        writer.option(option.number, option.value)?;
    }
    writer.payload(message.payload())
}

/// What coap-lite accepts as well, it reads as we do.
fn compare_with_coap_lite(datagram: &[u8], message: &Message<'_>) {
    let Ok(theirs) = coap_lite::Packet::from_bytes(datagram) else {
        return;
    };
    assert_eq!(theirs.header.message_id, message.id().0);
    assert_eq!(theirs.get_token(), message.token().as_bytes());
    assert_eq!(theirs.payload, message.payload());
    if !coap_lite_does_not_know(message.code()) {
        assert_eq!(u8::from(theirs.header.code), message.code().0);
    }
    let options: Vec<(u16, &[u8])> = theirs
        .options()
        .flat_map(|(number, values)| values.iter().map(|value| (*number, value.as_slice())))
        .collect();
    let ours: Vec<(u16, &[u8])> = message
        .options()
        .map(|option| (option.number.0, option.value))
        .collect();
    assert_eq!(options, ours);
}

/// coap-lite maps codes without a name to one value for all of them.
fn coap_lite_does_not_know(code: Code) -> bool {
    code.name().is_none()
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
fn check_accessors(message: &Content<'_>) {
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
fn check_error(datagram: &[u8], error: &ParseError) -> Verdict {
    assert!(error.offset <= datagram.len(), "{error}");
    let has_header = datagram.len() >= 4 && datagram[0] >> 6 == 1;
    assert_eq!(error.header.is_some(), has_header, "{error}");
    Verdict::Refused
}
