//! What LwM2M objects mean: definitions, typed and dynamic objects, and the tree of a device.
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs, missing_debug_implementations)]

extern crate alloc;
#[cfg(any(test, feature = "std"))]
extern crate std;
// Generated code names this crate as users do.
extern crate self as lwm2m_model;

mod check;
#[doc(hidden)]
pub mod codegen;
mod definition;
mod dynamic;
pub mod field;
mod object;
pub mod objects;
mod owned;
mod registry;
mod scalar;
mod secret;
mod store;
mod tree;
mod typed;
pub mod ver;
#[cfg(feature = "xml")]
pub mod xml;

pub use definition::{Constraint, ObjectDefinition, Operations, ResourceDefinition};
pub use dynamic::Dynamic;
pub use field::{CoreLink, Field, Scalar, Time, coerce};
pub use object::{AsAny, Failure, Object, Outcome, Ticket};
pub use owned::OwnedValue;
pub use registry::{Registry, RegistryTypes};
pub use secret::{SecretBytes, is_secret};
pub use store::MAX_INSTANCES;
pub use tree::{Filter, MAX_CHANGES, Tree, Visitor};
pub use typed::{ObjectInstance, Typed};
