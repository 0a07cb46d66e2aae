//! SenML packs in JSON and CBOR (RFC 8428, RFC 8790, TS-Core §7.5.6, §7.5.7).

mod cbor;
mod encode;
mod json;

pub(crate) use cbor::SenmlCborDecoder;
pub(crate) use encode::{NameText, SenmlEncoder, json_key, write_base_name};
pub(crate) use json::SenmlJsonDecoder;

use crate::{
    Bytes, DecodeError, DecodeErrorKind, Path, Record, Text, Type,
    decoder::Rules,
    name::{Name, Piece, Root, ids_below},
    raw::Raw,
};

/// The highest SenML version (RFC 8428 §4.4).
const MAX_VERSION: f64 = 10.0;

/// The fields of one record; those that hold for later records too go straight to the [`Pack`].
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Fields<'a> {
    pub(crate) name: Option<Piece<'a>>,
    pub(crate) time: Option<f64>,
    pub(crate) value: Option<Raw<'a>>,
}

/// A field by its label (RFC 8428 §4, table 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Label {
    BaseName,
    BaseTime,
    BaseValue,
    BaseVersion,
    Name,
    Time,
    Value,
    StringValue,
    BooleanValue,
    DataValue,
    LinkValue,
    /// A field that LwM2M does not use, or an unknown one.
    Ignored,
    /// An unknown field that must be understood (RFC 8428 §4.4).
    Critical,
}

impl Label {
    fn from_text(text: &str) -> Self {
        match text.as_bytes() {
            b"n" => Self::Name,
            b"v" => Self::Value,
            b"vs" => Self::StringValue,
            b"vb" => Self::BooleanValue,
            b"vd" => Self::DataValue,
            b"vlo" => Self::LinkValue,
            b"t" => Self::Time,
            b"bn" => Self::BaseName,
            b"bt" => Self::BaseTime,
            b"bv" => Self::BaseValue,
            b"bver" => Self::BaseVersion,
            [.., b'_'] => Self::Critical,
            _ => Self::Ignored,
        }
    }

    /// Labels of the CBOR form (RFC 8428 §6, table 4).
    fn from_number(number: i64) -> Self {
        match number {
            0 => Self::Name,
            2 => Self::Value,
            3 => Self::StringValue,
            4 => Self::BooleanValue,
            8 => Self::DataValue,
            6 => Self::Time,
            -2 => Self::BaseName,
            -3 => Self::BaseTime,
            -5 => Self::BaseValue,
            -1 => Self::BaseVersion,
            _ => Self::Ignored,
        }
    }
}

/// What holds from one record to the next.
#[derive(Debug, Clone)]
pub(crate) struct Pack<'a> {
    root: Root<'a>,
    base_name: Name<'a>,
    /// The path that the base name is, if names below it may begin with an id.
    base: Option<Path>,
    pub(crate) base_time: Option<f64>,
    pub(crate) base_value: f64,
    /// The root of the last record.
    pub(crate) last_root: Option<&'a str>,
}

impl<'a> Pack<'a> {
    pub(crate) const fn new() -> Self {
        Self {
            root: Root::Slash,
            base_name: Name::new(Root::Slash),
            base: None,
            base_time: None,
            base_value: 0.0,
            last_root: None,
        }
    }

    pub(crate) fn set_root(&mut self, root: Root<'a>) {
        self.root = root;
        self.set_base_name(Name::new(root));
    }

    /// Names are relative to this path until a base name comes.
    pub(crate) fn set_base(&mut self, base: Path) {
        self.set_base_name(Name::below(base));
    }

    fn set_base_name(&mut self, name: Name<'a>) {
        self.base_name = name;
        self.base = name.slashed();
        self.last_root = name.root();
    }

    /// True if names need no root and numbers no sum.
    const fn is_usual(&self) -> bool {
        matches!(self.root, Root::Slash) && self.base_value == 0.0
    }

    /// The path below which all names are, if no record below it needs to be checked.
    fn usual_base(&self, rules: &Rules<'_>) -> Option<Path> {
        self.base.filter(|base| rules.admits_all_below(*base))
    }

    /// Takes a base name such as `/3/0/`; false for one in any other form.
    #[inline]
    fn read_usual_base_name(&mut self, name: &[u8]) -> bool {
        let path = match name {
            [b'/', ids @ .., b'/'] => ids_below(Path::ROOT, ids),
            _ => None,
        };
        if let Some(path) = path {
            self.set_base(path);
        }
        path.is_some()
    }

    /// Resolves a record, after all its fields were read (RFC 8428 §4.6).
    #[inline(always)]
    pub(crate) fn resolve(
        &mut self,
        fields: &Fields<'a>,
        rules: &mut Rules<'_>,
        record: &mut Record<'a>,
        at: usize,
    ) -> Result<bool, DecodeError> {
        let path = match (self.base, fields.name) {
            (Some(base), Some(Piece::Plain(piece, _))) => ids_below(base, piece),
            _ => None,
        };
        let path = match path {
            Some(path) => path,
            None => self.odd_name(fields.name, at)?,
        };
        rules.admit(path, || at)?;
        record.path = path;
        record.time = match (self.base_time, fields.time) {
            (None, time) => time,
            (base, None) => base,
            (Some(base), Some(time)) => Some(base + time),
        };
        let Some(raw) = fields.value else {
            record.value = None;
            return Ok(true);
        };
        let raw = match self.base_value {
            0.0 => raw,
            _ => self.add_base(raw),
        };
        match raw.store(rules.type_of(path), &mut record.value) {
            Ok(()) => Ok(true),
            Err(kind) => Err(DecodeError::new(at, kind)),
        }
    }

    /// Takes a base name; `at` is where an error is.
    pub(crate) fn read_base_name(&mut self, base: Piece<'a>, at: usize) -> Result<(), DecodeError> {
        let mut name = Name::new(self.root);
        name.push_piece(base, at)?;
        self.set_base_name(name);
        Ok(())
    }

    /// Joins base name and name in any form that is allowed.
    #[inline(never)]
    fn odd_name(&mut self, piece: Option<Piece<'a>>, at: usize) -> Result<Path, DecodeError> {
        let mut name = self.base_name;
        if let Some(piece) = piece {
            name.push_piece(piece, at)?;
        }
        self.last_root = name.root();
        name.finish().map_err(|kind| DecodeError::new(at, kind))
    }

    /// Adds the base value to a number (RFC 8428 §4.1).
    #[cold]
    fn add_base(&self, raw: Raw<'a>) -> Raw<'a> {
        let sum = match raw {
            Raw::Integer(value) => value as f64 + self.base_value,
            Raw::Unsigned(value) => value as f64 + self.base_value,
            Raw::Float(value) => return Raw::Float(value + self.base_value),
            other => return other,
        };
        // Two integers stay one.
        crate::number::exact_i64(sum).map_or(Raw::Float(sum), Raw::Integer)
    }
}

impl<'a> Fields<'a> {
    /// Notes the value; a record has only one (RFC 8428 §4.2).
    #[inline(always)]
    pub(crate) fn set_value(&mut self, value: Raw<'a>, at: usize) -> Result<(), DecodeError> {
        if self.value.is_some() {
            return Err(second_value(at));
        }
        self.value = Some(value);
        Ok(())
    }

    /// Notes the name; one that is replaced would never be checked.
    pub(crate) fn set_name(&mut self, name: Piece<'a>, at: usize) -> Result<(), DecodeError> {
        if self.name.is_some() {
            let kind = DecodeErrorKind::Unexpected("a second name");
            return Err(DecodeError::new(at, kind));
        }
        self.name = Some(name);
        Ok(())
    }
}

#[cold]
fn second_value(at: usize) -> DecodeError {
    DecodeError::new(at, DecodeErrorKind::Unexpected("a second value"))
}

fn check_version(version: f64, at: usize) -> Result<(), DecodeError> {
    if version > MAX_VERSION {
        let kind = DecodeErrorKind::Unexpected("a SenML version above 10");
        return Err(DecodeError::new(at, kind));
    }
    Ok(())
}

fn critical(at: usize) -> DecodeError {
    let kind = DecodeErrorKind::Unexpected("an unknown field that must be understood");
    DecodeError::new(at, kind)
}

/// Takes base64 text as bytes.
fn data(text: Text<'_>, at: usize) -> Result<Raw<'_>, DecodeError> {
    match Bytes::from_base64(text) {
        Some(bytes) => Ok(Raw::Bytes(bytes)),
        None => Err(DecodeError::new(
            at,
            DecodeErrorKind::InvalidValue(Type::Opaque),
        )),
    }
}
