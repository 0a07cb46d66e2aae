//! The writers of CoAP messages under any sequence of calls.

use arbitrary::{Arbitrary, Unstructured};
use lwm2m_codec::coap::{
    Code, Content, Message, MessageId, MessageType, MessageWriter, OptionNumber, TcpMessage,
    TcpWriter, Token, WriteError,
};

use crate::Verdict;

/// What a caller does with a writer.
#[derive(Debug, Arbitrary)]
struct Calls<'a> {
    kind: u8,
    code: u8,
    id: u16,
    token: &'a [u8],
    /// Size of the buffer; most messages fit.
    room: u16,
    options: Vec<(u16, Value<'a>)>,
    payload: &'a [u8],
}

#[derive(Debug, Arbitrary)]
enum Value<'a> {
    Bytes(&'a [u8]),
    Uint(u32),
    /// So many zeros.
    Long(u16),
}

/// Makes messages over UDP and TCP by any sequence of calls: those that can be written parse and
/// say what was written.
///
/// # Panics
/// If a message says anything else.
pub fn coap_writers(data: &[u8]) -> Verdict {
    let Ok(calls) = Calls::arbitrary_take_rest(Unstructured::new(data)) else {
        return Verdict::Refused;
    };
    let written = [udp(&calls), tcp(&calls)];
    Verdict::accepted_if(written.contains(&true))
}

/// True for a code that a receiver does not refuse.
fn is_defined(code: Code, is_tcp: bool) -> bool {
    match code.class() {
        0 | 2 | 4 | 5 => code != Code::EMPTY || is_tcp,
        7 => is_tcp,
        _ => false,
    }
}

fn udp(calls: &Calls<'_>) -> bool {
    let kind = match calls.kind % 4 {
        0 => MessageType::Confirmable,
        1 => MessageType::NonConfirmable,
        2 => MessageType::Acknowledgement,
        _ => MessageType::Reset,
    };
    let (code, id) = (Code(calls.code), MessageId(calls.id));
    let Some(token) = Token::new(calls.token) else {
        return false;
    };
    let mut buffer = vec![0; usize::from(calls.room)];
    let write = |buffer: &mut [u8]| {
        let mut writer = MessageWriter::new(buffer, kind, code, id, token)?;
        let mut kept = Vec::new();
        for (number, value) in &calls.options {
            let result = match value {
                Value::Uint(value) => writer.uint(OptionNumber(*number), *value),
                other => writer.option(OptionNumber(*number), &other.bytes()),
            };
            if took(result, *number)? {
                kept.push((*number, value.bytes()));
            }
        }
        writer.payload(calls.payload).map(|len| (len, kept))
    };
    let Some((len, options)) = checked(write(&mut buffer), buffer.len()) else {
        return false;
    };
    if !is_defined(code, false) {
        return false;
    }
    let message = Message::parse(&buffer[..len]).expect("what was written parses");
    assert_eq!(message.message_type(), kind);
    assert_eq!(message.id(), id);
    check(&message, calls, &options);
    true
}

fn tcp(calls: &Calls<'_>) -> bool {
    let code = Code(calls.code);
    let Some(token) = Token::new(calls.token) else {
        return false;
    };
    let mut buffer = vec![0; usize::from(calls.room)];
    let write = |buffer: &mut [u8]| {
        let mut writer = TcpWriter::new(buffer, code, token)?;
        let mut kept = Vec::new();
        for (number, value) in &calls.options {
            let result = match value {
                Value::Uint(value) => writer.uint(OptionNumber(*number), *value),
                other => writer.option(OptionNumber(*number), &other.bytes()),
            };
            if took(result, *number)? {
                kept.push((*number, value.bytes()));
            }
        }
        writer.payload(calls.payload).map(|len| (len, kept))
    };
    let Some((len, options)) = checked(write(&mut buffer), buffer.len()) else {
        return false;
    };
    if !is_defined(code, true) {
        return false;
    }
    let message = TcpMessage::parse(&buffer[..len]).expect("what was written parses");
    check(&message, calls, &options);
    true
}

impl Value<'_> {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Bytes(bytes) => bytes.to_vec(),
            Self::Uint(value) => {
                let bytes = value.to_be_bytes();
                let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
                bytes[zeros..].to_vec()
            }
            Self::Long(len) => vec![0; usize::from(*len)],
        }
    }
}

/// Whether an option was written; an option in the wrong order leaves no trace.
fn took(result: Result<(), WriteError>, number: u16) -> Result<bool, WriteError> {
    match result {
        Ok(()) => Ok(true),
        Err(WriteError::OptionOrder(refused)) => {
            assert_eq!(refused, OptionNumber(number));
            Ok(false)
        }
        Err(other) => Err(other),
    }
}

/// The result, if it is not that the buffer is too small, which must then be true.
fn checked<T>(result: Result<T, WriteError>, room: usize) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(WriteError::BufferTooSmall { capacity }) => {
            assert_eq!(capacity, room);
            None
        }
        Err(other) => panic!("{other}"),
    }
}

fn check(message: &Content<'_>, calls: &Calls<'_>, options: &[(u16, Vec<u8>)]) {
    assert_eq!(message.code(), Code(calls.code));
    assert_eq!(message.token().as_bytes(), calls.token);
    assert_eq!(message.payload(), calls.payload);
    let got: Vec<(u16, Vec<u8>)> = message
        .options()
        .map(|option| (option.number.0, option.value.to_vec()))
        .collect();
    assert_eq!(got, options);
}
