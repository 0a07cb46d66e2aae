//! Fields of instances: how a resource is held in a Rust struct.
//!
//! A mandatory single-instance resource is a `T`, an optional one an `Option<T>`, and a
//! multiple-instance one a `BTreeMap<u16, T>` by Resource Instance ID, where `T` is a
//! [`Scalar`].

use alloc::collections::BTreeMap;
use core::{fmt, ops::Bound};

use lwm2m_codec::{Type, Value};

pub use crate::scalar::{CoreLink, Scalar, Time, coerce};

/// Most Resource Instances that [`Field::set`] lets a resource have.
pub const MAX_RESOURCE_INSTANCES: usize = 1024;

/// Holds the value of a single-instance resource or the values of a multiple-instance one.
///
/// The methods take a Resource Instance ID: `None` for a single-instance resource.
pub trait Field: fmt::Debug {
    /// The type of its values.
    fn data_type(&self) -> Type;

    /// True if it holds Resource Instances.
    fn is_multiple(&self) -> bool;

    /// True if there is at least one value.
    fn has_value(&self) -> bool;

    /// The first Resource Instance ID above `after`; `None` for a single-instance resource.
    fn next_instance(&self, after: Option<u16>) -> Option<u16>;

    /// The value.
    fn get(&self, instance: Option<u16>) -> Option<Value<'_>>;

    /// Sets the value; a Resource Instance may be new.
    ///
    /// # Errors
    /// What does not fit: type, instance id, number of instances.
    fn set(&mut self, instance: Option<u16>, value: Value<'_>) -> Result<(), FieldError>;

    /// Removes a Resource Instance; false if there was none.
    fn remove(&mut self, instance: u16) -> bool;

    /// Removes all values; a mandatory value becomes the default of its type.
    fn clear(&mut self);
}

/// Says why a field does not take a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FieldError {
    /// The value is of another type.
    #[error("the value is not a valid {0}")]
    Type(Type),
    /// The resource has Resource Instances, and none was named.
    #[error("the resource needs a resource instance id")]
    InstanceMissing,
    /// The resource has no Resource Instances, and one was named.
    #[error("the resource has no resource instances")]
    SingleInstance,
    /// There are [`MAX_RESOURCE_INSTANCES`] already.
    #[error("the resource has too many resource instances")]
    Full,
}

impl<T: Scalar> Field for T {
    fn data_type(&self) -> Type {
        T::TYPE
    }

    fn is_multiple(&self) -> bool {
        false
    }

    fn has_value(&self) -> bool {
        true
    }

    fn next_instance(&self, _: Option<u16>) -> Option<u16> {
        None
    }

    fn get(&self, instance: Option<u16>) -> Option<Value<'_>> {
        instance.is_none().then(|| self.as_value())
    }

    fn set(&mut self, instance: Option<u16>, value: Value<'_>) -> Result<(), FieldError> {
        *self = single(instance, value)?;
        Ok(())
    }

    fn remove(&mut self, _: u16) -> bool {
        false
    }

    fn clear(&mut self) {
        *self = T::default();
    }
}

impl<T: Scalar> Field for Option<T> {
    fn data_type(&self) -> Type {
        T::TYPE
    }

    fn is_multiple(&self) -> bool {
        false
    }

    fn has_value(&self) -> bool {
        self.is_some()
    }

    fn next_instance(&self, _: Option<u16>) -> Option<u16> {
        None
    }

    fn get(&self, instance: Option<u16>) -> Option<Value<'_>> {
        match instance {
            None => self.as_ref().map(Scalar::as_value),
            Some(_) => None,
        }
    }

    fn set(&mut self, instance: Option<u16>, value: Value<'_>) -> Result<(), FieldError> {
        *self = Some(single(instance, value)?);
        Ok(())
    }

    fn remove(&mut self, _: u16) -> bool {
        false
    }

    fn clear(&mut self) {
        *self = None;
    }
}

impl<T: Scalar> Field for BTreeMap<u16, T> {
    fn data_type(&self) -> Type {
        T::TYPE
    }

    fn is_multiple(&self) -> bool {
        true
    }

    fn has_value(&self) -> bool {
        !self.is_empty()
    }

    fn next_instance(&self, after: Option<u16>) -> Option<u16> {
        next_key(self, after)
    }

    fn get(&self, instance: Option<u16>) -> Option<Value<'_>> {
        BTreeMap::get(self, &instance?).map(Scalar::as_value)
    }

    fn set(&mut self, instance: Option<u16>, value: Value<'_>) -> Result<(), FieldError> {
        let instance = instance.ok_or(FieldError::InstanceMissing)?;
        let value = T::from_value(value).ok_or(FieldError::Type(T::TYPE))?;
        if self.len() >= MAX_RESOURCE_INSTANCES && !self.contains_key(&instance) {
            return Err(FieldError::Full);
        }
        self.insert(instance, value);
        Ok(())
    }

    fn remove(&mut self, instance: u16) -> bool {
        BTreeMap::remove(self, &instance).is_some()
    }

    fn clear(&mut self) {
        BTreeMap::clear(self);
    }
}

fn single<T: Scalar>(instance: Option<u16>, value: Value<'_>) -> Result<T, FieldError> {
    if instance.is_some() {
        return Err(FieldError::SingleInstance);
    }
    T::from_value(value).ok_or(FieldError::Type(T::TYPE))
}

/// The first key above `after`, or the first of all.
pub(crate) fn next_key<V>(map: &BTreeMap<u16, V>, after: Option<u16>) -> Option<u16> {
    let from = after.map_or(Bound::Unbounded, Bound::Excluded);
    map.range((from, Bound::Unbounded))
        .next()
        .map(|(id, _)| *id)
}

/// The Resource Instance IDs of a field, ascending.
pub(crate) fn instances(field: &dyn Field) -> impl Iterator<Item = u16> + '_ {
    core::iter::successors(field.next_instance(None), |id| {
        field.next_instance(Some(*id))
    })
}

/// True if two fields hold the same values.
pub(crate) fn same(one: &dyn Field, two: &dyn Field) -> bool {
    one.get(None) == two.get(None)
        && instances(one).eq(instances(two))
        && instances(one).all(|id| one.get(Some(id)) == two.get(Some(id)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;

    #[test]
    fn a_mandatory_field_clears_to_its_default() {
        let mut field = String::from("Acme");
        Field::clear(&mut field);
        assert!(field.has_value());
        assert_eq!(Field::get(&field, None), Some(Value::string("")));
    }

    #[test]
    fn an_optional_field_clears_to_nothing() {
        let mut field = Some(7_i64);
        field.clear();
        assert!(!field.has_value());
        field.set(None, Value::Integer(8)).unwrap();
        assert_eq!(field, Some(8));
    }

    #[test]
    fn a_single_instance_field_has_no_instances() {
        let mut field = 7_i64;
        assert_eq!(
            field.set(Some(0), Value::Integer(1)),
            Err(FieldError::SingleInstance)
        );
        assert_eq!(Field::get(&field, Some(0)), None);
        assert!(!Field::remove(&mut field, 0));
    }

    #[test]
    fn a_multiple_instance_field_lists_its_instances_in_order() {
        let mut field = BTreeMap::<u16, bool>::new();
        field.set(Some(65534), Value::Boolean(true)).unwrap();
        field.set(Some(0), Value::Boolean(false)).unwrap();
        assert!(instances(&field).eq([0, 65534]));
        assert_eq!(
            field.set(None, Value::Boolean(true)),
            Err(FieldError::InstanceMissing)
        );
        assert_eq!(
            field.set(Some(1), Value::Integer(1)),
            Err(FieldError::Type(Type::Boolean))
        );
    }

    #[test]
    fn a_multiple_instance_field_is_bounded() {
        let mut field: BTreeMap<u16, i64> = (0..1024).map(|id| (id, 0)).collect();
        assert_eq!(
            field.set(Some(1024), Value::Integer(1)),
            Err(FieldError::Full)
        );
        assert_eq!(field.set(Some(3), Value::Integer(1)), Ok(()));
    }

    #[test]
    fn fields_are_the_same_if_all_their_values_are() {
        let one = BTreeMap::from([(0_u16, 1_i64), (1, 2)]);
        let two = BTreeMap::from([(0_u16, 1_i64), (2, 2)]);
        assert!(same(&one, &one.clone()) && !same(&one, &two));
        assert!(!same(&Some(1_i64), &None::<i64>));
    }
}
