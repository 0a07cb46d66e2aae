//! Generates Rust structs from OMA LwM2M object definitions, for use in `build.rs`.
//!
//! ```no_run
//! // build.rs
//! fn main() -> Result<(), lwm2m_build::CompileError> {
//!     // Writes $OUT_DIR/lamp.rs with `pub struct Lamp` for an object named "Lamp".
//!     lwm2m_build::compile(&["objects/lamp.xml"])
//! }
//! ```
//!
//! ```text
//! // src/main.rs
//! mod lamp {
//!     include!(concat!(env!("OUT_DIR"), "/lamp.rs"));
//! }
//! ```
//!
//! [`Config`] compiles whole folders, with all versions or the latest ones, into `OUT_DIR` or a
//! folder that is checked in. `lwm2m objects generate` does the same on the command line.
//!
//! The generated code needs the crate `lwm2m-model` of the same version.
//!
//! Module [`guide`] goes from an XML file to a device that serves it; [`lint`] finds what is wrong
//! with a definition; [`folder`] reads definitions at run time.
//!
//! # What is generated
//! - A struct with a public field for each resource: `T` for a mandatory one, `Option<T>` for an
//!   optional one, `BTreeMap<u16, T>` by Resource Instance ID for a multiple-instance one.
//!   Executable resources have no field. Key material is a `SecretBytes`.
//! - Its constants `ID`, `URN` and `VERSION`, and its `ObjectInstance` implementation, which holds
//!   the whole definition.
//! - For executable resources a trait, such as `DeviceActions`, with a method for each; a function
//!   `actions` makes a handler for `Typed::on_execute` of it.
//! - A module `ids` with a constant for each Resource ID.
//! - A module `values` with bounds, units, and a constant for each value that the definition names.
#![forbid(unsafe_code)]
#![deny(missing_docs, missing_debug_implementations)]

mod actions;
mod docs;
mod files;
pub mod folder;
#[doc = include_str!("../docs/guide.md")]
pub mod guide {}
pub mod lint;
mod names;
mod set;
mod tokens;
mod values;

pub use files::{CompileError, compile, compile_to};
pub use names::{FieldName, field_names, module_name, struct_name};
pub use set::{Config, ModuleName, generate_all, module_names};
pub use tokens::{GenerateError, generate};
