//! Writes a message into the caller's buffer.

use super::{Block, Code, MessageId, MessageType, OptionNumber, Token};
use crate::{ContentFormat, EncodeError, out::Out};

/// Says why a message can't be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The caller's buffer is full.
    #[error("the buffer of {capacity} bytes is too small")]
    BufferTooSmall {
        /// Size of the buffer.
        capacity: usize,
    },
    /// Options must come in ascending order.
    #[error("option {0:?} is out of order")]
    OptionOrder(OptionNumber),
    /// An option value is longer than 65804 bytes.
    #[error("the value of option {0:?} is too long")]
    OptionLength(OptionNumber),
}

/// Writes a message: header and token first, then options in ascending order, then the payload.
///
/// ```
/// use lwm2m_codec::coap::{Code, MessageId, MessageType, MessageWriter, OptionNumber, Token};
/// let mut buf = [0; 64];
/// let mut writer = MessageWriter::new(
///     &mut buf, MessageType::Confirmable, Code::GET, MessageId(0x7d34), Token::EMPTY)?;
/// writer.option(OptionNumber::URI_PATH, b"temperature")?;
/// assert_eq!(writer.finish(), 16);
/// # Ok::<(), lwm2m_codec::coap::WriteError>(())
/// ```
#[derive(Debug)]
pub struct MessageWriter<'b> {
    out: Out<'b>,
    last: u16,
}

impl<'b> MessageWriter<'b> {
    /// Writes header and token.
    ///
    /// # Errors
    /// [`WriteError::BufferTooSmall`].
    pub fn new(
        buf: &'b mut [u8],
        message_type: MessageType,
        code: Code,
        id: MessageId,
        token: Token,
    ) -> Result<Self, WriteError> {
        let mut out = Out::new(buf);
        let token = token.as_bytes();
        let first = 0x40 | (message_type.bits() << 4) | token.len() as u8;
        let [high, low] = id.0.to_be_bytes();
        out.put(&[first, code.0, high, low])?;
        out.short(token)?;
        Ok(Self::after_header(out))
    }

    /// Goes on after a header and a token of whatever form.
    pub(super) const fn after_header(out: Out<'b>) -> Self {
        Self { out, last: 0 }
    }

    /// Ends the message and gives back the buffer.
    pub(super) fn into_out(self) -> Out<'b> {
        self.out
    }

    /// Writes an option.
    ///
    /// # Errors
    /// [`WriteError::OptionOrder`] if a higher number was written before, and when the value or
    /// the message is too long.
    #[inline]
    pub fn option(&mut self, number: OptionNumber, value: &[u8]) -> Result<(), WriteError> {
        let delta = number
            .0
            .checked_sub(self.last)
            .ok_or(WriteError::OptionOrder(number))?;
        let length = u16::try_from(value.len()).map_err(|_| WriteError::OptionLength(number))?;
        self.last = number.0;
        let (delta_nibble, delta, delta_len) = extend(delta);
        let (length_nibble, length, length_len) = extend(length);
        // The header is put together in one register.
        let first = u64::from((delta_nibble << 4) | length_nibble);
        let header = first.wrapping_shl(delta_len.wrapping_mul(8)) | u64::from(delta);
        let header = header.wrapping_shl(length_len.wrapping_mul(8)) | u64::from(length);
        let len = delta_len.wrapping_add(length_len).wrapping_add(1);
        let word = header.wrapping_shl(64u32.wrapping_sub(len.wrapping_mul(8)));
        self.out.word(word, len as usize)?;
        self.out.short(value)?;
        Ok(())
    }

    /// Writes an option of format `uint` in its shortest form.
    ///
    /// # Errors
    /// As [`MessageWriter::option`].
    pub fn uint(&mut self, number: OptionNumber, value: u32) -> Result<(), WriteError> {
        let bytes = value.to_be_bytes();
        let zeros = (value.leading_zeros() / 8) as usize;
        self.option(number, bytes.get(zeros..).unwrap_or_default())
    }

    /// Writes a Content-Format or Accept option.
    ///
    /// # Errors
    /// As [`MessageWriter::option`].
    pub fn format(
        &mut self,
        number: OptionNumber,
        format: ContentFormat,
    ) -> Result<(), WriteError> {
        self.uint(number, u32::from(format.0))
    }

    /// Writes a Block1 or Block2 option.
    ///
    /// # Errors
    /// As [`MessageWriter::option`].
    pub fn block(&mut self, number: OptionNumber, block: Block) -> Result<(), WriteError> {
        self.uint(number, block.to_uint())
    }

    /// Writes the payload and ends the message; an empty payload writes nothing.
    ///
    /// # Errors
    /// [`WriteError::BufferTooSmall`].
    pub fn payload(mut self, payload: &[u8]) -> Result<usize, WriteError> {
        self.put_payload(payload)?;
        Ok(self.out.len())
    }

    pub(super) fn put_payload(&mut self, payload: &[u8]) -> Result<(), WriteError> {
        if !payload.is_empty() {
            self.out.byte(0xff)?;
            self.out.put(payload)?;
        }
        Ok(())
    }

    /// Ends the message without payload and returns its length in bytes.
    pub fn finish(self) -> usize {
        self.out.len()
    }
}

impl From<EncodeError> for WriteError {
    /// Takes the only error that a buffer knows.
    fn from(error: EncodeError) -> Self {
        let capacity = match error {
            EncodeError::BufferTooSmall { capacity } => capacity,
            _ => 0,
        };
        Self::BufferTooSmall { capacity }
    }
}

/// Splits an option delta or length into its nibble, the number that follows, and the bytes that
/// this one takes (RFC 7252 §3.1).
#[inline]
fn extend(number: u16) -> (u8, u16, u32) {
    match number {
        0..=12 => (number as u8, 0, 0),
        13..=268 => (13, number.wrapping_sub(13), 1),
        269.. => (14, number.wrapping_sub(269), 2),
    }
}
