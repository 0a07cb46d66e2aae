//! Why a request over HTTP fails, and with which status.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use lwm2m_coap::ExchangeError;
use lwm2m_net::{Closed, server::RequestError};
use lwm2m_server::FailReason;

use super::{super::credentials::CredentialsError, reply};

/// Says why a request fails; its text is the body of the response.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ApiError {
    /// 400: the request can't be understood or made.
    #[error("{0}")]
    BadRequest(String),
    /// 401: the token is missing or wrong.
    #[error("the token is missing or wrong")]
    Unauthorized,
    /// 403: a web page of another origin asks.
    #[error("requests of other origins are not answered")]
    Origin,
    /// 404: there is no such device or resource.
    #[error("{0}")]
    NotFound(String),
    /// 405: the method can't be used here.
    #[error("the method can't be used here")]
    Method,
    /// 502: the device's answer can't be used.
    #[error("{0}")]
    BadGateway(String),
    /// 503: too much is under way, or the store fails.
    #[error("{0}")]
    Unavailable(String),
    /// 504: the device is silent.
    #[error("{0}")]
    Timeout(String),
}

impl ApiError {
    /// 400 with a reason.
    pub(crate) fn bad(reason: impl ToString) -> Self {
        Self::BadRequest(reason.to_string())
    }

    /// 404 for a device.
    pub(crate) fn unknown_device(endpoint: &str) -> Self {
        Self::NotFound(format!("no device {endpoint:?} is registered"))
    }

    const fn status(&self) -> StatusCode {
        match self {
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Origin => StatusCode::FORBIDDEN,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::BadGateway(_) => StatusCode::BAD_GATEWAY,
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Timeout(_) => StatusCode::GATEWAY_TIMEOUT,
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = self.to_string();
        let mut response = reply(self.status(), "text/plain; charset=utf-8", body);
        if self == Self::Unauthorized {
            let scheme = HeaderValue::from_static("Bearer");
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, scheme);
        }
        response
    }
}

impl From<RequestError> for ApiError {
    fn from(error: RequestError) -> Self {
        use lwm2m_server::RequestError as Invalid;
        let text = error.to_string();
        match error {
            RequestError::NotRegistered | RequestError::Invalid(Invalid::UnknownRegistration) => {
                Self::NotFound(text)
            }
            RequestError::Invalid(Invalid::QueueFull | Invalid::TooManyObservations)
            | RequestError::Closed
            | RequestError::Failed(FailReason::Overloaded) => Self::Unavailable(text),
            RequestError::Timeout(_) => Self::Timeout(text),
            RequestError::Failed(reason) => match reason {
                FailReason::Exchange(ExchangeError::Timeout | ExchangeError::PeerDown)
                | FailReason::Expired
                | FailReason::Deregistered(_)
                | FailReason::Reregistered => Self::Timeout(text),
                FailReason::TooLarge => Self::BadRequest(text),
                _ => Self::BadGateway(text),
            },
            RequestError::Decode { .. } => Self::BadGateway(text),
            _ => Self::BadRequest(text),
        }
    }
}

impl From<Closed> for ApiError {
    fn from(error: Closed) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl From<CredentialsError> for ApiError {
    fn from(error: CredentialsError) -> Self {
        match error {
            CredentialsError::Conflict { .. } => Self::bad(error),
            error => Self::Unavailable(error.to_string()),
        }
    }
}
