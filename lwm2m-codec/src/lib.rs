//! Codecs of OMA Lightweight M2M: bytes to values and back, without allocation.
//!
//! - [`coap`]: CoAP messages over UDP and TCP as borrowed views, and writers.
//! - [`Path`], [`Value`], [`Record`]: what every payload format carries.
//! - [`Decoder`] and [`Encoder`]: one face for all payload formats; [`transcode`] from one to
//!   another; [`Layout`] where the standards leave a choice.
//! - [`link`]: CoRE link format; [`attributes`]: notification attributes;
//!   [`arguments`]: Execute arguments.
//!
//! Everything borrows while decoding and writes into the caller's buffer while encoding.
//!
#![doc = include_str!("../README.md")]
#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]
#![deny(missing_docs, missing_debug_implementations)]
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::arithmetic_side_effects
)]
#![cfg_attr(
    test,
    allow(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::arithmetic_side_effects
    )
)]

#[cfg(feature = "serde")]
extern crate alloc;
#[cfg(any(test, feature = "std"))]
extern crate std;

pub mod arguments;
pub mod attributes;
mod bytes;
mod cbor;
pub mod coap;
mod decoder;
mod encoder;
mod error;
mod format;
mod json;
mod layout;
pub mod link;
mod lwm2m_cbor;
mod name;
mod number;
mod oma_json;
mod out;
#[cfg(feature = "serde")]
pub mod owned;
mod path;
mod raw;
mod record;
mod senml;
mod single;
mod text;
mod tlv;
mod transcode;
mod value;
mod version;
mod word;

pub use attributes::Attributes;
pub use bytes::Bytes;
pub use decoder::{Decoder, MAX_RECORDS};
pub use encoder::Encoder;
pub use error::{DecodeError, DecodeErrorKind, EncodeError};
pub use format::{ContentFormat, ParseContentFormatError};
pub use layout::{Floats, Instances, Keys, Layout, Names};
pub use path::{Ids, MAX_ID, ParsePathError, Path};
pub use record::Record;
pub use text::Text;
pub use transcode::{TranscodeError, transcode};
pub use value::{NoTypes, ObjectLink, ParseObjectLinkError, Type, TypeOf, Value};
pub use version::{ParseVersionError, Version};
