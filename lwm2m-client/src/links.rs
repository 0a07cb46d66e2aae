//! Link lists: of a registration and of a Discover.

use alloc::{collections::BTreeMap, vec, vec::Vec};

use lwm2m_codec::{
    ContentFormat, EncodeError, Path, Version, attributes::Attributes, link::LinkWriter,
};
use lwm2m_model::{
    Object, Tree,
    ver::{needs_ver, shown_version},
};

/// Optional formats of the device, in the root link of a registration.
const FORMATS_1_0: &[ContentFormat] = &[ContentFormat::TLV, ContentFormat::OMA_JSON];
const FORMATS_1_1: &[ContentFormat] = &[
    ContentFormat::CBOR,
    ContentFormat::SENML_JSON,
    ContentFormat::SENML_CBOR,
    ContentFormat::TLV,
    ContentFormat::OMA_JSON,
];
const FORMATS_1_2: &[ContentFormat] = &[
    ContentFormat::CBOR,
    ContentFormat::SENML_JSON,
    ContentFormat::SENML_CBOR,
    ContentFormat::SENML_ETCH_JSON,
    ContentFormat::SENML_ETCH_CBOR,
    ContentFormat::TLV,
    ContentFormat::OMA_JSON,
    ContentFormat::LWM2M_CBOR,
];

/// Calls `write` with growing buffers up to `max` bytes until the result fits.
pub(crate) fn grown(
    max: usize,
    mut write: impl FnMut(&mut [u8]) -> Result<usize, EncodeError>,
) -> Result<Vec<u8>, EncodeError> {
    let mut size = 512.min(max);
    loop {
        let mut buf = vec![0; size];
        match write(&mut buf) {
            Ok(len) => {
                buf.truncate(len);
                return Ok(buf);
            }
            Err(EncodeError::BufferTooSmall { .. }) if size < max => size = (size * 4).min(max),
            Err(error) => return Err(error),
        }
    }
}

/// The object list of a Register or Update (TS-Core §6.2.1).
pub(crate) fn registration(
    tree: &Tree,
    version: Version,
    max: usize,
) -> Result<Vec<u8>, EncodeError> {
    grown(max, |buf| {
        let mut writer = LinkWriter::new(buf);
        let formats = match version {
            Version::V1_0 => FORMATS_1_0,
            Version::V1_1 => FORMATS_1_1,
            _ => FORMATS_1_2,
        };
        writer
            .link("/")?
            .quoted("rt", "oma.lwm2m")?
            .formats(formats)?;
        // TS-Core §6.2.1: the Security and OSCORE objects, and from 1.2.1 COSE, stay private.
        for (id, object) in tree.objects().filter(|(id, _)| !matches!(id, 0 | 21 | 23)) {
            let first = object.next_instance(None);
            let definition = object.definition();
            let shown = shown_version(version, id, definition.version);
            let ver = needs_ver(version, id, shown);
            if ver || first.is_none() {
                writer.link(Path::object(id))?;
            }
            if ver {
                writer.attr("ver", shown)?;
            }
            for instance in ascending(|after| object.next_instance(after)) {
                writer.link(Path::instance(id, instance))?;
            }
        }
        writer.finish()
    })
}

/// What a Discover needs to know.
#[derive(Debug)]
pub(crate) struct Discover<'a> {
    pub(crate) tree: &'a Tree,
    pub(crate) attributes: &'a BTreeMap<Path, Attributes>,
    pub(crate) version: Version,
    pub(crate) path: Path,
    pub(crate) depth: usize,
}

impl Discover<'_> {
    /// Writes the answer of a Discover (TS-Core §6.3.2).
    pub(crate) fn write(&self, max: usize) -> Result<Vec<u8>, EncodeError> {
        grown(max, |buf| {
            let mut writer = LinkWriter::new(buf);
            let object = self.path.object_id().and_then(|id| self.tree.get(id));
            if let Some(object) = object {
                self.node(&mut writer, object, self.path, self.depth)?;
            }
            writer.finish()
        })
    }

    fn node(
        &self,
        writer: &mut LinkWriter<'_>,
        object: &dyn Object,
        path: Path,
        depth: usize,
    ) -> Result<(), EncodeError> {
        writer.link(path)?;
        self.properties(writer, object, path)?;
        let Some(depth) = depth.checked_sub(1) else {
            return Ok(());
        };
        for id in children(object, path) {
            if let Some(child) = path.child(id) {
                self.node(writer, object, child, depth)?;
            }
        }
        Ok(())
    }

    fn properties(
        &self,
        writer: &mut LinkWriter<'_>,
        object: &dyn Object,
        path: Path,
    ) -> Result<(), EncodeError> {
        let definition = object.definition();
        let shown = shown_version(self.version, definition.id, definition.version);
        if path.len() == 1 && needs_ver(self.version, definition.id, shown) {
            writer.attr("ver", shown)?;
        }
        if path.len() == 3 && is_multiple(object, path) {
            writer.attr("dim", children(object, path).count())?;
        }
        // Below the target only what is attached there; on the target what it inherits too.
        let attributes = if path == self.path {
            effective(self.attributes, path)
        } else {
            self.attributes.get(&path).copied().unwrap_or_default()
        };
        attributes.write_params(writer)
    }
}

/// The attributes that hold at a path: the nearest level wins (TS-Core §7.3.2).
pub(crate) fn effective(attached: &BTreeMap<Path, Attributes>, path: Path) -> Attributes {
    let mut result = Attributes::default();
    for len in (1..=path.len()).rev() {
        if let Some(above) = attached.get(&path.truncated(len)) {
            result = result.or(*above);
        }
    }
    result
}

/// True for a multiple-instance resource.
pub(crate) fn is_multiple(object: &dyn Object, path: Path) -> bool {
    let definition = path
        .resource_id()
        .and_then(|id| object.definition().resource(id));
    definition.is_some_and(|resource| resource.multiple)
}

fn children<'o>(object: &'o dyn Object, path: Path) -> impl Iterator<Item = u16> + 'o {
    let multiple = is_multiple(object, path);
    ascending(move |after| match *path.ids() {
        [_] => object.next_instance(after),
        [_, instance] => object.next_resource(instance, after),
        [_, instance, resource] if multiple => {
            object.next_resource_instance(instance, resource, after)
        }
        _ => None,
    })
}

/// Turns a "next after" function into an iterator.
pub(crate) fn ascending(next: impl Fn(Option<u16>) -> Option<u16>) -> impl Iterator<Item = u16> {
    let mut last = None;
    core::iter::from_fn(move || {
        last = Some(next(last)?);
        last
    })
}
