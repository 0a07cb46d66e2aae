//! Provisions from a TOML file.
//!
//! A file holds one `[[endpoint]]` table for each device, or for all whose names begin alike.
//! Names are exact, or end in `*`; the longest match wins, and `*` alone matches all.
//!
//! ```
//! use lwm2m_bootstrap::file::ProvisioningFile;
//!
//! let file: ProvisioningFile = r#"
//! [[endpoint]]
//! name = "dev1"
//! delete = ["/0", "/1"]
//!
//! [[endpoint.server]]
//! ssid = 1
//! uri = "coaps://server.example:5684"
//! psk = { identity = "dev1", key = "101112131415161718191a1b1c1d1e1f" }
//! lifetime = 300
//! "#.parse()?;
//! assert_eq!(file.entries[0].provision.servers[0].server.lifetime, 300);
//!
//! let error = ProvisioningFile::parse("[[endpoint]]\nname = 'a*b'").unwrap_err();
//! assert_eq!((error.line, error.column), (2, 8));
//! # Ok::<(), lwm2m_bootstrap::file::ConfigError>(())
//! ```
//!
//! All there is:
//!
#![doc = concat!("```toml\n", include_str!("example.toml"), "```")]
//!
//! Identities are text, or bytes behind `hex:`. Keys, certificates and opaque values are
//! hexadecimal, or text behind `text:`. A multiple-instance resource is a table by Resource
//! Instance IDs, such as `{ 0 = 1, 1 = 5 }`; links are `"3:0"`; times are seconds since 1970.
//!
//! Everything is checked before it is used, down to the accounts that a device without any would
//! have in the end, by the same rules as the device's.

mod build;
mod error;
mod form;
#[cfg(feature = "cellular")]
mod operators;
mod value;

use alloc::{string::ToString, vec::Vec};
use core::str::FromStr;

use lwm2m_model::Registry;

pub use error::{ConfigError, ConfigErrorKind, ExpectedValue};

use serde::de::DeserializeOwned;

use crate::{
    server::Entry,
    source::{Information, Origin},
};
use error::Problem;

/// Longest file that is read, in bytes.
pub const MAX_FILE: usize = 16 * 1024 * 1024;

/// The entries of a provisioning file.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ProvisioningFile {
    /// Which devices get which provision.
    pub entries: Vec<Entry>,
}

impl ProvisioningFile {
    /// Reads a file; writes may go to the objects that `lwm2m-model` has as structs.
    ///
    /// # Errors
    /// The first thing that is wrong, with its line and column.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        Self::parse_with(text, &Registry::core())
    }

    /// Reads a file; writes may go to the objects of a registry.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn parse_with(text: &str, registry: &Registry) -> Result<Self, ConfigError> {
        read(text, registry)
            .map(|entries| Self { entries })
            .map_err(|problem| ConfigError::at(text, problem))
    }
}

impl FromStr for ProvisioningFile {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl Information {
    /// Reads a factory file: the tables of an `[[endpoint]]` without the name, at the top level,
    /// such as `[bootstrap]` and `[[server]]`.
    ///
    /// ```
    /// use lwm2m_bootstrap::source::Information;
    /// use lwm2m_model::Registry;
    ///
    /// let text = "[bootstrap]\nuri = 'coap://bs.example'\nsecurity = 'nosec'\nhold_off = 5";
    /// let factory = Information::from_toml(text, &Registry::core())?;
    /// assert!(factory.values.len() > 3);
    /// # Ok::<(), lwm2m_bootstrap::file::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// The first thing that is wrong, with its line and column. Whether the accounts are
    /// consistent, [`apply`](Information::apply) says.
    pub fn from_toml(text: &str, registry: &Registry) -> Result<Self, ConfigError> {
        let provision = parse(text).and_then(|form| build::factory(&form, registry));
        let provision = provision.map_err(|problem| ConfigError::at(text, problem))?;
        Ok(Self::from_provision(Origin::Factory, &provision))
    }
}

fn read(text: &str, registry: &Registry) -> Result<Vec<Entry>, Problem> {
    let file: form::File = parse(text)?;
    build::entries(&file, registry)
}

fn parse<T: DeserializeOwned>(text: &str) -> Result<T, Problem> {
    if text.len() > MAX_FILE {
        let kind = ConfigErrorKind::Toml("the file is longer than 16 MiB".to_string());
        return Err(Problem::new(0..0, kind));
    }
    toml::from_str(text).map_err(|error| {
        // The error's own text would show the line, and with it a key.
        let kind = ConfigErrorKind::Toml(error.message().to_string());
        Problem::new(error.span().unwrap_or(0..0), kind)
    })
}
