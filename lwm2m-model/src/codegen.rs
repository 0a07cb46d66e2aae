//! What generated code uses. Not for people: it may change with every version of `lwm2m-build`.

pub use alloc::{borrow::Cow, collections::BTreeMap, string::String, vec::Vec};

pub use lwm2m_codec::{ObjectLink, Type, Version};

pub use crate::{
    Constraint, CoreLink, Field, ObjectDefinition, ObjectInstance, Operations, ResourceDefinition,
    SecretBytes, Time,
};

/// Keeps a description, if the feature `descriptions` asks for it.
pub const fn description(text: &'static str) -> Cow<'static, str> {
    Cow::Borrowed(if cfg!(feature = "descriptions") {
        text
    } else {
        ""
    })
}
