//! The objects of a device, and transactions over them.

mod changes;
#[cfg(test)]
mod tests;
mod visit;

use alloc::{
    boxed::Box,
    collections::{BTreeMap, BTreeSet},
    format,
    vec::Vec,
};

use lwm2m_codec::{MAX_ID, ObjectLink, Path, Type, TypeOf, Value};

use crate::{
    Failure, Object, ObjectDefinition, ObjectInstance, Outcome, ResourceDefinition, Ticket, Typed,
    check, field::same,
};
use changes::Changes;
pub use changes::MAX_CHANGES;
pub use visit::{Filter, Visitor};

/// The objects of a device: the one place through which servers and the device change them.
///
/// # Transactions
/// [`begin`](Tree::begin) opens a transaction over all objects, [`commit`](Tree::commit) checks
/// and keeps its changes, [`rollback`](Tree::rollback) undoes them. Transactions nest: a bootstrap
/// is one, and each request in it another. A change outside of any transaction is one of its own.
/// While one is open, what the device writes by [`write`](Tree::write) belongs to it too;
/// [`update`](Tree::update) stands alone.
///
/// # Permissions
/// Types, ranges and links are checked here; which server may do what is up to the caller.
///
/// # Changes
/// Every change that was kept counts up [`revision`](Tree::revision) and adds its path to a list
/// that [`take_changes`](Tree::take_changes) empties.
#[derive(Debug, Default)]
pub struct Tree {
    objects: BTreeMap<u16, Box<dyn Object>>,
    /// Open transactions, the innermost last.
    levels: Vec<Level>,
    changes: Changes,
}

/// What an open transaction did so far.
#[derive(Debug, Default)]
struct Level {
    /// Objects that began a transaction for this level. Every outer level has them too.
    touched: BTreeSet<u16>,
    changed: BTreeSet<Path>,
    links: BTreeMap<Path, ObjectLink>,
}

impl Tree {
    /// Makes a tree without objects.
    pub fn new() -> Self {
        Self::default()
    }

    // Objects.

    /// Adds or replaces an object.
    pub fn insert(&mut self, object: impl Object) {
        self.insert_boxed(Box::new(object));
    }

    /// Adds or replaces an object in a box.
    pub fn insert_boxed(&mut self, mut object: Box<dyn Object>) {
        let id = object.definition().id;
        // It takes the place of one that takes part in the open transactions.
        for _ in self
            .levels
            .iter()
            .filter(|level| level.touched.contains(&id))
        {
            object.begin();
        }
        self.objects.insert(id, object);
        self.changes.add(Path::object(id));
    }

    /// Removes an object.
    pub fn remove(&mut self, object: u16) -> Option<Box<dyn Object>> {
        let removed = self.objects.remove(&object)?;
        for level in &mut self.levels {
            level.touched.remove(&object);
        }
        self.changes.add(Path::object(object));
        Some(removed)
    }

    /// An object.
    pub fn get(&self, object: u16) -> Option<&dyn Object> {
        self.objects.get(&object).map(Box::as_ref)
    }

    /// An object to change behind the tree's back: outside of its transactions, and unseen by
    /// observers until [`touch`](Tree::touch).
    pub fn get_mut(&mut self, object: u16) -> Option<&mut dyn Object> {
        self.objects.get_mut(&object).map(Box::as_mut)
    }

    /// All objects in ascending order of their ids.
    pub fn objects(&self) -> impl Iterator<Item = (u16, &dyn Object)> {
        self.objects
            .iter()
            .map(|(id, object)| (*id, object.as_ref()))
    }

    /// The object of a struct, if it is held as [`Typed`].
    pub fn typed<T: ObjectInstance>(&self) -> Option<&Typed<T>> {
        self.get(T::DEFINITION.id)?.as_any().downcast_ref()
    }

    /// The object of a struct to change behind the tree's back, as [`get_mut`](Tree::get_mut).
    /// [`update`](Tree::update) does it in the open.
    pub fn typed_mut<T: ObjectInstance>(&mut self) -> Option<&mut Typed<T>> {
        self.get_mut(T::DEFINITION.id)?.as_any_mut().downcast_mut()
    }

    /// The definition of an object.
    pub fn definition(&self, object: u16) -> Option<&ObjectDefinition> {
        self.get(object).map(Object::definition)
    }

    /// The definition of the resource at or above `path`.
    pub fn resource_definition(&self, path: Path) -> Option<&ResourceDefinition> {
        self.definition(path.object_id()?)?
            .resource(path.resource_id()?)
    }

    /// True if there is an object, instance, resource or Resource Instance at `path`; `/` always
    /// is. A resource without a value is not there.
    pub fn contains(&self, path: Path) -> bool {
        fn first(next: impl Fn(Option<u16>) -> Option<u16>, id: u16) -> bool {
            next(id.checked_sub(1)) == Some(id)
        }
        let Some(object_id) = path.object_id() else {
            return true;
        };
        let Some(object) = self.get(object_id) else {
            return false;
        };
        match *path.ids() {
            [_, instance] => first(|after| object.next_instance(after), instance),
            [_, instance, resource] => {
                first(|after| object.next_resource(instance, after), resource)
            }
            [_, instance, resource, ri] => first(
                |after| object.next_resource_instance(instance, resource, after),
                ri,
            ),
            _ => true,
        }
    }

    /// Passes the value at `path` to `sink`, once.
    ///
    /// # Errors
    /// 4.04 if there is no value.
    pub fn read(&self, path: Path, sink: &mut dyn FnMut(Value<'_>)) -> Result<(), Failure> {
        let object = path.object_id().and_then(|id| self.get(id));
        match object {
            Some(object) if path.resource_id().is_some() => object.read(path, sink),
            _ => Err(Failure::not_found(path)),
        }
    }

    // Changes that servers make.

    /// Opens a transaction.
    pub fn begin(&mut self) {
        self.levels.push(Level::default());
    }

    /// True while a transaction is open.
    pub fn in_transaction(&self) -> bool {
        !self.levels.is_empty()
    }

    /// Ends the innermost transaction and keeps its changes, if every object it touched agrees;
    /// otherwise undoes them all.
    ///
    /// When the outermost one ends, mandatory values that nobody wrote must have a default within
    /// their range, and object links that were written must lead to an object or instance that
    /// exists, or nowhere (TS-Core §6.3.3).
    ///
    /// # Errors
    /// What an object found wrong, or 4.00 for a dangling link.
    pub fn commit(&mut self) -> Result<(), Failure> {
        if let Err(failure) = self.check() {
            self.rollback();
            return Err(failure);
        }
        self.merge();
        Ok(())
    }

    /// Ends the innermost transaction and keeps its changes without a look at them: for one
    /// inside another, whose commit checks all. A bootstrap writes mandatory values one by one.
    pub fn merge(&mut self) {
        let Some(level) = self.levels.pop() else {
            return;
        };
        for id in &level.touched {
            if let Some(object) = self.objects.get_mut(id) {
                object.commit();
            }
        }
        match self.levels.last_mut() {
            Some(outer) => {
                outer.changed.extend(level.changed);
                outer.links.extend(level.links);
            }
            None => level
                .changed
                .into_iter()
                .for_each(|path| self.changes.add(path)),
        }
    }

    /// Ends the innermost transaction and undoes its changes.
    pub fn rollback(&mut self) {
        let Some(level) = self.levels.pop() else {
            return;
        };
        for id in &level.touched {
            if let Some(object) = self.objects.get_mut(id) {
                object.rollback();
            }
        }
    }

    /// Checks what [`commit`](Tree::commit) would check now, and leaves the transaction open.
    ///
    /// # Errors
    /// Those of a commit.
    pub fn check(&self) -> Result<(), Failure> {
        let Some(level) = self.levels.last() else {
            return Ok(());
        };
        for object in level.touched.iter().filter_map(|id| self.get(*id)) {
            object.validate()?;
        }
        if self.levels.len() > 1 {
            return Ok(());
        }
        for (path, link) in &level.links {
            // The value may have been overwritten or removed since.
            let mut now = None;
            let _ = self.read(*path, &mut |value| {
                now = Some(value == Value::ObjectLink(*link))
            });
            if now == Some(true) && !self.leads_somewhere(*link) {
                let reason = format!("the object link {link} leads to nothing");
                return Err(Failure::bad_request(*path, reason));
            }
        }
        Ok(())
    }

    fn leads_somewhere(&self, link: ObjectLink) -> bool {
        link == ObjectLink::NULL
            || match link.instance {
                MAX_ID => self.contains(Path::object(link.object)),
                instance => self.contains(Path::instance(link.object, instance)),
            }
    }

    /// Writes a single-instance resource or a Resource Instance, which may be new.
    ///
    /// # Errors
    /// 4.04 if there is no such object, instance or resource, 4.05 for a path or a resource that
    /// can't be written, 4.00 if type or range do not fit.
    pub fn write(&mut self, path: Path, value: Value<'_>) -> Result<(), Failure> {
        let (Some(id), Some(instance), Some(_)) =
            (path.object_id(), path.instance_id(), path.resource_id())
        else {
            return Err(Failure::not_allowed(path));
        };
        if !self.contains(Path::instance(id, instance)) {
            return Err(Failure::not_found(path));
        }
        let definition = self
            .resource_definition(path)
            .ok_or(Failure::not_found(path))?;
        let value = check::value(definition, path, value)?;
        self.within(|tree| {
            tree.change(path, |object| object.write(path, value))?;
            if let (Value::ObjectLink(link), Some(level)) = (value, tree.levels.last_mut()) {
                level.links.insert(path, link);
            }
            Ok(())
        })
    }

    /// Makes a multiple-instance resource exist without Resource Instances.
    ///
    /// # Errors
    /// As [`Object::write_empty`].
    pub fn write_empty(&mut self, path: Path) -> Result<(), Failure> {
        match *path.ids() {
            [_, instance, resource] => {
                self.change(path, |object| object.write_empty(instance, resource))
            }
            _ => Err(Failure::not_allowed(path)),
        }
    }

    /// Removes the value of a resource, all instances of it. What the object can't do without
    /// gets its default.
    ///
    /// # Errors
    /// 4.04 if there is no such resource, 4.05 if it can't be cleared.
    pub fn clear(&mut self, path: Path) -> Result<(), Failure> {
        match *path.ids() {
            [_, instance, resource] => self.change(path, |object| object.clear(instance, resource)),
            _ => Err(Failure::not_allowed(path)),
        }
    }

    /// Makes an instance and returns its id: the one asked for, or the lowest free one for `None`
    /// and for 65535, by which LwM2M CBOR says the same.
    ///
    /// # Errors
    /// 4.04 for an unknown object, 4.00 if the instance exists or can't be made.
    pub fn create(&mut self, object: u16, instance: Option<u16>) -> Result<u16, Failure> {
        let path = Path::object(object);
        let target = self.get(object).ok_or(Failure::not_found(path))?;
        let id = match instance.filter(|id| *id != MAX_ID) {
            Some(id) => id,
            None => lowest_free(target)
                .ok_or_else(|| Failure::bad_request(path, "the object takes no more instances"))?,
        };
        self.change(Path::instance(object, id), |object| object.create(id))?;
        Ok(id)
    }

    /// Removes an instance or a Resource Instance.
    ///
    /// # Errors
    /// 4.04 if there is none, 4.05 if it can't be removed.
    pub fn delete(&mut self, path: Path) -> Result<(), Failure> {
        self.change(path, |object| object.delete(path))
    }

    /// Executes a resource with its arguments in text form.
    pub fn execute(&mut self, path: Path, arguments: &[u8], ticket: Ticket) -> Outcome {
        match path.object_id().and_then(|id| self.get_mut(id)) {
            Some(object) => object.execute(path, arguments, ticket),
            None => Outcome::Fail(Failure::not_found(path)),
        }
    }

    /// Changes an object within the innermost transaction, or within one of its own.
    fn change<R>(
        &mut self,
        path: Path,
        change: impl FnOnce(&mut dyn Object) -> Result<R, Failure>,
    ) -> Result<R, Failure> {
        self.within(|tree| {
            let result = tree.enlist(path).and_then(change)?;
            if let Some(level) = tree.levels.last_mut() {
                level.changed.insert(path);
            }
            Ok(result)
        })
    }

    fn within<R>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<R, Failure>,
    ) -> Result<R, Failure> {
        if self.in_transaction() {
            return work(self);
        }
        self.begin();
        match work(self) {
            Ok(result) => self.commit().map(|()| result),
            Err(failure) => {
                self.rollback();
                Err(failure)
            }
        }
    }

    /// Makes an object take part in all open transactions.
    fn enlist(&mut self, path: Path) -> Result<&mut dyn Object, Failure> {
        let id = path.object_id().ok_or(Failure::not_allowed(path))?;
        let object = self.objects.get_mut(&id).ok_or(Failure::not_found(path))?;
        for level in &mut self.levels {
            if level.touched.insert(id) {
                object.begin();
            }
        }
        Ok(object.as_mut())
    }

    // Changes that the device makes.

    /// Changes an instance of a [`Typed`] object, and notes which resources differ then. Returns
    /// what `change` does; `None` if there is no such instance.
    pub fn update<T: ObjectInstance, R>(
        &mut self,
        instance: u16,
        change: impl FnOnce(&mut T) -> R,
    ) -> Option<R> {
        let fields = self.typed_mut::<T>()?.get_mut(instance)?;
        let before = fields.clone();
        let result = change(fields);
        let changed: Vec<u16> = T::DEFINITION
            .resources
            .iter()
            .filter(
                |resource| match (before.field(resource.id), fields.field(resource.id)) {
                    (Some(before), Some(after)) => !same(before, after),
                    _ => false,
                },
            )
            .map(|resource| resource.id)
            .collect();
        for id in changed {
            self.changes
                .add(Path::resource(T::DEFINITION.id, instance, id));
        }
        Some(result)
    }

    /// Notes that what is at or below `path` changed. The path of an object or instance says that
    /// instances came or went.
    pub fn touch(&mut self, path: Path) {
        self.changes.add(path);
    }

    /// Counts changes that were kept; an entity tag of the whole tree.
    pub fn revision(&self) -> u64 {
        self.changes.revision()
    }

    /// The revision at which something in the object of `path` changed last; an entity tag of
    /// that object. For `/`, that of the tree.
    pub fn revision_of(&self, path: Path) -> u64 {
        self.changes.revision_of(path)
    }

    /// Counts changes to the list of objects and instances, which a registration tells the server.
    pub fn structure_revision(&self) -> u64 {
        self.changes.structure()
    }

    /// Takes the paths that changed since the last call, in path order. Something at or below
    /// each of them changed. More than [`MAX_CHANGES`] are summed up by their objects.
    pub fn take_changes(&mut self) -> Vec<Path> {
        self.changes.take()
    }
}

impl TypeOf for Tree {
    fn type_of(&self, path: Path) -> Option<Type> {
        self.resource_definition(path)?.data_type
    }
}

fn lowest_free(object: &dyn Object) -> Option<u16> {
    let mut free = 0;
    let mut after = None;
    while let Some(taken) = object.next_instance(after) {
        if taken != free {
            break;
        }
        free = taken.checked_add(1)?;
        after = Some(taken);
    }
    let fits = free != MAX_ID && (free == 0 || object.definition().multiple);
    fits.then_some(free)
}
