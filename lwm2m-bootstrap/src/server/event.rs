//! What a bootstrap server tells the application.

use alloc::{string::String, vec::Vec};
use core::fmt;

use lwm2m_coap::{ExchangeError, PeerId, RequestError};
use lwm2m_codec::{ContentFormat, EncodeError, Path, coap::Code};

use super::BootstrapRequest;

/// What happened. Nothing in it is secret.
#[derive(Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// A device asked to be provisioned, and may be.
    SessionStarted {
        /// The device.
        peer: PeerId,
        /// Its endpoint name.
        endpoint: String,
        /// The format that it prefers.
        format: Option<ContentFormat>,
    },
    /// A device asks to be provisioned, and keys are to be made for it, or
    /// [`Config::decide`](super::Config::decide) is set.
    Requested(BootstrapRequest),
    /// A device asked to be provisioned, and may not be.
    Refused {
        /// The device.
        peer: PeerId,
        /// The endpoint name that it gave.
        endpoint: Option<String>,
        /// Why.
        reason: RefusedReason,
    },
    /// A request of the sequence was answered.
    Step {
        /// The device.
        peer: PeerId,
        /// Its endpoint name.
        endpoint: String,
        /// What was asked.
        step: StepInfo,
        /// The answer's code.
        code: Code,
        /// The answer's length in bytes.
        received: usize,
        /// The answer to a Discover or Read, at most [`MAX_ANSWER`] bytes of it.
        answer: Vec<u8>,
    },
    /// The device said yes to Bootstrap-Finish.
    Finished {
        /// The device.
        peer: PeerId,
        /// Its endpoint name.
        endpoint: String,
    },
    /// The device got everything in one answer (TS-Core §6.1.7.7). Whether it takes it, only its
    /// registration tells; if it can't, it asks again.
    Packed {
        /// The device.
        peer: PeerId,
        /// Its endpoint name.
        endpoint: String,
        /// Format of the pack.
        format: ContentFormat,
        /// Length of the pack in bytes.
        sent: usize,
    },
    /// The device was not provisioned.
    Failed {
        /// The device.
        peer: PeerId,
        /// Its endpoint name.
        endpoint: String,
        /// What was asked last.
        step: StepInfo,
        /// What came of it.
        reason: FailedReason,
    },
    /// Keys were made for a bootstrap in which no device can have taken them.
    KeysNotTaken {
        /// The device that they were for.
        endpoint: String,
        /// Their PSK identities.
        identities: Vec<String>,
    },
}

/// Longest answer that an event carries, in bytes.
pub const MAX_ANSWER: usize = 4096;

/// Longest diagnostic text that an event carries, in bytes.
pub const MAX_DIAGNOSTIC: usize = 256;

/// Why a Bootstrap-Request was refused (TS-Core §6.1.7.1, §7.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RefusedReason {
    /// A query parameter is not text, or `pct` is not a number.
    #[error("a query parameter is malformed")]
    MalformedQuery,
    /// There is neither an endpoint name nor an identity to take for one.
    #[error("the endpoint name is missing")]
    MissingEndpoint,
    /// No entry is for this endpoint name.
    #[error("the endpoint name is not known")]
    UnknownEndpoint,
    /// The endpoint name is not that of the identity that the device proved.
    #[error("the endpoint name does not belong to the device's identity")]
    WrongIdentity,
    /// The format of `pct` is not one of 110, 112, 11542, 11544.
    #[error("the preferred content format {0} is not supported")]
    UnsupportedFormat(ContentFormat),
    /// The format that a Bootstrap-Pack-Request accepts is not one of 110, 112, 11544.
    #[error("a pack can't be written as {0}")]
    UnacceptableFormat(ContentFormat),
    /// What the device gets can't be said in a pack: it reads, or changes what a pack leaves
    /// alone.
    #[error("this provision needs the plain sequence")]
    NotPackable,
    /// The server gives no packs.
    #[error("packs are not given out here")]
    NoPacks,
    /// Too many devices are being provisioned.
    #[error("too many devices are being provisioned")]
    TooManySessions,
    /// The network says that the device belongs to another subscriber (TS-Transport §5.3).
    #[error("the endpoint name does not belong to the device's subscriber")]
    WrongSubscriber,
    /// No key could be made for the device.
    #[error("no key could be made")]
    KeysUnavailable,
    /// The application did not decide in time.
    #[error("nobody decided in time")]
    NoDecision,
}

impl RefusedReason {
    pub(super) const fn code(self) -> Code {
        match self {
            Self::UnsupportedFormat(_) => Code::UNSUPPORTED_CONTENT_FORMAT,
            Self::UnacceptableFormat(_) => Code::NOT_ACCEPTABLE,
            Self::NoPacks => Code::NOT_IMPLEMENTED,
            Self::NotPackable => Code::METHOD_NOT_ALLOWED,
            Self::TooManySessions | Self::KeysUnavailable | Self::NoDecision => {
                Code::SERVICE_UNAVAILABLE
            }
            _ => Code::BAD_REQUEST,
        }
    }
}

/// A request of a sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepInfo {
    /// The operation.
    pub operation: Operation,
    /// Its path; `/` for Finish.
    pub path: Path,
    /// Format of a Write, or that asked for by a Read.
    pub format: Option<ContentFormat>,
    /// Length of the payload in bytes.
    pub sent: usize,
}

impl fmt::Display for StepInfo {
    /// Writes `write /0/1 as tlv (11542)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.operation {
            Operation::Finish => write!(f, "finish"),
            operation => write!(f, "{operation} {}", self.path),
        }?;
        match self.format {
            Some(format) => write!(f, " as {format}"),
            None => Ok(()),
        }
    }
}

/// An operation of the bootstrap interface (TS-Core §6.1.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Bootstrap-Discover.
    Discover,
    /// Bootstrap-Read.
    Read,
    /// Bootstrap-Delete.
    Delete,
    /// Bootstrap-Write.
    Write,
    /// Bootstrap-Finish.
    Finish,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Discover => "discover",
            Self::Read => "read",
            Self::Delete => "delete",
            Self::Write => "write",
            Self::Finish => "finish",
        })
    }
}

/// Why a device was not provisioned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FailedReason {
    /// The device answered by an error.
    #[error("the device answered {code}: {diagnostic}")]
    Answer {
        /// The answer's code.
        code: Code,
        /// Its diagnostic text, at most [`MAX_DIAGNOSTIC`] bytes.
        diagnostic: String,
    },
    /// The device did not answer.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    /// The request could not be sent.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The values can't be written in the format.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The sequence made no progress for too long.
    #[error("the sequence made no progress for too long")]
    Timeout,
    /// The connection is gone.
    #[error("the connection is gone")]
    PeerDown,
    /// The device asked again, and another sequence began.
    #[error("the device asked again")]
    Superseded,
}
