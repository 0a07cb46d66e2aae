//! One command and all of its response: GET RESPONSE and wrong lengths (ISO 7816-3, 7816-4).

use alloc::vec::Vec;

use zeroize::Zeroizing;

use super::{MAX_COMMANDS, WalkError};
use crate::smartcard::apdu::{self, Status};

/// Longest response that is put together: a file step, and what a secure channel adds.
const MAX_COLLECTED: usize = 1024;

/// The command under way and what came of its response.
#[derive(Default)]
pub(super) struct Transport {
    command: Vec<u8>,
    collected: Zeroizing<Vec<u8>>,
    /// The length was corrected once: a card that corrects it again leads nowhere.
    corrected: bool,
    sent: u32,
}

impl Transport {
    /// Takes the next command.
    pub(super) fn send(&mut self, command: Vec<u8>) {
        self.command = command;
        self.collected = Zeroizing::default();
        self.corrected = false;
    }

    /// What goes to the card.
    pub(super) fn command(&self) -> &[u8] {
        &self.command
    }

    /// Takes a response; gives the whole of it with its status word once it is there.
    pub(super) fn receive(
        &mut self,
        channel: u8,
        response: &[u8],
    ) -> Result<Option<Zeroizing<Vec<u8>>>, WalkError> {
        self.sent += 1;
        if self.sent > MAX_COMMANDS {
            return Err(WalkError::TooManyCommands);
        }
        let (data, status) = response
            .split_last_chunk::<2>()
            .ok_or(WalkError::Response)?;
        let status = Status(u16::from_be_bytes(*status));
        if self.collected.len() + data.len() > MAX_COLLECTED {
            return Err(WalkError::Response);
        }
        if let Some(length) = status.right_length() {
            if core::mem::replace(&mut self.corrected, true) {
                return Err(WalkError::Response);
            }
            if let Some(last) = self.command.last_mut() {
                *last = length;
            }
            return Ok(None);
        }
        self.collected.extend_from_slice(data);
        if let Some(length) = status.more() {
            self.command = apdu::get_response(channel, length);
            self.corrected = false;
            return Ok(None);
        }
        self.collected.extend_from_slice(&status.0.to_be_bytes());
        Ok(Some(core::mem::take(&mut self.collected)))
    }
}
