//! Reads single values out of a tree.

use alloc::vec::Vec;
use core::iter;

use lwm2m_codec::{ObjectLink, Path};
use lwm2m_model::{Object, Scalar, Tree};

/// Objects that make up accounts, and their resources (TS-Core App. E).
pub(crate) mod id {
    /// Security.
    pub(crate) const SECURITY: u16 = 0;
    /// Server.
    pub(crate) const SERVER: u16 = 1;
    /// Access Control.
    pub(crate) const ACCESS_CONTROL: u16 = 2;
    /// Device.
    pub(crate) const DEVICE: u16 = 3;
    /// OSCORE.
    pub(crate) const OSCORE: u16 = 21;
    /// COSE.
    pub(crate) const COSE: u16 = 23;
    /// MQTT Server.
    pub(crate) const MQTT: u16 = 24;

    /// The objects that only exist for accounts.
    pub(crate) const ACCOUNT_OBJECTS: [u16; 6] =
        [SECURITY, SERVER, ACCESS_CONTROL, OSCORE, COSE, MQTT];

    /// True for the objects that only exist for accounts.
    pub(crate) fn is_account_object(object: u16) -> bool {
        ACCOUNT_OBJECTS.contains(&object)
    }
}

/// The value of a single-instance resource or a Resource Instance, if it is there.
pub(crate) fn value<T: Scalar>(tree: &Tree, path: Path) -> Option<T> {
    let mut found = None;
    tree.read(path, &mut |value| found = T::from_value(value))
        .ok()?;
    found
}

/// The ids of an object's instances, ascending.
pub(crate) fn instances(tree: &Tree, object: u16) -> Vec<u16> {
    match tree.get(object) {
        Some(object) => ids(|after| object.next_instance(after)),
        None => Vec::new(),
    }
}

/// The ids of an instance's resources, ascending.
pub(crate) fn resources(object: &dyn Object, instance: u16) -> Vec<u16> {
    ids(|after| object.next_resource(instance, after))
}

/// The values of a multiple-instance resource by Resource Instance ID.
pub(crate) fn list<T: Scalar>(tree: &Tree, path: Path) -> Vec<(u16, T)> {
    let (Some(object), Some(instance), Some(resource)) = (
        path.object_id().and_then(|id| tree.get(id)),
        path.instance_id(),
        path.resource_id(),
    ) else {
        return Vec::new();
    };
    ids(|after| object.next_resource_instance(instance, resource, after))
        .into_iter()
        .filter_map(|ri| Some((ri, value(tree, path.child(ri)?)?)))
        .collect()
}

/// True if a Security instance is of a bootstrap server.
pub(crate) fn is_bootstrap(tree: &Tree, security: u16) -> bool {
    value(tree, Path::resource(id::SECURITY, security, 1)) == Some(true)
}

/// Short Server ID of a Security (resource 10) or Server instance (resource 0), in range.
pub(crate) fn ssid(tree: &Tree, object: u16, instance: u16) -> Option<u16> {
    let resource = if object == id::SECURITY { 10 } else { 0 };
    let number: i64 = value(tree, Path::resource(object, instance, resource))?;
    u16::try_from(number)
        .ok()
        .filter(|ssid| (1..=65534).contains(ssid))
}

/// What a Security instance links to: its /21, /23 and /24 instances (TS-Core App. E.1).
pub(crate) fn links(tree: &Tree, security: u16) -> Vec<(Path, ObjectLink)> {
    let path = |resource| Path::resource(id::SECURITY, security, resource);
    let single = [path(17), path(26)].into_iter();
    let mut links: Vec<_> = single
        .filter_map(|path| Some((path, value(tree, path)?)))
        .collect();
    let cose = list(tree, path(27)).into_iter();
    links.extend(cose.filter_map(|(ri, link)| Some((path(27).child(ri)?, link))));
    links.retain(|(_, link)| *link != ObjectLink::NULL);
    links
}

fn ids(next: impl Fn(Option<u16>) -> Option<u16>) -> Vec<u16> {
    iter::successors(next(None), |id| next(Some(*id))).collect()
}
