//! Accounts from a smartcard, such as a SIM (TS-Core §6.1.3.2, App. G and H), without IO.
//!
//! - [`CardFile`]: the file EF LwM2M_Bootstrap, read and written.
//! - [`Walk`]: the way to it on a card, as commands and responses; [`read_card`] walks it over a
//!   [`UiccChannel`].
//! - [`CardSource`]: a card as a [`Source`](crate::source::Source).
//! - [`soft`]: a card in software, for tests and for devices without one.
//!
//! ```
//! use lwm2m_bootstrap::{
//!     smartcard::{CardSource, soft::{SoftCard, SoftReader}},
//!     source::Source,
//! };
//! use lwm2m_model::Registry;
//!
//! // A card without a bootstrap file.
//! let reader = SoftReader::new(Some(SoftCard::new("8949000000000000017", "001010000000001")));
//! let mut source = CardSource::new(reader, Registry::core());
//! assert_eq!(source.fetch(), Ok(None));
//! ```

mod apdu;
mod asn1;
mod channel;
mod file;
pub mod soft;
mod walk;

pub use apdu::Status;
pub use asn1::{Asn1Error, Asn1ErrorKind, CardPath, LWM2M_BOOTSTRAP_OID};
pub use channel::{
    CardError, CardSource, MAX_RESPONSE, SecureChannel, SecureError, UiccChannel, read_card,
};
pub use file::{CardFile, CardObject, FileError, FileErrorKind, FileTooLong, MAX_FILE, Strictness};
pub use walk::{
    CardContents, CardFileName, MAX_COMMANDS, MAX_DIRECTORY_FILE, SECURE_AID, Walk, WalkError,
    WalkOptions,
};
