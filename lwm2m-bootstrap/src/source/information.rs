//! Values of the account objects from outside of any server.

use alloc::{collections::BTreeSet, vec::Vec};
use core::ops::ControlFlow;

use lwm2m_codec::{
    ContentFormat, DecodeError, Decoder, ObjectLink, Path, Record, Type, Value, Version,
};
use lwm2m_model::{Failure, OwnedValue, Registry, SecretBytes, Tree, is_secret};

use super::{Fingerprint, Origin};
use crate::{
    Inconsistency, Rule, accounts, check_consistency,
    device::{delete_below, remove_lost, ssids, write_record},
    server::Provision,
    view::{id, instances},
};

/// Says why a device can't work with information.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ApplyError {
    /// A value is not one of a resource of an instance.
    #[error("{0} is no resource")]
    NoResource(Path),
    /// An object has another major version on the device.
    #[error("object {0} is of version {1}, and the device has another one")]
    Version(u16, Version),
    /// An object does not accept a value.
    #[error(transparent)]
    Refused(#[from] Failure),
    /// The accounts contradict each other.
    #[error(transparent)]
    Inconsistent(#[from] Inconsistency),
}

/// Accounts, and what else a device is to start with, as values of resources.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Information {
    /// Where it is from.
    pub origin: Origin,
    /// Values of resources and Resource Instances, each with its whole path.
    pub values: Vec<(Path, OwnedValue)>,
    /// Versions of objects, where the source states them.
    pub versions: Vec<(u16, Version)>,
    /// Tells it from other information of the same origin, such as that of another card; `None`
    /// where the source can't change while the device runs.
    pub fingerprint: Option<Fingerprint>,
}

impl Information {
    /// Makes information of these values, with no versions and no fingerprint.
    pub const fn new(origin: Origin, values: Vec<(Path, OwnedValue)>) -> Self {
        Self {
            origin,
            values,
            versions: Vec::new(),
            fingerprint: None,
        }
    }

    /// Sets the fingerprint.
    pub const fn with_fingerprint(mut self, fingerprint: Fingerprint) -> Self {
        self.fingerprint = Some(fingerprint);
        self
    }

    /// Takes the account objects of a device as they are.
    pub(super) fn of_tree(origin: Origin, tree: &Tree) -> Self {
        let mut values = Vec::new();
        for object in id::ACCOUNT_OBJECTS {
            let path = Path::object(object);
            // An object that the device does not have holds nothing.
            let _ = tree.visit(path, &|_, _| true, &mut |record| {
                values.extend(owned(record.path, record.value));
                ControlFlow::Continue(())
            });
        }
        Self::new(origin, values)
    }

    /// True if it has the account of a bootstrap server.
    pub fn has_bootstrap(&self) -> bool {
        self.bootstrap_instance().is_some()
    }

    /// Reads a pack: SenML JSON (110), SenML CBOR (112) or LwM2M CBOR (11544).
    ///
    /// # Errors
    /// What the decoder finds wrong.
    pub fn from_pack(
        origin: Origin,
        format: ContentFormat,
        pack: &[u8],
        registry: &Registry,
    ) -> Result<Self, DecodeError> {
        let types = |path: Path| latest_type(registry, path);
        let mut information = Self::new(origin, Vec::new());
        information.extend(Decoder::new(format, Path::ROOT, pack, &types)?)?;
        Ok(information)
    }

    /// Adds the values of records.
    pub(crate) fn extend<'a>(
        &mut self,
        records: impl Iterator<Item = Result<Record<'a>, DecodeError>>,
    ) -> Result<(), DecodeError> {
        for record in records {
            let record = record?;
            self.values.extend(owned(record.path, record.value));
        }
        Ok(())
    }

    /// Takes what a provision writes; its Deletes and Reads mean nothing here.
    pub fn from_provision(origin: Origin, provision: &Provision) -> Self {
        let mut values = Vec::new();
        provision.visit_values(&mut |path, value| values.extend(owned(path, Some(value))));
        Self::new(origin, values)
    }

    /// Gives a device these accounts in place of all that it has, or leaves it as it is (the same
    /// rules as those of Bootstrap-Finish, but the account of a bootstrap server is enough).
    /// Without any account in it, the device's own stay.
    ///
    /// Gives the instances that it wrote.
    ///
    /// # Errors
    /// [`ApplyError`]; the tree is as before then.
    pub fn apply(&self, tree: &mut Tree) -> Result<BTreeSet<Path>, ApplyError> {
        self.check_versions(tree)?;
        let accounts = self
            .values
            .iter()
            .any(|(path, _)| matches!(path.object_id(), Some(id::SECURITY | id::SERVER)));
        transaction(tree, |tree| {
            if accounts {
                delete_accounts(tree)?;
            }
            self.values
                .iter()
                .try_for_each(|(path, value)| write(tree, *path, value))
        })?;
        Ok(self
            .values
            .iter()
            .map(|(path, _)| path.truncated(2))
            .collect())
    }

    /// TS-Core §6.1.4 and App. G: an object whose major version is another one has another
    /// meaning.
    fn check_versions(&self, tree: &Tree) -> Result<(), ApplyError> {
        for (object, version) in &self.versions {
            let own = tree
                .definition(*object)
                .map(|definition| definition.version);
            if own.is_some_and(|own| own.major != version.major) {
                return Err(ApplyError::Version(*object, *version));
            }
        }
        Ok(())
    }

    /// Adds the account of the bootstrap server with what it links to; gives the instances that
    /// it wrote, none if there is no such account.
    ///
    /// # Errors
    /// [`ApplyError`]; the tree is as before then.
    pub(super) fn add_bootstrap(&self, tree: &mut Tree) -> Result<BTreeSet<Path>, ApplyError> {
        let Some(account) = self.bootstrap_instance() else {
            return Ok(BTreeSet::new());
        };
        self.check_versions(tree)?;
        let taken = instances(tree, id::SECURITY);
        let mut free = core::iter::once(account).chain(0..u16::MAX);
        let Some(free) = free.find(|id| !taken.contains(id)) else {
            return Ok(BTreeSet::new());
        };
        let linked: BTreeSet<Path> = self.links_of(account).collect();
        let mut written = BTreeSet::new();
        transaction(tree, |tree| {
            for (path, value) in &self.values {
                let to = match *path.ids() {
                    [id::SECURITY, instance, ref rest @ ..] if instance == account => {
                        let moved = Path::instance(id::SECURITY, free);
                        let moved = rest.iter().try_fold(moved, |path, id| path.child(*id));
                        moved.ok_or(ApplyError::NoResource(*path))?
                    }
                    _ if linked.contains(&path.truncated(2)) => *path,
                    _ => continue,
                };
                write(tree, to, value)?;
                written.insert(to.truncated(2));
            }
            Ok(())
        })?;
        Ok(written)
    }

    /// The Security instance of the bootstrap server.
    fn bootstrap_instance(&self) -> Option<u16> {
        self.values.iter().find_map(|(path, value)| {
            let [id::SECURITY, instance, 1] = *path.ids() else {
                return None;
            };
            (value.as_value() == Value::Boolean(true)).then_some(instance)
        })
    }

    /// What a Security instance links to.
    fn links_of(&self, account: u16) -> impl Iterator<Item = Path> {
        self.values.iter().filter_map(move |(path, value)| {
            let (id::SECURITY, true) = (path.object_id()?, path.instance_id() == Some(account))
            else {
                return None;
            };
            match value.as_value() {
                Value::ObjectLink(ObjectLink { object, instance }) => {
                    Some(Path::instance(object, instance))
                }
                _ => None,
            }
        })
    }
}

/// Runs a change that leaves the accounts consistent, or none.
fn transaction(
    tree: &mut Tree,
    change: impl FnOnce(&mut Tree) -> Result<(), ApplyError>,
) -> Result<(), ApplyError> {
    tree.begin();
    let result = change(tree)
        .and_then(|()| Ok(tree.check()?))
        .and_then(|()| consistent(tree));
    match result {
        Ok(()) => Ok(tree.commit()?),
        Err(error) => {
            tree.rollback();
            Err(error)
        }
    }
}

/// Deletes all accounts, and what goes with their servers (TS-Transport §5.2.5).
fn delete_accounts(tree: &mut Tree) -> Result<(), Failure> {
    let before = ssids(tree);
    for object in id::ACCOUNT_OBJECTS {
        if object != id::ACCESS_CONTROL {
            delete_below(tree, Path::object(object), &BTreeSet::new())?;
        }
    }
    remove_lost(tree, &before, &BTreeSet::new());
    Ok(())
}

/// A device that knows its bootstrap server only is complete before its first bootstrap.
fn consistent(tree: &Tree) -> Result<(), ApplyError> {
    match check_consistency(tree) {
        Err(Inconsistency {
            rule: Rule::NoServerAccount,
            ..
        }) if accounts(tree).bootstrap.is_some() => Ok(()),
        checked => Ok(checked?),
    }
}

/// Writes a value as Bootstrap-Write does: what the device does not know of an object is skipped
/// (TS-Core §6.1.7.4).
fn write(tree: &mut Tree, path: Path, value: &OwnedValue) -> Result<(), ApplyError> {
    let (Some(object), Some(instance), Some(resource)) =
        (path.object_id(), path.instance_id(), path.resource_id())
    else {
        return Err(ApplyError::NoResource(path));
    };
    if !tree.contains(Path::instance(object, instance)) {
        tree.create(object, Some(instance))?;
    }
    let definition = tree
        .definition(object)
        .and_then(|d| d.resource(resource))
        .cloned();
    let record = Record::new(path, value.as_value());
    Ok(write_record(tree, &record, definition.as_ref())?)
}

/// The type of a resource in the latest version of its object.
pub(crate) fn latest_type(registry: &Registry, path: Path) -> Option<Type> {
    let definition = registry.latest(path.object_id()?)?;
    definition.resource(path.resource_id()?)?.data_type
}

/// Copies a value; keys are wiped when dropped.
pub(super) fn owned(path: Path, value: Option<Value<'_>>) -> Option<(Path, OwnedValue)> {
    let secret = path
        .object_id()
        .zip(path.resource_id())
        .is_some_and(|(object, resource)| is_secret(object, resource));
    let value = match value? {
        Value::Opaque(bytes) if secret => {
            let bytes: Vec<u8> = bytes.iter().collect();
            OwnedValue::Secret(SecretBytes::from(bytes))
        }
        value => OwnedValue::from_value(value)?,
    };
    Some((path, value))
}
