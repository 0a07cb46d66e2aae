//! Signalling messages (RFC 8323 §5).

use super::{Code, Content, OptionNumber};

/// Max-Message-Size of a peer that has not told one (RFC 8323 §5.3.1), in bytes.
pub const DEFAULT_MAX_MESSAGE_SIZE: u32 = 1152;

/// Option numbers of signalling messages: each code has numbers of its own (RFC 8323 §5.2).
#[derive(Debug, Clone, Copy)]
pub struct SignalOption;

impl SignalOption {
    /// Max-Message-Size of CSM: `uint` of 0 to 4 bytes.
    pub const MAX_MESSAGE_SIZE: OptionNumber = OptionNumber(2);
    /// Block-Wise-Transfer of CSM: empty.
    pub const BLOCK_WISE_TRANSFER: OptionNumber = OptionNumber(4);
    /// Custody of Ping and Pong: empty.
    pub const CUSTODY: OptionNumber = OptionNumber(2);
    /// Alternative-Address of Release: text of 1 to 255 bytes; repeatable.
    pub const ALTERNATIVE_ADDRESS: OptionNumber = OptionNumber(2);
    /// Hold-Off of Release: `uint` of 0 to 3 bytes.
    pub const HOLD_OFF: OptionNumber = OptionNumber(4);
    /// Bad-CSM-Option of Abort: `uint` of 0 to 2 bytes.
    pub const BAD_CSM_OPTION: OptionNumber = OptionNumber(2);
}

/// What a signalling message says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Signal {
    /// CSM, 7.01: the sender's capabilities. What it does not name stays as it was.
    Capabilities {
        /// Longest message that the sender accepts, in bytes.
        max_message_size: Option<u32>,
        /// True if the sender supports block-wise transfer.
        block_wise: bool,
    },
    /// Ping, 7.02.
    Ping {
        /// True if the Pong is to wait until all before it is processed.
        custody: bool,
    },
    /// Pong, 7.03.
    Pong {
        /// True if all before the Ping was processed.
        custody: bool,
    },
    /// Release, 7.04: the connection is to be closed in order.
    ///
    /// The alternative addresses are the strings of [`SignalOption::ALTERNATIVE_ADDRESS`].
    Release {
        /// Seconds to wait before connecting again.
        hold_off: Option<u32>,
    },
    /// Abort, 7.05: the connection is closed at once; the payload may say why.
    Abort {
        /// The option of a CSM that could not be processed.
        bad_csm_option: Option<u16>,
    },
}

/// Says why a signalling message can't be processed: its receiver has to abort the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignalError {
    /// The code of class 7 has no meaning.
    #[error("signalling code {0} is unknown")]
    UnknownCode(Code),
    /// A critical option is unknown; Abort names it after a CSM (RFC 8323 §5.2, §5.6).
    #[error("critical option {number:?} of {code} is unknown")]
    UnknownOption {
        /// The signalling code.
        code: Code,
        /// The option.
        number: OptionNumber,
    },
}

impl Signal {
    /// Reads a signalling message; `None` for a request or response.
    ///
    /// An elective option that is unknown, repeated or of a wrong length is left out (RFC 8323
    /// §5.2, RFC 7252 §5.4).
    pub(super) fn of(content: &Content<'_>) -> Option<Result<Self, SignalError>> {
        let code = content.code();
        if !code.is_signal() {
            return None;
        }
        let unknown = content.options().find(|option| option.number.is_critical());
        let uint = |number, longest| {
            let option = content.option(number)?;
            (option.value.len() <= longest).then(|| option.as_uint())?
        };
        let flag = |number| content.option(number).is_some_and(|o| o.value.is_empty());
        let signal = match code {
            Code::CSM => Self::Capabilities {
                max_message_size: uint(SignalOption::MAX_MESSAGE_SIZE, 4),
                block_wise: flag(SignalOption::BLOCK_WISE_TRANSFER),
            },
            Code::PING => Self::Ping {
                custody: flag(SignalOption::CUSTODY),
            },
            Code::PONG => Self::Pong {
                custody: flag(SignalOption::CUSTODY),
            },
            Code::RELEASE => Self::Release {
                hold_off: uint(SignalOption::HOLD_OFF, 3),
            },
            Code::ABORT => Self::Abort {
                bad_csm_option: uint(SignalOption::BAD_CSM_OPTION, 2)
                    .and_then(|number| u16::try_from(number).ok()),
            },
            _ => return Some(Err(SignalError::UnknownCode(code))),
        };
        // All options that this document defines are elective.
        Some(match unknown {
            Some(option) => Err(SignalError::UnknownOption {
                code,
                number: option.number,
            }),
            None => Ok(signal),
        })
    }
}
