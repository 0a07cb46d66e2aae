//! CoAP exchanges without IO (RFC 7252, 7641, 7959), and the contract of all engines.
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs, missing_debug_implementations)]

extern crate alloc;
#[cfg(any(test, feature = "std"))]
extern crate std;

mod config;
mod counters;
mod dedup;
mod draft;
mod endpoint;
mod engine;
mod hash;
mod observe;
mod rng;
#[cfg(feature = "sim")]
pub mod sim;
mod time;

pub use config::{Config, EXCHANGE_LIFETIME, MAX_DATAGRAM};
pub use counters::Counters;
pub use draft::{Draft, OptionSet};
pub use endpoint::{
    Endpoint, EndpointEvent, ExchangeError, ExchangeId, Incoming, RequestError, RequestOptions,
    Responder,
};

pub use engine::{
    Action, Binding, ConnectError, ConnectId, Credentials, DownReason, Engine, Identity, Input,
    PeerId, Transmit,
};
pub use observe::NotificationOrder;
pub use rng::Rng;
pub use time::{Duration, Instant};
