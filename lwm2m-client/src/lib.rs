#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs, missing_debug_implementations)]

extern crate alloc;
#[cfg(any(test, feature = "std"))]
extern crate std;

mod attributes;
mod bootstrap;
mod client;
mod config;
mod deferred;
mod event;
mod link;
mod links;
mod observe;
mod read;
mod registration;
mod requests;
mod send;
mod sources;
mod values;
mod write;

pub use client::Client;
pub use config::Config;
pub use event::{BootstrapStep, Event, Failed, Operation};
pub use send::SendError;
pub use values::server_object;
