//! A message over UDP, validated once and borrowed from its datagram (RFC 7252 §3).

use core::{fmt, ops::Deref};

use super::{Code, Content};

/// Message type (RFC 7252 §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MessageType {
    /// CON: must be acknowledged.
    Confirmable,
    /// NON: is not acknowledged.
    NonConfirmable,
    /// ACK.
    Acknowledgement,
    /// RST.
    Reset,
}

impl MessageType {
    /// The three-letter name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Confirmable => "CON",
            Self::NonConfirmable => "NON",
            Self::Acknowledgement => "ACK",
            Self::Reset => "RST",
        }
    }

    const fn from_bits(bits: u8) -> Self {
        match bits & 3 {
            0 => Self::Confirmable,
            1 => Self::NonConfirmable,
            2 => Self::Acknowledgement,
            _ => Self::Reset,
        }
    }

    pub(super) const fn bits(self) -> u8 {
        match self {
            Self::Confirmable => 0,
            Self::NonConfirmable => 1,
            Self::Acknowledgement => 2,
            Self::Reset => 3,
        }
    }
}

/// Message ID: matches an ACK or RST to its message, and finds duplicates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(pub u16);

/// Token of 0 to 8 bytes: matches a response to its request.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token {
    bytes: [u8; Self::MAX_LEN],
    len: u8,
}

impl Token {
    /// Longest token (RFC 7252 §3).
    pub const MAX_LEN: usize = 8;
    /// The token of length 0.
    pub const EMPTY: Self = Self {
        bytes: [0; Self::MAX_LEN],
        len: 0,
    };

    /// Makes a token; `None` for more than 8 bytes.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let mut token = Self::EMPTY;
        token.bytes.get_mut(..bytes.len())?.copy_from_slice(bytes);
        token.len = bytes.len() as u8;
        Some(token)
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_bytes()
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What is wrong with a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MessageError {
    /// Fewer than 4 bytes.
    #[error("shorter than a header")]
    TooShort,
    /// The version is not 1: the message is to be ignored silently.
    #[error("version is not 1")]
    Version,
    /// Token length 9 to 15.
    #[error("token length above 8")]
    TokenLength,
    /// The token or an option runs beyond the datagram.
    #[error("an element runs beyond the datagram")]
    Truncated,
    /// A reserved option nibble, or an option number above 65535.
    #[error("an option header is malformed")]
    OptionHeader,
    /// A payload marker without payload.
    #[error("a payload marker without payload")]
    EmptyPayload,
    /// An Empty message with token, options or payload.
    #[error("an Empty message of more than 4 bytes")]
    EmptyNotEmpty,
    /// A code of a reserved class.
    #[error("a code of a reserved class")]
    ReservedCode,
    /// Over TCP: the bytes are not as many as the message says.
    #[error("the frame has another length than its header says")]
    FrameLength,
}

/// A datagram that is no message: what, where, and what the header says, so that a
/// Confirmable one can be answered by Reset (RFC 7252 §4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("at byte {offset}: {error}")]
pub struct ParseError {
    /// What is wrong.
    pub error: MessageError,
    /// Offset of the wrong element.
    pub offset: usize,
    /// Type and id, if the header has version 1.
    pub header: Option<(MessageType, MessageId)>,
}

/// A CoAP message borrowed from its datagram; every accessor is infallible, those of [`Content`]
/// included.
///
/// ```
/// use lwm2m_codec::coap::{Code, Message};
/// let message = Message::parse(b"\x40\x01\x7d\x34\xbbtemperature").unwrap();
/// assert_eq!(message.code(), Code::GET);
/// assert!(message.uri_path().eq([Some("temperature")]));
/// ```
#[derive(Clone, Copy)]
pub struct Message<'a> {
    message_type: MessageType,
    id: MessageId,
    content: Content<'a>,
    len: usize,
}

impl<'a> Message<'a> {
    /// Parses and validates a datagram.
    ///
    /// # Errors
    /// Returns what is malformed and where (RFC 7252 §3, §4.2).
    pub fn parse(datagram: &'a [u8]) -> Result<Self, ParseError> {
        let short = ParseError {
            error: MessageError::TooShort,
            offset: 0,
            header: None,
        };
        let Some((&[first, code, high, low], rest)) = datagram.split_first_chunk::<4>() else {
            return Err(short);
        };
        if first >> 6 != 1 {
            return Err(ParseError {
                error: MessageError::Version,
                ..short
            });
        }
        let message_type = MessageType::from_bits(first >> 4);
        let id = MessageId(u16::from_be_bytes([high, low]));
        let fail = |error, rest: &[u8]| ParseError {
            error,
            offset: datagram.len().saturating_sub(rest.len()),
            header: Some((message_type, id)),
        };
        let code = Code(code);
        if code == Code::EMPTY && (first & 15 != 0 || !rest.is_empty()) {
            return Err(fail(MessageError::EmptyNotEmpty, rest));
        }
        if matches!(code.class(), 1 | 3 | 6 | 7) {
            return Err(fail(MessageError::ReservedCode, rest));
        }
        let content =
            Content::parse(first & 15, code, rest).map_err(|(error, at)| fail(error, at))?;
        Ok(Self {
            message_type,
            id,
            content,
            len: datagram.len(),
        })
    }

    /// Message type.
    pub const fn message_type(&self) -> MessageType {
        self.message_type
    }

    /// Message ID.
    pub const fn id(&self) -> MessageId {
        self.id
    }

    /// Length of the whole datagram in bytes.
    pub const fn datagram_len(&self) -> usize {
        self.len
    }
}

impl<'a> Deref for Message<'a> {
    type Target = Content<'a>;

    fn deref(&self) -> &Content<'a> {
        &self.content
    }
}

impl fmt::Debug for Message<'_> {
    /// Writes type, code, id and token; not the payload, which may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} mid {} token {} ({} B payload)",
            self.message_type.name(),
            self.code(),
            self.id.0,
            self.token(),
            self.payload().len()
        )
    }
}
