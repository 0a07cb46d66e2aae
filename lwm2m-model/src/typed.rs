//! Objects whose instances are Rust structs.

use core::fmt;

use lwm2m_codec::{Path, Value};

use crate::{
    Failure, Object, ObjectDefinition, Outcome, Ticket,
    field::Field,
    store::{Fields, Store},
};

/// A Rust struct that is one instance of an object.
///
/// `lwm2m-build` generates the structs and this implementation; see [`crate::objects`].
pub trait ObjectInstance: Clone + Default + fmt::Debug + Send + 'static {
    /// The definition of the object.
    const DEFINITION: &'static ObjectDefinition;

    /// The field of a resource; `None` for executable and unknown ones.
    fn field(&self, id: u16) -> Option<&dyn Field>;

    /// The field of a resource, to change it.
    fn field_mut(&mut self, id: u16) -> Option<&mut dyn Field>;
}

impl<T: ObjectInstance> Fields for T {
    fn field(&self, id: u16) -> Option<&dyn Field> {
        ObjectInstance::field(self, id)
    }

    fn field_mut(&mut self, id: u16) -> Option<&mut dyn Field> {
        ObjectInstance::field_mut(self, id)
    }
}

/// The instances of an object, each a `T`.
///
/// The device changes them directly; servers change them through [`Object`], in transactions and
/// within the ranges of the definition. Inside a [`Tree`](crate::Tree), change them by
/// [`Tree::update`](crate::Tree::update), so that observers learn of it.
#[derive(Debug)]
pub struct Typed<T: ObjectInstance> {
    definition: &'static ObjectDefinition,
    store: Store<T>,
}

impl<T: ObjectInstance> Typed<T> {
    /// Makes the object without instances.
    pub fn new() -> Self {
        Self {
            definition: T::DEFINITION,
            store: Store::new(T::default()),
        }
    }

    /// Adds an instance.
    #[must_use]
    pub fn with(mut self, id: u16, instance: T) -> Self {
        self.store.insert(id, instance);
        self
    }

    /// Sets the values that instances made by servers start with, instead of `T::default()`.
    /// A mandatory resource that is cleared returns to its value here.
    #[must_use]
    pub fn with_prototype(mut self, prototype: T) -> Self {
        self.store.prototype = prototype;
        self
    }

    /// Announces an optional executable resource. Mandatory ones always exist.
    #[must_use]
    pub fn with_executable(mut self, resource: u16) -> Self {
        self.store.announced.insert(resource);
        self
    }

    /// Sets what happens on Execute. Without it, servers get 4.05.
    #[must_use]
    pub fn on_execute(
        mut self,
        handler: impl FnMut(Path, &[u8], Ticket) -> Outcome + Send + 'static,
    ) -> Self {
        self.store.handler = Some(alloc::boxed::Box::new(handler));
        self
    }

    /// Adds or replaces an instance; returns the one that was there.
    pub fn insert(&mut self, id: u16, instance: T) -> Option<T> {
        self.store.insert(id, instance)
    }

    /// Removes an instance.
    pub fn remove(&mut self, id: u16) -> Option<T> {
        self.store.remove(id)
    }

    /// An instance.
    pub fn get(&self, id: u16) -> Option<&T> {
        self.store.get(id)
    }

    /// An instance to change.
    pub fn get_mut(&mut self, id: u16) -> Option<&mut T> {
        self.store.get_mut(id)
    }

    /// All instances in ascending order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = (u16, &T)> {
        self.store.iter()
    }
}

impl<T: ObjectInstance> Default for Typed<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// Implements [`Object`] by the fields `store` and `definition`.
macro_rules! object_by_store {
    ([$($generics:tt)*] $name:ty) => {
        impl $($generics)* Object for $name {
            fn definition(&self) -> &ObjectDefinition {
                &self.definition
            }

            fn next_instance(&self, after: Option<u16>) -> Option<u16> {
                self.store.next_instance(after)
            }

            fn next_resource(&self, instance: u16, after: Option<u16>) -> Option<u16> {
                self.store.next_resource(&self.definition, instance, after)
            }

            fn next_resource_instance(
                &self,
                instance: u16,
                resource: u16,
                after: Option<u16>,
            ) -> Option<u16> {
                self.store.next_resource_instance(instance, resource, after)
            }

            fn read(&self, path: Path, sink: &mut dyn FnMut(Value<'_>)) -> Result<(), Failure> {
                self.store.read(path).map(sink)
            }

            fn begin(&mut self) {
                self.store.begin();
            }

            fn validate(&self) -> Result<(), Failure> {
                self.store.validate(&self.definition)
            }

            fn commit(&mut self) {
                self.store.commit();
            }

            fn rollback(&mut self) {
                self.store.rollback();
            }

            fn create(&mut self, instance: u16) -> Result<(), Failure> {
                self.store.create(&self.definition, instance)
            }

            fn delete(&mut self, path: Path) -> Result<(), Failure> {
                self.store.delete(&self.definition, path)
            }

            fn clear(&mut self, instance: u16, resource: u16) -> Result<(), Failure> {
                self.store.clear(&self.definition, instance, resource)
            }

            fn write(&mut self, path: Path, value: Value<'_>) -> Result<(), Failure> {
                self.store.write(&self.definition, path, value)
            }

            fn write_empty(&mut self, instance: u16, resource: u16) -> Result<(), Failure> {
                self.store.write_empty(&self.definition, instance, resource)
            }

            fn execute(&mut self, path: Path, arguments: &[u8], ticket: Ticket) -> Outcome {
                self.store.execute(&self.definition, path, arguments, ticket)
            }
        }
    };
}
pub(crate) use object_by_store;

object_by_store!([<T: ObjectInstance>] Typed<T>);
