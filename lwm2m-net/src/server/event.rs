//! What a running server tells its application.

use std::net::SocketAddr;

use lwm2m_codec::{ContentFormat, DecodeError, coap::Code};
use lwm2m_server::{
    Changes, DecisionError, DeregisterReason, EndReason, ObservationId, RefuseReason,
    RegisterRequest, Registration,
};
use tokio::sync::mpsc;

use super::{Device, Notification, Record, Server, StoreError};

/// What happened at a server.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// A device registered.
    Registered {
        /// The device.
        device: Device,
        /// Its registration.
        registration: Box<Registration>,
        /// The earlier registration of the same endpoint, which this one replaces.
        replaced: Option<Box<Registration>>,
    },
    /// A device wants to register: with
    /// [`Config::decide_register`](lwm2m_server::Config::decide_register) only.
    RegisterRequested(PendingRegister),
    /// A Register was refused.
    Refused {
        /// Endpoint name, if it could be read.
        endpoint: Option<String>,
        /// Where it came from, if the peer is still known.
        address: Option<SocketAddr>,
        /// Why.
        reason: RefuseReason,
    },
    /// A device renewed its registration.
    Updated {
        /// The device.
        device: Device,
        /// Its registration.
        registration: Box<Registration>,
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
        /// The device.
        device: Device,
    },
    /// A device in queue mode doesn't listen any more; requests to it wait.
    Sleeping {
        /// The device.
        device: Device,
    },
    /// A device reported a value, and no [`Observation`](super::Observation) takes it.
    Notification {
        /// The device.
        device: Device,
        /// What it reported.
        notification: Notification,
    },
    /// An observation ended without the application's doing.
    ObservationEnded {
        /// The device, if it is still registered.
        device: Option<Device>,
        /// The observation.
        observation: ObservationId,
        /// Why.
        reason: EndReason,
    },
    /// A device sent values of its own accord (TS-Core §6.4.6).
    Send {
        /// The device.
        device: Device,
        /// Format of the payload.
        format: ContentFormat,
        /// Payload.
        payload: Vec<u8>,
        /// The values.
        records: Vec<Record>,
        /// Why there are no more values, if the payload does not fit the objects' definitions.
        error: Option<DecodeError>,
    },
    /// The journal can't be stored; the server tries again, and refuses Registers until then.
    StoreFailed(StoreError),
}

/// The events of a server, in order. If nobody takes them, the oldest are dropped.
#[derive(Debug)]
pub struct Events(mpsc::Receiver<Event>);

impl Events {
    pub(super) const fn new(events: mpsc::Receiver<Event>) -> Self {
        Self(events)
    }

    /// The next event; `None` when the server has ended.
    pub async fn next(&mut self) -> Option<Event> {
        self.0.recv().await
    }
}

/// A device wants to register: the right and duty to decide. Dropped, the device gets 5.03 when
/// the engine's deadline ends.
#[derive(Debug)]
#[must_use]
pub struct PendingRegister {
    server: Server,
    request: RegisterRequest,
}

impl PendingRegister {
    pub(super) const fn new(server: Server, request: RegisterRequest) -> Self {
        Self { server, request }
    }

    /// What the registration would be.
    pub fn registration(&self) -> &Registration {
        self.request.registration()
    }

    /// Lets the device register.
    ///
    /// # Errors
    /// [`DecisionError`]: the device is not registered then.
    pub async fn accept(self) -> Result<(), DecisionError> {
        self.server.decide(self.request, None).await
    }

    /// Refuses the device by a code, such as 4.03.
    ///
    /// # Errors
    /// [`DecisionError::Late`]: the device has an answer already.
    pub async fn reject(self, code: Code) -> Result<(), DecisionError> {
        self.server.decide(self.request, Some(code)).await
    }
}
