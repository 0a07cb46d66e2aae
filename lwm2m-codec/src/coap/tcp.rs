//! A message over TCP, TLS or WebSocket (RFC 8323 §3): neither type nor id, but a length.

use core::{fmt, ops::Deref};

use super::{
    Code, Content, MessageError, MessageWriter, OptionNumber, ParseError, Signal, SignalError,
    Token, WriteError, frame::Extension,
};
use crate::out::Out;

/// A CoAP message borrowed from a stream that [`Frame::find`](super::Frame::find) has cut.
///
/// ```
/// use lwm2m_codec::coap::{Code, Signal, TcpMessage};
/// let message = TcpMessage::parse(b"\x40\xe1\x22\x04\x80\x20").unwrap();
/// assert_eq!(message.code(), Code::CSM);
/// let capabilities = Signal::Capabilities { max_message_size: Some(1152), block_wise: true };
/// assert_eq!(message.signal(), Some(Ok(capabilities)));
/// ```
#[derive(Clone, Copy)]
pub struct TcpMessage<'a> {
    content: Content<'a>,
}

impl<'a> TcpMessage<'a> {
    /// Parses and validates a message of which neither a byte is missing nor one too many there.
    ///
    /// An Empty message is accepted with whatever it carries: it is to be ignored.
    ///
    /// # Errors
    /// Returns what is malformed and where; the header of the error is `None`.
    pub fn parse(frame: &'a [u8]) -> Result<Self, ParseError> {
        let fail = |error, rest: &[u8]| ParseError {
            error,
            offset: frame.len().saturating_sub(rest.len()),
            header: None,
        };
        let (first, rest) = frame
            .split_first()
            .ok_or(fail(MessageError::TooShort, frame))?;
        let extension = Extension::of(first >> 4);
        let header = extension.read(rest).zip(rest.get(extension.width..));
        let Some((length, [code, rest @ ..])) = header else {
            return Err(fail(MessageError::TooShort, rest));
        };
        let code = Code(*code);
        if matches!(code.class(), 1 | 3 | 6) {
            return Err(fail(MessageError::ReservedCode, rest));
        }
        let token_len = first & 15;
        if usize::from(token_len) > Token::MAX_LEN {
            return Err(fail(MessageError::TokenLength, frame));
        }
        if rest.len() as u64 != length.saturating_add(u64::from(token_len)) {
            return Err(fail(MessageError::FrameLength, frame));
        }
        let content =
            Content::parse(token_len, code, rest).map_err(|(error, at)| fail(error, at))?;
        Ok(Self { content })
    }

    /// What a signalling message says; `None` for requests, responses and Empty messages.
    ///
    /// # Errors
    /// The inner result says why the connection has to be aborted.
    pub fn signal(&self) -> Option<Result<Signal, SignalError>> {
        Signal::of(&self.content)
    }
}

impl<'a> Deref for TcpMessage<'a> {
    type Target = Content<'a>;

    fn deref(&self) -> &Content<'a> {
        &self.content
    }
}

impl fmt::Debug for TcpMessage<'_> {
    /// Writes what [`Content`] writes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.content, f)
    }
}

/// Writes a message over TCP: code and token first, then options in ascending order, then the
/// payload. The length is filled in at the end.
///
/// ```
/// use lwm2m_codec::coap::{Code, TcpWriter, Token};
/// let mut buf = [0; 8];
/// let writer = TcpWriter::new(&mut buf, Code::PING, Token::new(&[0x42]).unwrap())?;
/// let len = writer.finish()?;
/// assert_eq!(buf[..len], [0x01, 0xe2, 0x42]);
/// # Ok::<(), lwm2m_codec::coap::WriteError>(())
/// ```
#[derive(Debug)]
pub struct TcpWriter<'b> {
    writer: MessageWriter<'b>,
    token: u8,
}

impl<'b> TcpWriter<'b> {
    /// Writes code and token.
    ///
    /// # Errors
    /// [`WriteError::BufferTooSmall`].
    pub fn new(buf: &'b mut [u8], code: Code, token: Token) -> Result<Self, WriteError> {
        let mut out = Out::new(buf);
        let bytes = token.as_bytes();
        let token = bytes.len() as u8;
        out.put(&[token, code.0])?;
        out.put(bytes)?;
        Ok(Self {
            writer: MessageWriter::after_header(out),
            token,
        })
    }

    /// Writes an option.
    ///
    /// # Errors
    /// As [`MessageWriter::option`].
    pub fn option(&mut self, number: OptionNumber, value: &[u8]) -> Result<(), WriteError> {
        self.writer.option(number, value)
    }

    /// Writes an option of format `uint` in its shortest form: a number, a content format, or what
    /// [`Block::to_uint`](super::Block::to_uint) gives.
    ///
    /// # Errors
    /// As [`MessageWriter::option`].
    pub fn uint(&mut self, number: OptionNumber, value: u32) -> Result<(), WriteError> {
        self.writer.uint(number, value)
    }

    /// Writes the payload and ends the message; an empty payload writes nothing. Returns the
    /// length of the message in bytes.
    ///
    /// # Errors
    /// [`WriteError::BufferTooSmall`].
    pub fn payload(mut self, payload: &[u8]) -> Result<usize, WriteError> {
        self.writer.put_payload(payload)?;
        self.finish()
    }

    /// Ends the message without payload and returns its length in bytes.
    ///
    /// # Errors
    /// [`WriteError::BufferTooSmall`]: the length may need bytes of its own.
    pub fn finish(self) -> Result<usize, WriteError> {
        let mut out = self.writer.into_out();
        let head = usize::from(self.token).saturating_add(2);
        let length = out.len().saturating_sub(head) as u64;
        let full = out.full();
        let extension = Extension::for_length(length).ok_or(full)?;
        out.set(0, (extension.nibble << 4) | self.token);
        let bytes = extension.bytes(length);
        let start = bytes.len().saturating_sub(extension.width);
        out.insert(1, bytes.get(start..).unwrap_or_default())?;
        Ok(out.len())
    }
}
