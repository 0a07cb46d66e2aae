//! What can go wrong with a device.

use lwm2m_bootstrap::Inconsistency;
use lwm2m_codec::{ParsePathError, Path};
use lwm2m_model::Failure;

use crate::{BindError, Closed};

/// Says why a device can't start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// There is neither a server nor a bootstrap server to talk to.
    #[error("the device has no account of any server")]
    NoAccount,
    /// The accounts contradict each other.
    #[error("the accounts are inconsistent: {0}")]
    Accounts(#[from] Inconsistency),
    /// A lifetime is longer than the Server object can hold.
    #[error("a lifetime of {0} s is too long")]
    Lifetime(u64),
    /// Instance 0 of the Device object is mandatory (TS-Core App. E).
    #[error("the device has no instance of object 3")]
    DeviceMissing,
    /// An instance was added to an object that is not [`Typed`](lwm2m_model::Typed).
    #[error("object {0} takes no typed instance")]
    NotTyped(u16),
    /// The system gave no random numbers.
    #[error("the system has no randomness")]
    Random,
    /// The driver can't start.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The driver ended at once.
    #[error(transparent)]
    Closed(#[from] Closed),
}

/// Says why an instance can't be changed or copied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SetError {
    /// There is no such instance, or its object is not [`Typed`](lwm2m_model::Typed).
    #[error("the device has no typed instance {0}")]
    Missing(Path),
    /// The device has ended.
    #[error(transparent)]
    Closed(#[from] Closed),
}

/// Says why a value can't be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// Path, type or range do not fit.
    #[error(transparent)]
    Refused(#[from] Failure),
    /// The device has ended.
    #[error(transparent)]
    Closed(#[from] Closed),
}

/// Says why a value can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// There is no value.
    #[error(transparent)]
    Refused(#[from] Failure),
    /// The device has ended.
    #[error(transparent)]
    Closed(#[from] Closed),
}

/// Says why values can't be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// A path is none.
    #[error(transparent)]
    Path(#[from] ParsePathError),
    /// No server has a registration.
    #[error("the device is not registered")]
    NotRegistered,
    /// A path is not there.
    #[error(transparent)]
    Values(#[from] Failure),
    /// A server does not take them.
    #[error(transparent)]
    Refused(#[from] lwm2m_client::SendError),
    /// The device has ended.
    #[error(transparent)]
    Closed(#[from] Closed),
}

/// Says why a device ended without the consent of its servers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StopError {
    /// A server did not answer the De-register in time.
    #[error("a server did not answer the de-registration")]
    Timeout,
    /// The device had ended before.
    #[error(transparent)]
    Closed(#[from] Closed),
}
