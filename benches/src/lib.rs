//! What the benchmarks decode and encode, and the tests that rivals decode the same.
//!
//! `cargo xtask bench` writes the table of `docs/benchmarks.md`; `benches/README.md` says more.
#![forbid(unsafe_code)]

pub mod cases;
pub mod coap;
pub mod corpus;
pub mod rivals;
