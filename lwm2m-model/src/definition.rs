//! Object definitions: what the registry says of an object and its resources.

use alloc::borrow::Cow;

use lwm2m_codec::{Path, Type, TypeOf, Version};

/// Definition of an object (TS-Core App. D).
///
/// Generated code holds it as a constant; the XML reader makes it at run time.
#[derive(Debug, Clone, PartialEq)]
pub struct ObjectDefinition {
    /// Object ID.
    pub id: u16,
    /// Name.
    pub name: Cow<'static, str>,
    /// What the object is for.
    pub description: Cow<'static, str>,
    /// URN, such as `urn:oma:lwm2m:oma:3:1.1`.
    pub urn: Cow<'static, str>,
    /// Version of the object; 1.0 if the definition states none.
    pub version: Version,
    /// Lowest version of the enabler that the object needs.
    pub lwm2m_version: Version,
    /// True if the object may have several instances.
    pub multiple: bool,
    /// True if a client must have the object.
    pub mandatory: bool,
    /// Resources in ascending order of their ids.
    pub resources: Cow<'static, [ResourceDefinition]>,
}

impl ObjectDefinition {
    /// Returns the definition of a resource.
    #[inline]
    pub fn resource(&self, id: u16) -> Option<&ResourceDefinition> {
        // Most objects number their resources without gaps: the id then tells the index.
        let first = self.resources.first()?.id;
        match self.resources.get(usize::from(id.wrapping_sub(first))) {
            Some(resource) if resource.id == id => Some(resource),
            _ => self.search(id),
        }
    }

    #[inline(never)]
    fn search(&self, id: u16) -> Option<&ResourceDefinition> {
        let index = self
            .resources
            .binary_search_by_key(&id, |resource| resource.id)
            .ok()?;
        self.resources.get(index)
    }
}

/// Knows the types of its own resources, in every instance.
impl TypeOf for ObjectDefinition {
    #[inline]
    fn type_of(&self, path: Path) -> Option<Type> {
        let id = path.resource_id()?;
        if path.object_id()? != self.id {
            return None;
        }
        self.resource(id)?.data_type
    }
}

/// Definition of a resource (TS-Core App. D).
#[derive(Debug, Clone, PartialEq)]
pub struct ResourceDefinition {
    /// Resource ID.
    pub id: u16,
    /// Name.
    pub name: Cow<'static, str>,
    /// What the resource is for.
    pub description: Cow<'static, str>,
    /// What a server may do with it.
    pub operations: Operations,
    /// True if the resource may have several Resource Instances.
    pub multiple: bool,
    /// True if every Object Instance must have it.
    pub mandatory: bool,
    /// Data type; `None` for executable resources.
    pub data_type: Option<Type>,
    /// The part of the range that could be understood.
    pub constraint: Constraint,
    /// The range as the definition writes it.
    pub range: Cow<'static, str>,
    /// Unit symbol; empty if there is none.
    pub units: Cow<'static, str>,
}

/// Operations that a definition allows to servers; none of them means bootstrap only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Operations {
    /// Read, Observe, Discover and Write-Attributes.
    pub read: bool,
    /// Write.
    pub write: bool,
    /// Execute.
    pub execute: bool,
}

impl Operations {
    /// No operation: bootstrap only.
    pub const NONE: Self = Self {
        read: false,
        write: false,
        execute: false,
    };
    /// `R`.
    pub const R: Self = Self {
        read: true,
        ..Self::NONE
    };
    /// `W`.
    pub const W: Self = Self {
        write: true,
        ..Self::NONE
    };
    /// `RW`.
    pub const RW: Self = Self {
        read: true,
        write: true,
        execute: false,
    };
    /// `E`.
    pub const E: Self = Self {
        execute: true,
        ..Self::NONE
    };
}

/// Bound on the values of a resource, read from its range.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub enum Constraint {
    /// Any value of the type.
    #[default]
    None,
    /// Integers, both ends included.
    Integer {
        /// Smallest.
        min: i64,
        /// Largest.
        max: i64,
    },
    /// Floating point numbers, both ends included.
    Float {
        /// Smallest.
        min: f64,
        /// Largest.
        max: f64,
    },
    /// Length of a string or opaque in bytes, both ends included.
    Length {
        /// Shortest.
        min: usize,
        /// Longest.
        max: usize,
    },
    /// Listed integers.
    OneOf(Cow<'static, [i64]>),
    /// Listed strings.
    OneOfText(Cow<'static, [Cow<'static, str>]>),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Registry;

    #[test]
    fn a_resource_is_found_with_gaps_before_it_and_without() {
        for definition in Registry::core().iter() {
            for resource in definition.resources.iter() {
                assert_eq!(definition.resource(resource.id), Some(resource));
                let path = Path::resource(definition.id, 0, resource.id);
                assert_eq!(definition.type_of(path), resource.data_type);
            }
            let ids: alloc::vec::Vec<u16> = definition.resources.iter().map(|r| r.id).collect();
            for id in 0..=u16::MAX {
                let found = definition.resource(id).map(|resource| resource.id);
                assert_eq!(found, ids.contains(&id).then_some(id));
            }
            assert_eq!(
                definition.type_of(Path::resource(definition.id + 1, 0, 0)),
                None
            );
            assert_eq!(definition.type_of(Path::instance(definition.id, 0)), None);
        }
    }
}
