//! Commands to a card and what it answers (ISO 7816-4, TS 102 221).

use alloc::vec::Vec;
use core::fmt;

/// Status word of a response.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Status(pub u16);

impl Status {
    /// Done.
    pub const OK: Self = Self(0x9000);
    /// The end of the file was reached before the length that was asked for.
    pub const END_OF_FILE: Self = Self(0x6282);
    /// The command is for another kind of file.
    pub const WRONG_FILE_KIND: Self = Self(0x6981);
    /// The security status is not satisfied: a PIN or a secure channel is wanted.
    pub const SECURITY: Self = Self(0x6982);
    /// The function is not supported.
    pub const NOT_SUPPORTED: Self = Self(0x6a81);
    /// There is no such file or application.
    pub const NOT_FOUND: Self = Self(0x6a82);
    /// There is no such record.
    pub const NO_RECORD: Self = Self(0x6a83);
    /// The offset is behind the end of the file.
    pub const WRONG_OFFSET: Self = Self(0x6b00);
    /// The logical channel is not supported.
    pub const NO_CHANNEL: Self = Self(0x6881);

    /// How many bytes GET RESPONSE gives (61xx).
    pub(super) const fn more(self) -> Option<u8> {
        match self.0.to_be_bytes() {
            [0x61, length] => Some(length),
            _ => None,
        }
    }

    /// The length to ask for instead (6Cxx).
    pub(super) const fn right_length(self) -> Option<u8> {
        match self.0.to_be_bytes() {
            [0x6c, length] => Some(length),
            _ => None,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let meaning = match *self {
            Self::SECURITY => " (security status not satisfied)",
            Self::NOT_FOUND => " (file not found)",
            Self::NOT_SUPPORTED | Self::NO_CHANNEL => " (not supported)",
            _ => "",
        };
        write!(f, "status {:04X}{meaning}", self.0)
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Status({:04X})", self.0)
    }
}

/// Most bytes that one READ BINARY gives.
pub(super) const MAX_STEP: usize = 256;

/// Class byte of a logical channel, 0 to 19 (TS 102 221 §10.1.1).
const fn class(channel: u8) -> u8 {
    match channel {
        0..4 => channel,
        _ => 0x40 | ((channel - 4) & 0x0f),
    }
}

/// MANAGE CHANNEL: opens one that the card chooses.
pub(super) fn open_channel() -> Vec<u8> {
    [0x00, 0x70, 0x00, 0x00, 0x01].into()
}

/// MANAGE CHANNEL: closes one.
pub(super) fn close_channel(channel: u8) -> Vec<u8> {
    [0x00, 0x70, 0x80, channel].into()
}

/// SELECT of an application by its AID.
pub(super) fn select_application(channel: u8, aid: &[u8]) -> Vec<u8> {
    select(channel, 0x04, 0x04, aid)
}

/// SELECT by the path from the MF, or from the application (7FFF).
pub(super) fn select_path(channel: u8, path: &[u8]) -> Vec<u8> {
    select(channel, 0x08, 0x04, path)
}

/// SELECT by the id of a file in the current directory.
pub(super) fn select_id(channel: u8, id: &[u8]) -> Vec<u8> {
    select(channel, 0x00, 0x04, id)
}

/// SELECT; the names and paths here have less than 256 bytes.
fn select(channel: u8, p1: u8, p2: u8, data: &[u8]) -> Vec<u8> {
    let length = u8::try_from(data.len()).unwrap_or(u8::MAX);
    let mut apdu = Vec::from([class(channel), 0xa4, p1, p2, length]);
    apdu.extend(data.iter().take(usize::from(length)));
    apdu.push(0);
    apdu
}

/// READ BINARY of at most 256 bytes at an offset of 15 bits.
pub(super) fn read_binary(channel: u8, offset: u16, length: usize) -> Vec<u8> {
    let [high, low] = (offset & 0x7fff).to_be_bytes();
    // 256 is written as 0.
    let length = u8::try_from(length).unwrap_or(0);
    [class(channel), 0xb0, high, low, length].into()
}

/// READ RECORD with its number, from 1.
pub(super) fn read_record(channel: u8, number: u8) -> Vec<u8> {
    [class(channel), 0xb2, number, 0x04, 0].into()
}

/// GET RESPONSE.
pub(super) fn get_response(channel: u8, length: u8) -> Vec<u8> {
    [class(channel), 0xc0, 0, 0, length].into()
}
