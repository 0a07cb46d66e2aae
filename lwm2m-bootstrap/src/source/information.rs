//! Values of the account objects from outside of any server.

use alloc::{collections::BTreeSet, vec::Vec};

use lwm2m_codec::{ContentFormat, DecodeError, Decoder, ObjectLink, Path, Value};
use lwm2m_model::{Failure, OwnedValue, Registry, SecretBytes, Tree, is_secret};

use super::Origin;
use crate::{
    Inconsistency, Rule, accounts, check_consistency,
    device::delete_below,
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
    /// An object does not accept a value.
    #[error(transparent)]
    Refused(#[from] Failure),
    /// The accounts contradict each other.
    #[error(transparent)]
    Inconsistent(#[from] Inconsistency),
}

/// Accounts, and what else a device is to start with, as values of resources.
#[derive(Debug, Clone, PartialEq)]
pub struct Information {
    /// Where it is from.
    pub origin: Origin,
    /// Values of resources and Resource Instances, each with its whole path.
    pub values: Vec<(Path, OwnedValue)>,
}

impl Information {
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
        let types = |path: Path| {
            let definition = registry.latest(path.object_id()?)?;
            definition.resource(path.resource_id()?)?.data_type
        };
        let mut values = Vec::new();
        for record in Decoder::new(format, Path::ROOT, pack, &types)? {
            let record = record?;
            values.extend(owned(record.path, record.value));
        }
        Ok(Self { origin, values })
    }

    /// Takes what a provision writes; its Deletes and Reads mean nothing here.
    pub fn from_provision(origin: Origin, provision: &Provision) -> Self {
        let mut values = Vec::new();
        provision.visit_values(&mut |path, value| values.extend(owned(path, Some(value))));
        Self { origin, values }
    }

    /// Gives a device these accounts in place of all that it has of the same objects, or leaves it
    /// as it is (the same rules as those of Bootstrap-Finish, but the account of a bootstrap
    /// server is enough).
    ///
    /// # Errors
    /// [`ApplyError`]; the tree is as before then.
    pub fn apply(&self, tree: &mut Tree) -> Result<(), ApplyError> {
        let objects: BTreeSet<u16> = self
            .values
            .iter()
            .filter_map(|(path, _)| path.object_id())
            .filter(|object| id::is_account_object(*object))
            .collect();
        transaction(tree, |tree| {
            for object in objects {
                delete_below(tree, Path::object(object), &BTreeSet::new())?;
            }
            self.values
                .iter()
                .try_for_each(|(path, value)| write(tree, *path, value))
        })
    }

    /// Adds the account of the bootstrap server with what it links to; false if there is none.
    ///
    /// # Errors
    /// [`ApplyError`]; the tree is as before then.
    pub(super) fn add_bootstrap(&self, tree: &mut Tree) -> Result<bool, ApplyError> {
        let account = self.values.iter().find_map(|(path, value)| {
            let [id::SECURITY, instance, 1] = *path.ids() else {
                return None;
            };
            (value.as_value() == Value::Boolean(true)).then_some(instance)
        });
        let Some(account) = account else {
            return Ok(false);
        };
        let taken = instances(tree, id::SECURITY);
        let free = core::iter::once(account).chain(0..u16::MAX);
        let free = free.into_iter().find(|id| !taken.contains(id));
        let linked: BTreeSet<Path> = self.links_of(account).collect();
        transaction(tree, |tree| {
            for (path, value) in &self.values {
                let ids = path.ids();
                match (&*ids, free) {
                    ([id::SECURITY, instance, rest @ ..], Some(free)) if *instance == account => {
                        let moved = Path::instance(id::SECURITY, free);
                        let moved = rest.iter().try_fold(moved, |path, id| path.child(*id));
                        let moved = moved.ok_or(ApplyError::NoResource(*path))?;
                        write(tree, moved, value)?;
                    }
                    _ if linked.contains(&path.truncated(2)) => write(tree, *path, value)?,
                    _ => {}
                }
            }
            Ok(())
        })?;
        Ok(true)
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

fn write(tree: &mut Tree, path: Path, value: &OwnedValue) -> Result<(), ApplyError> {
    let (Some(object), Some(instance), Some(_)) =
        (path.object_id(), path.instance_id(), path.resource_id())
    else {
        return Err(ApplyError::NoResource(path));
    };
    if !tree.contains(Path::instance(object, instance)) {
        tree.create(object, Some(instance))?;
    }
    Ok(tree.write(path, value.as_value())?)
}

/// Copies a value; keys are wiped when dropped.
fn owned(path: Path, value: Option<Value<'_>>) -> Option<(Path, OwnedValue)> {
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
