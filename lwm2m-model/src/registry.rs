//! Object definitions by id and version.

use alloc::{collections::BTreeMap, sync::Arc};

use lwm2m_codec::{Path, Type, TypeOf, Version};

use crate::ObjectDefinition;

/// Object definitions, several versions of an object side by side.
///
/// ```
/// use lwm2m_codec::{Path, TypeOf, Type, Version};
/// use lwm2m_model::{Registry, ver::effective_version};
///
/// let registry = Registry::core();
/// assert_eq!(registry.latest(3).unwrap().name, "Device");
/// let types = registry.types(|object| effective_version(Version::V1_1, object, None));
/// assert_eq!(types.type_of(Path::resource(3, 0, 13)), Some(Type::Time));
/// ```
#[derive(Debug, Clone, Default)]
pub struct Registry {
    definitions: BTreeMap<u16, BTreeMap<Version, Arc<ObjectDefinition>>>,
}

impl Registry {
    /// Makes an empty registry.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes a registry of the objects that this crate has as structs.
    pub fn core() -> Self {
        let mut registry = Self::new();
        for &definition in crate::objects::DEFINITIONS {
            registry.insert(definition.clone());
        }
        registry
    }

    /// Adds a definition; returns the one of the same id and version that it replaces.
    pub fn insert(
        &mut self,
        definition: impl Into<Arc<ObjectDefinition>>,
    ) -> Option<Arc<ObjectDefinition>> {
        let definition = definition.into();
        let versions = self.definitions.entry(definition.id).or_default();
        versions.insert(definition.version, definition)
    }

    /// The definition of exactly this version.
    pub fn get(&self, object: u16, version: Version) -> Option<&Arc<ObjectDefinition>> {
        self.definitions.get(&object)?.get(&version)
    }

    /// The definition of the highest version.
    pub fn latest(&self, object: u16) -> Option<&Arc<ObjectDefinition>> {
        self.definitions.get(&object)?.values().next_back()
    }

    /// The definition that describes a version best: itself, or else the next higher minor
    /// version, or else the next lower one. Another major version describes it never: types may
    /// differ (TS-Core §7.2.1).
    pub fn best(&self, object: u16, version: Version) -> Option<&Arc<ObjectDefinition>> {
        let versions = self.definitions.get(&object)?;
        let above = versions
            .range(version..=Version::new(version.major, u8::MAX))
            .next();
        let below = || {
            versions
                .range(Version::new(version.major, 0)..version)
                .next_back()
        };
        above.or_else(below).map(|(_, definition)| definition)
    }

    /// All definitions in ascending order of id and version.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<ObjectDefinition>> {
        self.definitions.values().flat_map(BTreeMap::values)
    }

    /// Gives decoders the types of resources, where `version` tells the version that a device has
    /// of an object.
    pub fn types<F: Fn(u16) -> Version>(&self, version: F) -> RegistryTypes<'_, F> {
        RegistryTypes {
            registry: self,
            version,
        }
    }
}

/// The types of a device's resources; see [`Registry::types`].
#[derive(Debug, Clone, Copy)]
pub struct RegistryTypes<'r, F> {
    registry: &'r Registry,
    version: F,
}

impl<F: Fn(u16) -> Version> TypeOf for RegistryTypes<'_, F> {
    fn type_of(&self, path: Path) -> Option<Type> {
        let object = path.object_id()?;
        let definition = self.registry.best(object, (self.version)(object))?;
        definition.resource(path.resource_id()?)?.data_type
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition(version: Version) -> ObjectDefinition {
        let mut definition = ObjectDefinition::clone(Registry::core().latest(3303).unwrap());
        definition.version = version;
        definition
    }

    #[test]
    fn versions_of_an_object_live_side_by_side() {
        let mut registry = Registry::new();
        assert!(registry.insert(definition(Version::V1_0)).is_none());
        assert!(registry.insert(definition(Version::V1_2)).is_none());
        assert!(registry.insert(definition(Version::V1_0)).is_some());
        assert_eq!(registry.iter().count(), 2);
        assert_eq!(registry.latest(3303).unwrap().version, Version::V1_2);
        assert!(registry.get(3303, Version::V1_1).is_none());
    }

    #[test]
    fn the_best_definition_has_the_same_major_version() {
        let mut registry = Registry::new();
        registry.insert(definition(Version::V1_0));
        registry.insert(definition(Version::V1_2));
        let best = |version| registry.best(3303, version).map(|d| d.version);
        assert_eq!(best(Version::V1_0), Some(Version::V1_0));
        assert_eq!(best(Version::V1_1), Some(Version::V1_2));
        assert_eq!(best(Version::new(1, 3)), Some(Version::V1_2));
        assert_eq!(best(Version::new(2, 0)), None);
    }
}
