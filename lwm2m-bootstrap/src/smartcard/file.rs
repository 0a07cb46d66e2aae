//! The file EF LwM2M_Bootstrap (TS-Core App. G.3.4): objects with their instances as TLV.

use alloc::vec::Vec;
use core::fmt;

use lwm2m_codec::{
    ContentFormat, DecodeError, DecodeErrorKind, Decoder, MAX_ID, Path, TypeOf, Version,
};
use lwm2m_model::SecretBytes;
use zeroize::Zeroizing;

use crate::source::{Fingerprint, Information, Origin};

/// Longest file (TS-Core App. G.3.4: what READ BINARY can address).
pub const MAX_FILE: usize = 32_768;

/// Length of the number of objects and the size, which the file begins with.
pub(super) const HEADER: usize = 4;

/// How exactly a file must be what the standard says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Strictness {
    /// The file ends where its header says.
    #[default]
    Strict,
    /// The file may be longer than its content, and an erased one (all bytes FF) has no content.
    Lenient,
}

/// Says what is wrong with a file and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("byte {offset}: {kind}")]
pub struct FileError {
    /// Offset in the file.
    pub offset: usize,
    /// What is wrong.
    pub kind: FileErrorKind,
}

/// Kinds of a [`FileError`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FileErrorKind {
    /// It has more than [`MAX_FILE`] bytes.
    #[error("the file is longer than {MAX_FILE} bytes")]
    TooLong,
    /// It ends within a field.
    #[error("the file ends within {0}")]
    Truncated(&'static str),
    /// All bytes are FF: nothing was written yet.
    #[error("the file is erased")]
    Blank,
    /// The objects end before or behind where the header says.
    #[error("the objects don't end where the size says")]
    Size,
    /// There is something behind the content.
    #[error("there are bytes behind the content")]
    Trailing,
    /// An object id of 65535.
    #[error("65535 is no object id")]
    ObjectId,
    /// An object that was there already.
    #[error("object {0} comes twice")]
    ObjectTwice(u16),
    /// The instances are no TLV.
    #[error("the instances can't be decoded: {0}")]
    Instances(DecodeErrorKind),
}

/// Says why a file can't be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FileTooLong {
    /// The instances of an object have more than 65,535 bytes.
    #[error("the instances of object {0} are too long")]
    Object(u16),
    /// The file would have more than [`MAX_FILE`] bytes.
    #[error("the file would be longer than {MAX_FILE} bytes")]
    File,
}

/// An object of a [`CardFile`].
#[derive(Clone, PartialEq, Eq)]
pub struct CardObject {
    /// Object ID, 0 to 65534.
    pub id: u16,
    /// Version; `None` for 1.0 or that of the enabler. The major number is 1 to 255.
    pub version: Option<Version>,
    /// Object Instances as LwM2M TLV. They may hold keys.
    pub instances: SecretBytes,
}

impl fmt::Debug for CardObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CardObject")
            .field("id", &self.id)
            .field("version", &self.version)
            .field("instances", &self.instances)
            .finish()
    }
}

/// The content of EF LwM2M_Bootstrap.
///
/// ```
/// use lwm2m_bootstrap::smartcard::{CardFile, Strictness};
///
/// let file = CardFile::parse(&[0, 0, 0, 0], Strictness::Strict)?;
/// assert!(file.objects.is_empty());
/// assert_eq!(CardFile::parse(&[0, 1, 0], Strictness::Strict).unwrap_err().offset, 3);
/// # Ok::<(), lwm2m_bootstrap::smartcard::FileError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CardFile {
    /// The objects in the order of the file, each at most once.
    pub objects: Vec<CardObject>,
}

impl CardFile {
    /// Reads a file.
    ///
    /// # Errors
    /// The first thing that is wrong, with its offset: nothing of the file counts then.
    pub fn parse(bytes: &[u8], strictness: Strictness) -> Result<Self, FileError> {
        if bytes.len() > MAX_FILE {
            return Err(error(MAX_FILE, FileErrorKind::TooLong));
        }
        let lenient = strictness == Strictness::Lenient;
        if is_blank(bytes) {
            return match lenient {
                true => Ok(Self::default()),
                false => Err(error(0, FileErrorKind::Blank)),
            };
        }
        let mut reader = Reader { bytes, at: 0 };
        let count = reader.number("the number of objects")?;
        let size = usize::from(reader.number("the size")?);
        let end = HEADER + size;
        if bytes.len() < end {
            let kind = FileErrorKind::Truncated("the objects");
            return Err(error(bytes.len(), kind));
        }
        if bytes.len() > end && !lenient {
            return Err(error(end, FileErrorKind::Trailing));
        }
        reader.bytes = bytes.get(..end).unwrap_or_default();
        let mut objects: Vec<CardObject> = Vec::new();
        for _ in 0..count {
            let at = reader.at;
            let object = reader.object()?;
            if objects.iter().any(|other| other.id == object.id) {
                return Err(error(at, FileErrorKind::ObjectTwice(object.id)));
            }
            objects.push(object);
        }
        match reader.at == end {
            true => Ok(Self { objects }),
            false => Err(error(reader.at, FileErrorKind::Size)),
        }
    }

    /// Writes the file.
    ///
    /// # Errors
    /// [`FileTooLong`]
    pub fn encode(&self) -> Result<Zeroizing<Vec<u8>>, FileTooLong> {
        let mut objects = Zeroizing::new(Vec::new());
        for object in &self.objects {
            let instances = object.instances.expose();
            let length = u16::try_from(instances.len());
            let length = length.map_err(|_| FileTooLong::Object(object.id))?;
            objects.extend_from_slice(&object.id.to_be_bytes());
            match object.version {
                Some(Version { major, minor }) if major != 0 => {
                    objects.extend_from_slice(&[major, minor]);
                }
                _ => objects.push(0),
            }
            objects.extend_from_slice(&length.to_be_bytes());
            objects.extend_from_slice(instances);
        }
        let too_long = |_| FileTooLong::File;
        let count = u16::try_from(self.objects.len()).map_err(too_long)?;
        let size = u16::try_from(objects.len()).map_err(too_long)?;
        let mut file = Zeroizing::new(Vec::with_capacity(HEADER + objects.len()));
        file.extend_from_slice(&count.to_be_bytes());
        file.extend_from_slice(&size.to_be_bytes());
        file.extend_from_slice(&objects);
        match file.len() <= MAX_FILE {
            true => Ok(file),
            false => Err(FileTooLong::File),
        }
    }

    /// Takes the values out; `types` says what the resources are, such as a tree's own
    /// definitions.
    ///
    /// # Errors
    /// What the decoder finds wrong, such as an integer of three bytes, with the object.
    pub fn information(
        &self,
        types: &dyn TypeOf,
        fingerprint: Option<Fingerprint>,
    ) -> Result<Information, DecodeError> {
        let mut information = Information::new(Origin::Smartcard, Vec::new());
        information.fingerprint = fingerprint;
        for object in &self.objects {
            information
                .versions
                .extend(object.version.map(|version| (object.id, version)));
            let base = Path::object(object.id);
            let tlv = object.instances.expose();
            information.extend(Decoder::new(ContentFormat::TLV, base, tlv, types)?)?;
        }
        Ok(information)
    }
}

/// True for a file that was erased: nothing but FF.
pub(super) fn is_blank(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|byte| *byte == 0xff)
}

const fn error(offset: usize, kind: FileErrorKind) -> FileError {
    FileError { offset, kind }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize, what: &'static str) -> Result<&'a [u8], FileError> {
        let end = self.at.saturating_add(length);
        let Some(taken) = self.bytes.get(self.at..end) else {
            return Err(error(self.bytes.len(), FileErrorKind::Truncated(what)));
        };
        self.at = end;
        Ok(taken)
    }

    fn byte(&mut self, what: &'static str) -> Result<u8, FileError> {
        let taken = self.take(1, what)?;
        Ok(taken.iter().copied().next().unwrap_or_default())
    }

    fn number(&mut self, what: &'static str) -> Result<u16, FileError> {
        let (high, low) = (self.byte(what)?, self.byte(what)?);
        Ok(u16::from_be_bytes([high, low]))
    }

    fn object(&mut self) -> Result<CardObject, FileError> {
        let at = self.at;
        let id = self.number("an object id")?;
        if id == MAX_ID {
            return Err(error(at, FileErrorKind::ObjectId));
        }
        let version = match self.byte("a version")? {
            0 => None,
            major => Some(Version {
                major,
                minor: self.byte("a version")?,
            }),
        };
        let length = usize::from(self.number("a length")?);
        let at = self.at;
        let instances = self.take(length, "the instances of an object")?;
        check_instances(id, instances).map_err(|wrong| {
            let offset = at.saturating_add(wrong.offset);
            error(offset, FileErrorKind::Instances(wrong.kind))
        })?;
        Ok(CardObject {
            id,
            version,
            instances: instances.into(),
        })
    }
}

/// Walks over the TLV once: what can't be decoded must not be found out halfway.
fn check_instances(object: u16, tlv: &[u8]) -> Result<(), DecodeError> {
    let types = lwm2m_codec::NoTypes;
    let base = Path::object(object);
    for record in Decoder::new(ContentFormat::TLV, base, tlv, &types)?.within_base() {
        record?;
    }
    Ok(())
}
