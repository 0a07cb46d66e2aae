//! Accounts in a container that the network sends when the device attaches.

use core::{fmt, ops::RangeInclusive};

use super::{NetworkInfo, Plmn};
use crate::source::{Information, Origin, Source, SourceError};

/// Containers that belong to operators (TS 24.008 §10.5.6.3).
pub const OPERATOR_CONTAINERS: RangeInclusive<u16> = 0xFF00..=0xFFFF;

/// Turns what an operator sends into accounts.
pub type Decode<'a> = dyn FnMut(&[u8]) -> Result<Information, SourceError> + 'a;

/// The container of an operator (TS 24.008 §10.5.6.3): country and network code, three bytes, and
/// then whatever the operator wants.
///
/// The standard has no container for LwM2M. So there is no number and no decoder by default: this
/// source only is where somebody made it.
pub struct Container<'a> {
    network: &'a dyn NetworkInfo,
    number: u16,
    decode: &'a mut Decode<'a>,
}

impl<'a> Container<'a> {
    /// Looks at a container by its number; `None` if that is none of [`OPERATOR_CONTAINERS`].
    pub fn new(
        network: &'a dyn NetworkInfo,
        number: u16,
        decode: &'a mut Decode<'a>,
    ) -> Option<Self> {
        OPERATOR_CONTAINERS.contains(&number).then_some(Self {
            network,
            number,
            decode,
        })
    }
}

impl Source for Container<'_> {
    fn origin(&self) -> Origin {
        Origin::Pco
    }

    /// Decodes the container if the SIM's own operator sent it; that of a visited network or of
    /// anybody else is left alone.
    fn fetch(&mut self) -> Result<Option<Information>, SourceError> {
        let content = self.network.pco(self.number);
        let Some((plmn, content)) = content.and_then(<[u8]>::split_first_chunk) else {
            return Ok(None);
        };
        let sender = Plmn::from_bcd(*plmn);
        if sender.is_none() || sender != self.network.plmn() {
            tracing::warn!(number = self.number, ?sender, "a stranger's container");
            return Ok(None);
        }
        let mut information = (self.decode)(content)?;
        information.origin = Origin::Pco;
        Ok(Some(information))
    }
}

impl fmt::Debug for Container<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Container")
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}
