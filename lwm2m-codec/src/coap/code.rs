//! Method and response codes.

use core::fmt;

/// A CoAP code `c.dd`: a method or a response code (RFC 7252 §12.1).
///
/// Unknown codes are kept, so that they survive a round trip.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(pub u8);

macro_rules! codes {
    ($($name:ident = $class:literal, $detail:literal, $phrase:literal;)*) => {
        impl Code {
            $(#[doc = concat!($phrase, ".")]
            pub const $name: Self = Self::new($class, $detail);)*

            /// Returns the name of a known code, such as `Content`.
            pub const fn name(self) -> Option<&'static str> {
                match self {
                    $(Self::$name => Some($phrase),)*
                    _ => None,
                }
            }
        }
    };
}

codes! {
    EMPTY = 0, 0, "Empty";
    GET = 0, 1, "GET";
    POST = 0, 2, "POST";
    PUT = 0, 3, "PUT";
    DELETE = 0, 4, "DELETE";
    FETCH = 0, 5, "FETCH";
    PATCH = 0, 6, "PATCH";
    IPATCH = 0, 7, "iPATCH";
    CREATED = 2, 1, "Created";
    DELETED = 2, 2, "Deleted";
    VALID = 2, 3, "Valid";
    CHANGED = 2, 4, "Changed";
    CONTENT = 2, 5, "Content";
    CONTINUE = 2, 31, "Continue";
    BAD_REQUEST = 4, 0, "Bad Request";
    UNAUTHORIZED = 4, 1, "Unauthorized";
    BAD_OPTION = 4, 2, "Bad Option";
    FORBIDDEN = 4, 3, "Forbidden";
    NOT_FOUND = 4, 4, "Not Found";
    METHOD_NOT_ALLOWED = 4, 5, "Method Not Allowed";
    NOT_ACCEPTABLE = 4, 6, "Not Acceptable";
    REQUEST_ENTITY_INCOMPLETE = 4, 8, "Request Entity Incomplete";
    CONFLICT = 4, 9, "Conflict";
    PRECONDITION_FAILED = 4, 12, "Precondition Failed";
    REQUEST_ENTITY_TOO_LARGE = 4, 13, "Request Entity Too Large";
    UNSUPPORTED_CONTENT_FORMAT = 4, 15, "Unsupported Content-Format";
    UNPROCESSABLE_ENTITY = 4, 22, "Unprocessable Entity";
    TOO_MANY_REQUESTS = 4, 29, "Too Many Requests";
    INTERNAL_SERVER_ERROR = 5, 0, "Internal Server Error";
    NOT_IMPLEMENTED = 5, 1, "Not Implemented";
    BAD_GATEWAY = 5, 2, "Bad Gateway";
    SERVICE_UNAVAILABLE = 5, 3, "Service Unavailable";
    GATEWAY_TIMEOUT = 5, 4, "Gateway Timeout";
    PROXYING_NOT_SUPPORTED = 5, 5, "Proxying Not Supported";
    CSM = 7, 1, "CSM";
    PING = 7, 2, "Ping";
    PONG = 7, 3, "Pong";
    RELEASE = 7, 4, "Release";
    ABORT = 7, 5, "Abort";
}

impl Code {
    /// Makes the code `class.detail`; class below 8, detail below 32.
    pub const fn new(class: u8, detail: u8) -> Self {
        Self((class << 5) | (detail & 0x1f))
    }

    /// The class: 0 for methods, 2 for success, 4 for client errors, 5 for server errors,
    /// 7 for signalling over TCP.
    pub const fn class(self) -> u8 {
        self.0 >> 5
    }

    /// The detail, 0 to 31.
    pub const fn detail(self) -> u8 {
        self.0 & 0x1f
    }

    /// True for a method code.
    pub const fn is_request(self) -> bool {
        self.class() == 0 && self.0 != 0
    }

    /// True for 2.xx, 4.xx and 5.xx.
    pub const fn is_response(self) -> bool {
        matches!(self.class(), 2 | 4 | 5)
    }

    /// True for 7.xx, signalling over TCP (RFC 8323 §5).
    pub const fn is_signal(self) -> bool {
        self.class() == 7
    }

    /// True for 2.xx.
    pub const fn is_success(self) -> bool {
        self.class() == 2
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.class(), self.detail())?;
        match self.name() {
            Some(name) => write!(f, " {name}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
