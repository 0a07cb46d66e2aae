//! What a server tells its application.

use alloc::{boxed::Box, string::String, vec::Vec};
use core::fmt;

use lwm2m_coap::{ExchangeError, PeerId};
use lwm2m_codec::{ContentFormat, Path, coap::Code};

use crate::{RefuseReason, RegisterRequest, Registration, RegistrationId};

/// Names a request to a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub(crate) u64);

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Names an observation. It keeps its id when the server starts it again after a new Register
/// of the device, and over a restart of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObservationId(pub(crate) u64);

impl ObservationId {
    /// The id as a number.
    pub const fn as_u64(self) -> u64 {
        self.0
    }
}

impl fmt::Display for ObservationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// What a server tells its application.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// A device registered.
    Registered {
        /// Its registration.
        registration: RegistrationId,
        /// The earlier registration of the same endpoint, which this one replaces: its
        /// observations and waiting requests go on in the new one.
        replaced: Option<Box<Registration>>,
    },
    /// With [`Config::decide_register`](crate::Config::decide_register): a device wants to
    /// register. Answer by [`Server::accept`](crate::Server::accept) or
    /// [`Server::reject`](crate::Server::reject).
    RegisterRequested(RegisterRequest),
    /// A Register was refused.
    RegisterRefused {
        /// Endpoint name, if it could be read.
        endpoint: Option<String>,
        /// From whom.
        peer: PeerId,
        /// Why.
        reason: RefuseReason,
    },
    /// A device renewed its registration.
    Updated {
        /// Its registration.
        registration: RegistrationId,
        /// What is different now.
        changes: Changes,
    },
    /// A registration ended.
    Deregistered {
        /// What it was.
        registration: Box<Registration>,
        /// Why.
        reason: DeregisterReason,
    },
    /// A device in queue mode listens.
    Awake {
        /// Its registration.
        registration: RegistrationId,
    },
    /// A device in queue mode doesn't listen any more; requests to it wait.
    Sleeping {
        /// Its registration.
        registration: RegistrationId,
    },
    /// A device answered a request, with success or not.
    Response {
        /// Which request.
        request: RequestId,
        /// The device.
        registration: RegistrationId,
        /// Response code.
        code: Code,
        /// Format of the payload.
        format: Option<ContentFormat>,
        /// Payload.
        payload: Vec<u8>,
        /// Path of a created instance.
        location: Option<Path>,
        /// The observation that the device accepted.
        observation: Option<ObservationId>,
    },
    /// A request ended without an answer.
    RequestFailed {
        /// Which request.
        request: RequestId,
        /// The device.
        registration: RegistrationId,
        /// Why.
        reason: FailReason,
    },
    /// A device reported a value.
    Notification {
        /// The observation.
        observation: ObservationId,
        /// The device.
        registration: RegistrationId,
        /// What is observed: one path, or those of a composite observation.
        paths: Vec<Path>,
        /// Observe value, 24 bits; notifications that were overtaken never come.
        sequence: u32,
        /// Format of the payload.
        format: Option<ContentFormat>,
        /// Payload.
        payload: Vec<u8>,
    },
    /// An observation ended without the application's doing.
    ObservationEnded {
        /// The observation.
        observation: ObservationId,
        /// The device.
        registration: RegistrationId,
        /// Why.
        reason: EndReason,
    },
    /// A device sent values of its own accord (TS-Core §6.4.6).
    Send {
        /// The device.
        registration: RegistrationId,
        /// Format of the payload.
        format: ContentFormat,
        /// Payload: decodes without error, and names registered objects only.
        payload: Vec<u8>,
    },
}

/// What an Update changed besides renewing the lifetime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Changes {
    /// The lifetime is another.
    pub lifetime: bool,
    /// Binding or queue mode.
    pub binding: bool,
    /// Number for SMS triggers.
    pub sms: bool,
    /// Objects, root path or content formats.
    pub objects: bool,
    /// Profile ids.
    pub profiles: bool,
    /// Unknown parameters.
    pub extra: bool,
    /// Address or session.
    pub address: bool,
}

impl Changes {
    /// True if something changed.
    pub fn any(&self) -> bool {
        *self != Self::default()
    }
}

/// Why a registration ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum DeregisterReason {
    /// The device de-registered.
    #[error("the device de-registered")]
    Device,
    /// The lifetime ended without an Update.
    #[error("the lifetime ended")]
    Expired,
    /// The application removed it.
    #[error("removed by the application")]
    Application,
}

/// Why a request ended without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum FailReason {
    /// The exchange with the device failed.
    #[error(transparent)]
    Exchange(ExchangeError),
    /// It waited too long for a device that sleeps or is away.
    #[error("the device did not come back in time")]
    Expired,
    /// The registration ended.
    #[error("the registration ended: {0}")]
    Deregistered(DeregisterReason),
    /// The device registered anew while the request was under way, and it may have been
    /// carried out already.
    #[error("the device registered anew")]
    Reregistered,
    /// The options of the request don't fit a datagram.
    #[error("the request is too large")]
    TooLarge,
    /// The CoAP layer has too many requests under way.
    #[error("too many requests are under way")]
    Overloaded,
    /// The observation that it was about has ended.
    #[error("the observation ended")]
    ObservationEnded,
}

/// Why an observation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum EndReason {
    /// The device ended it, or refused to start it again, by this code.
    #[error("the device ended it by {0}")]
    Device(Code),
    /// The device answered without observing, or sent its last notification.
    #[error("the device doesn't observe any more")]
    NotObserving,
    /// The registration ended.
    #[error("the registration ended: {0}")]
    Deregistered(DeregisterReason),
    /// The application observes the same target anew.
    #[error("replaced by a newer observation of the same target")]
    Replaced,
    /// It could not be started again after the device registered anew.
    #[error("it could not be started again: {0}")]
    Failed(FailReason),
}
