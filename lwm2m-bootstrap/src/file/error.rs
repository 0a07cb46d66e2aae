//! What is wrong with a provisioning file, and where.

use alloc::string::String;
use core::ops::Range;

use lwm2m_codec::{ParsePathError, Path, Type};

use crate::{server::ProvisionError, uri::UriError};

/// Says what is wrong with a provisioning file, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {kind}")]
pub struct ConfigError {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong there.
    pub kind: ConfigErrorKind,
}

impl ConfigError {
    /// Turns a span of the text into line and column.
    pub(super) fn at(text: &str, Problem { span, kind }: Problem) -> Self {
        let before = text.get(..span.start).unwrap_or(text);
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self {
            line: before.matches('\n').count() + 1,
            column: before.get(start..).unwrap_or_default().chars().count() + 1,
            kind,
        }
    }
}

/// What is wrong, and which bytes of the text say it.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) span: Range<usize>,
    pub(super) kind: ConfigErrorKind,
}

impl Problem {
    pub(super) const fn new(span: Range<usize>, kind: ConfigErrorKind) -> Self {
        Self { span, kind }
    }
}

/// What is wrong with a provisioning file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigErrorKind {
    /// The text is not TOML, or a key is unknown, missing or of another type.
    #[error("{0}")]
    Toml(String),
    /// An endpoint name is empty, or a `*` is not at its end.
    #[error("an endpoint name is not empty, and `*` stands at its end only")]
    EndpointName,
    /// Two endpoints have the same name.
    #[error("there is another endpoint named {0}")]
    EndpointTwice(String),
    /// Two endpoints have the same PSK identity and different keys.
    #[error("another endpoint has the same PSK identity and another key")]
    IdentityTwice,
    /// Bytes are written as pairs of hexadecimal digits.
    #[error("expected hexadecimal digits, two for each byte, or \"text:…\"")]
    Hex,
    /// A key or identity must not be empty.
    #[error("this must not be empty")]
    Empty,
    /// A text is not a path.
    #[error("expected a path such as /3/0: {0}")]
    Path(ParsePathError),
    /// A Bootstrap-Delete can't have this path.
    #[error("only /, objects and instances can be deleted")]
    DeletePath,
    /// A Bootstrap-Read can't have this path.
    #[error("only /1 and /2 and their instances can be read")]
    ReadPath,
    /// A Bootstrap-Write can't have this path.
    #[error("a write goes to an instance or a resource")]
    WritePath,
    /// A Short Server ID is 1 to 65534.
    #[error("a short server id is 1 to 65534")]
    Ssid,
    /// Two servers of an endpoint have the same Short Server ID.
    #[error("another server of this endpoint has the short server id {0}")]
    SsidTwice(u16),
    /// An id is 0 to 65534.
    #[error("an id is 0 to 65534")]
    Id,
    /// The URI is not one to connect to.
    #[error("{0}")]
    Uri(UriError),
    /// Nothing says how the connection is secured.
    #[error(
        "say how the connection is secured: psk, one_time_psk, raw_public_key, certificate or \
         security = \"nosec\""
    )]
    SecurityMissing,
    /// More than one thing says how the connection is secured.
    #[error("only one of psk, one_time_psk, raw_public_key, certificate and security can be there")]
    SecurityTwice,
    /// A key can't be made for each bootstrap where there is none.
    #[error("a factory file has no one-time keys")]
    OneTimeInFactory,
    /// The word is none of those for security.
    #[error(
        "security is \"nosec\", or \"gba\", \"akma\" or \"modem\" for a key that the device makes; \
         keys that are written down are psk, raw_public_key or certificate"
    )]
    SecurityUnknown,
    /// `coap` goes without keys, `coaps` with keys.
    #[error("the scheme of the URI contradicts the keys: coaps goes with keys, coap without")]
    SchemeContradictsKeys,
    /// A right is none of the letters R, W, E, D, C.
    #[error("rights are letters of RWEDC")]
    Rights,
    /// A text names no subscriber.
    #[error("expected a subscriber such as \"imsi:001010123456789\"; iccid and msisdn, too")]
    Subscriber,
    /// A text is no network code.
    #[error("expected a network such as \"00101\" or \"001-001\"")]
    Plmn,
    /// Digits of a card or subscriber.
    #[error("expected decimal digits")]
    Digits,
    /// Nothing says which SIMs an operator has.
    #[error("say which SIMs these are: plmn, gid1, gid2, spn, imsi_prefix or iccid_prefix")]
    MatchMissing,
    /// A container of the network that is not the operators'.
    #[error("the containers of operators are 0xff00 to 0xffff")]
    Container,
    /// No definition of the object is known.
    #[error("object {0} is not known")]
    UnknownObject(u16),
    /// The object has no such resource.
    #[error("there is no resource {0}")]
    UnknownResource(Path),
    /// The value is not of the resource's type.
    #[error("{path} wants {expected}")]
    Value {
        /// The resource or Resource Instance.
        path: Path,
        /// Its type; `None` for an executable resource.
        expected: ExpectedValue,
    },
    /// No device could take what this makes of it.
    #[error("{0}")]
    Provision(ProvisionError),
}

/// What a resource wants to be written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExpectedValue {
    /// One value of a type.
    One(Type),
    /// A table of values by Resource Instance ID, or of resources by Resource ID.
    Table,
    /// Nothing: it is executable.
    Nothing,
}

impl core::fmt::Display for ExpectedValue {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::One(Type::String) => "a string",
            Self::One(Type::Integer) => "an integer",
            Self::One(Type::Unsigned) => "an integer that is not negative",
            Self::One(Type::Float) => "a number",
            Self::One(Type::Boolean) => "true or false",
            Self::One(Type::Opaque) => "a string of hexadecimal digits, or \"text:…\"",
            Self::One(Type::Time) => "seconds since 1970",
            Self::One(Type::ObjectLink) => "a link such as \"3:0\"",
            Self::One(Type::CoreLink) => "a string of links",
            Self::Table => "a table by ids, such as { 0 = … }",
            Self::Nothing => "no value: it is executable",
        })
    }
}
