//! Writes LwM2M CBOR.

use crate::{
    ContentFormat, EncodeError, Keys, Path, Record,
    cbor::{self, major, short},
    encoder::Last,
    out::Out,
};

/// Maps of objects, instances, resources and resource instances.
const MAX_MAPS: usize = 4;

/// A map whose entries are not counted yet.
#[derive(Debug, Clone, Copy)]
struct Map {
    /// Offset of its head.
    at: usize,
    count: u64,
    path: Path,
}

/// Where records with flat keys stand.
#[derive(Debug, Clone, Copy)]
struct Flat {
    /// Offset of the last record.
    at: usize,
    /// The last record, if it was a place without value.
    place: Option<Path>,
}

impl Map {
    /// Writes the head of a map; the count of its entries comes later.
    #[inline]
    fn begin(out: &mut Out<'_>, path: Path) -> Result<Self, EncodeError> {
        let at = out.len();
        out.byte(major::MAP << 5)?;
        Ok(Self { at, count: 0, path })
    }
}

/// Writes one key for the base path, then a map for each level below it; or as [`Keys`] says.
#[derive(Debug)]
pub(crate) struct LwCborEncoder<'r> {
    root: &'r str,
    base: Path,
    open: [Map; MAX_MAPS],
    depth: usize,
    started: bool,
    flat: Option<Flat>,
}

impl<'r> LwCborEncoder<'r> {
    pub(crate) const fn new(base: Path, keys: Keys) -> Self {
        let none = Map {
            at: 0,
            count: 0,
            path: Path::ROOT,
        };
        Self {
            root: "",
            base: match keys {
                Keys::Base => base,
                Keys::Nested | Keys::Flat => Path::ROOT,
            },
            open: [none; MAX_MAPS],
            depth: 0,
            started: false,
            flat: match keys {
                Keys::Flat => Some(Flat { at: 0, place: None }),
                Keys::Base | Keys::Nested => None,
            },
        }
    }

    pub(crate) fn set_root(&mut self, root: &'r str) {
        self.root = root.trim_matches('/');
    }

    /// Writes records for as long as nothing but values of the base comes, which is an Object
    /// Instance; returns the first record that is not
    /// one, and those behind it.
    #[inline(never)]
    pub(crate) fn usual_records<'i, 'v: 'i, I: Iterator<Item = &'i Record<'v>>>(
        &mut self,
        out: &mut Out<'_>,
        last: &mut Last,
        mut records: I,
    ) -> Result<(Option<&'i Record<'v>>, I), EncodeError> {
        let instance = self.base;
        let mut inner = match (self.depth, &self.open) {
            (1, _) => None,
            (2, [_, inner, ..]) => Some(*inner),
            _ => return Ok((records.next(), records)),
        };
        let taken = last.last_place_below(instance);
        let (Some(mut taken), [outer, ..]) = (taken, &mut self.open) else {
            return Ok((records.next(), records));
        };
        let mut previous = None;
        let shared = out;
        let out = &mut shared.reborrow();
        let odd = loop {
            let Some(record) = records.next() else {
                break None;
            };
            let Some(place) = record
                .path
                .place_below(instance)
                .filter(|place| *place > taken)
            else {
                break Some(record);
            };
            let Some(value) = &record.value else {
                break Some(record);
            };
            if record.time.is_some() {
                break Some(record);
            }
            let key = match record.path.len() {
                3 => {
                    if let Some(map) = inner.take() {
                        cbor::set_count(out, map.at, major::MAP, map.count)?;
                    }
                    taken = place | 0xffff;
                    outer.count = outer.count.wrapping_add(1);
                    place >> 16
                }
                4 => {
                    let resource = record.path.truncated(3);
                    let mut map = match inner.filter(|map| map.path == resource) {
                        Some(map) => map,
                        None => {
                            if let Some(map) = inner {
                                cbor::set_count(out, map.at, major::MAP, map.count)?;
                            }
                            outer.count = outer.count.wrapping_add(1);
                            cbor::write_head(out, major::UNSIGNED, place as u64 >> 16)?;
                            Map::begin(out, resource)?
                        }
                    };
                    map.count = map.count.wrapping_add(1);
                    inner = Some(map);
                    taken = place;
                    place & 0xffff
                }
                _ => break Some(record),
            };
            cbor::write_head(out, major::UNSIGNED, key as u64)?;
            if !short::write_value(out, value) {
                out.apart(|out| cbor::write_value(out, value))?;
            }
            previous = Some(record);
        };
        let len = out.len();
        shared.resume(len);
        self.depth = 1;
        if let (Some(map), [_, place, ..]) = (inner, &mut self.open) {
            *place = map;
            self.depth = 2;
        }
        if let Some(previous) = previous {
            last.set_value(previous.path);
        }
        Ok((odd, records))
    }

    #[inline(never)]
    pub(crate) fn push(
        &mut self,
        out: &mut Out<'_>,
        record: &Record<'_>,
        last: Option<&Last>,
    ) -> Result<(), EncodeError> {
        let path = record.path;
        let not_expressible = EncodeError::NotExpressible {
            path,
            format: ContentFormat::LWM2M_CBOR,
        };
        if let Some(last) = last {
            last.check(record, ContentFormat::LWM2M_CBOR)?;
        }
        let container = match (&record.value, path.len()) {
            (None, len @ 0..=3) => len,
            (Some(_), len @ (3 | 4)) => len.saturating_sub(1),
            _ => return Err(not_expressible),
        };
        if record.time.is_some() {
            return Err(not_expressible);
        }
        if let Some(flat) = self.flat {
            return self.push_flat(out, record, flat);
        }
        if !self.started {
            self.started = true;
            self.write_base_key(out)?;
            if let (true, Some(value)) = (path == self.base, &record.value) {
                return cbor::write_value(out, value);
            }
            self.open_map(out, self.base)?;
        }
        self.go_to(out, path.truncated(container))?;
        if let (Some(value), Some(id)) = (&record.value, path.last_id()) {
            self.key(out, id)?;
            cbor::write_value(out, value)?;
        }
        Ok(())
    }

    /// Writes a record with a key that is its whole path.
    fn push_flat(
        &mut self,
        out: &mut Out<'_>,
        record: &Record<'_>,
        last: Flat,
    ) -> Result<(), EncodeError> {
        let path = record.path;
        if !self.started {
            self.started = true;
            self.open_map(out, Path::ROOT)?;
        }
        // A place that something lies in needs no entry of its own.
        let around = last.place.filter(|place| place.contains(&path)).is_some();
        match self.open.first_mut() {
            Some(map) if around && map.count > 0 => {
                out.truncate(last.at);
                map.count = map.count.saturating_sub(1);
            }
            _ => {}
        }
        self.flat = Some(Flat {
            at: out.len(),
            place: record.value.is_none().then_some(path),
        });
        if path.is_root() {
            return Ok(());
        }
        if let Some(map) = self.innermost() {
            map.count = map.count.saturating_add(1);
        }
        self.write_key(out, path)?;
        match &record.value {
            Some(value) => cbor::write_value(out, value),
            None => cbor::write_head(out, major::MAP, 0),
        }
    }

    pub(crate) fn finish(&mut self, out: &mut Out<'_>) -> Result<(), EncodeError> {
        while self.depth > 0 {
            self.close_map(out)?;
        }
        Ok(())
    }

    /// Writes the one-entry map with the key that leads to the base, if there is such a key.
    fn write_base_key(&self, out: &mut Out<'_>) -> Result<(), EncodeError> {
        if self.base.is_root() && self.root.is_empty() {
            return Ok(());
        }
        cbor::write_head(out, major::MAP, 1)?;
        self.write_key(out, self.base)
    }

    /// Writes a key of the root and all ids of a path.
    fn write_key(&self, out: &mut Out<'_>, path: Path) -> Result<(), EncodeError> {
        let prefix = usize::from(!self.root.is_empty());
        let items = path.len().saturating_add(prefix);
        if items > 1 {
            cbor::write_head(out, major::ARRAY, items as u64)?;
        }
        if prefix > 0 {
            cbor::write_text(out, self.root.into())?;
        }
        path.ids()
            .iter()
            .try_for_each(|id| cbor::write_head(out, major::UNSIGNED, u64::from(*id)))
    }

    fn innermost(&mut self) -> Option<&mut Map> {
        self.open.get_mut(self.depth.checked_sub(1)?)
    }

    /// Closes and opens maps until the innermost one is that of `path`.
    fn go_to(&mut self, out: &mut Out<'_>, path: Path) -> Result<(), EncodeError> {
        while self
            .innermost()
            .is_some_and(|map| !map.path.contains(&path))
        {
            self.close_map(out)?;
        }
        let open = self.innermost().map_or(0, |map| map.path.len());
        for len in open.saturating_add(1)..=path.len() {
            let path = path.truncated(len);
            self.key(out, path.last_id().unwrap_or(0))?;
            self.open_map(out, path)?;
        }
        Ok(())
    }

    fn key(&mut self, out: &mut Out<'_>, id: u16) -> Result<(), EncodeError> {
        if let Some(map) = self.innermost() {
            map.count = map.count.saturating_add(1);
        }
        cbor::write_head(out, major::UNSIGNED, u64::from(id))
    }

    fn open_map(&mut self, out: &mut Out<'_>, path: Path) -> Result<(), EncodeError> {
        if let Some(place) = self.open.get_mut(self.depth) {
            *place = Map::begin(out, path)?;
            self.depth = self.depth.saturating_add(1);
        }
        Ok(())
    }

    fn close_map(&mut self, out: &mut Out<'_>) -> Result<(), EncodeError> {
        let Some(map) = self.innermost().map(|map| *map) else {
            return Ok(());
        };
        self.depth = self.depth.saturating_sub(1);
        cbor::set_count(out, map.at, major::MAP, map.count)
    }
}
