//! Bootstrap of OMA Lightweight M2M without IO: how a device gets its servers (TS-Core §6.1).
//!
//! - [`device`]: what the requests of a bootstrap server do to the objects of a device, as one
//!   transaction from the first change to Bootstrap-Finish. Exchanges are the client's.
//! - [`server`]: the bootstrap server, an engine that gives each device what its entry says.
//! - [`one_time`]: keys that are made for each bootstrap.
//! - [`source`]: what a device knows before it talks to any server: smartcard, factory.
//! - `smartcard`: accounts from a card (TS-Core App. G).
//! - [`accounts`] and [`check_consistency`]: what a device knows about its servers, and the rules
//!   that this must keep.
//! - `cellular`: the SIM, its operator and their keys.
//! - `file`: entries from a TOML file.
//!
//! # Features
//! - `std` (default): errors of dependencies implement `std::error::Error`.
//! - `cellular`: the module `cellular`; brings in `aes`, `base64ct`, `hmac` and `sha2`.
//! - `toml`: the module `file`; brings in `serde` and `toml`.
//! - `smartcard`: the module of that name; brings in `der` and `sha2`.
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs, missing_debug_implementations)]

extern crate alloc;
#[cfg(any(test, feature = "std"))]
extern crate std;

mod account;
mod buffer;
#[cfg(feature = "cellular")]
pub mod cellular;
mod consistency;
pub mod device;
#[cfg(feature = "toml")]
pub mod file;
pub mod one_time;
pub mod server;
#[cfg(feature = "smartcard")]
pub mod smartcard;
pub mod source;
pub mod uri;
mod view;

pub use account::{
    AccountSecurity, Accounts, BootstrapAccount, DerivedKey, RegistrationPolicy, ServerAccount,
    accounts,
};
pub use consistency::{Inconsistency, Rule, check_consistency};
