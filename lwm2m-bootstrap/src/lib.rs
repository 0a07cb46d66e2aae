//! Bootstrap of OMA Lightweight M2M without IO: how a device gets its servers (TS-Core §6.1).
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs, missing_debug_implementations)]

extern crate alloc;
#[cfg(any(test, feature = "std"))]
extern crate std;

mod account;
mod buffer;
mod consistency;
pub mod device;
#[cfg(feature = "toml")]
pub mod file;
pub mod server;
pub mod uri;
mod view;

pub use account::{
    AccountSecurity, Accounts, BootstrapAccount, RegistrationPolicy, ServerAccount, accounts,
};
pub use consistency::{Inconsistency, Rule, check_consistency};
