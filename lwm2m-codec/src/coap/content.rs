//! What a message has over every transport: code, token, options and payload.

use super::{Block, CoapOption, Code, MessageError, OptionNumber, Token};
use crate::ContentFormat;

/// Code, token, options and payload of a message, validated once and borrowed.
///
/// [`Message`](super::Message) and [`TcpMessage`](super::TcpMessage) dereference to it.
#[derive(Clone, Copy)]
pub struct Content<'a> {
    code: Code,
    token: &'a [u8],
    options: &'a [u8],
    payload: &'a [u8],
}

impl<'a> Content<'a> {
    /// Reads token, options and payload, which are the rest of a message after its header.
    #[inline]
    pub(super) fn parse(token_len: u8, code: Code, rest: &'a [u8]) -> Result<Self, At<'a>> {
        let token_len = usize::from(token_len);
        if token_len > Token::MAX_LEN {
            return Err((MessageError::TokenLength, rest));
        }
        let (token, body) = rest
            .split_at_checked(token_len)
            .ok_or((MessageError::Truncated, rest))?;
        let (options, payload) = split_options(body)?;
        Ok(Self {
            code,
            token,
            options,
            payload,
        })
    }

    /// Code.
    pub const fn code(&self) -> Code {
        self.code
    }

    /// Token.
    pub fn token(&self) -> Token {
        Token::new(self.token).unwrap_or(Token::EMPTY)
    }

    /// Payload; empty if there is none.
    pub const fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// All options in ascending order.
    pub const fn options(&self) -> Options<'a> {
        Options {
            rest: self.options,
            number: 0,
        }
    }

    /// The first option of a number.
    pub fn option(&self, number: OptionNumber) -> Option<CoapOption<'a>> {
        self.options()
            .find(|option| option.number >= number)
            .filter(|o| o.number == number)
    }

    /// All values of a repeatable option, as text where they are UTF-8.
    pub fn strings(
        &self,
        number: OptionNumber,
    ) -> impl Iterator<Item = Option<&'a str>> + Clone + use<'a> {
        self.options()
            .filter(move |o| o.number == number)
            .map(|o| o.as_str())
    }

    /// The segments of the Uri-Path.
    pub fn uri_path(&self) -> impl Iterator<Item = Option<&'a str>> + Clone + use<'a> {
        self.strings(OptionNumber::URI_PATH)
    }

    /// The Uri-Query options.
    pub fn uri_query(&self) -> impl Iterator<Item = Option<&'a str>> + Clone + use<'a> {
        self.strings(OptionNumber::URI_QUERY)
    }

    /// Content-Format.
    pub fn content_format(&self) -> Option<ContentFormat> {
        self.format(OptionNumber::CONTENT_FORMAT)
    }

    /// Accept.
    pub fn accept(&self) -> Option<ContentFormat> {
        self.format(OptionNumber::ACCEPT)
    }

    /// Observe: 24 bits.
    pub fn observe(&self) -> Option<u32> {
        self.option(OptionNumber::OBSERVE)?.as_uint()
    }

    /// Block1 or Block2; `None` if absent or malformed.
    pub fn block(&self, number: OptionNumber) -> Option<Block> {
        Block::parse(self.option(number)?.value)
    }

    fn format(&self, number: OptionNumber) -> Option<ContentFormat> {
        let value = self.option(number)?.as_uint()?;
        u16::try_from(value).ok().map(ContentFormat)
    }
}

impl core::fmt::Debug for Content<'_> {
    /// Writes code and token; not the payload, which may hold secrets.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let len = self.payload.len();
        write!(f, "{} token {} ({len} B payload)", self.code, self.token())
    }
}

/// Iterates over the options of a message.
#[derive(Debug, Clone, Copy)]
pub struct Options<'a> {
    rest: &'a [u8],
    number: u16,
}

impl<'a> Iterator for Options<'a> {
    type Item = CoapOption<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        // The options were validated by `Content::parse`: an error here means the end.
        let (delta, value, rest) = split_option(self.rest).ok()?;
        self.number = self.number.checked_add(delta)?;
        self.rest = rest;
        Some(CoapOption {
            number: OptionNumber(self.number),
            value,
        })
    }
}

/// An error, and the rest of the bytes where it is.
pub(super) type At<'a> = (MessageError, &'a [u8]);

/// Splits what follows the token into options and payload.
fn split_options(body: &[u8]) -> Result<(&[u8], &[u8]), At<'_>> {
    let mut rest = body;
    let mut number = 0u16;
    loop {
        match rest.split_first() {
            None => return Ok((body, &[])),
            Some((0xff, [])) => return Err((MessageError::EmptyPayload, rest)),
            Some((0xff, payload)) => {
                let options = body.len().saturating_sub(rest.len());
                return Ok((body.get(..options).unwrap_or_default(), payload));
            }
            Some(_) => {
                let (delta, _, next) = split_option(rest)?;
                number = number
                    .checked_add(delta)
                    .ok_or((MessageError::OptionHeader, rest))?;
                rest = next;
            }
        }
    }
}

/// Splits one option off: its delta, its value and the rest.
fn split_option(bytes: &[u8]) -> Result<(u16, &[u8], &[u8]), At<'_>> {
    let truncated = (MessageError::Truncated, bytes);
    let (first, rest) = bytes.split_first().ok_or(truncated)?;
    let (delta, rest) = extended(first >> 4, rest).map_err(|error| (error, bytes))?;
    let (length, rest) = extended(first & 15, rest).map_err(|error| (error, bytes))?;
    let (value, rest) = rest
        .split_at_checked(usize::from(length))
        .ok_or(truncated)?;
    Ok((delta, value, rest))
}

/// Reads the extension of an option nibble (RFC 7252 §3.1).
fn extended(nibble: u8, rest: &[u8]) -> Result<(u16, &[u8]), MessageError> {
    match nibble {
        13 => {
            let (byte, rest) = rest.split_first().ok_or(MessageError::Truncated)?;
            Ok((u16::from(*byte).saturating_add(13), rest))
        }
        14 => {
            let (bytes, rest) = rest.split_first_chunk().ok_or(MessageError::Truncated)?;
            let number = u16::from_be_bytes(*bytes).checked_add(269);
            Ok((number.ok_or(MessageError::OptionHeader)?, rest))
        }
        15 => Err(MessageError::OptionHeader),
        _ => Ok((u16::from(nibble), rest)),
    }
}
