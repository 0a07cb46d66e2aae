//! Messages before they have a type, an id and a token.

use alloc::{string::ToString, vec::Vec};
use core::fmt;

use lwm2m_codec::{
    ContentFormat,
    coap::{
        CoapOption, Code, MessageId, MessageType, MessageWriter, OptionNumber, Token, WriteError,
    },
};

/// Options in ascending order, in one allocation.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct OptionSet {
    // Entries of number and length, 16 bits each, and the value.
    packed: Vec<u8>,
}

impl OptionSet {
    /// Makes an empty set.
    pub const fn new() -> Self {
        Self { packed: Vec::new() }
    }

    /// Adds an option behind those of the same number. Values above 65,535 bytes are cut: no
    /// option is that long.
    pub fn insert(&mut self, number: OptionNumber, value: &[u8]) {
        let value = &value[..value.len().min(usize::from(u16::MAX))];
        let mut at = 0;
        for option in self.iter().take_while(|option| option.number <= number) {
            at += 4 + option.value.len();
        }
        let header = [number.0.to_be_bytes(), (value.len() as u16).to_be_bytes()];
        let entry = header.as_flattened().iter().chain(value).copied();
        self.packed.splice(at..at, entry);
    }

    /// Adds an option of format `uint`.
    pub fn insert_uint(&mut self, number: OptionNumber, value: u32) {
        let zeros = (value.leading_zeros() / 8) as usize;
        self.insert(number, &value.to_be_bytes()[zeros..]);
    }

    /// Removes all options of a number.
    pub fn remove(&mut self, number: OptionNumber) {
        let mut kept = Self::new();
        for option in self.iter().filter(|option| option.number != number) {
            kept.insert(option.number, option.value);
        }
        *self = kept;
    }

    /// Iterates over the options in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = CoapOption<'_>> {
        let mut rest = self.packed.as_slice();
        core::iter::from_fn(move || {
            let (&[n1, n0, l1, l0], tail) = rest.split_first_chunk()?;
            let length = usize::from(u16::from_be_bytes([l1, l0]));
            let (value, tail) = tail.split_at_checked(length)?;
            rest = tail;
            Some(CoapOption {
                number: OptionNumber(u16::from_be_bytes([n1, n0])),
                value,
            })
        })
    }

    /// The first option of a number.
    pub fn first(&self, number: OptionNumber) -> Option<CoapOption<'_>> {
        self.iter().find(|option| option.number == number)
    }
}

impl fmt::Debug for OptionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// A request or response before it is sent: code, options, whole body.
#[derive(Clone, PartialEq, Eq)]
pub struct Draft {
    /// Code.
    pub code: Code,
    /// Options; the endpoint adds the Block and Size options itself.
    pub options: OptionSet,
    /// The whole body; the endpoint cuts it into blocks.
    pub payload: Vec<u8>,
}

impl Draft {
    /// Makes a message without options and payload.
    pub const fn new(code: Code) -> Self {
        Self {
            code,
            options: OptionSet::new(),
            payload: Vec::new(),
        }
    }

    /// Adds an Uri-Path segment.
    #[must_use]
    pub fn path_segment(self, segment: &str) -> Self {
        self.option(OptionNumber::URI_PATH, segment.as_bytes())
    }

    /// Adds an id as Uri-Path segment.
    #[must_use]
    pub fn path_id(self, id: u16) -> Self {
        self.path_segment(&id.to_string())
    }

    /// Adds an Uri-Query.
    #[must_use]
    pub fn query(self, query: &str) -> Self {
        self.option(OptionNumber::URI_QUERY, query.as_bytes())
    }

    /// Sets Accept.
    #[must_use]
    pub fn accept(self, format: ContentFormat) -> Self {
        self.uint(OptionNumber::ACCEPT, u32::from(format.0))
    }

    /// Sets Observe.
    #[must_use]
    pub fn observe(self, value: u32) -> Self {
        self.uint(OptionNumber::OBSERVE, value & 0x00ff_ffff)
    }

    /// Sets the payload and its Content-Format.
    #[must_use]
    pub fn content(mut self, format: ContentFormat, payload: Vec<u8>) -> Self {
        self.options
            .insert_uint(OptionNumber::CONTENT_FORMAT, u32::from(format.0));
        self.payload = payload;
        self
    }

    /// Sets a diagnostic payload, which has no Content-Format (RFC 7252 §5.5.2).
    #[must_use]
    pub fn diagnostic(mut self, text: &str) -> Self {
        self.payload = text.as_bytes().to_vec();
        self
    }

    /// Adds an option.
    #[must_use]
    pub fn option(mut self, number: OptionNumber, value: &[u8]) -> Self {
        self.options.insert(number, value);
        self
    }

    /// Adds an option of format `uint`.
    #[must_use]
    pub fn uint(mut self, number: OptionNumber, value: u32) -> Self {
        self.options.insert_uint(number, value);
        self
    }

    /// Writes the message with further `uint` options, ascending, and part of the payload.
    pub(crate) fn write(
        &self,
        buf: &mut [u8],
        header: Header,
        extra: &[(OptionNumber, u32)],
        payload: &[u8],
    ) -> Result<usize, WriteError> {
        let Header {
            message_type,
            id,
            token,
        } = header;
        let mut writer = MessageWriter::new(buf, message_type, self.code, id, token)?;
        let mut extra = extra.iter().peekable();
        for option in self.options.iter() {
            while let Some((number, value)) = extra.next_if(|(n, _)| *n < option.number) {
                writer.uint(*number, *value)?;
            }
            writer.option(option.number, option.value)?;
        }
        for (number, value) in extra {
            writer.uint(*number, *value)?;
        }
        writer.payload(payload)
    }
}

impl fmt::Debug for Draft {
    /// Writes code and options; not the payload, which may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {:?} ({} B payload)",
            self.code,
            self.options,
            self.payload.len()
        )
    }
}

/// What a message has besides its content.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Header {
    pub(crate) message_type: MessageType,
    pub(crate) id: MessageId,
    pub(crate) token: Token,
}
