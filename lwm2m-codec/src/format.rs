//! CoAP Content-Format numbers.

use core::fmt;

/// Names a payload format by its CoAP Content-Format number (TS-Core §7.5; IANA registry).
///
/// Unknown numbers are kept, so that they survive a round trip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentFormat(pub u16);

impl ContentFormat {
    /// `text/plain`: one value, or the arguments of an Execute.
    pub const TEXT: Self = Self(0);
    /// `application/link-format` (RFC 6690).
    pub const LINK: Self = Self(40);
    /// `application/octet-stream`: one opaque value.
    pub const OPAQUE: Self = Self(42);
    /// `application/cbor`: one value.
    pub const CBOR: Self = Self(60);
    /// `application/senml+json` (RFC 8428).
    pub const SENML_JSON: Self = Self(110);
    /// `application/senml+cbor` (RFC 8428).
    pub const SENML_CBOR: Self = Self(112);
    /// `application/senml-etch+json` (RFC 8790).
    pub const SENML_ETCH_JSON: Self = Self(320);
    /// `application/senml-etch+cbor` (RFC 8790).
    pub const SENML_ETCH_CBOR: Self = Self(322);
    /// `application/vnd.oma.lwm2m+tlv`.
    pub const TLV: Self = Self(11542);
    /// `application/vnd.oma.lwm2m+json` (LwM2M 1.0).
    pub const OMA_JSON: Self = Self(11543);
    /// `application/vnd.oma.lwm2m+cbor` (LwM2M 1.2).
    pub const LWM2M_CBOR: Self = Self(11544);

    /// Maps the numbers used before the IANA registration (1541–1544) to today's.
    pub const fn canonical(self) -> Self {
        match self.0 {
            1541 => Self::TEXT,
            1542 => Self::TLV,
            1543 => Self::OMA_JSON,
            1544 => Self::OPAQUE,
            _ => self,
        }
    }

    /// True for formats that carry exactly one value.
    pub const fn is_single_value(self) -> bool {
        matches!(self.canonical(), Self::TEXT | Self::OPAQUE | Self::CBOR)
    }

    /// True for formats that can express an empty instance or resource: TLV and LwM2M CBOR.
    pub const fn has_containers(self) -> bool {
        matches!(self.canonical(), Self::TLV | Self::LWM2M_CBOR)
    }

    /// Returns the short name that tools print, if the format is known.
    pub const fn name(self) -> Option<&'static str> {
        Some(match self.canonical() {
            Self::TEXT => "text",
            Self::LINK => "link",
            Self::OPAQUE => "opaque",
            Self::CBOR => "cbor",
            Self::SENML_JSON => "senml-json",
            Self::SENML_CBOR => "senml-cbor",
            Self::SENML_ETCH_JSON => "senml-etch-json",
            Self::SENML_ETCH_CBOR => "senml-etch-cbor",
            Self::TLV => "tlv",
            Self::OMA_JSON => "oma-json",
            Self::LWM2M_CBOR => "lwm2m-cbor",
            _ => return None,
        })
    }
}

impl fmt::Display for ContentFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name} ({})", self.0),
            None => write!(f, "{}", self.0),
        }
    }
}
