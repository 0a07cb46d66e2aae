//! The object definitions that apply to a device.

use lwm2m_codec::Path;
use lwm2m_model::{ObjectDefinition, Registry, ResourceDefinition};
use lwm2m_server::Registration;

/// Finds the definitions that fit the versions of a device's objects.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Definitions<'a> {
    registry: &'a Registry,
    device: &'a Registration,
}

impl<'a> Definitions<'a> {
    pub(crate) const fn new(registry: &'a Registry, device: &'a Registration) -> Self {
        Self { registry, device }
    }

    /// The definition of an object.
    pub(crate) fn object(&self, id: u16) -> Option<&'a ObjectDefinition> {
        self.registry
            .best(id, self.device.version_of(id))
            .map(|d| &**d)
    }

    /// The definition of the resource that a path names or lies in.
    pub(crate) fn resource(&self, path: Path) -> Option<&'a ResourceDefinition> {
        self.object(path.object_id()?)?
            .resource(path.resource_id()?)
    }

    /// The definitions of all registered objects.
    pub(crate) fn all(&self) -> impl Iterator<Item = &'a ObjectDefinition> {
        self.device
            .objects
            .objects()
            .filter_map(|id| self.object(id))
    }
}
