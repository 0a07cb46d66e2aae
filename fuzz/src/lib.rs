//! Fuzz targets as plain functions: a target takes any bytes, panics if a promise is broken, and
//! says whether it took the bytes for valid.
//!
//! - `cargo test -p lwm2m-fuzz` replays the corpus, and mutations of it, on stable Rust.
//! - `cargo xtask fuzz [--secs N] [TARGET…]` searches for more with cargo-fuzz.
//! - `cargo run -p lwm2m-fuzz --bin TARGET -- FILE…` replays files, such as a crash.
//!
//! `docs/fuzzing.md` says how to add a target.
#![forbid(unsafe_code)]

mod allowed;
mod coap;
mod coap_writers;
mod ddf;
mod differential;
mod input;
mod link;
mod payload;
mod replay;
mod small;
mod smartcard;
mod tree;

pub use coap::{coap_message, coap_tcp};
pub use coap_writers::coap_writers;
pub use ddf::ddf_xml;
pub use link::{link, link_writer};
pub use payload::{
    cbor, lwm2m_cbor, oma_json, opaque, senml_cbor, senml_etch_cbor, senml_etch_json, senml_json,
    text, tlv,
};
pub use replay::replay_arguments;
pub use small::{arguments, attributes, path};
pub use smartcard::{card_file, card_walk};
pub use tree::tree;

/// What a target says of its input, apart from keeping its promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The input is valid.
    Accepted,
    /// The input is refused by an error.
    Refused,
}

impl Verdict {
    /// Accepted if something holds.
    pub const fn accepted_if(holds: bool) -> Self {
        match holds {
            true => Self::Accepted,
            false => Self::Refused,
        }
    }
}

/// A fuzz target.
pub type Target = fn(&[u8]) -> Verdict;

/// All targets; each has a corpus of the same name in `corpus/` and a binary in `fuzz_targets/`.
pub const TARGETS: &[(&str, Target)] = &[
    ("arguments", arguments),
    ("attributes", attributes),
    ("card_file", card_file),
    ("card_walk", card_walk),
    ("cbor", cbor),
    ("coap_message", coap_message),
    ("coap_tcp", coap_tcp),
    ("coap_writers", coap_writers),
    ("ddf_xml", ddf_xml),
    ("link", link),
    ("link_writer", link_writer),
    ("lwm2m_cbor", lwm2m_cbor),
    ("oma_json", oma_json),
    ("opaque", opaque),
    ("path", path),
    ("senml_cbor", senml_cbor),
    ("senml_etch_cbor", senml_etch_cbor),
    ("senml_etch_json", senml_etch_json),
    ("senml_json", senml_json),
    ("text", text),
    ("tlv", tlv),
    ("tree", tree),
];

/// Makes the `main` of a target's binary: a fuzzer under cargo-fuzz, else a replay of files.
#[macro_export]
macro_rules! target_main {
    ($target:ident) => {
        #[cfg(fuzzing)]
        libfuzzer_sys::fuzz_target!(|data: &[u8]| {
            let _ = $crate::$target(data);
        });

        #[cfg(not(fuzzing))]
        fn main() -> std::process::ExitCode {
            $crate::replay_arguments($crate::$target)
        }
    };
}
