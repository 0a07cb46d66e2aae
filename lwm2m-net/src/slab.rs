//! A table whose keys count the uses of a slot, and whose entries know their order of use.

use lwm2m_coap::PeerId;

/// No slot.
const NONE: u32 = u32::MAX;

/// Names an entry; a reused slot has a new generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    index: u32,
    generation: u32,
}

impl From<Key> for PeerId {
    fn from(key: Key) -> Self {
        Self {
            index: key.index,
            generation: key.generation,
        }
    }
}

impl From<PeerId> for Key {
    fn from(peer: PeerId) -> Self {
        Self {
            index: peer.index,
            generation: peer.generation,
        }
    }
}

/// Slots with generations; each entry is in one of `CLASSES` lists, the oldest in front.
#[derive(Debug)]
pub(crate) struct Slab<T, const CLASSES: usize> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
    lists: [List; CLASSES],
}

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    class: usize,
    older: u32,
    newer: u32,
    value: Option<T>,
}

#[derive(Debug, Clone, Copy)]
struct List {
    oldest: u32,
    newest: u32,
    len: usize,
}

impl<T, const CLASSES: usize> Slab<T, CLASSES> {
    pub(crate) fn new() -> Self {
        let empty = List {
            oldest: NONE,
            newest: NONE,
            len: 0,
        };
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            lists: [empty; CLASSES],
        }
    }

    /// Adds an entry as the newest of its class.
    pub(crate) fn insert(&mut self, class: usize, value: T) -> Key {
        let index = self.free.pop().unwrap_or_else(|| {
            let index = u32::try_from(self.slots.len()).unwrap_or(NONE);
            self.slots.push(Slot {
                generation: 0,
                class,
                older: NONE,
                newer: NONE,
                value: None,
            });
            index
        });
        let mut generation = 0;
        if let Some(slot) = self.slot(index) {
            slot.value = Some(value);
            slot.class = class;
            generation = slot.generation;
        }
        self.link(index);
        Key { index, generation }
    }

    pub(crate) fn get(&self, key: Key) -> Option<&T> {
        let slot = self.slots.get(key.index as usize)?;
        slot.value
            .as_ref()
            .filter(|_| slot.generation == key.generation)
    }

    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let slot = self.slots.get_mut(key.index as usize)?;
        slot.value
            .as_mut()
            .filter(|_| slot.generation == key.generation)
    }

    pub(crate) fn remove(&mut self, key: Key) -> Option<T> {
        self.get(key)?;
        self.unlink(key.index);
        self.free.push(key.index);
        let slot = self.slot(key.index)?;
        slot.generation = slot.generation.wrapping_add(1);
        slot.value.take()
    }

    /// Makes an entry the newest of a class, which may be another than before.
    pub(crate) fn touch(&mut self, key: Key, class: usize) {
        if self.get(key).is_none() {
            return;
        }
        self.unlink(key.index);
        if let Some(slot) = self.slot(key.index) {
            slot.class = class;
        }
        self.link(key.index);
    }

    /// The number of entries of a class.
    pub(crate) fn len(&self, class: usize) -> usize {
        self.lists.get(class).map_or(0, |list| list.len)
    }

    /// The entries of a class, the oldest first.
    pub(crate) fn iter(&self, class: usize) -> impl Iterator<Item = (Key, &T)> {
        let mut next = self.lists.get(class).map_or(NONE, |list| list.oldest);
        std::iter::from_fn(move || {
            let index = next;
            let slot = self.slots.get(index as usize)?;
            next = slot.newer;
            Some((
                Key {
                    index,
                    generation: slot.generation,
                },
                slot.value.as_ref()?,
            ))
        })
    }

    fn slot(&mut self, index: u32) -> Option<&mut Slot<T>> {
        self.slots.get_mut(index as usize)
    }

    fn link(&mut self, index: u32) {
        let Some(class) = self.slot(index).map(|slot| slot.class) else {
            return;
        };
        let Some(list) = self.lists.get_mut(class) else {
            return;
        };
        let older = std::mem::replace(&mut list.newest, index);
        if list.oldest == NONE {
            list.oldest = index;
        }
        list.len += 1;
        if let Some(slot) = self.slot(older) {
            slot.newer = index;
        }
        if let Some(slot) = self.slot(index) {
            (slot.older, slot.newer) = (older, NONE);
        }
    }

    fn unlink(&mut self, index: u32) {
        let Some(slot) = self.slot(index) else { return };
        let (class, older, newer) = (slot.class, slot.older, slot.newer);
        if let Some(slot) = self.slot(older) {
            slot.newer = newer;
        }
        if let Some(slot) = self.slot(newer) {
            slot.older = older;
        }
        let Some(list) = self.lists.get_mut(class) else {
            return;
        };
        list.len -= 1;
        if older == NONE {
            list.oldest = newer;
        }
        if newer == NONE {
            list.newest = older;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(slab: &Slab<char, 2>, class: usize) -> String {
        slab.iter(class).map(|(_, c)| *c).collect()
    }

    #[test]
    fn a_reused_slot_is_a_new_key() {
        let mut slab = Slab::<_, 1>::new();
        let first = slab.insert(0, 'a');
        assert_eq!(slab.remove(first), Some('a'));
        let second = slab.insert(0, 'b');
        assert_eq!(first.index, second.index);
        assert_eq!(slab.get(first), None);
        assert_eq!(slab.remove(first), None);
        assert_eq!(slab.get(second), Some(&'b'));
    }

    #[test]
    fn entries_are_listed_from_the_oldest_use_to_the_newest() {
        let mut slab = Slab::new();
        let a = slab.insert(0, 'a');
        let b = slab.insert(0, 'b');
        let c = slab.insert(0, 'c');
        slab.touch(a, 0);
        assert_eq!(order(&slab, 0), "bca");
        slab.touch(c, 1);
        assert_eq!(
            (order(&slab, 0), order(&slab, 1)),
            ("ba".into(), "c".into())
        );
        slab.remove(b);
        slab.remove(a);
        assert_eq!((slab.len(0), slab.len(1)), (0, 1));
        slab.insert(0, 'd');
        assert_eq!(order(&slab, 0), "d");
    }
}
