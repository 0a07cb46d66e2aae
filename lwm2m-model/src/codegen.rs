//! What generated code uses. Not for people: it may change with every version of `lwm2m-build`.

pub use alloc::{borrow::Cow, collections::BTreeMap, string::String, vec::Vec};

// By a path, because an object may be called Send.
pub use core::{marker::Send, ops::FnMut};

pub use lwm2m_codec::{ObjectLink, Path, Type, Version};

pub use crate::{
    Call, Constraint, CoreLink, Field, ObjectDefinition, ObjectInstance, Operations, Outcome,
    ResourceDefinition, SecretBytes, Ticket, Time,
};

/// Keeps a description, if the feature `descriptions` asks for it.
pub const fn description(text: &'static str) -> Cow<'static, str> {
    Cow::Borrowed(if cfg!(feature = "descriptions") {
        text
    } else {
        ""
    })
}
