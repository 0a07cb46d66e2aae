//! The caller's buffer while something is written into it.

use core::fmt;

use crate::{Bytes, EncodeError, Text, bytes::Alphabet, bytes::to_base64};

/// Appends to the caller's buffer.
#[derive(Debug)]
pub(crate) struct Out<'b> {
    buf: &'b mut [u8],
    len: usize,
}

impl<'b> Out<'b> {
    pub(crate) fn new(buf: &'b mut [u8]) -> Self {
        Self { buf, len: 0 }
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    pub(crate) const fn full(&self) -> EncodeError {
        EncodeError::BufferTooSmall {
            capacity: self.buf.len(),
        }
    }

    #[inline]
    pub(crate) fn put(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        let end = self.len.saturating_add(bytes.len());
        match self.buf.get_mut(self.len..end) {
            Some(place) => place.copy_from_slice(bytes),
            None => return Err(self.full()),
        }
        self.len = end;
        Ok(())
    }

    #[inline]
    pub(crate) fn byte(&mut self, byte: u8) -> Result<(), EncodeError> {
        match self.buf.get_mut(self.len) {
            Some(place) => *place = byte,
            None => return Err(self.full()),
        }
        self.len = self.len.saturating_add(1);
        Ok(())
    }

    /// What was written from `start` on.
    pub(crate) fn written(&self, start: usize) -> &[u8] {
        self.buf.get(start..self.len).unwrap_or_default()
    }

    /// Forgets what was written from `len` on.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// Overwrites the byte at `at`, which was written before.
    pub(crate) fn set(&mut self, at: usize, byte: u8) {
        if let Some(place) = self.buf.get_mut(at) {
            *place = byte;
        }
    }

    /// Inserts bytes at `at`, moving what follows.
    pub(crate) fn insert(&mut self, at: usize, bytes: &[u8]) -> Result<(), EncodeError> {
        let gap = at.saturating_add(bytes.len());
        let end = self.len.saturating_add(bytes.len());
        if end > self.buf.len() || at > self.len {
            return Err(self.full());
        }
        self.buf.copy_within(at..self.len, gap);
        if let Some(place) = self.buf.get_mut(at..gap) {
            place.copy_from_slice(bytes);
        }
        self.len = end;
        Ok(())
    }

    /// Writes a decimal number.
    pub(crate) fn unsigned(&mut self, mut value: u64) -> Result<(), EncodeError> {
        let mut digits = [0; 20];
        let mut at = digits.len();
        loop {
            at = at.saturating_sub(1);
            if let Some(digit) = digits.get_mut(at) {
                *digit = b'0' | (value % 10) as u8;
            }
            value /= 10;
            if value == 0 {
                return self.put(digits.get(at..).unwrap_or_default());
            }
        }
    }

    /// Writes a decimal number with its sign.
    pub(crate) fn signed(&mut self, value: i64) -> Result<(), EncodeError> {
        if value < 0 {
            self.byte(b'-')?;
        }
        self.unsigned(value.unsigned_abs())
    }

    /// Writes text, resolved.
    pub(crate) fn text(&mut self, text: Text<'_>) -> Result<(), EncodeError> {
        match text.as_plain() {
            Some(plain) => self.put(plain.as_bytes()),
            None => text.chars().try_for_each(|c| {
                let mut utf8 = [0; 4];
                self.put(c.encode_utf8(&mut utf8).as_bytes())
            }),
        }
    }

    /// Writes bytes, resolved.
    pub(crate) fn bytes(&mut self, bytes: Bytes<'_>) -> Result<(), EncodeError> {
        match bytes.as_plain() {
            Some(plain) => self.put(plain),
            None => bytes.iter().try_for_each(|byte| self.byte(byte)),
        }
    }

    /// Writes bytes as base64.
    pub(crate) fn base64(
        &mut self,
        bytes: Bytes<'_>,
        alphabet: Alphabet,
    ) -> Result<(), EncodeError> {
        to_base64(bytes, alphabet)
            .try_for_each(|(group, len)| self.put(group.get(..len).unwrap_or_default()))
    }

    /// Writes what displays itself.
    pub(crate) fn display(&mut self, value: impl fmt::Display) -> Result<(), EncodeError> {
        fmt::Write::write_fmt(self, format_args!("{value}")).map_err(|_| self.full())
    }
}

impl fmt::Write for Out<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.put(text.as_bytes()).map_err(|_| fmt::Error)
    }
}
