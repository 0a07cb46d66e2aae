//! Walks over the values of a tree.

use core::{iter, ops::ControlFlow};

use lwm2m_codec::{Path, Record};

use super::Tree;
use crate::{Failure, Object, ResourceDefinition, check};

/// Says which resources to visit; takes the path of the resource.
pub type Filter<'f> = dyn Fn(Path, &ResourceDefinition) -> bool + 'f;

/// Takes the records of a visit; breaks to end it.
pub type Visitor<'v> = dyn FnMut(&Record<'_>) -> ControlFlow<()> + 'v;

impl Tree {
    /// Passes all values at or below `path` to `visitor`, in path order.
    ///
    /// Executable resources, and those that `filter` refuses, are left out. An instance without
    /// values and a multiple-instance resource without instances give a record without a value.
    ///
    /// # Errors
    /// 4.04 if there is nothing at the path, 4.05 for a Resource Instance of a single-instance
    /// resource, and what an object answers to a read.
    pub fn visit(
        &self,
        path: Path,
        filter: &Filter<'_>,
        visitor: &mut Visitor<'_>,
    ) -> Result<ControlFlow<()>, Failure> {
        if !self.contains(path) {
            return Err(check::absent(self.resource_definition(path), path));
        }
        let Some(id) = path.object_id() else {
            for (_, object) in self.objects() {
                if visit_object(object, filter, visitor)?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            return Ok(ControlFlow::Continue(()));
        };
        let object = self.get(id).ok_or(Failure::not_found(path))?;
        match *path.ids() {
            [_, instance] => visit_instance(object, instance, filter, visitor),
            [_, instance, resource] => {
                let count = &mut 0;
                visit_resource(
                    object,
                    Path::resource(id, instance, resource),
                    filter,
                    visitor,
                    count,
                )
            }
            [_, instance, resource, _] => {
                let whole = Path::resource(id, instance, resource);
                match self.resource_definition(path) {
                    Some(definition) if filter(whole, definition) => {
                        visit_value(object, path, visitor)
                    }
                    _ => Ok(ControlFlow::Continue(())),
                }
            }
            _ => visit_object(object, filter, visitor),
        }
    }
}

type Step = Result<ControlFlow<()>, Failure>;

fn visit_object(object: &dyn Object, filter: &Filter<'_>, visitor: &mut Visitor<'_>) -> Step {
    for instance in ascending(|after| object.next_instance(after)) {
        if visit_instance(object, instance, filter, visitor)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(()))
}

fn visit_instance(
    object: &dyn Object,
    instance: u16,
    filter: &Filter<'_>,
    visitor: &mut Visitor<'_>,
) -> Step {
    let id = object.definition().id;
    let mut count = 0;
    for resource in ascending(|after| object.next_resource(instance, after)) {
        let path = Path::resource(id, instance, resource);
        if visit_resource(object, path, filter, visitor, &mut count)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(match count {
        0 => visitor(&Record::path_only(Path::instance(id, instance))),
        _ => ControlFlow::Continue(()),
    })
}

/// Visits a resource and counts its records.
fn visit_resource(
    object: &dyn Object,
    path: Path,
    filter: &Filter<'_>,
    visitor: &mut Visitor<'_>,
    count: &mut usize,
) -> Step {
    let (Some(instance), Some(resource)) = (path.instance_id(), path.resource_id()) else {
        return Err(Failure::not_found(path));
    };
    let definition = object.definition().resource(resource);
    let Some(definition) = definition.filter(|d| d.data_type.is_some() && filter(path, d)) else {
        return Ok(ControlFlow::Continue(()));
    };
    *count += 1;
    if !definition.multiple {
        return visit_value(object, path, visitor);
    }
    let mut empty = true;
    for ri in ascending(|after| object.next_resource_instance(instance, resource, after)) {
        empty = false;
        let path = path.child(ri).ok_or(Failure::not_found(path))?;
        if visit_value(object, path, visitor)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(match empty {
        true => visitor(&Record::path_only(path)),
        false => ControlFlow::Continue(()),
    })
}

fn visit_value(object: &dyn Object, path: Path, visitor: &mut Visitor<'_>) -> Step {
    let mut flow = ControlFlow::Continue(());
    object.read(path, &mut |value| flow = visitor(&Record::new(path, value)))?;
    Ok(flow)
}

/// The ids that a `next_…` method gives.
fn ascending(next: impl Fn(Option<u16>) -> Option<u16>) -> impl Iterator<Item = u16> {
    let first = next(None);
    iter::successors(first, move |id| next(Some(*id)))
}
