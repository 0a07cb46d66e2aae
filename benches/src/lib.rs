//! The messages that the benchmarks decode, and the tests that rivals decode the same.
//!
//! `cargo bench -p lwm2m-benches` runs all; `benches/README.md` has results and how to read them.
#![forbid(unsafe_code)]

pub mod coap;
