//! What changed since somebody asked.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};
use core::mem;

use lwm2m_codec::Path;

/// Most paths that wait for [`Tree::take_changes`](crate::Tree::take_changes).
pub const MAX_CHANGES: usize = 256;

#[derive(Debug, Default)]
pub(super) struct Changes {
    revision: u64,
    structure: u64,
    objects: BTreeMap<u16, u64>,
    waiting: BTreeSet<Path>,
}

impl Changes {
    pub(super) fn add(&mut self, path: Path) {
        self.revision = self.revision.wrapping_add(1);
        if path.len() <= 2 {
            self.structure = self.structure.wrapping_add(1);
        }
        match path.object_id() {
            Some(object) => {
                self.objects.insert(object, self.revision);
            }
            None => self
                .objects
                .values_mut()
                .for_each(|revision| *revision = self.revision),
        }
        self.waiting.insert(path);
        if self.waiting.len() > MAX_CHANGES {
            self.sum_up();
        }
    }

    /// Replaces paths by those of their objects, and by `/` if even those are too many.
    fn sum_up(&mut self) {
        let object = |path: &Path| path.object_id().map_or(Path::ROOT, Path::object);
        self.waiting = self.waiting.iter().map(object).collect();
        if self.waiting.len() > MAX_CHANGES {
            self.waiting = BTreeSet::from([Path::ROOT]);
        }
    }

    pub(super) fn take(&mut self) -> Vec<Path> {
        mem::take(&mut self.waiting).into_iter().collect()
    }

    pub(super) fn revision(&self) -> u64 {
        self.revision
    }

    pub(super) fn revision_of(&self, path: Path) -> u64 {
        match path.object_id() {
            Some(object) => self.objects.get(&object).copied().unwrap_or_default(),
            None => self.revision,
        }
    }

    pub(super) fn structure(&self) -> u64 {
        self.structure
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_many_paths_are_summed_up_by_object_and_then_by_the_root() {
        let mut changes = Changes::default();
        for id in 0..=256 {
            changes.add(Path::resource(3303, 0, id));
        }
        assert_eq!(changes.take(), [Path::object(3303)]);
        for id in 0..=256 {
            changes.add(Path::object(id));
        }
        assert_eq!(changes.take(), [Path::ROOT]);
        assert_eq!(changes.take(), []);
    }

    #[test]
    fn revisions_count_for_the_tree_and_for_each_object() {
        let mut changes = Changes::default();
        changes.add(Path::resource(3, 0, 1));
        changes.add(Path::instance(4, 0));
        changes.add(Path::resource(4, 0, 0));
        assert_eq!(changes.revision(), 3);
        assert_eq!(changes.revision_of(Path::instance(3, 0)), 1);
        assert_eq!(changes.revision_of(Path::object(4)), 3);
        assert_eq!(changes.structure(), 1);
    }
}
