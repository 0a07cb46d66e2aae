//! CoAP exchanges without IO (RFC 7252, 7641, 7959), and the contract of all engines.
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs, missing_debug_implementations)]

extern crate alloc;
#[cfg(any(test, feature = "std"))]
extern crate std;

mod engine;
mod time;

pub use engine::{
    Action, Binding, ConnectError, ConnectId, Credentials, DownReason, Engine, Identity, Input,
    PeerId, Transmit,
};
pub use time::{Duration, Instant};
