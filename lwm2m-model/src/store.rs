//! The instances of one object, with transactions: what typed and dynamic objects share.

use alloc::{
    boxed::Box,
    collections::{BTreeMap, BTreeSet},
    format,
    vec::Vec,
};
use core::fmt;

use lwm2m_codec::{MAX_ID, Path, Value};

use crate::{
    Failure, ObjectDefinition, Outcome, ResourceDefinition, Ticket, check,
    field::{Field, FieldError, next_key, same},
};

/// Most Object Instances that servers can make of one object.
pub const MAX_INSTANCES: usize = 1024;

/// What the store needs of an instance.
pub(crate) trait Fields: Clone + fmt::Debug + Send + 'static {
    fn field(&self, id: u16) -> Option<&dyn Field>;
    fn field_mut(&mut self, id: u16) -> Option<&mut dyn Field>;
}

/// Handles Execute: path, arguments, ticket for an answer that comes later.
pub(crate) type Handler = Box<dyn FnMut(Path, &[u8], Ticket) -> Outcome + Send>;

/// An instance, and which of its multiple-instance resources exist although they are empty.
#[derive(Debug, Clone)]
struct Slot<I> {
    fields: I,
    empty: BTreeSet<u16>,
}

/// What a transaction touched, as it was before; `None` did not exist.
type Undo<I> = BTreeMap<u16, Option<Slot<I>>>;

pub(crate) struct Store<I> {
    slots: BTreeMap<u16, Slot<I>>,
    /// One for each open transaction, the innermost last.
    undo: Vec<Undo<I>>,
    pub(crate) prototype: I,
    pub(crate) announced: BTreeSet<u16>,
    pub(crate) handler: Option<Handler>,
}

impl<I: Fields> Store<I> {
    pub(crate) fn new(prototype: I) -> Self {
        Self {
            slots: BTreeMap::new(),
            undo: Vec::new(),
            prototype,
            announced: BTreeSet::new(),
            handler: None,
        }
    }

    // The device's own access: no transaction, no checks.

    pub(crate) fn insert(&mut self, id: u16, fields: I) -> Option<I> {
        let empty = BTreeSet::new();
        let old = self.slots.insert(id, Slot { fields, empty });
        old.map(|slot| slot.fields)
    }

    pub(crate) fn remove(&mut self, id: u16) -> Option<I> {
        self.slots.remove(&id).map(|slot| slot.fields)
    }

    pub(crate) fn get(&self, id: u16) -> Option<&I> {
        self.slots.get(&id).map(|slot| &slot.fields)
    }

    pub(crate) fn get_mut(&mut self, id: u16) -> Option<&mut I> {
        self.slots.get_mut(&id).map(|slot| &mut slot.fields)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u16, &I)> {
        self.slots.iter().map(|(id, slot)| (*id, &slot.fields))
    }

    // Traversal.

    pub(crate) fn next_instance(&self, after: Option<u16>) -> Option<u16> {
        next_key(&self.slots, after)
    }

    pub(crate) fn next_resource(
        &self,
        definition: &ObjectDefinition,
        instance: u16,
        after: Option<u16>,
    ) -> Option<u16> {
        let slot = self.slots.get(&instance)?;
        let resources = &definition.resources;
        let start = resources.partition_point(|r| after.is_some_and(|after| r.id <= after));
        let mut rest = resources.iter().skip(start);
        rest.find(|r| self.exists(slot, r)).map(|r| r.id)
    }

    /// True if the instance has the resource: a value, or something to execute, or an empty
    /// multiple-instance resource that must be there.
    fn exists(&self, slot: &Slot<I>, definition: &ResourceDefinition) -> bool {
        let id = definition.id;
        match slot.fields.field(id) {
            None => definition.mandatory || self.announced.contains(&id),
            Some(field) if field.has_value() => true,
            Some(field) => {
                field.is_multiple() && (definition.mandatory || slot.empty.contains(&id))
            }
        }
    }

    pub(crate) fn next_resource_instance(
        &self,
        instance: u16,
        resource: u16,
        after: Option<u16>,
    ) -> Option<u16> {
        let slot = self.slots.get(&instance)?;
        slot.fields.field(resource)?.next_instance(after)
    }

    pub(crate) fn read(&self, path: Path) -> Result<Value<'_>, Failure> {
        path.instance_id()
            .and_then(|instance| self.slots.get(&instance))
            .and_then(|slot| slot.fields.field(path.resource_id()?))
            .and_then(|field| field.get(path.resource_instance_id()))
            .ok_or(Failure::not_found(path))
    }

    // Transactions.

    pub(crate) fn begin(&mut self) {
        self.undo.push(BTreeMap::new());
    }

    pub(crate) fn commit(&mut self) {
        let Some(inner) = self.undo.pop() else { return };
        if let Some(outer) = self.undo.last_mut() {
            for (id, slot) in inner {
                outer.entry(id).or_insert(slot);
            }
        }
    }

    pub(crate) fn rollback(&mut self) {
        for (id, slot) in self.undo.pop().unwrap_or_default() {
            match slot {
                Some(slot) => self.slots.insert(id, slot),
                None => self.slots.remove(&id),
            };
        }
    }

    /// Checks what the outermost transaction changed besides by `write`: defaults that mandatory
    /// resources got because nobody wrote them must lie in their range. Inner ones pass: bootstrap
    /// may write an instance piece by piece.
    pub(crate) fn validate(&self, definition: &ObjectDefinition) -> Result<(), Failure> {
        let [undo] = self.undo.as_slice() else {
            return Ok(());
        };
        for (instance, before) in undo {
            let Some(slot) = self.slots.get(instance) else {
                continue;
            };
            let mandatory = definition
                .resources
                .iter()
                .filter(|r| r.mandatory && !r.multiple);
            for resource in mandatory {
                let path = Path::resource(definition.id, *instance, resource.id);
                let Some(field) = slot.fields.field(resource.id) else {
                    continue;
                };
                let old = before
                    .as_ref()
                    .and_then(|slot| slot.fields.field(resource.id));
                if old.is_some_and(|old| same(old, field)) {
                    continue;
                }
                match field.get(None) {
                    None => return Err(Failure::bad_request(path, "a mandatory value is missing")),
                    Some(value) if !resource.constraint.allows(&value) => {
                        return Err(check::out_of_range(resource, path));
                    }
                    Some(_) => {}
                }
            }
        }
        Ok(())
    }

    /// Remembers an instance as it is, before its first change in the innermost transaction.
    fn touch(&mut self, instance: u16) {
        if let Some(undo) = self.undo.last_mut() {
            let slots = &self.slots;
            undo.entry(instance)
                .or_insert_with(|| slots.get(&instance).cloned());
        }
    }

    // Changes from outside.

    pub(crate) fn create(
        &mut self,
        definition: &ObjectDefinition,
        instance: u16,
    ) -> Result<(), Failure> {
        let path = Path::instance(definition.id, instance);
        let refuse = |reason: &'static str| Err(Failure::bad_request(path, reason));
        if self.slots.contains_key(&instance) {
            return refuse("the instance exists");
        }
        if instance == MAX_ID {
            return refuse("65535 is not an instance id");
        }
        if !definition.multiple && instance != 0 {
            return refuse("the only instance of this object is 0");
        }
        if self.slots.len() >= MAX_INSTANCES {
            return refuse("the object has too many instances");
        }
        self.touch(instance);
        self.insert(instance, self.prototype.clone());
        Ok(())
    }

    pub(crate) fn delete(
        &mut self,
        definition: &ObjectDefinition,
        path: Path,
    ) -> Result<(), Failure> {
        match *path.ids() {
            [_, instance] => {
                if !self.slots.contains_key(&instance) {
                    return Err(Failure::not_found(path));
                }
                // Mandatory and single means exactly one (TS-Core App. D.1).
                if definition.mandatory && !definition.multiple {
                    return Err(Failure::not_allowed(path));
                }
                self.touch(instance);
                self.slots.remove(&instance);
                Ok(())
            }
            [_, instance, resource, ri] => {
                self.read(path)
                    .map_err(|_| check::absent(definition.resource(resource), path))?;
                self.touch(instance);
                let removed = self
                    .slots
                    .get_mut(&instance)
                    .and_then(|slot| slot.fields.field_mut(resource))
                    .is_some_and(|field| field.remove(ri));
                if removed {
                    Ok(())
                } else {
                    Err(Failure::not_found(path))
                }
            }
            _ => Err(Failure::not_allowed(path)),
        }
    }

    pub(crate) fn clear(
        &mut self,
        definition: &ObjectDefinition,
        instance: u16,
        resource: u16,
    ) -> Result<(), Failure> {
        let path = Path::resource(definition.id, instance, resource);
        let resource = find(definition, path, resource)?;
        let (slot, prototype) = self.change(path, instance)?;
        slot.empty.remove(&resource.id);
        let field = slot
            .fields
            .field_mut(resource.id)
            .ok_or(Failure::not_allowed(path))?;
        field.clear();
        if resource.mandatory && !resource.multiple {
            let default = prototype
                .field(resource.id)
                .and_then(|field| field.get(None));
            if let Some(default) = default {
                field
                    .set(None, default)
                    .map_err(|error| refused(path, error))?;
            }
        }
        Ok(())
    }

    pub(crate) fn write(
        &mut self,
        definition: &ObjectDefinition,
        path: Path,
        value: Value<'_>,
    ) -> Result<(), Failure> {
        let (Some(instance), Some(resource)) = (path.instance_id(), path.resource_id()) else {
            return Err(Failure::not_allowed(path));
        };
        let value = check::value(find(definition, path, resource)?, path, value)?;
        if path.resource_instance_id() == Some(MAX_ID) {
            return Err(Failure::bad_request(
                path,
                "65535 is not a resource instance id",
            ));
        }
        let (slot, _) = self.change(path, instance)?;
        let field = slot
            .fields
            .field_mut(resource)
            .ok_or(Failure::not_allowed(path))?;
        field
            .set(path.resource_instance_id(), value)
            .map_err(|error| refused(path, error))
    }

    pub(crate) fn write_empty(
        &mut self,
        definition: &ObjectDefinition,
        instance: u16,
        resource: u16,
    ) -> Result<(), Failure> {
        let path = Path::resource(definition.id, instance, resource);
        if !find(definition, path, resource)?.multiple {
            return Err(Failure::bad_request(
                path,
                "the resource has no resource instances",
            ));
        }
        let (slot, _) = self.change(path, instance)?;
        slot.empty.insert(resource);
        Ok(())
    }

    /// An instance to change, and the prototype.
    fn change(&mut self, path: Path, instance: u16) -> Result<(&mut Slot<I>, &I), Failure> {
        self.touch(instance);
        let slot = self
            .slots
            .get_mut(&instance)
            .ok_or(Failure::not_found(path))?;
        Ok((slot, &self.prototype))
    }

    pub(crate) fn execute(
        &mut self,
        definition: &ObjectDefinition,
        path: Path,
        arguments: &[u8],
        ticket: Ticket,
    ) -> Outcome {
        let found = match *path.ids() {
            [_, instance, resource] => {
                let slot = self.slots.get(&instance);
                let resource = definition.resource(resource);
                slot.zip(resource)
                    .filter(|(slot, resource)| self.exists(slot, resource))
            }
            _ => return Outcome::Fail(Failure::not_allowed(path)),
        };
        let executable = found.map(|(_, resource)| resource.operations.execute);
        match (executable, &mut self.handler) {
            (None, _) => Outcome::Fail(Failure::not_found(path)),
            (Some(true), Some(handler)) => handler(path, arguments, ticket),
            (Some(_), _) => Outcome::Fail(Failure::not_allowed(path)),
        }
    }
}

impl<I: fmt::Debug> fmt::Debug for Store<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("slots", &self.slots)
            .field("announced", &self.announced)
            .field("open transactions", &self.undo.len())
            .finish_non_exhaustive()
    }
}

fn find(
    definition: &ObjectDefinition,
    path: Path,
    resource: u16,
) -> Result<&ResourceDefinition, Failure> {
    definition
        .resource(resource)
        .ok_or(Failure::not_found(path))
}

fn refused(path: Path, error: FieldError) -> Failure {
    Failure::bad_request(path, format!("{error}"))
}
