//! Where a message over TCP ends (RFC 8323 §3.2).

/// What the start of a stream says of its first message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame {
    /// The first `len` bytes of the stream are a message.
    Complete {
        /// Length of the message in bytes.
        len: usize,
    },
    /// At least so many bytes have still to come before the message is complete.
    Incomplete {
        /// One or more.
        missing: usize,
    },
}

/// Says why no message can be cut from a stream; the connection is of no use any more
/// (RFC 8323 §5.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// Token length 9 to 15.
    #[error("at byte 0: token length above 8")]
    TokenLength,
    /// The message is longer than the bound.
    #[error("at byte 0: a message of {len} bytes, more than {max}")]
    TooLong {
        /// Length of the message.
        len: u64,
        /// The bound that the caller gave.
        max: usize,
    },
}

impl Frame {
    /// Looks at what was received of a stream and finds the end of its first message.
    ///
    /// `max` bounds a whole message, header included; it is what the receiver tells as its
    /// Max-Message-Size (RFC 8323 §5.3.1). A longer one is refused as soon as its length is known,
    /// so that nobody has to hold it.
    ///
    /// ```
    /// use lwm2m_codec::coap::Frame;
    /// // 2.05 with a token of one byte and a body of 301 bytes, of which 2 have come.
    /// let stream = b"\xe1\x00\x20\x45\x01\xffa";
    /// assert_eq!(Frame::find(stream, 1152), Ok(Frame::Incomplete { missing: 299 }));
    /// ```
    ///
    /// # Errors
    /// [`FrameError`].
    pub fn find(stream: &[u8], max: usize) -> Result<Self, FrameError> {
        // Header with the shortest length field, and code.
        const SHORTEST: usize = 2;
        let Some((first, rest)) = stream.split_first() else {
            return Ok(Self::Incomplete { missing: SHORTEST });
        };
        let token = first & 15;
        if usize::from(token) > super::Token::MAX_LEN {
            return Err(FrameError::TokenLength);
        }
        let extension = Extension::of(first >> 4);
        let Some(body) = extension.read(rest) else {
            let header = extension.width.saturating_add(SHORTEST);
            let missing = header.saturating_sub(stream.len());
            return Ok(Self::Incomplete { missing });
        };
        let fixed = extension.width.saturating_add(SHORTEST) as u64;
        let total = fixed.saturating_add(u64::from(token)).saturating_add(body);
        match usize::try_from(total) {
            Ok(len) if len <= max => Ok(match len.saturating_sub(stream.len()) {
                0 => Self::Complete { len },
                missing => Self::Incomplete { missing },
            }),
            _ => Err(FrameError::TooLong { len: total, max }),
        }
    }
}

/// How a length is written: its nibble, the bytes after it, and what is taken off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extension {
    pub(super) nibble: u8,
    pub(super) width: usize,
    offset: u64,
}

impl Extension {
    /// The form that a nibble announces (RFC 8323 §3.2).
    pub(super) const fn of(nibble: u8) -> Self {
        let (width, offset) = match nibble {
            13 => (1, 13),
            14 => (2, 269),
            15 => (4, 65_805),
            length => (0, length as u64),
        };
        Self {
            nibble,
            width,
            offset,
        }
    }

    /// The form of a length; each has exactly one.
    pub(super) const fn for_length(length: u64) -> Option<Self> {
        Some(Self::of(match length {
            0..=12 => length as u8,
            13..=268 => 13,
            269..=65_804 => 14,
            65_805..=0x1_0001_010c => 15,
            _ => return None,
        }))
    }

    /// Reads the length from the bytes after the first; `None` if there are too few.
    pub(super) fn read(self, bytes: &[u8]) -> Option<u64> {
        let extension = bytes.get(..self.width)?;
        let number = extension
            .iter()
            .fold(0u64, |number, byte| (number << 8) | u64::from(*byte));
        Some(number.saturating_add(self.offset))
    }

    /// The bytes after the first for a length, at the end of the array.
    pub(super) const fn bytes(self, length: u64) -> [u8; 8] {
        length.saturating_sub(self.offset).to_be_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_told_from_the_first_byte_on() {
        let missing = |stream: &[u8]| Frame::find(stream, 100_000);
        let incomplete = |missing| Ok(Frame::Incomplete { missing });
        assert_eq!(missing(b""), incomplete(2));
        assert_eq!(missing(b"\x01"), incomplete(2));
        assert_eq!(missing(b"\x01\x43"), incomplete(1));
        assert_eq!(missing(b"\x01\x43\x7f"), Ok(Frame::Complete { len: 3 }));
        assert_eq!(missing(b"\x01\x43\x7f\x00"), Ok(Frame::Complete { len: 3 }));
        assert_eq!(missing(b"\xd0"), incomplete(2));
        assert_eq!(missing(b"\xe0\x00"), incomplete(2));
        assert_eq!(missing(b"\xf0\x00\x00\x00"), incomplete(2));
        assert_eq!(missing(b"\xf0\x00\x00\x00\x00"), incomplete(1 + 65_805));
    }

    #[test]
    fn a_message_above_the_bound_is_refused_before_it_comes() {
        assert_eq!(
            Frame::find(b"\xf0\xff\xff\xff\xff", 1152),
            Err(FrameError::TooLong {
                len: 0xffff_ffff + 65_805 + 6,
                max: 1152
            })
        );
        assert_eq!(Frame::find(b"\x19", 1152), Err(FrameError::TokenLength));
        let exact = Frame::find(b"\x20", 4);
        assert_eq!(exact, Ok(Frame::Incomplete { missing: 3 }));
        let above = FrameError::TooLong { len: 4, max: 3 };
        assert_eq!(Frame::find(b"\x20", 3), Err(above));
    }

    #[test]
    fn each_length_has_one_form() {
        for (length, nibble) in [
            (0, 0),
            (12, 12),
            (13, 13),
            (268, 13),
            (269, 14),
            (65_804, 14),
            (65_805, 15),
            (0xffff_ffff + 65_805, 15),
        ] {
            let form = Extension::for_length(length).unwrap();
            assert_eq!(form.nibble, nibble);
            assert_eq!(
                form.read(&form.bytes(length)[8 - form.width..]),
                Some(length)
            );
        }
        assert_eq!(Extension::for_length(0x1_0000_0000 + 65_805), None);
    }
}
