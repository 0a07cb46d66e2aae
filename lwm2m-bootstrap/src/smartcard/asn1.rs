//! The files that lead to the bootstrap file (PKCS#15, ISO 7816-15): EF(DIR), EF(ODF),
//! EF(DODF-bootstrap).

use alloc::vec::Vec;
use core::fmt;

use der::{Decode, Header, Reader, SliceReader};

/// Deepest nesting that is looked at.
const MAX_DEPTH: usize = 8;

/// AID of a PKCS#15 application.
pub(super) const PKCS15_AID: [u8; 12] = [
    0xa0, 0x00, 0x00, 0x00, 0x63, b'P', b'K', b'C', b'S', b'-', b'1', b'5',
];

/// OID of OMA's bootstrap, 2.23.43.9: in EF(DIR) it marks the application (TS-Core App. G.3.1).
const OMA_BOOTSTRAP: [u8; 3] = [0x67, 0x2b, 0x09];

/// OID of LwM2M bootstrap, 2.23.43.9.1 (TS-Core App. G.3.3).
pub const LWM2M_BOOTSTRAP_OID: [u8; 4] = [0x67, 0x2b, 0x09, 0x01];

mod tag {
    pub(super) const INTEGER: u8 = 0x02;
    pub(super) const OCTETS: u8 = 0x04;
    pub(super) const OID: u8 = 0x06;
    pub(super) const SEQUENCE: u8 = 0x30;
    pub(super) const APPLICATION: u8 = 0x61;
    pub(super) const AID: u8 = 0x4f;
    pub(super) const PATH: u8 = 0x51;
    pub(super) const DISCRETIONARY: u8 = 0x73;
    pub(super) const LENGTH: u8 = 0x80;
    pub(super) const OID_DO: u8 = 0xa1;
    pub(super) const DATA_OBJECTS: u8 = 0xa7;
}

/// Says what is wrong with a file of PKCS#15 and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("byte {offset}: {kind}")]
pub struct Asn1Error {
    /// Offset in the file or record.
    pub offset: usize,
    /// What is wrong.
    pub kind: Asn1ErrorKind,
}

/// Kinds of an [`Asn1Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Asn1ErrorKind {
    /// Tag or length are no DER, or lead behind the end.
    #[error("not DER, or longer than what is there")]
    Header,
    /// Elements are nested too deep.
    #[error("nested too deep")]
    Depth,
    /// A path is not one of file ids, or its index comes without its length.
    #[error("not a path")]
    Path,
}

/// Where a file is on a card.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct CardPath {
    /// File ids, two bytes each.
    pub ids: Vec<u8>,
    /// Part of the file that counts: offset and length.
    pub part: Option<(usize, usize)>,
}

impl CardPath {
    /// The path of a file in the directory that is selected.
    pub fn file(id: [u8; 2]) -> Self {
        Self {
            ids: id.to_vec(),
            part: None,
        }
    }
}

impl fmt::Debug for CardPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in &self.ids {
            write!(f, "{byte:02x}")?;
        }
        match self.part {
            Some((offset, length)) => write!(f, " {offset}+{length}"),
            None => Ok(()),
        }
    }
}

/// A PKCS#15 application that EF(DIR) names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Application {
    /// Its directory.
    pub(super) path: Option<CardPath>,
    /// The DODF, if it is the application of OMA's bootstrap.
    pub(super) dodf: Option<CardPath>,
}

/// The PKCS#15 applications of a record of EF(DIR), or of the whole file.
pub(super) fn applications(bytes: &[u8]) -> Result<Vec<Application>, Asn1Error> {
    let mut found = Vec::new();
    for template in elements(bytes, 0)? {
        if template.tag != tag::APPLICATION {
            continue;
        }
        let mut application = Application::default();
        let mut matches = false;
        for element in elements(template.value, template.offset)? {
            match element.tag {
                tag::AID => matches = element.value == PKCS15_AID,
                tag::PATH => {
                    let path = CardPath {
                        ids: element.value.to_vec(),
                        part: None,
                    };
                    application.path = Some(checked(path, element.offset)?);
                }
                tag::DISCRETIONARY => {
                    application.dodf = object_path(&element, &[&OMA_BOOTSTRAP], 0)?;
                }
                _ => {}
            }
        }
        if matches {
            found.push(application);
        }
    }
    Ok(found)
}

/// The DODFs that an ODF names: `[7] dataObjects`.
pub(super) fn data_object_files(bytes: &[u8]) -> Result<Vec<CardPath>, Asn1Error> {
    let mut found = Vec::new();
    for element in elements(bytes, 0)? {
        if element.tag != tag::DATA_OBJECTS {
            continue;
        }
        for inner in elements(element.value, element.offset)? {
            if inner.tag == tag::SEQUENCE {
                found.push(path(&inner)?);
            }
        }
    }
    Ok(found)
}

/// The file that a DODF names for one of these OIDs.
pub(super) fn bootstrap_file(bytes: &[u8], oids: &[&[u8]]) -> Result<Option<CardPath>, Asn1Error> {
    for element in elements(bytes, 0)? {
        if element.tag == tag::OID_DO {
            let found = object_path(&element, oids, 0)?;
            if found.is_some() {
                return Ok(found);
            }
        }
    }
    Ok(None)
}

/// The path that follows one of these OIDs, at any level.
fn object_path(
    of: &Element<'_>,
    oids: &[&[u8]],
    depth: usize,
) -> Result<Option<CardPath>, Asn1Error> {
    if depth >= MAX_DEPTH {
        return Err(error(of.offset, Asn1ErrorKind::Depth));
    }
    let mut wanted = false;
    for element in elements(of.value, of.offset)? {
        match element.tag {
            tag::OID => wanted = oids.iter().any(|oid| is_oid(element.value, oid)),
            tag::SEQUENCE if wanted => return path(&element).map(Some),
            // Labels and flags are of no interest; what is constructed may hold the object.
            constructed if constructed & 0x20 != 0 => {
                let found = object_path(&element, oids, depth + 1)?;
                if found.is_some() {
                    return Ok(found);
                }
            }
            _ => {}
        }
    }
    Ok(None)
}

/// Cards in the field hold the OID wrapped a second time: `06 06 06 04 67 2b 09 01`.
fn is_oid(value: &[u8], oid: &[u8]) -> bool {
    let wrapped = match value {
        [tag::OID, length, rest @ ..] if usize::from(*length) == rest.len() => rest == oid,
        _ => false,
    };
    value == oid || wrapped
}

/// Reads a Path: `SEQUENCE { OCTET STRING, INTEGER index, [0] length }`, the last two together or
/// not at all.
fn path(of: &Element<'_>) -> Result<CardPath, Asn1Error> {
    let (mut ids, mut index, mut length) = (None, None, None);
    for element in elements(of.value, of.offset)? {
        match element.tag {
            tag::OCTETS => ids = Some(element.value.to_vec()),
            tag::INTEGER => index = Some(number(&element)?),
            tag::LENGTH => length = Some(number(&element)?),
            _ => return Err(error(element.offset, Asn1ErrorKind::Path)),
        }
    }
    let wrong = error(of.offset, Asn1ErrorKind::Path);
    let part = match (index, length) {
        (None, None) => None,
        (Some(index), Some(length)) => Some((index, length)),
        _ => return Err(wrong),
    };
    let ids = ids.ok_or(wrong)?;
    checked(CardPath { ids, part }, of.offset)
}

/// Longest path in bytes: deeper than any card.
const MAX_PATH: usize = 16;

fn checked(path: CardPath, offset: usize) -> Result<CardPath, Asn1Error> {
    match path.ids.len() {
        0 => Err(error(offset, Asn1ErrorKind::Path)),
        length if length % 2 == 1 || length > MAX_PATH => Err(error(offset, Asn1ErrorKind::Path)),
        _ => Ok(path),
    }
}

/// A number of at most 65535.
fn number(of: &Element<'_>) -> Result<usize, Asn1Error> {
    match *of.value {
        [low] => Ok(usize::from(low)),
        [high, low] => Ok(usize::from(u16::from_be_bytes([high, low]))),
        [0, high, low] => Ok(usize::from(u16::from_be_bytes([high, low]))),
        _ => Err(error(of.offset, Asn1ErrorKind::Path)),
    }
}

struct Element<'a> {
    tag: u8,
    /// Of the value.
    offset: usize,
    value: &'a [u8],
}

/// Splits bytes into elements, up to padding of 00 or FF.
fn elements(bytes: &[u8], base: usize) -> Result<Vec<Element<'_>>, Asn1Error> {
    let mut found = Vec::new();
    let mut rest = bytes;
    loop {
        let at = bytes.len() - rest.len();
        let Some(tag) = rest
            .iter()
            .copied()
            .next()
            .filter(|tag| !matches!(tag, 0 | 0xff))
        else {
            return Ok(found);
        };
        let wrong = |_| error(base + at, Asn1ErrorKind::Header);
        let mut reader = SliceReader::new(rest).map_err(wrong)?;
        let header = Header::decode(&mut reader).map_err(wrong)?;
        let value = reader.read_slice(header.length()).map_err(wrong)?;
        let used = usize::try_from(reader.position()).map_err(wrong)?;
        found.push(Element {
            tag,
            offset: base + at + used - value.len(),
            value,
        });
        rest = rest.get(used..).unwrap_or_default();
    }
}

const fn error(offset: usize, kind: Asn1ErrorKind) -> Asn1Error {
    Asn1Error { offset, kind }
}

#[cfg(test)]
mod tests {
    use std::{format, string::String};

    use super::*;

    fn vector(id: &str) -> Vec<u8> {
        let text = include_str!("../../tests/data/smartcard.json");
        let all: serde_json::Value = serde_json::from_str(text).unwrap();
        let vectors = all.as_array().unwrap();
        let vector = vectors.iter().find(|vector| vector["id"] == id).unwrap();
        let data = String::from(vector["data"].as_str().unwrap());
        let digit = |at: usize| u8::from_str_radix(&data[at..at + 2], 16).unwrap();
        (0..data.len()).step_by(2).map(digit).collect()
    }

    #[test]
    fn the_standards_own_record_of_ef_dir_has_wrong_lengths() {
        let error = applications(&vector("sc-ef-dir")).unwrap_err();
        assert_eq!((error.offset, error.kind), (0, Asn1ErrorKind::Header));
        let found = applications(&vector("sc-ef-dir-fixed")).unwrap();
        assert_eq!(format!("{:?}", found[0].path), "Some(3f007f50)");
        assert_eq!(found[0].dodf, None);
    }

    #[test]
    fn odf_and_dodf_lead_to_their_files() {
        let files = data_object_files(&vector("sc-ef-odf")).unwrap();
        assert_eq!(files, [CardPath::file([0x64, 0x30])]);
        let oids: [&[u8]; 1] = [&LWM2M_BOOTSTRAP_OID];
        let found = bootstrap_file(&vector("sc-ef-dodf"), &oids);
        assert_eq!(found, Ok(Some(CardPath::file([0x64, 0x32]))));
    }

    #[test]
    fn elements_that_nest_too_deep_are_refused() {
        let mut bytes = Vec::from([0xa1, 0x00]);
        for _ in 0..20 {
            let length = u8::try_from(bytes.len()).unwrap();
            bytes = [&[0xa1, length][..], &bytes].concat();
        }
        let error = bootstrap_file(&bytes, &[]).unwrap_err();
        assert_eq!(error.kind, Asn1ErrorKind::Depth);
    }
}
