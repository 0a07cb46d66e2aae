//! The core objects.

use crate::ObjectDefinition;

/// The definitions of all objects here, in ascending order of their ids.
pub const DEFINITIONS: &[&ObjectDefinition] = &[];
