//! CoAP Content-Format numbers.

use core::{fmt, str::FromStr};

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

    /// All formats that LwM2M uses, by their numbers of today.
    pub const KNOWN: [Self; 11] = [
        Self::TEXT,
        Self::LINK,
        Self::OPAQUE,
        Self::CBOR,
        Self::SENML_JSON,
        Self::SENML_CBOR,
        Self::SENML_ETCH_JSON,
        Self::SENML_ETCH_CBOR,
        Self::TLV,
        Self::OMA_JSON,
        Self::LWM2M_CBOR,
    ];

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

/// Says that a text is neither the name nor the number of a format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected the name of a format, such as senml-cbor, or a number up to 65535")]
pub struct ParseContentFormatError;

impl FromStr for ContentFormat {
    type Err = ParseContentFormatError;

    /// Reads a name, in any case, or a number.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let named = Self::KNOWN.into_iter().find(|format| {
            format
                .name()
                .is_some_and(|name| name.eq_ignore_ascii_case(text))
        });
        named
            .or_else(|| text.parse().ok().map(Self))
            .ok_or(ParseContentFormatError)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_is_known_by_name_and_by_number() {
        for format in ContentFormat::KNOWN {
            assert_eq!(format.name().unwrap().parse(), Ok(format));
            assert_eq!(std::format!("{}", format.0).parse(), Ok(format));
        }
        assert_eq!("SenML-CBOR".parse(), Ok(ContentFormat::SENML_CBOR));
        assert_eq!("1542".parse(), Ok(ContentFormat(1542)));
        for wrong in ["", "senml", "65536", "-1"] {
            let parsed: Result<ContentFormat, _> = wrong.parse();
            assert_eq!(parsed, Err(ParseContentFormatError), "{wrong}");
        }
    }
}
