//! Runs the engines of the `lwm2m` crates on tokio: sockets, DTLS, name resolution and time.
//!
//! A [`Driver`] gives an [`Engine`](lwm2m_coap::Engine) a task of its own. The task owns the
//! engine, its sockets and one timer, and keeps to the run loop that `Engine` describes.
//! Applications reach the engine by a [`Handle`], which sends closures over a bounded channel;
//! the engine's events come out of another one.
//!
//! [`server`] and [`device`] are the async faces of the two engines that most applications want.
//!
//! | scheme | server | client |
//! |---|---|---|
//! | `coap://` | [`Driver::udp`]: each source address is a peer | own socket per connection |
//! | `coaps://` | [`Driver::dtls`]: each handshake that ends well is a peer | own socket per connection |
//!
//! `coaps` is DTLS 1.2 with TLS_PSK_WITH_AES_128_CCM_8 and Extended Master Secret. Keys come from
//! a [`PskStore`], which may take its time. All tables are bounded by [`Limits`], and whatever is
//! dropped is counted in [`Counts`].
//!
//! # Features
//! - `cellular`: the module `cellular`: a resolver of its own, keys made of those of a SIM; brings
//!   in `hickory-resolver`.
#![forbid(unsafe_code)]
#![deny(missing_docs, missing_debug_implementations)]

#[cfg(feature = "cellular")]
pub mod cellular;
mod clock;
mod connect;
mod counters;
pub mod device;
mod driver;
mod dtls;
mod handle;
mod hooks;
mod limits;
mod net;
mod peers;
mod psk;
pub mod server;
mod slab;
mod socket;
mod task;
mod trace;
mod udp;
mod uri;

pub use self::{
    counters::Counts,
    driver::{BindError, Driver, LocalAddrs},
    handle::{Closed, Handle, PostError},
    limits::Limits,
    psk::{Lookup, LookupFailed, Psk, PskStore, SharedPsks},
    trace::{Trace, Words},
};
