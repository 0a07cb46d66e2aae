//! What LwM2M objects mean: definitions, typed and dynamic objects, and the tree of a device.
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs, missing_debug_implementations)]

extern crate alloc;
#[cfg(any(test, feature = "std"))]
extern crate std;

mod definition;
mod object;

pub use definition::{Constraint, ObjectDefinition, Operations, ResourceDefinition};
pub use object::{Failure, Object, Outcome, Ticket};
