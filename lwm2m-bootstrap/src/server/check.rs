//! Tries a provision out on a device that has nothing.

use alloc::vec::Vec;

use lwm2m_codec::{MAX_ID, ObjectLink, Path, Value};
use lwm2m_model::{
    Dynamic, Failure, Registry, Tree, Typed,
    objects::{AccessControl, Security, Server},
};

use super::{
    Provision,
    plan::{Discovered, Step, plan},
};
use crate::{Inconsistency, Rule, check_consistency, view::id};

/// Letters of transports and of queue mode (TS-Core §6.2.1.2).
const BINDINGS: &str = "UTSNMHQ";

/// Why no device could take a provision.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProvisionError {
    /// No definition of an object is known.
    #[error("object {0} is not known")]
    UnknownObject(u16),
    /// A value does not fit its resource.
    #[error(transparent)]
    Value(#[from] Failure),
    /// The accounts contradict each other.
    #[error(transparent)]
    Inconsistent(#[from] Inconsistency),
    /// A binding is not one of transports (TS-Core §6.2.1.2).
    #[error("server {0}: the binding is not one of the letters U, T, S, N, M, H and Q, each once")]
    Binding(u16),
    /// An incremental bootstrap finds out itself which accounts to delete.
    #[error("an incremental bootstrap does not delete {0}")]
    IncrementalDelete(Path),
    /// An incremental bootstrap begins with a Discover.
    #[error("an incremental bootstrap needs discover")]
    IncrementalBlind,
    /// The same instance is written twice.
    #[error("{0} is written twice")]
    Twice(Path),
}

impl Provision {
    /// Checks what can be checked without a device: that values fit their resources, and that
    /// the accounts are consistent. What a device may have already is not missed, unless the
    /// provision deletes it.
    ///
    /// # Errors
    /// [`ProvisionError`].
    pub fn check(&self, registry: &Registry) -> Result<(), ProvisionError> {
        self.check_incremental()?;
        self.check_bindings()?;
        self.with_sample_keys().check_values(registry)
    }

    fn check_bindings(&self) -> Result<(), ProvisionError> {
        let wrong = |entry: &&super::ServerEntry| {
            let letters = &entry.server.binding;
            let known = letters.chars().all(|letter| BINDINGS.contains(letter));
            let once = |letter| letters.matches(letter).count() < 2;
            !known || letters.trim_matches('Q').is_empty() || !BINDINGS.chars().all(once)
        };
        match self.servers.iter().find(wrong) {
            Some(entry) => Err(ProvisionError::Binding(entry.ssid())),
            None => Ok(()),
        }
    }

    /// Checks what an incremental bootstrap can't be combined with.
    fn check_incremental(&self) -> Result<(), ProvisionError> {
        if !self.incremental {
            return Ok(());
        }
        if !self.discover {
            return Err(ProvisionError::IncrementalBlind);
        }
        let accounts = [id::SECURITY, id::SERVER].map(Path::object);
        let clash = |path: &&Path| {
            let mut accounts = accounts.iter();
            accounts.any(|object| path.contains(object) || object.contains(path))
        };
        match self.delete.iter().find(clash) {
            Some(path) => Err(ProvisionError::IncrementalDelete(*path)),
            None => Ok(()),
        }
    }

    fn check_values(&self, registry: &Registry) -> Result<(), ProvisionError> {
        let steps: Vec<Step> = plan(self, &Discovered::default())
            .into_iter()
            .filter(Step::is_write)
            .collect();
        check_twice(&steps)?;
        let mut tree = Tree::new();
        tree.insert(Typed::<Security>::new());
        tree.insert(Typed::<Server>::new());
        tree.insert(Typed::<AccessControl>::new());
        tree.begin();
        for step in &steps {
            self.try_step(&mut tree, registry, step)?;
        }
        for acl in &self.access_control {
            let number = |number: i64| u16::try_from(number).unwrap_or(MAX_ID);
            let target = ObjectLink::new(number(acl.object_id), number(acl.object_instance_id));
            add_target(&mut tree, registry, target)?;
        }
        tree.commit()?;
        match check_consistency(&tree) {
            Err(inconsistency) if !self.may_be_on_device(inconsistency.rule) => {
                Err(inconsistency.into())
            }
            _ => Ok(()),
        }
    }

    fn try_step(
        &self,
        tree: &mut Tree,
        registry: &Registry,
        step: &Step,
    ) -> Result<(), ProvisionError> {
        let (Some(object), Some(instance)) = (step.path.object_id(), step.path.instance_id())
        else {
            return Err(Failure::not_allowed(step.path).into());
        };
        add_object(tree, registry, object)?;
        let exists = tree.contains(Path::instance(object, instance));
        // A resource of an instance that only the device has: its type is all there is to check.
        let alone = !exists && step.path.len() > 2;
        if alone {
            tree.begin();
        }
        if !exists {
            tree.create(object, Some(instance))?;
        }
        let mut links = Vec::new();
        step.records(self, &mut |record| match record.value {
            Some(value) => {
                if let Value::ObjectLink(link) = value {
                    links.push(link);
                }
                tree.write(record.path, value)
            }
            None => tree.write_empty(record.path),
        })?;
        if alone {
            tree.rollback();
        }
        links
            .into_iter()
            .filter(|link| *link != ObjectLink::NULL)
            .try_for_each(|link| add_target(tree, registry, link))
    }

    /// True if a device that keeps its accounts may have what a rule misses.
    fn may_be_on_device(&self, rule: Rule) -> bool {
        let security = Path::object(id::SECURITY);
        let keeps = !self.incremental && !self.delete.iter().any(|path| path.contains(&security));
        keeps && matches!(rule, Rule::NoServerAccount | Rule::AccessControlServer(_))
    }
}

/// Makes what is linked to: the device may have it. Accounts must be in the provision.
fn add_target(
    tree: &mut Tree,
    registry: &Registry,
    target: ObjectLink,
) -> Result<(), ProvisionError> {
    let ObjectLink { object, instance } = target;
    if id::is_account_object(object) {
        return Ok(());
    }
    add_object(tree, registry, object)?;
    if instance != MAX_ID && !tree.contains(Path::instance(object, instance)) {
        tree.create(object, Some(instance))?;
    }
    Ok(())
}

fn check_twice(steps: &[Step]) -> Result<(), ProvisionError> {
    let mut written: Vec<Path> = steps.iter().map(|step| step.path).collect();
    written.sort_unstable();
    let twice = written.windows(2).find(|pair| pair.first() == pair.last());
    match twice.and_then(|pair| pair.first()) {
        Some(path) => Err(ProvisionError::Twice(*path)),
        None => Ok(()),
    }
}

fn add_object(tree: &mut Tree, registry: &Registry, object: u16) -> Result<(), ProvisionError> {
    if tree.get(object).is_none() {
        let definition = registry.latest(object);
        let definition = definition.ok_or(ProvisionError::UnknownObject(object))?;
        tree.insert(Dynamic::new(definition.clone()));
    }
    Ok(())
}
