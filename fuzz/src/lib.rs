//! Fuzz targets as plain functions: a target takes any bytes and panics if a promise is broken.
//!
//! - `cargo test -p lwm2m-fuzz` replays the corpus, and mutations of it, on stable Rust.
//! - `cargo fuzz run coap_message` (in this folder's parent) searches for more.
//! - `cargo run -p lwm2m-fuzz --bin coap_message -- FILE…` replays files, such as a crash.
#![forbid(unsafe_code)]

mod coap;
mod replay;

pub use coap::coap_message;
pub use replay::replay_arguments;

/// A fuzz target.
pub type Target = fn(&[u8]);

/// All targets; each has a corpus of the same name in `corpus/`.
pub const TARGETS: &[(&str, Target)] = &[("coap_message", coap_message)];
