//! TLV: `application/vnd.oma.lwm2m+tlv` (TS-Core §7.5.5).

mod decode;
mod encode;

pub(crate) use decode::TlvDecoder;
pub(crate) use encode::TlvEncoder;

/// What an element is: bits 7 and 6 of its type byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Object Instance with its resources.
    Instance,
    /// Resource Instance with its value.
    ResourceInstance,
    /// Multiple Resource with its Resource Instances.
    Multiple,
    /// Resource with its value.
    Resource,
}

impl Kind {
    const fn from_type_byte(byte: u8) -> Self {
        match byte >> 6 {
            0 => Self::Instance,
            1 => Self::ResourceInstance,
            2 => Self::Multiple,
            _ => Self::Resource,
        }
    }

    const fn bits(self) -> u8 {
        match self {
            Self::Instance => 0,
            Self::ResourceInstance => 1 << 6,
            Self::Multiple => 2 << 6,
            Self::Resource => 3 << 6,
        }
    }

    /// Number of ids in the path of such an element.
    const fn depth(self) -> usize {
        match self {
            Self::Instance => 2,
            Self::Multiple | Self::Resource => 3,
            Self::ResourceInstance => 4,
        }
    }

    const fn is_container(self) -> bool {
        matches!(self, Self::Instance | Self::Multiple)
    }
}
