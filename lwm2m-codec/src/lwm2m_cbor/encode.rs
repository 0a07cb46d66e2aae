//! Writes LwM2M CBOR.

use crate::{
    ContentFormat, EncodeError, Path, Record,
    cbor::{self, major},
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

/// Writes one key for the base path, then a map for each level below it.
#[derive(Debug)]
pub(crate) struct LwCborEncoder<'r> {
    root: &'r str,
    base: Path,
    open: [Map; MAX_MAPS],
    depth: usize,
    started: bool,
}

impl<'r> LwCborEncoder<'r> {
    pub(crate) const fn new(base: Path) -> Self {
        let none = Map {
            at: 0,
            count: 0,
            path: Path::ROOT,
        };
        Self {
            root: "",
            base,
            open: [none; MAX_MAPS],
            depth: 0,
            started: false,
        }
    }

    pub(crate) fn set_root(&mut self, root: &'r str) {
        self.root = root.trim_matches('/');
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

    pub(crate) fn finish(&mut self, out: &mut Out<'_>) -> Result<(), EncodeError> {
        while self.depth > 0 {
            self.close_map(out)?;
        }
        Ok(())
    }

    /// Writes the one-entry map with the key that leads to the base, if there is such a key.
    fn write_base_key(&self, out: &mut Out<'_>) -> Result<(), EncodeError> {
        let prefix = usize::from(!self.root.is_empty());
        let items = self.base.len().saturating_add(prefix);
        if items == 0 {
            return Ok(());
        }
        cbor::write_head(out, major::MAP, 1)?;
        if items > 1 {
            cbor::write_head(out, major::ARRAY, items as u64)?;
        }
        if prefix > 0 {
            cbor::write_text(out, self.root.into())?;
        }
        self.base
            .ids()
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
            *place = Map {
                at: out.len(),
                count: 0,
                path,
            };
            self.depth = self.depth.saturating_add(1);
        }
        out.byte(major::MAP << 5)
    }

    fn close_map(&mut self, out: &mut Out<'_>) -> Result<(), EncodeError> {
        let Some(map) = self.innermost().map(|map| *map) else {
            return Ok(());
        };
        self.depth = self.depth.saturating_sub(1);
        cbor::set_count(out, map.at, major::MAP, map.count)
    }
}
