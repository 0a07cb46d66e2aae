//! Writes a message into the caller's buffer.

use super::{Block, Code, MessageId, MessageType, OptionNumber, Token};
use crate::ContentFormat;

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
    buf: &'b mut [u8],
    len: usize,
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
        let mut writer = Self {
            buf,
            len: 0,
            last: 0,
        };
        let token = token.as_bytes();
        let first = 0x40 | (message_type.bits() << 4) | token.len() as u8;
        let [high, low] = id.0.to_be_bytes();
        writer.put(&[first, code.0, high, low])?;
        writer.put(token)?;
        Ok(writer)
    }

    /// Writes an option.
    ///
    /// # Errors
    /// [`WriteError::OptionOrder`] if a higher number was written before, and when the value or
    /// the message is too long.
    pub fn option(&mut self, number: OptionNumber, value: &[u8]) -> Result<(), WriteError> {
        let delta = number
            .0
            .checked_sub(self.last)
            .ok_or(WriteError::OptionOrder(number))?;
        let length = u16::try_from(value.len()).map_err(|_| WriteError::OptionLength(number))?;
        let (delta_nibble, delta_bytes, delta_len) = extend(delta);
        let (length_nibble, length_bytes, length_len) = extend(length);
        self.put(&[(delta_nibble << 4) | length_nibble])?;
        self.put(delta_bytes.get(..delta_len).unwrap_or_default())?;
        self.put(length_bytes.get(..length_len).unwrap_or_default())?;
        self.put(value)?;
        self.last = number.0;
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
        if !payload.is_empty() {
            self.put(&[0xff])?;
            self.put(payload)?;
        }
        Ok(self.len)
    }

    /// Ends the message without payload and returns its length in bytes.
    pub fn finish(self) -> usize {
        self.len
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        let capacity = self.buf.len();
        let end = self.len.saturating_add(bytes.len());
        self.buf
            .get_mut(self.len..end)
            .ok_or(WriteError::BufferTooSmall { capacity })?
            .copy_from_slice(bytes);
        self.len = end;
        Ok(())
    }
}

/// Splits an option delta or length into nibble and extension bytes (RFC 7252 §3.1).
fn extend(number: u16) -> (u8, [u8; 2], usize) {
    if let Some(long) = number.checked_sub(269) {
        (14, long.to_be_bytes(), 2)
    } else if let Some(short) = number.checked_sub(13) {
        (13, [short as u8, 0], 1)
    } else {
        (number as u8, [0; 2], 0)
    }
}
