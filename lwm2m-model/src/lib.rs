//! What LwM2M objects mean: definitions, typed and dynamic objects, and the tree of a device.
//!
//! - [`ObjectDefinition`]: what the registry says of an object; [`Registry`] holds many of them,
//!   module `xml` reads OMA's files, `lwm2m-build` turns them into Rust.
//! - [`objects`]: the core objects as structs; [`Typed`] serves the instances of one.
//! - [`Dynamic`] serves an object whose definition is known at run time only.
//! - [`Object`] is the trait behind both: implement it to compute values on demand.
//! - [`Tree`] holds the objects of a device, checks and applies what servers write in
//!   transactions, and tells what changed.
//! - [`from_records`] makes a struct of what a device sent, and tells what does not fit in.
//! - [`to_records`] is the way back: from a struct to what is sent.
//! - [`ver`]: which version an object has when nobody says so.
//!
//! ```
//! use core::ops::ControlFlow;
//! use lwm2m_codec::{Path, Value};
//! use lwm2m_model::{Tree, Typed, objects::{Server, Temperature}};
//!
//! let mut tree = Tree::new();
//! tree.insert(Typed::<Server>::new());
//! tree.insert(Typed::new().with(0, Temperature { sensor_value: 21.5, ..Default::default() }));
//!
//! // A request is a transaction: all of it, or nothing.
//! tree.begin();
//! let id = tree.create(1, None)?;
//! tree.write(Path::resource(1, id, 0), Value::Integer(123))?;
//! tree.write(Path::resource(1, id, 1), Value::Integer(300))?;
//! tree.commit()?;
//! assert_eq!(tree.typed::<Server>().unwrap().get(0).unwrap().lifetime, 300);
//!
//! let refused = tree.write(Path::resource(1, 0, 0), Value::Integer(0)).unwrap_err();
//! assert_eq!(refused.to_string(), "4.00 Bad Request at /1/0/0: expected 1..65534");
//!
//! // Everything at or below a path, in path order.
//! let _ = tree.visit(Path::object(3303), &|_, _| true, &mut |record| {
//!     assert_eq!(record.path, Path::resource(3303, 0, 5700));
//!     ControlFlow::Continue(())
//! })?;
//! # Ok::<(), lwm2m_model::Failure>(())
//! ```
//!
//! Objects of your own begin as an XML file: the guide in the documentation of `lwm2m-build` goes
//! from there to a device that serves it.
//!
//! # Features
//! - `std` (default): passes `std` on to the dependencies; nothing here needs it.
//! - `descriptions` (default): keeps the descriptions of generated objects, about 10 kB of text.
//! - `xml`: reads definitions from XML; adds `roxmltree`.
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
mod reading;
mod records;
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
pub use object::{AsAny, Call, Failure, Object, Outcome, Ticket};
pub use owned::OwnedValue;
pub use reading::{Reading, Reason, Remark, from_records};
pub use records::to_records;
pub use registry::{Registry, RegistryTypes};
pub use secret::{SecretBytes, is_secret};
pub use store::MAX_INSTANCES;
pub use tree::{Filter, MAX_CHANGES, Tree, Visitor};
pub use typed::{ObjectInstance, Typed};
