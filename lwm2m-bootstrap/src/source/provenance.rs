//! Which accounts came from where.

use alloc::{boxed::Box, collections::BTreeMap};

use lwm2m_codec::Path;
use lwm2m_model::{Failure, Tree};

use super::{ApplyError, Established, Fingerprint, Information, Origin, SourceError};
use crate::{
    accounts,
    device::{remove_lost, ssids},
    view::{id, instances},
};

/// Remembers which instances of the account objects came from which source, so that they can go
/// with it: when a card is taken out, its accounts must be deleted (TS-Core §6.1.3.2).
///
/// Accounts of which nothing is known are the factory's, and stay. Those that information
/// replaced are kept aside, and are back when it is removed.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Provenance {
    instances: BTreeMap<Path, Origin>,
    fingerprints: BTreeMap<Origin, Option<Fingerprint>>,
    displaced: Option<Box<Information>>,
    /// What no device could work with: it is not tried again.
    refused: BTreeMap<Origin, Fingerprint>,
}

impl Provenance {
    /// Puts back what was [listed](Self::instances) before a restart. What was kept aside is
    /// lost: it is for the factory to give it again.
    pub fn restore(
        instances: impl IntoIterator<Item = (Path, Origin)>,
        fingerprints: impl IntoIterator<Item = (Origin, Option<Fingerprint>)>,
    ) -> Self {
        Self {
            instances: instances.into_iter().collect(),
            fingerprints: fingerprints.into_iter().collect(),
            displaced: None,
            refused: BTreeMap::new(),
        }
    }

    /// The instances of known origin.
    pub fn instances(&self) -> impl Iterator<Item = (Path, Origin)> + '_ {
        self.instances.iter().map(|(path, origin)| (*path, *origin))
    }

    /// The origins whose information is in use, each with its fingerprint.
    pub fn fingerprints(&self) -> impl Iterator<Item = (Origin, Option<Fingerprint>)> + '_ {
        self.fingerprints
            .iter()
            .map(|(origin, print)| (*origin, *print))
    }

    /// Where an instance is from; `None` if nobody knows, which counts as the factory.
    pub fn origin_of(&self, instance: Path) -> Option<Origin> {
        self.instances.get(&instance).copied()
    }

    /// The first origin whose information is in use and that may change: not the factory's.
    pub fn in_use(&self) -> Option<(Origin, Option<Fingerprint>)> {
        self.fingerprints()
            .find(|(origin, _)| *origin != Origin::Factory)
    }

    /// Gives a device these accounts in place of its own, and remembers what is from where: one
    /// transaction, as [`Information::apply`].
    ///
    /// # Errors
    /// [`ApplyError`]; everything is as before then.
    pub fn apply(&mut self, tree: &mut Tree, information: &Information) -> Result<(), ApplyError> {
        let before = Information::of_tree(Origin::Factory, tree);
        let written = information.apply(tree)?;
        let factory = information.origin == Origin::Factory;
        let own = !before.values.is_empty() && self.in_use().is_none();
        if factory {
            self.displaced = None;
        } else if own {
            self.displaced = Some(Box::new(before));
        }
        self.instances.clear();
        self.fingerprints.clear();
        self.note(information, written);
        Ok(())
    }

    /// Lets a bootstrap's new accounts belong to where the bootstrap server's account is from:
    /// they go when it goes.
    pub fn claim(&mut self, tree: &Tree, bootstrap: u16) {
        let security = Path::instance(id::SECURITY, bootstrap);
        let Some(origin) = self.origin_of(security).filter(|o| *o != Origin::Factory) else {
            return;
        };
        for object in id::ACCOUNT_OBJECTS {
            for instance in instances(tree, object) {
                let path = Path::instance(object, instance);
                self.instances.entry(path).or_insert(origin);
            }
        }
        self.instances.retain(|path, _| tree.contains(*path));
    }

    /// Removes all that came from an origin, with what goes with its servers (TS-Transport
    /// §5.2.5), and puts back the accounts that it had replaced. False if there was nothing.
    ///
    /// # Errors
    /// What an object refuses; everything is as before then.
    pub fn remove(&mut self, tree: &mut Tree, origin: Origin) -> Result<bool, Failure> {
        let before = ssids(tree);
        tree.begin();
        let mut found = false;
        let of = self.instances.iter().filter(|(_, from)| **from == origin);
        for path in of.map(|(path, _)| *path).filter(|path| is_account(*path)) {
            if !tree.contains(path) {
                continue;
            }
            found = true;
            if let Err(failure) = tree.delete(path) {
                tree.rollback();
                return Err(failure);
            }
        }
        remove_lost(tree, &before, &alloc::collections::BTreeSet::new());
        tree.commit()?;
        self.instances.retain(|_, from| *from != origin);
        self.fingerprints.remove(&origin);
        self.put_back(tree);
        Ok(found)
    }

    /// Puts back what was kept aside, once nothing is left of what it had to make room for.
    fn put_back(&mut self, tree: &mut Tree) {
        if self.in_use().is_some() {
            return;
        }
        if let Some(displaced) = self.displaced.take() {
            if let Err(error) = displaced.apply(tree) {
                tracing::error!(%error, "the factory's accounts can't be put back");
            }
        }
    }

    /// Takes information of the next source: the first consistent one whole, later ones only for
    /// the account of a bootstrap server.
    pub(super) fn establish(
        &mut self,
        tree: &mut Tree,
        information: &Information,
        established: &mut Established,
    ) {
        let origin = information.origin;
        let applied = match established.origin {
            None => self.apply(tree, information).map(|()| {
                established.origin = Some(origin);
            }),
            Some(_) if accounts(tree).bootstrap.is_some() => return,
            Some(_) => information.add_bootstrap(tree).map(|written| {
                if !written.is_empty() {
                    established.bootstrap = Some(origin);
                    self.note(information, written);
                }
            }),
        };
        if let Err(error) = applied {
            self.refused
                .extend(information.fingerprint.map(|print| (origin, print)));
            established.fail(origin, SourceError::from(error));
        }
    }

    /// Takes the account of a bootstrap server from what was kept aside, if there is none.
    pub(super) fn add_displaced_bootstrap(&self, tree: &mut Tree) -> Option<Origin> {
        let displaced = self.displaced.as_ref()?;
        if accounts(tree).bootstrap.is_some() {
            return None;
        }
        let written = displaced.add_bootstrap(tree).ok()?;
        (!written.is_empty()).then_some(Origin::Factory)
    }

    /// True if these accounts were refused before.
    pub(super) fn is_refused(&self, information: &Information) -> bool {
        let print = information.fingerprint;
        print.is_some() && self.refused.get(&information.origin).copied() == print
    }

    fn note(&mut self, information: &Information, written: impl IntoIterator<Item = Path>) {
        let origin = information.origin;
        self.fingerprints.insert(origin, information.fingerprint);
        let accounts = written.into_iter().filter(|path| is_account(*path));
        self.instances.extend(accounts.map(|path| (path, origin)));
    }
}

fn is_account(path: Path) -> bool {
    path.object_id().is_some_and(id::is_account_object)
}
