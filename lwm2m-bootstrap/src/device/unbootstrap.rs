//! What goes with a server whose account a bootstrap deleted (TS-Transport §5.2.5).
//!
//! The standard removes it at once when the Security instance is deleted. Bootstrap servers
//! delete and write again, so this waits for the end and looks at what is really gone.

use alloc::{collections::BTreeSet, vec::Vec};

use lwm2m_codec::{MAX_ID, Path, Value};
use lwm2m_model::Tree;

use crate::view::{id, instances, list, ssid, value};

/// Rights to write and to delete, which decide who inherits an instance (TS-Core §8.1).
const WRITE: i64 = 2;
const DELETE: i64 = 8;

/// The Short Server IDs of all Security instances.
pub(crate) fn ssids(tree: &Tree) -> BTreeSet<u16> {
    instances(tree, id::SECURITY)
        .into_iter()
        .filter_map(|instance| ssid(tree, id::SECURITY, instance))
        .collect()
}

/// Removes the Server instances and the rights of servers that were in `before` and are gone.
/// What the bootstrap server wrote itself stays: it is an inconsistency that it must hear of.
///
/// Objects may refuse; the check of consistency finds what is left then.
pub(crate) fn remove(tree: &mut Tree, before: &BTreeSet<u16>, written: &BTreeSet<u16>) {
    let now = ssids(tree);
    for gone in before.difference(&now) {
        for instance in instances(tree, id::SERVER) {
            if ssid(tree, id::SERVER, instance) == Some(*gone) && !written.contains(&instance) {
                let _ = tree.delete(Path::instance(id::SERVER, instance));
            }
        }
        for instance in instances(tree, id::ACCESS_CONTROL) {
            remove_rights(tree, instance, *gone);
        }
    }
}

/// Takes a server out of an Access Control instance; removes what only it could reach.
fn remove_rights(tree: &mut Tree, instance: u16, gone: u16) {
    let path = |resource| Path::resource(id::ACCESS_CONTROL, instance, resource);
    let entries: Vec<(u16, i64)> = list(tree, path(2));
    let owned = value(tree, path(3)) == Some(i64::from(gone));
    let listed = entries.iter().any(|(server, _)| *server == gone);
    if !owned && !listed {
        return;
    }
    if let Some(entry) = path(2).child(gone).filter(|_| listed) {
        let _ = tree.delete(entry);
    }
    let heir = entries
        .iter()
        .filter(|(server, _)| *server != gone && *server != 0)
        .max_by_key(|(_, rights)| (rights & WRITE) / WRITE + (rights & DELETE) / DELETE)
        .map(|(server, _)| *server);
    let default = entries.iter().any(|(server, _)| *server == 0);
    match heir {
        Some(heir) if owned => {
            let _ = tree.write(path(3), Value::Integer(i64::from(heir)));
        }
        Some(_) => {}
        // Nobody owns it any more, but everybody may still reach it.
        None if default && owned => {
            let _ = tree.write(path(3), Value::Integer(i64::from(MAX_ID)));
        }
        None if default => {}
        None => remove_target(tree, instance),
    }
}

/// Removes an instance that no server can reach, and its access control.
fn remove_target(tree: &mut Tree, instance: u16) {
    let path = |resource| Path::resource(id::ACCESS_CONTROL, instance, resource);
    let number = |resource| {
        let number: Option<i64> = value(tree, path(resource));
        number.and_then(|number| u16::try_from(number).ok())
    };
    let (object, target) = (number(0), number(1));
    let _ = tree.delete(Path::instance(id::ACCESS_CONTROL, instance));
    match (object, target) {
        // The right to create instances of an object is not an instance.
        (_, Some(MAX_ID)) | (None, _) | (_, None) => {}
        (Some(id::DEVICE | id::SECURITY | id::SERVER), _) => {}
        (Some(object), Some(target)) => {
            let _ = tree.delete(Path::instance(object, target));
        }
    }
}
