//! Where a device has its accounts from before it talks to any server (TS-Core §6.1.4): the
//! smartcard first, then what the factory wrote.
//!
//! A [`Source`] gives [`Information`]: values of the account objects. [`establish`] asks the
//! sources in their order; the first one whose accounts are consistent wins, and a later one only
//! adds the account of a bootstrap server if there is none yet. After that the device registers,
//! and if that fails it bootstraps (client-initiated).
//!
//! ```
//! use lwm2m_bootstrap::source::{Fixed, Information, Origin, establish};
//! use lwm2m_codec::ContentFormat;
//! use lwm2m_model::{Registry, Tree, Typed, objects::{Security, Server}};
//!
//! let pack = br#"[{"bn":"/0/0/","n":"0","vs":"coap://bs.example"},
//!     {"n":"1","vb":true},{"n":"2","v":3}]"#;
//! let registry = Registry::core();
//! let factory =
//!     Information::from_pack(Origin::Factory, ContentFormat::SENML_JSON, pack, &registry)?;
//! let mut tree = Tree::new();
//! tree.insert(Typed::<Security>::new());
//! tree.insert(Typed::<Server>::new());
//! let established = establish(&mut tree, &mut [&mut Fixed::new(factory)]);
//! assert_eq!(established.origin, Some(Origin::Factory));
//! # Ok::<(), lwm2m_codec::DecodeError>(())
//! ```

#[cfg(any(feature = "smartcard", feature = "cellular"))]
mod fingerprint;
mod information;
mod provenance;
mod renew;

use alloc::vec::Vec;
use core::fmt;

use lwm2m_model::Tree;

#[cfg(any(feature = "smartcard", feature = "cellular"))]
pub use fingerprint::fingerprint;
#[cfg(feature = "smartcard")]
pub(crate) use information::latest_type;
pub use information::{ApplyError, Information};
pub use provenance::Provenance;
pub use renew::{Answer, Renewal, Verdict, ask};

use crate::accounts;

/// SHA-256 over what tells one card, or one state of it, from another.
pub type Fingerprint = [u8; 32];

/// Where accounts come from; in ascending order, the first one counts (TS-Core §6.1.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Origin {
    /// A smartcard, such as a SIM (TS-Core §6.1.4 step 1).
    Smartcard,
    /// Protocol configuration options of the network; a convention, no part of the standard, as
    /// the next two.
    Pco,
    /// A table of operators that the device carries.
    OperatorTable,
    /// Names under the operator's zone.
    Dns,
    /// The factory: a file or the firmware itself (TS-Core §6.1.4 step 2).
    Factory,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Smartcard => "the smartcard",
            Self::Pco => "the network's configuration options",
            Self::OperatorTable => "the table of operators",
            Self::Dns => "the operator's names",
            Self::Factory => "the factory",
        })
    }
}

/// Says why a source gives nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// It can't be read; the text says what happened, and no key.
    #[error("it can't be read: {0}")]
    Unreadable(alloc::string::String),
    /// It names a server without security, and the device has no bearer of the operator to it.
    #[error("its server has no security, for which the operator's bearer is needed")]
    OperatorBearerOnly,
    /// What it has can't be understood, such as a file that is half written. What it had before
    /// counts no more (TS-Core §6.1.3.2).
    #[error("what it has is wrong: {0}")]
    Invalid(alloc::string::String),
    /// No device could work with what it gives.
    #[error(transparent)]
    Refused(#[from] ApplyError),
}

/// A place where a device may find accounts.
pub trait Source {
    /// What it is.
    fn origin(&self) -> Origin;

    /// Reads it; `None` if there is nothing, such as no card.
    ///
    /// # Errors
    /// [`SourceError::Unreadable`]
    fn fetch(&mut self) -> Result<Option<Information>, SourceError>;
}

/// A source whose information is known already.
#[derive(Debug, Clone)]
pub struct Fixed(Information);

impl Fixed {
    /// Takes the information.
    pub const fn new(information: Information) -> Self {
        Self(information)
    }
}

impl Source for Fixed {
    fn origin(&self) -> Origin {
        self.0.origin
    }

    fn fetch(&mut self) -> Result<Option<Information>, SourceError> {
        Ok(Some(self.0.clone()))
    }
}

/// What became of the sources of a device.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Established {
    /// Whose accounts the device has; `None` if no source gave any.
    pub origin: Option<Origin>,
    /// Who added the account of the bootstrap server to them.
    pub bootstrap: Option<Origin>,
    /// Sources that failed, and why.
    pub failed: Vec<(Origin, SourceError)>,
}

/// Asks the sources in their order, and gives the tree the accounts of the first one that are
/// consistent (TS-Core §6.1.4). If these have no bootstrap server, a later source may add it.
///
/// Each source is one transaction: what fails has changed nothing. [`Provenance`] does the same
/// for sources that may change while the device runs.
pub fn establish(tree: &mut Tree, sources: &mut [&mut dyn Source]) -> Established {
    let mut established = Established::default();
    let mut provenance = Provenance::default();
    for source in sources {
        if established.origin.is_some() && accounts(tree).bootstrap.is_some() {
            break;
        }
        let origin = source.origin();
        match source.fetch() {
            Ok(Some(information)) => {
                provenance.establish(tree, &information, &mut established);
            }
            Ok(None) => {}
            Err(error) => established.fail(origin, error),
        }
    }
    established
}

impl Established {
    fn fail(&mut self, origin: Origin, error: SourceError) {
        tracing::warn!(%origin, %error, "a source of accounts is not used");
        self.failed.push((origin, error));
    }
}
