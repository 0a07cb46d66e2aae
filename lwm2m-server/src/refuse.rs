//! Why a request of a device is refused, and with which code.

use lwm2m_codec::{ContentFormat, DecodeError, Version, coap::Code};

/// Says why a Register, Update or Send was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RefuseReason {
    /// A query is not UTF-8.
    #[error("a query is not UTF-8")]
    Query,
    /// A parameter can't be understood, or comes twice.
    #[error("parameter {0} is malformed or repeated")]
    Parameter(&'static str),
    /// A mandatory parameter is missing.
    #[error("parameter {0} is missing")]
    Missing(&'static str),
    /// The server doesn't speak this version of LwM2M.
    #[error("LwM2M {0} is not supported")]
    Version(Version),
    /// The payload has another format than the operation wants.
    #[error("content format {0} is not supported here")]
    Format(ContentFormat),
    /// The payload is malformed.
    #[error("the payload is malformed: {0}")]
    Payload(DecodeError),
    /// The list of objects is missing and can't be known otherwise.
    #[error("the objects are not known")]
    ObjectsUnknown,
    /// A bound of this server is exceeded.
    #[error("more than {limit} {what}")]
    Limit {
        /// What there is too much of.
        what: &'static str,
        /// The bound.
        limit: usize,
    },
    /// The endpoint name belongs to another identity.
    #[error("the endpoint name belongs to another identity")]
    IdentityMismatch,
    /// The endpoint name is not allowed here.
    #[error("the endpoint is not allowed here")]
    NotAllowed,
    /// The application refused, by this code.
    #[error("the application refused by {0}")]
    Application(Code),
    /// The application or the journal took too long.
    #[error("the server took too long")]
    Late,
    /// There is no such registration, or it belongs to somebody else.
    #[error("there is no such registration")]
    UnknownRegistration,
    /// A Send names an object that the device did not register.
    #[error("object {0} is not registered")]
    UnknownObject(u16),
    /// A table is full.
    #[error("the server is full")]
    Full,
}

impl From<DecodeError> for RefuseReason {
    fn from(error: DecodeError) -> Self {
        Self::Payload(error)
    }
}

impl RefuseReason {
    /// The response code (TS-Core §6.2; TS-Transport §6.4.3, §6.7).
    pub const fn code(&self) -> Code {
        match self {
            Self::Query
            | Self::Parameter(_)
            | Self::Missing(_)
            | Self::Payload(_)
            | Self::Limit { .. } => Code::BAD_REQUEST,
            // TS-Transport §5: a mismatch of `ep` and the security identity is a Bad Request.
            Self::IdentityMismatch => Code::BAD_REQUEST,
            Self::NotAllowed => Code::FORBIDDEN,
            Self::UnknownRegistration | Self::UnknownObject(_) => Code::NOT_FOUND,
            Self::ObjectsUnknown => Code::CONFLICT,
            Self::Version(_) => Code::PRECONDITION_FAILED,
            Self::Format(_) => Code::UNSUPPORTED_CONTENT_FORMAT,
            Self::Application(code) => *code,
            Self::Late | Self::Full => Code::SERVICE_UNAVAILABLE,
        }
    }
}
