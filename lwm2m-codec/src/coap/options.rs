//! Option numbers and values.

use core::fmt;

/// A CoAP option number (RFC 7252 §5.10).
///
/// Unknown numbers are kept, so that they survive a round trip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OptionNumber(pub u16);

impl OptionNumber {
    /// If-Match.
    pub const IF_MATCH: Self = Self(1);
    /// Uri-Host.
    pub const URI_HOST: Self = Self(3);
    /// ETag.
    pub const ETAG: Self = Self(4);
    /// If-None-Match.
    pub const IF_NONE_MATCH: Self = Self(5);
    /// Observe (RFC 7641).
    pub const OBSERVE: Self = Self(6);
    /// Uri-Port.
    pub const URI_PORT: Self = Self(7);
    /// Location-Path.
    pub const LOCATION_PATH: Self = Self(8);
    /// OSCORE (RFC 8613).
    pub const OSCORE: Self = Self(9);
    /// Uri-Path.
    pub const URI_PATH: Self = Self(11);
    /// Content-Format.
    pub const CONTENT_FORMAT: Self = Self(12);
    /// Max-Age.
    pub const MAX_AGE: Self = Self(14);
    /// Uri-Query.
    pub const URI_QUERY: Self = Self(15);
    /// Accept.
    pub const ACCEPT: Self = Self(17);
    /// Location-Query.
    pub const LOCATION_QUERY: Self = Self(20);
    /// Block2 (RFC 7959).
    pub const BLOCK2: Self = Self(23);
    /// Block1 (RFC 7959).
    pub const BLOCK1: Self = Self(27);
    /// Size2 (RFC 7959).
    pub const SIZE2: Self = Self(28);
    /// Proxy-Uri.
    pub const PROXY_URI: Self = Self(35);
    /// Proxy-Scheme.
    pub const PROXY_SCHEME: Self = Self(39);
    /// Size1 (RFC 7959).
    pub const SIZE1: Self = Self(60);
    /// Echo (RFC 9175).
    pub const ECHO: Self = Self(252);
    /// No-Response (RFC 7967).
    pub const NO_RESPONSE: Self = Self(258);
    /// Request-Tag (RFC 9175).
    pub const REQUEST_TAG: Self = Self(292);

    /// Returns the name of a known option, such as `Uri-Path`; signalling messages have options of
    /// their own.
    pub const fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::IF_MATCH => "If-Match",
            Self::URI_HOST => "Uri-Host",
            Self::ETAG => "ETag",
            Self::IF_NONE_MATCH => "If-None-Match",
            Self::OBSERVE => "Observe",
            Self::URI_PORT => "Uri-Port",
            Self::LOCATION_PATH => "Location-Path",
            Self::OSCORE => "OSCORE",
            Self::URI_PATH => "Uri-Path",
            Self::CONTENT_FORMAT => "Content-Format",
            Self::MAX_AGE => "Max-Age",
            Self::URI_QUERY => "Uri-Query",
            Self::ACCEPT => "Accept",
            Self::LOCATION_QUERY => "Location-Query",
            Self::BLOCK2 => "Block2",
            Self::BLOCK1 => "Block1",
            Self::SIZE2 => "Size2",
            Self::PROXY_URI => "Proxy-Uri",
            Self::PROXY_SCHEME => "Proxy-Scheme",
            Self::SIZE1 => "Size1",
            Self::ECHO => "Echo",
            Self::NO_RESPONSE => "No-Response",
            Self::REQUEST_TAG => "Request-Tag",
            _ => return None,
        })
    }

    /// True if a receiver that does not know the option must refuse the message
    /// (RFC 7252 §5.4.1).
    pub const fn is_critical(self) -> bool {
        self.0 & 1 == 1
    }

    /// True if the option is part of the cache key (RFC 7252 §5.4.2).
    pub const fn is_cache_key(self) -> bool {
        self.0 & 0x1e != 0x1c
    }

    /// True if the option may occur more than once.
    pub const fn is_repeatable(self) -> bool {
        matches!(
            self,
            Self::IF_MATCH
                | Self::ETAG
                | Self::LOCATION_PATH
                | Self::URI_PATH
                | Self::URI_QUERY
                | Self::LOCATION_QUERY
                | Self::REQUEST_TAG
        )
    }

    /// Shortest and longest allowed value; `None` for unknown options.
    pub const fn length_range(self) -> Option<(usize, usize)> {
        Some(match self {
            Self::IF_MATCH | Self::REQUEST_TAG => (0, 8),
            Self::ETAG => (1, 8),
            Self::IF_NONE_MATCH => (0, 0),
            Self::OBSERVE | Self::BLOCK1 | Self::BLOCK2 => (0, 3),
            Self::URI_PORT | Self::CONTENT_FORMAT | Self::ACCEPT => (0, 2),
            Self::URI_HOST | Self::PROXY_SCHEME => (1, 255),
            Self::LOCATION_PATH
            | Self::OSCORE
            | Self::URI_PATH
            | Self::URI_QUERY
            | Self::LOCATION_QUERY => (0, 255),
            Self::MAX_AGE | Self::SIZE1 | Self::SIZE2 => (0, 4),
            Self::PROXY_URI => (1, 1034),
            Self::ECHO => (1, 40),
            Self::NO_RESPONSE => (0, 1),
            _ => return None,
        })
    }
}

/// One option of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CoapOption<'a> {
    /// Number.
    pub number: OptionNumber,
    /// Raw value.
    pub value: &'a [u8],
}

impl<'a> CoapOption<'a> {
    /// The value as an unsigned integer; `None` if it has more than 4 bytes.
    pub fn as_uint(&self) -> Option<u32> {
        uint_value(self.value)
    }

    /// The value as text; `None` if it is not UTF-8.
    pub fn as_str(&self) -> Option<&'a str> {
        core::str::from_utf8(self.value).ok()
    }
}

/// Reads an option value of format `uint`: big-endian, leading zeros accepted, at most 4 bytes.
pub fn uint_value(value: &[u8]) -> Option<u32> {
    if value.len() > 4 {
        return None;
    }
    Some(
        value
            .iter()
            .fold(0, |number, byte| (number << 8) | u32::from(*byte)),
    )
}

/// The value of a Block1 or Block2 option (RFC 7959 §2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    /// Block number, below 2²⁰.
    pub num: u32,
    /// True if more blocks follow.
    pub more: bool,
    /// Size exponent, 0 to 6: a block has 2^(szx+4) bytes.
    pub szx: u8,
}

impl Block {
    /// The largest block number that the option can carry.
    pub const MAX_NUM: u32 = (1 << 20) - 1;

    /// Makes a block option value for a block size of 16 to 1024 bytes, rounded down.
    pub const fn new(num: u32, more: bool, size: usize) -> Self {
        Self {
            num,
            more,
            szx: Self::szx_of(size),
        }
    }

    /// The exponent of the largest block size that is not above `size`.
    pub const fn szx_of(size: usize) -> u8 {
        match size {
            1024.. => 6,
            512.. => 5,
            256.. => 4,
            128.. => 3,
            64.. => 2,
            32.. => 1,
            _ => 0,
        }
    }

    /// Reads an option value; `None` for more than 3 bytes or the reserved exponent 7.
    pub fn parse(value: &[u8]) -> Option<Self> {
        if value.len() > 3 {
            return None;
        }
        let number = uint_value(value)?;
        let szx = (number & 7) as u8;
        (szx != 7).then_some(Self {
            num: number >> 4,
            more: number & 8 != 0,
            szx,
        })
    }

    /// The option value as a number.
    pub const fn to_uint(self) -> u32 {
        (self.num << 4) | ((self.more as u32) << 3) | self.szx as u32
    }

    /// Block size in bytes, 16 to 1024.
    pub const fn size(self) -> usize {
        16 << self.szx
    }

    /// Offset of this block's first byte in the body.
    pub const fn offset(self) -> usize {
        (self.num as usize).saturating_mul(self.size())
    }
}

impl fmt::Display for Block {
    /// Writes `num/more/size`, as RFC 7959 does.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.num, u8::from(self.more), self.size())
    }
}
