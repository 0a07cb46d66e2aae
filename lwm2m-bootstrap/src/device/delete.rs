//! Bootstrap-Delete (TS-Core §6.1.7.5).

use alloc::{collections::BTreeSet, vec::Vec};

use lwm2m_coap::Draft;
use lwm2m_codec::{Path, coap::Code};
use lwm2m_model::{Failure, Tree};

use super::{Answer, Refusal};
use crate::view::{id, instances, is_bootstrap, links};

/// Deletes all instances, those of an object, or one. The account of the bootstrap server and
/// the Device stay; naming one of them itself is an error.
///
/// What does not exist counts as deleted (RFC 7252 §5.8.4).
pub(super) fn delete(tree: &mut Tree, path: Path, account: u16) -> Answer {
    if path.len() > 2 {
        return Err(Refusal::bad_request(
            "Bootstrap-Delete takes /, an object or an instance",
        ));
    }
    let protected = protected(tree, account);
    if protected.contains(&path) {
        return Err(Refusal::bad_request("the instance can't be deleted"));
    }
    match delete_below(tree, path, &protected) {
        Ok(()) => Ok(Draft::new(Code::DELETED)),
        Err(failure) => Err(Refusal::change(&failure)),
    }
}

/// Deletes the instances at or below a path, but for the protected ones.
pub(crate) fn delete_below(
    tree: &mut Tree,
    path: Path,
    protected: &BTreeSet<Path>,
) -> Result<(), Failure> {
    for instance in targets(tree, path) {
        if protected.contains(&instance) {
            continue;
        }
        match tree.delete(instance) {
            Ok(()) => {}
            // An object that always has its instance keeps it, as the Device does.
            Err(failure) if path.len() < 2 && failure.code == Code::METHOD_NOT_ALLOWED => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok(())
}

/// The instances at or below a path.
fn targets(tree: &Tree, path: Path) -> Vec<Path> {
    let objects: Vec<u16> = tree.objects().map(|(object, _)| object).collect();
    objects
        .into_iter()
        .flat_map(|object| {
            instances(tree, object)
                .into_iter()
                .map(move |instance| Path::instance(object, instance))
        })
        .filter(|instance| path.contains(instance))
        .collect()
}

/// The account of the bootstrap server with all it links to, and the Device.
pub(super) fn protected(tree: &Tree, account: u16) -> BTreeSet<Path> {
    let mut protected = BTreeSet::from([Path::instance(id::DEVICE, 0)]);
    // The server may have moved its account to another instance.
    let bootstrap = if is_bootstrap(tree, account) {
        Some(account)
    } else {
        instances(tree, id::SECURITY)
            .into_iter()
            .find(|instance| is_bootstrap(tree, *instance))
    };
    if let Some(instance) = bootstrap {
        protected.insert(Path::instance(id::SECURITY, instance));
        let links = links(tree, instance).into_iter();
        protected.extend(links.map(|(_, link)| Path::instance(link.object, link.instance)));
    }
    protected
}
