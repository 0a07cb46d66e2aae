//! A card in software: it speaks the commands that the walk needs, and can behave as badly as
//! cards do. For tests, and for devices that have no card.

mod card;

use alloc::{collections::BTreeMap, vec::Vec};
use core::fmt;

use lwm2m_model::SecretBytes;

pub use card::SoftCard;

use super::{LWM2M_BOOTSTRAP_OID, Status, UiccChannel, asn1::PKCS15_AID};

/// File ids of the standard's example (TS-Core App. G.3).
const ODF: [u8; 2] = [0x50, 0x31];
const DODF: [u8; 2] = [0x64, 0x30];
const FILE: [u8; 2] = [0x64, 0x32];

/// How a card behaves; all of these are found in the field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Behaviour {
    /// Answers SELECT by 61xx, for GET RESPONSE to fetch; default true.
    pub get_response: bool,
    /// Answers a length that is more than what is left by 6Cxx instead of a short response;
    /// default true.
    pub exact_length: bool,
    /// Most bytes in one response; default 256.
    pub most_bytes: usize,
    /// Selects applications by their AIDs; else they are found by EF(DIR) only. Default true.
    pub direct_select: bool,
    /// EF(DIR) has records; else it is one piece. Default true.
    pub records: bool,
    /// Logical channels beside the basic one, 0 to 19; default 3.
    pub channels: u8,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            get_response: true,
            exact_length: true,
            most_bytes: 256,
            direct_select: true,
            records: true,
            channels: 3,
        }
    }
}

/// A file of a card.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SoftFile {
    /// Its bytes.
    pub bytes: SecretBytes,
    /// What READ BINARY answers instead of them, such as 6982.
    pub refused: Option<Status>,
}

impl From<Vec<u8>> for SoftFile {
    fn from(bytes: Vec<u8>) -> Self {
        Self {
            bytes: bytes.into(),
            refused: None,
        }
    }
}

/// An application of a card: files in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SoftApplication {
    /// AID.
    pub aid: Vec<u8>,
    /// Its directory in the MF.
    pub directory: [u8; 2],
    /// Marks it in EF(DIR) as the one of OMA's bootstrap.
    pub marked: bool,
    /// What EXTERNAL AUTHENTICATE must carry before files can be read. This stands for SCP03
    /// without its cryptography: commands only show that they belong to the secure channel.
    pub secret: Option<Vec<u8>>,
    /// Its files.
    pub files: BTreeMap<[u8; 2], SoftFile>,
}

impl SoftApplication {
    /// Makes an application without files.
    pub fn new(aid: &[u8], directory: [u8; 2]) -> Self {
        Self {
            aid: aid.to_vec(),
            directory,
            marked: false,
            secret: None,
            files: BTreeMap::new(),
        }
    }

    /// Makes a PKCS#15 application that leads to a bootstrap file.
    pub fn bootstrap(directory: [u8; 2], file: Vec<u8>) -> Self {
        let mut application = Self::new(&PKCS15_AID, directory);
        let dodf = dodf(&LWM2M_BOOTSTRAP_OID, FILE);
        application.files.insert(ODF, odf(DODF).into());
        application.files.insert(DODF, dodf.into());
        application.files.insert(FILE, file.into());
        application
    }
}

/// Writes an ODF that names a DODF (TS-Core App. G.3.2).
pub fn odf(dodf: [u8; 2]) -> Vec<u8> {
    let path = der(0x30, &der(0x04, &dodf));
    der(0xa7, &path)
}

/// Writes a DODF that names a file for an OID (TS-Core App. G.3.3).
pub fn dodf(oid: &[u8], file: [u8; 2]) -> Vec<u8> {
    let path = der(0x30, &der(0x04, &file));
    let object = der(0x30, &[der(0x06, oid), path].concat());
    let label = der(0x30, &der(0x0c, b"LwM2M Bootstrap"));
    der(0xa1, &[der(0x30, &[]), label, der(0xa1, &object)].concat())
}

/// An element of fewer than 128 bytes, or up to 255.
fn der(tag: u8, value: &[u8]) -> Vec<u8> {
    let length = u8::try_from(value.len()).unwrap_or(u8::MAX);
    let mut element = Vec::from([tag]);
    if length >= 0x80 {
        element.push(0x81);
    }
    element.push(length);
    element.extend(value.iter().take(usize::from(length)));
    element
}

/// Says that there is no contact to the card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoContact;

impl fmt::Display for NoContact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no contact to the card")
    }
}

/// A reader for cards in software: they can be taken out, changed, and lose contact.
#[derive(Debug, Clone, Default)]
pub struct SoftReader {
    card: Option<SoftCard>,
    broken: bool,
}

impl SoftReader {
    /// Makes a reader.
    pub const fn new(card: Option<SoftCard>) -> Self {
        Self {
            card,
            broken: false,
        }
    }

    /// Puts a card in, and gives the one that was there.
    pub fn insert(&mut self, card: SoftCard) -> Option<SoftCard> {
        self.card.replace(card)
    }

    /// Takes the card out.
    pub fn remove(&mut self) -> Option<SoftCard> {
        self.card.take()
    }

    /// The card.
    pub const fn card_mut(&mut self) -> Option<&mut SoftCard> {
        self.card.as_mut()
    }

    /// Breaks the contact to the card, or mends it.
    pub const fn set_broken(&mut self, broken: bool) {
        self.broken = broken;
    }
}

impl UiccChannel for SoftReader {
    type Error = NoContact;

    fn is_present(&mut self) -> Result<bool, NoContact> {
        Ok(self.card.is_some())
    }

    fn transmit(&mut self, command: &[u8], response: &mut [u8]) -> Result<usize, NoContact> {
        let card = self.card.as_mut().filter(|_| !self.broken);
        let answer = card.ok_or(NoContact)?.answer(command);
        let target = response.get_mut(..answer.len()).ok_or(NoContact)?;
        target.copy_from_slice(&answer);
        Ok(answer.len())
    }
}
