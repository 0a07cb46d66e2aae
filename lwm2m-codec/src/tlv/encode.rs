//! Writes TLV.

use super::Kind;
use crate::{ContentFormat, EncodeError, MAX_ID, Path, Record, Value, out::Out};

/// An Object Instance and a Multiple Resource.
const MAX_CONTAINERS: usize = 2;
/// Longest value: 24 bits of length (TS-Core §7.5.5).
const MAX_LENGTH: usize = 0xff_ffff;

/// A container whose length is not known yet.
#[derive(Debug, Clone, Copy)]
struct Container {
    /// Offset of the type byte.
    header: usize,
    /// Offset of the first element.
    start: usize,
    path: Path,
}

#[derive(Debug)]
pub(crate) struct TlvEncoder {
    base: Path,
    open: [Container; MAX_CONTAINERS],
    depth: usize,
    /// The last path, and whether it was that of a value.
    last: Option<(Path, bool)>,
}

impl TlvEncoder {
    pub(crate) fn new(base: Path) -> Result<Self, EncodeError> {
        if base.is_root() {
            return Err(not_expressible(base));
        }
        let none = Container {
            header: 0,
            start: 0,
            path: Path::ROOT,
        };
        Ok(Self {
            base,
            open: [none; MAX_CONTAINERS],
            depth: 0,
            last: None,
        })
    }

    pub(crate) fn push(
        &mut self,
        out: &mut Out<'_>,
        record: &Record<'_>,
    ) -> Result<(), EncodeError> {
        let path = record.path;
        let mut below_value = false;
        if let Some((last, is_value)) = self.last {
            if path <= last {
                return Err(EncodeError::OutOfOrder { path });
            }
            below_value = is_value && last.contains(&path);
        }
        if below_value || record.time.is_some() {
            return Err(not_expressible(path));
        }
        self.close_all_but_parents_of(out, path)?;
        let container = match (record.value, path.len()) {
            // The base itself needs no container of its own, unless it is a resource.
            (None, 1 | 2) if path == self.base => path.len(),
            (None, 2 | 3) => path.len(),
            (Some(_), 3 | 4) => path.len().saturating_sub(1),
            _ => return Err(not_expressible(path)),
        };
        self.open_down_to(out, path.truncated(container))?;
        if let (Some(value), Some(id)) = (record.value, path.last_id()) {
            let kind = if path.len() == 3 {
                Kind::Resource
            } else {
                Kind::ResourceInstance
            };
            leaf(out, kind, id, &value, path)?;
        }
        self.last = Some((path, record.value.is_some()));
        Ok(())
    }

    pub(crate) fn finish(mut self, out: &mut Out<'_>) -> Result<(), EncodeError> {
        while self.depth > 0 {
            self.close(out)?;
        }
        Ok(())
    }

    fn innermost(&self) -> Option<Container> {
        self.open.get(self.depth.checked_sub(1)?).copied()
    }

    fn close_all_but_parents_of(
        &mut self,
        out: &mut Out<'_>,
        path: Path,
    ) -> Result<(), EncodeError> {
        while let Some(container) = self.innermost() {
            if container.path.contains(&path) {
                break;
            }
            self.close(out)?;
        }
        Ok(())
    }

    /// Opens the containers from the innermost one down to `path`, where the base does not
    /// imply them.
    fn open_down_to(&mut self, out: &mut Out<'_>, path: Path) -> Result<(), EncodeError> {
        let open = self.innermost().map_or(0, |container| container.path.len());
        // A base of an instance implies its Object Instance; so does a resource. A base of a
        // resource instance implies its Multiple Resource as well.
        let implied = match self.base.len() {
            1 => 1,
            4 => 3,
            _ => 2,
        };
        for len in open.max(implied).saturating_add(1)..=path.len() {
            let path = path.truncated(len);
            let kind = if len == 2 {
                Kind::Instance
            } else {
                Kind::Multiple
            };
            let id = path.last_id().unwrap_or(0);
            // The device will number this instance (Create): its resources stand alone.
            if kind == Kind::Instance && id == MAX_ID {
                continue;
            }
            self.open(out, kind, path, id)?;
        }
        Ok(())
    }

    fn open(
        &mut self,
        out: &mut Out<'_>,
        kind: Kind,
        path: Path,
        id: u16,
    ) -> Result<(), EncodeError> {
        let header = out.len();
        put_id(out, kind.bits(), id)?;
        if let Some(place) = self.open.get_mut(self.depth) {
            *place = Container {
                header,
                start: out.len(),
                path,
            };
            self.depth = self.depth.saturating_add(1);
        }
        Ok(())
    }

    /// Fills the length of the innermost container in, moving its elements where the length
    /// needs bytes of its own.
    fn close(&mut self, out: &mut Out<'_>) -> Result<(), EncodeError> {
        let Some(container) = self.innermost() else {
            return Ok(());
        };
        self.depth = self.depth.saturating_sub(1);
        let len = out.len().saturating_sub(container.start);
        let (bits, bytes, count) = length(len).ok_or(not_expressible(container.path))?;
        let first = out.written(container.header).first().copied().unwrap_or(0);
        out.set(container.header, first | bits);
        out.insert(container.start, bytes.get(..count).unwrap_or_default())
    }
}

const fn not_expressible(path: Path) -> EncodeError {
    EncodeError::NotExpressible {
        path,
        format: ContentFormat::TLV,
    }
}

/// Writes type byte and id; the length bits are left 0.
fn put_id(out: &mut Out<'_>, bits: u8, id: u16) -> Result<(), EncodeError> {
    match u8::try_from(id) {
        Ok(id) => out.put(&[bits, id]),
        Err(_) => {
            let [high, low] = id.to_be_bytes();
            out.put(&[bits | 0x20, high, low])
        }
    }
}

/// The length bits of the type byte, and the length field with its size.
fn length(len: usize) -> Option<(u8, [u8; 3], usize)> {
    if len > MAX_LENGTH {
        return None;
    }
    let [_, high, mid, low] = (len as u32).to_be_bytes();
    Some(match len {
        0..=7 => (low, [0; 3], 0),
        8..=0xff => (1 << 3, [low, 0, 0], 1),
        0x100..=0xffff => (2 << 3, [mid, low, 0], 2),
        _ => (3 << 3, [high, mid, low], 3),
    })
}

fn element(out: &mut Out<'_>, kind: Kind, id: u16, value: &[u8]) -> Result<(), EncodeError> {
    header(out, kind, id, value.len())?;
    out.put(value)
}

fn header(out: &mut Out<'_>, kind: Kind, id: u16, len: usize) -> Result<(), EncodeError> {
    let (bits, bytes, count) = length(len).ok_or(not_expressible(Path::ROOT))?;
    put_id(out, kind.bits() | bits, id)?;
    out.put(bytes.get(..count).unwrap_or_default())
}

/// Writes a value in its shortest form (TS-Core §7.5.5, App. C).
fn leaf(
    out: &mut Out<'_>,
    kind: Kind,
    id: u16,
    value: &Value<'_>,
    path: Path,
) -> Result<(), EncodeError> {
    match value {
        Value::String(text) | Value::CoreLink(text) => {
            header(out, kind, id, text.len())?;
            out.text(*text)
        }
        Value::Opaque(bytes) => {
            header(out, kind, id, bytes.len())?;
            out.bytes(*bytes)
        }
        Value::Integer(number) | Value::Time(number) => {
            let bytes = number.to_be_bytes();
            let width = if i8::try_from(*number).is_ok() {
                1
            } else if i16::try_from(*number).is_ok() {
                2
            } else if i32::try_from(*number).is_ok() {
                4
            } else {
                8
            };
            element(out, kind, id, tail(&bytes, width))
        }
        Value::Unsigned(number) => {
            let bytes = number.to_be_bytes();
            let width = match *number {
                0..=0xff => 1,
                0x100..=0xffff => 2,
                0x1_0000..=0xffff_ffff => 4,
                _ => 8,
            };
            element(out, kind, id, tail(&bytes, width))
        }
        Value::Float(number) => {
            let single = *number as f32;
            if f64::from(single) == *number || number.is_nan() {
                element(out, kind, id, &single.to_be_bytes())
            } else {
                element(out, kind, id, &number.to_be_bytes())
            }
        }
        Value::Boolean(value) => element(out, kind, id, &[u8::from(*value)]),
        Value::ObjectLink(link) => {
            let [a, b] = link.object.to_be_bytes();
            let [c, d] = link.instance.to_be_bytes();
            element(out, kind, id, &[a, b, c, d])
        }
        Value::Null => Err(not_expressible(path)),
    }
}

/// The last `width` bytes.
fn tail(bytes: &[u8; 8], width: usize) -> &[u8] {
    bytes
        .get(bytes.len().saturating_sub(width)..)
        .unwrap_or_default()
}
