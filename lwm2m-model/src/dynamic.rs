//! Objects whose definition is known at run time only.

use alloc::{boxed::Box, collections::BTreeMap, sync::Arc};

use lwm2m_codec::{Path, Type, Value};

use crate::{
    Failure, Object, ObjectDefinition, Outcome, OwnedValue, Ticket, coerce,
    field::{Field, FieldError, MAX_RESOURCE_INSTANCES, next_key},
    is_secret,
    store::{Fields, Store},
    typed::object_by_store,
};

/// The instances of an object that is defined at run time, for example from XML.
///
/// ```
/// use std::sync::Arc;
/// use lwm2m_model::{Dynamic, Registry};
///
/// let definition = Registry::core().latest(3303).unwrap().clone();
/// let mut sensor = Dynamic::new(definition);
/// sensor.insert(0);
/// sensor.set("/3303/0/5700".parse().unwrap(), 21.5)?;
/// # Ok::<(), lwm2m_model::Failure>(())
/// ```
#[derive(Debug)]
pub struct Dynamic {
    definition: Arc<ObjectDefinition>,
    store: Store<DynamicInstance>,
}

impl Dynamic {
    /// Makes the object without instances.
    pub fn new(definition: Arc<ObjectDefinition>) -> Self {
        let store = Store::new(DynamicInstance::new(&definition));
        Self { definition, store }
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
        self.store.handler = Some(Box::new(handler));
        self
    }

    /// Adds an instance; its mandatory values start as 0, false or empty. Keeps one that exists.
    pub fn insert(&mut self, id: u16) {
        if self.store.get(id).is_none() {
            self.store.insert(id, self.store.prototype.clone());
        }
    }

    /// Removes an instance; false if there was none.
    pub fn remove(&mut self, id: u16) -> bool {
        self.store.remove(id).is_some()
    }

    /// The value of a single-instance resource or a Resource Instance.
    pub fn get(&self, path: Path) -> Option<Value<'_>> {
        if path.object_id() == Some(self.definition.id) {
            self.store.read(path).ok()
        } else {
            None
        }
    }

    /// Sets a value for the device. Types and ranges hold for the device, too.
    ///
    /// # Errors
    /// 4.04 for a path of another object, and as [`Object::write`].
    pub fn set(&mut self, path: Path, value: impl Into<OwnedValue>) -> Result<(), Failure> {
        if path.object_id() != Some(self.definition.id) {
            return Err(Failure::not_found(path));
        }
        self.write(path, value.into().as_value())
    }
}

object_by_store!([] Dynamic);

/// The fields of an instance: one for each resource that can have a value.
#[derive(Debug, Clone)]
struct DynamicInstance {
    fields: BTreeMap<u16, DynamicField>,
}

impl DynamicInstance {
    fn new(definition: &ObjectDefinition) -> Self {
        let fields = definition.resources.iter().filter_map(|resource| {
            let data_type = resource.data_type?;
            let initial = resource.mandatory && !resource.multiple;
            let mut field = DynamicField {
                data_type,
                secret: is_secret(definition.id, resource.id),
                values: match resource.multiple {
                    true => Values::Multiple(BTreeMap::new()),
                    false => Values::Single(None),
                },
                mandatory: initial,
            };
            field.clear();
            Some((resource.id, field))
        });
        Self {
            fields: fields.collect(),
        }
    }
}

impl Fields for DynamicInstance {
    fn field(&self, id: u16) -> Option<&dyn Field> {
        self.fields.get(&id).map(|field| field as &dyn Field)
    }

    fn field_mut(&mut self, id: u16) -> Option<&mut dyn Field> {
        self.fields
            .get_mut(&id)
            .map(|field| field as &mut dyn Field)
    }
}

#[derive(Debug, Clone)]
struct DynamicField {
    data_type: Type,
    secret: bool,
    /// A single value that can't be missing.
    mandatory: bool,
    values: Values,
}

#[derive(Debug, Clone)]
enum Values {
    Single(Option<OwnedValue>),
    Multiple(BTreeMap<u16, OwnedValue>),
}

impl DynamicField {
    fn own(&self, value: Value<'_>) -> Result<OwnedValue, FieldError> {
        let value = coerce(value, self.data_type)
            .and_then(OwnedValue::from_value)
            .ok_or(FieldError::Type(self.data_type))?;
        Ok(if self.secret {
            value.into_secret()
        } else {
            value
        })
    }
}

impl Field for DynamicField {
    fn data_type(&self) -> Type {
        self.data_type
    }

    fn is_multiple(&self) -> bool {
        matches!(self.values, Values::Multiple(_))
    }

    fn has_value(&self) -> bool {
        match &self.values {
            Values::Single(value) => value.is_some(),
            Values::Multiple(values) => !values.is_empty(),
        }
    }

    fn next_instance(&self, after: Option<u16>) -> Option<u16> {
        match &self.values {
            Values::Single(_) => None,
            Values::Multiple(values) => next_key(values, after),
        }
    }

    fn get(&self, instance: Option<u16>) -> Option<Value<'_>> {
        let value = match (&self.values, instance) {
            (Values::Single(value), None) => value.as_ref(),
            (Values::Multiple(values), Some(instance)) => values.get(&instance),
            _ => None,
        };
        value.map(OwnedValue::as_value)
    }

    fn set(&mut self, instance: Option<u16>, value: Value<'_>) -> Result<(), FieldError> {
        let value = self.own(value)?;
        match (&mut self.values, instance) {
            (Values::Single(place), None) => *place = Some(value),
            (Values::Single(_), Some(_)) => return Err(FieldError::SingleInstance),
            (Values::Multiple(_), None) => return Err(FieldError::InstanceMissing),
            (Values::Multiple(values), Some(instance)) => {
                if values.len() >= MAX_RESOURCE_INSTANCES && !values.contains_key(&instance) {
                    return Err(FieldError::Full);
                }
                values.insert(instance, value);
            }
        }
        Ok(())
    }

    fn remove(&mut self, instance: u16) -> bool {
        match &mut self.values {
            Values::Single(_) => false,
            Values::Multiple(values) => values.remove(&instance).is_some(),
        }
    }

    fn clear(&mut self) {
        let initial = self.mandatory.then(|| OwnedValue::initial(self.data_type));
        match &mut self.values {
            Values::Single(value) => *value = initial,
            Values::Multiple(values) => values.clear(),
        }
    }
}
