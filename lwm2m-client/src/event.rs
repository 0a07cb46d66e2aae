//! What a client tells its application.

use alloc::{string::String, vec::Vec};
use core::fmt;

use lwm2m_bootstrap::{
    device::{PackError, Served},
    source::{Origin, Renewal, SourceError},
};
use lwm2m_coap::{ConnectError, Duration, ExchangeError, RequestError};
use lwm2m_codec::{Path, Version, coap::Code};
use lwm2m_model::Failure;

/// Why talking to a server failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failed {
    /// The connection did not come up.
    #[error("no connection: {0}")]
    Connect(#[from] ConnectError),
    /// The request ended without a response.
    #[error("no response: {0}")]
    Exchange(#[from] ExchangeError),
    /// The request could not be sent.
    #[error("not sent: {0}")]
    Request(#[from] RequestError),
    /// The server refused.
    #[error("the server answered {code}{}{diagnostic}", if diagnostic.is_empty() { "" } else { ": " })]
    Refused {
        /// Its response code.
        code: Code,
        /// Its diagnostic payload.
        diagnostic: String,
    },
    /// The connection broke.
    #[error("the connection broke")]
    Down,
    /// Nothing came for too long.
    #[error("nothing came from the server for too long")]
    Silence,
    /// The pack can't be used.
    #[error(transparent)]
    Pack(#[from] PackError),
    /// The application could not store the accounts, or did not in time.
    #[error("the accounts could not be stored")]
    Store,
    /// An object refused what the bootstrap left, at its end.
    #[error("the bootstrap could not be kept: {0}")]
    Keep(Failure),
    /// The account of the bootstrap server is gone.
    #[error("there is no bootstrap account")]
    NoAccount,
}

/// How far a bootstrap came.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum BootstrapStep {
    /// Connecting to the bootstrap server.
    Connecting,
    /// The Bootstrap-Pack-Request.
    AskingForPack,
    /// The Bootstrap-Request.
    Asking,
    /// The Bootstrap-Request was answered; no request of the bootstrap server came.
    Asked,
    /// This was its last request, and the answer to it.
    Served(Served),
    /// All is there, and to be stored.
    Storing,
}

impl fmt::Display for BootstrapStep {
    /// Writes what follows "the bootstrap failed": `after write /0/1 as tlv (11542), …`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connecting => f.write_str("connecting to the bootstrap server"),
            Self::AskingForPack => f.write_str("at the Bootstrap-Pack-Request"),
            Self::Asking => f.write_str("at the Bootstrap-Request"),
            Self::Asked => f.write_str("before the first request of the bootstrap server"),
            Self::Served(served) => write!(f, "after {served}"),
            Self::Storing => f.write_str("storing the accounts"),
        }
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// The bootstrap server took the Bootstrap-Request.
    BootstrapStarted,
    /// The bootstrap is complete; its accounts are in use now.
    BootstrapFinished,
    /// The account of the bootstrap server was removed, as it asked for (/0/x/12). The device has
    /// to keep that.
    BootstrapAccountRemoved,
    /// With [`Config::store_accounts`](crate::Config::store_accounts): the bootstrap is complete
    /// but for the answer to its Finish. The application stores the accounts that the tree holds
    /// now and says so by [`Client::accounts_stored`](crate::Client::accounts_stored).
    BootstrapStore,
    /// With [`Config::check_sources`](crate::Config::check_sources): the application asks its
    /// sources, those behind `after` in the order of origins, and gives what
    /// [`ask`](lwm2m_bootstrap::source::ask) says to
    /// [`Client::sources_checked`](crate::Client::sources_checked). What is due waits for that.
    CheckSources {
        /// The origin whose information was refused; `None` to ask all.
        after: Option<Origin>,
    },
    /// These sources could not be read.
    SourcesFailed(Vec<(Origin, SourceError)>),
    /// Nobody answered [`Event::CheckSources`] in time.
    SourcesSilent,
    /// A source changed, or is gone: its accounts were removed, others may have taken their
    /// place. The application has to keep that.
    SourcesChanged(Renewal),
    /// No pack came, or none that can be used: the device asks for the plain sequence.
    BootstrapPackFailed {
        /// Why.
        reason: Failed,
    },
    /// The bootstrap failed; everything is as it was before.
    BootstrapFailed {
        /// How far it came.
        step: BootstrapStep,
        /// Why.
        reason: Failed,
        /// When it is tried again.
        retry_in: Duration,
    },
    /// The server has the registration.
    Registered {
        /// Short Server ID.
        server: u16,
        /// Version of the enabler that the server took.
        version: Version,
        /// Path of the registration at the server.
        location: String,
    },
    /// The server took an Update.
    Updated {
        /// Short Server ID.
        server: u16,
    },
    /// A registration attempt failed.
    RegistrationFailed {
        /// Short Server ID.
        server: u16,
        /// Why.
        reason: Failed,
        /// When it is tried again.
        retry_in: Duration,
    },
    /// The registration ended on request of either side.
    Deregistered {
        /// Short Server ID.
        server: u16,
    },
    /// A server changed or executed something.
    Changed {
        /// Short Server ID; 0 for the bootstrap server.
        server: u16,
        /// What.
        path: Path,
        /// Kind of operation.
        operation: Operation,
    },
    /// A Send was answered.
    Sent {
        /// Short Server ID.
        server: u16,
        /// What came of it.
        result: Result<(), Failed>,
    },
    /// Queue mode: the device need not listen to this server until it has something to say.
    Asleep {
        /// Short Server ID.
        server: u16,
    },
}

/// Operations of a server on the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// Read, Read-Composite.
    Read,
    /// Discover.
    Discover,
    /// Write, in either mode, and Write-Composite.
    Write,
    /// Write-Attributes.
    WriteAttributes,
    /// Execute.
    Execute,
    /// Create.
    Create,
    /// Delete.
    Delete,
    /// Observe, Observe-Composite.
    Observe,
}
