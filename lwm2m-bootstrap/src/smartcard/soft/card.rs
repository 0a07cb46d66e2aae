//! What a card in software answers.

use alloc::{collections::BTreeMap, string::String, vec::Vec};

use super::{Behaviour, SoftApplication, SoftFile};
use crate::smartcard::{apdu::Status, asn1::PKCS15_AID};

const MF: [u8; 2] = [0x3f, 0x00];
const EF_ICCID: [u8; 2] = [0x2f, 0xe2];
const EF_DIR: [u8; 2] = [0x2f, 0x00];
const EF_IMSI: [u8; 2] = [0x6f, 0x07];
const CURRENT_APPLICATION: [u8; 2] = [0x7f, 0xff];
/// Directory of the USIM on cards in software.
const USIM_DIRECTORY: [u8; 2] = [0x7f, 0xf0];
/// AID of a USIM, without the parts that differ between issuers (TS 101 220).
const USIM_AID: [u8; 7] = [0xa0, 0x00, 0x00, 0x00, 0x87, 0x10, 0x02];
/// Class bit of secure messaging.
const SECURE_CLASS: u8 = 0x04;

/// A card in software.
#[derive(Debug, Clone)]
pub struct SoftCard {
    iccid: String,
    imsi: String,
    behaviour: Behaviour,
    applications: Vec<SoftApplication>,
    /// Files of the MF.
    files: BTreeMap<[u8; 2], SoftFile>,
    channels: BTreeMap<u8, Channel>,
}

/// What is selected on a channel.
#[derive(Debug, Clone, Default)]
struct Channel {
    application: Option<usize>,
    file: Option<[u8; 2]>,
    /// Of the file: in the application, or in the MF.
    inside: bool,
    authenticated: bool,
    /// What GET RESPONSE fetches.
    waiting: Vec<u8>,
}

type Reply = Result<Vec<u8>, Status>;

impl SoftCard {
    /// Makes a card of a number (ICCID, up to 20 digits) and an IMSI (up to 15 digits), without a
    /// bootstrap file.
    pub fn new(iccid: &str, imsi: &str) -> Self {
        let mut usim = SoftApplication::new(&USIM_AID, USIM_DIRECTORY);
        usim.files.insert(EF_IMSI, imsi_file(imsi).into());
        Self {
            iccid: iccid.into(),
            imsi: imsi.into(),
            behaviour: Behaviour::default(),
            applications: Vec::from([usim]),
            files: BTreeMap::from([(EF_ICCID, iccid_file(iccid).into())]),
            channels: BTreeMap::from([(0, Channel::default())]),
        }
    }

    /// Adds an application that leads to a bootstrap file.
    pub fn with_file(self, file: Vec<u8>) -> Self {
        self.with_application(SoftApplication::bootstrap([0x7f, 0x50], file))
    }

    /// Adds an application.
    pub fn with_application(mut self, application: SoftApplication) -> Self {
        self.applications.push(application);
        self
    }

    /// Sets how it behaves.
    pub const fn with_behaviour(mut self, behaviour: Behaviour) -> Self {
        self.behaviour = behaviour;
        self
    }

    /// The digits of its number.
    pub fn iccid(&self) -> &str {
        &self.iccid
    }

    /// The digits of its IMSI.
    pub fn imsi(&self) -> &str {
        &self.imsi
    }

    /// A file of the PKCS#15 applications, or of any other.
    pub fn file_mut(&mut self, id: [u8; 2]) -> Option<&mut SoftFile> {
        let mut applications = self.applications.iter_mut();
        applications.find_map(|application| application.files.get_mut(&id))
    }

    /// Logical channels that are open beside the basic one.
    pub fn open_channels(&self) -> usize {
        self.channels.len().saturating_sub(1)
    }

    /// Answers a command, with the status word.
    pub fn answer(&mut self, command: &[u8]) -> Vec<u8> {
        match self.reply(command) {
            Ok(mut data) => {
                data.extend_from_slice(&Status::OK.0.to_be_bytes());
                data
            }
            Err(status) => status.0.to_be_bytes().to_vec(),
        }
    }

    fn reply(&mut self, command: &[u8]) -> Reply {
        let [class, instruction, p1, p2, rest @ ..] = command else {
            return Err(Status(0x6700));
        };
        let number = match class & 0x40 {
            0 => class & 0x03,
            _ => (class & 0x0f) + 4,
        };
        if *instruction == 0x70 {
            return self.manage_channel(*p1, *p2);
        }
        if !self.channels.contains_key(&number) {
            return Err(Status::NO_CHANNEL);
        }
        let secure = class & SECURE_CLASS != 0;
        match instruction {
            0xa4 => self.select(number, *p1, data(rest)?),
            0xb0 => self.read_binary(number, secure, [*p1, *p2], rest),
            0xb2 => self.read_record(number, *p1),
            0xc0 => self.get_response(number, rest),
            // GlobalPlatform: INITIALIZE UPDATE and EXTERNAL AUTHENTICATE.
            0x50 => Ok(self.iccid.clone().into_bytes()),
            0x82 => self.authenticate(number, *p1, data(rest)?),
            _ => Err(Status(0x6d00)),
        }
    }

    fn manage_channel(&mut self, p1: u8, p2: u8) -> Reply {
        if p1 == 0x80 {
            return match p2 {
                0 => Err(Status(0x6a86)),
                _ => match self.channels.remove(&p2) {
                    Some(_) => Ok(Vec::new()),
                    None => Err(Status(0x6200)),
                },
            };
        }
        let mut free = 1..=self.behaviour.channels;
        let free = free.find(|number| !self.channels.contains_key(number));
        let number = free.ok_or(Status::NOT_SUPPORTED)?;
        self.channels.insert(number, Channel::default());
        Ok(Vec::from([number]))
    }

    fn select(&mut self, number: u8, p1: u8, name: &[u8]) -> Reply {
        let mut channel = self.channels.get(&number).cloned().unwrap_or_default();
        match p1 {
            0x04 => {
                let named = |application: &SoftApplication| application.aid.starts_with(name);
                let found = self.applications.iter().position(named);
                let found = found.filter(|_| self.behaviour.direct_select && !name.is_empty());
                channel = Channel {
                    application: Some(found.ok_or(Status::NOT_FOUND)?),
                    ..Channel::default()
                };
            }
            0x08 => self.select_path(&mut channel, name)?,
            0x00 => {
                let id = <[u8; 2]>::try_from(name).map_err(|_| Status(0x6700))?;
                self.select_file(&mut channel, id, true)?;
            }
            _ => return Err(Status(0x6a86)),
        }
        // A file control template without content.
        let template = Vec::from([0x62, 0x00]);
        let reply = match self.behaviour.get_response {
            true => {
                channel.waiting = template;
                Err(Status(0x6102))
            }
            false => Ok(template),
        };
        self.channels.insert(number, channel);
        reply
    }

    /// Selects by the path from the MF or from the application.
    fn select_path(&self, channel: &mut Channel, path: &[u8]) -> Result<(), Status> {
        let ids: Vec<[u8; 2]> = path
            .chunks(2)
            .filter_map(|id| <[u8; 2]>::try_from(id).ok())
            .collect();
        match ids[..] {
            [CURRENT_APPLICATION, id] => self.select_file(channel, id, true),
            [directory, id] => {
                let named = |a: &SoftApplication| a.directory == directory;
                let found = self.applications.iter().position(named);
                channel.application = Some(found.ok_or(Status::NOT_FOUND)?);
                self.select_file(channel, id, true)
            }
            [id] => self.select_file(channel, id, false),
            _ => Err(Status::NOT_FOUND),
        }
    }

    fn select_file(&self, channel: &mut Channel, id: [u8; 2], inside: bool) -> Result<(), Status> {
        let application = channel.application.and_then(|at| self.applications.get(at));
        let there = match (inside, application) {
            (true, Some(application)) => application.files.contains_key(&id),
            (true, None) => false,
            (false, _) => id == EF_DIR || self.files.contains_key(&id),
        };
        if !there {
            return Err(Status::NOT_FOUND);
        }
        channel.file = Some(id);
        channel.inside = inside;
        Ok(())
    }

    fn read_binary(&self, number: u8, secure: bool, offset: [u8; 2], rest: &[u8]) -> Reply {
        let channel = self.channels.get(&number).ok_or(Status::NO_CHANNEL)?;
        let id = channel.file.ok_or(Status(0x6986))?;
        let bytes = match channel.inside {
            false if id == EF_DIR && self.behaviour.records => {
                return Err(Status::WRONG_FILE_KIND);
            }
            false if id == EF_DIR => self.directory().concat(),
            false => file_bytes(self.files.get(&id))?,
            true => {
                let application = channel.application.and_then(|at| self.applications.get(at));
                let application = application.ok_or(Status(0x6986))?;
                let locked = application.secret.is_some();
                if locked && !(channel.authenticated && secure) {
                    return Err(Status::SECURITY);
                }
                file_bytes(application.files.get(&id))?
            }
        };
        let offset = usize::from(u16::from_be_bytes(offset));
        let left = bytes.get(offset..).filter(|left| !left.is_empty());
        let left = left.ok_or(Status::WRONG_OFFSET)?;
        let wanted = match rest {
            [0] | [] => 256,
            [length, ..] => usize::from(*length),
        };
        match u8::try_from(left.len()) {
            Ok(short) if self.behaviour.exact_length && wanted > left.len() => {
                Err(Status(0x6c00 | u16::from(short)))
            }
            _ => {
                let wanted = wanted.min(self.behaviour.most_bytes).min(left.len());
                Ok(left.get(..wanted).unwrap_or_default().to_vec())
            }
        }
    }

    fn read_record(&self, number: u8, record: u8) -> Reply {
        let channel = self.channels.get(&number).ok_or(Status::NO_CHANNEL)?;
        if channel.file != Some(EF_DIR) || channel.inside || !self.behaviour.records {
            return Err(Status::WRONG_FILE_KIND);
        }
        let index = usize::from(record).checked_sub(1);
        let record = index.and_then(|index| self.directory().into_iter().nth(index));
        record.ok_or(Status::NO_RECORD)
    }

    fn get_response(&mut self, number: u8, rest: &[u8]) -> Reply {
        let channel = self.channels.get_mut(&number).ok_or(Status::NO_CHANNEL)?;
        let waiting = core::mem::take(&mut channel.waiting);
        match rest {
            [length] if usize::from(*length) == waiting.len() && !waiting.is_empty() => Ok(waiting),
            _ => Err(Status(0x6985)),
        }
    }

    fn authenticate(&mut self, number: u8, p1: u8, proof: &[u8]) -> Reply {
        let channel = self.channels.get_mut(&number).ok_or(Status::NO_CHANNEL)?;
        let application = channel.application.and_then(|at| self.applications.get(at));
        let secret = application.and_then(|application| application.secret.as_deref());
        // TS-Core App. H: encryption and MAC in both directions.
        channel.authenticated = p1 == 0x33 && secret == Some(proof);
        match channel.authenticated {
            true => Ok(Vec::new()),
            false => Err(Status(0x6300)),
        }
    }

    /// The records of EF(DIR) (TS-Core App. G.3.1).
    fn directory(&self) -> Vec<Vec<u8>> {
        let record = |application: &SoftApplication| {
            let path = [MF, application.directory].concat();
            let mut content =
                [super::der(0x4f, &application.aid), super::der(0x51, &path)].concat();
            if application.marked && application.aid == PKCS15_AID {
                let dodf = [MF, application.directory, super::DODF].concat();
                let dodf = super::der(0x30, &super::der(0x04, &dodf));
                let oid = super::der(0x06, &[0x67, 0x2b, 0x09]);
                content.extend(super::der(0x73, &[oid, dodf].concat()));
            }
            super::der(0x61, &content)
        };
        self.applications.iter().map(record).collect()
    }
}

fn file_bytes(file: Option<&SoftFile>) -> Reply {
    let file = file.ok_or(Status::NOT_FOUND)?;
    match file.refused {
        Some(status) => Err(status),
        None => Ok(file.bytes.expose().to_vec()),
    }
}

/// The data of a command: Lc, data, maybe Le.
fn data(rest: &[u8]) -> Result<&[u8], Status> {
    let wrong = Status(0x6700);
    let (length, rest) = rest.split_first().ok_or(wrong)?;
    rest.get(..usize::from(*length)).ok_or(wrong)
}

/// Digits in swapped halves, filled up by F (TS 102 221 §13.2).
fn iccid_file(digits: &str) -> Vec<u8> {
    swapped(&digit_values(digits), 10)
}

/// Length, and the digits behind a half byte that says whether they are odd (TS 31.102 §4.2.2).
fn imsi_file(digits: &str) -> Vec<u8> {
    let digits = digit_values(digits);
    let parity = if digits.len() % 2 == 1 { 9 } else { 1 };
    let packed = swapped(&[&[parity], &digits[..]].concat(), 8);
    let used = digits.len() / 2 + 1;
    let length = u8::try_from(used).unwrap_or(8);
    [&[length], &packed[..]].concat()
}

fn digit_values(digits: &str) -> Vec<u8> {
    let digits = digits.bytes().filter(u8::is_ascii_digit);
    digits.map(|digit| digit - b'0').collect()
}

fn swapped(digits: &[u8], bytes: usize) -> Vec<u8> {
    let at = |index: usize| digits.get(index).copied().unwrap_or(0x0f);
    (0..bytes)
        .map(|byte| at(2 * byte) | (at(2 * byte + 1) << 4))
        .collect()
}
