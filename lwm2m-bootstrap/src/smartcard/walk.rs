//! The way to the bootstrap file on a card as a state machine (TS-Core App. G.2, G.3, H).
//!
//! ```text
//! channel ─▶ ICCID ─▶ secure application ─▶ PKCS#15 by AID ─▶ EF(DIR) ─▶ …
//!                            │                    │ (or a known file)   │
//!                            └────────▶ ODF ─▶ DODF ─▶ file ◀───────────┘
//! ```
//!
//! A place that turns out to hold nothing leads to the next candidate, and no candidate is left
//! to "there is no such file".

mod transport;

use alloc::{collections::VecDeque, vec::Vec};
use core::fmt;

use lwm2m_model::SecretBytes;
use zeroize::Zeroizing;

use self::transport::Transport;
use super::{
    MAX_FILE, SecureChannel, SecureError,
    apdu::{self, MAX_STEP, Status},
    asn1::{self, Asn1Error, CardPath, LWM2M_BOOTSTRAP_OID, PKCS15_AID},
    file::{HEADER, is_blank},
};

/// AID of the application with a secure channel (TS-Core App. H).
pub const SECURE_AID: [u8; 12] = [
    0xa0, 0x00, 0x00, 0x04, 0x12, 0x00, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00,
];

/// Most commands of a walk: a file of 32 KB in steps of 64 bytes, and the way to it.
pub const MAX_COMMANDS: u32 = 1024;
/// Longest file on the way to the bootstrap file.
pub const MAX_DIRECTORY_FILE: usize = 4096;
/// Most records of EF(DIR).
const MAX_RECORDS: u8 = 32;
/// Most places to look at.
const MAX_CANDIDATES: usize = 16;
/// EF(ICCID) in the MF holds ten bytes (TS 102 221 §13.2).
const ICCID_LENGTH: usize = 10;

const EF_ICCID: [u8; 2] = [0x2f, 0xe2];
const EF_DIR: [u8; 2] = [0x2f, 0x00];
const EF_ODF: [u8; 2] = [0x50, 0x31];
const MF: [u8; 2] = [0x3f, 0x00];
/// The application that is selected (TS 102 221 §8.4.2).
const CURRENT_APPLICATION: [u8; 2] = [0x7f, 0xff];

/// How to look for the file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WalkOptions {
    /// Uses a logical channel, so that a modem's work with the SIM is not disturbed; true by
    /// default. Without one the basic channel is used.
    pub logical_channel: bool,
    /// Bytes to read at once, 1 to 256; default 256.
    pub step: u16,
    /// OIDs that count as LwM2M's in the DODF; default 2.23.43.9.1.
    pub oids: Vec<Vec<u8>>,
    /// The file of the application to read without looking at its ODF and DODF.
    pub file: Option<[u8; 2]>,
}

impl Default for WalkOptions {
    fn default() -> Self {
        Self {
            logical_channel: true,
            step: 256,
            oids: Vec::from([LWM2M_BOOTSTRAP_OID.to_vec()]),
            file: None,
        }
    }
}

/// A file on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CardFileName {
    /// The number of the card.
    Iccid,
    /// The list of applications.
    Dir,
    /// The list of directories of a PKCS#15 application.
    Odf,
    /// The list of data objects.
    Dodf,
    /// EF LwM2M_Bootstrap.
    Bootstrap,
}

impl fmt::Display for CardFileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Iccid => "EF(ICCID)",
            Self::Dir => "EF(DIR)",
            Self::Odf => "EF(ODF)",
            Self::Dodf => "EF(DODF-bootstrap)",
            Self::Bootstrap => "EF LwM2M_Bootstrap",
        })
    }
}

/// Says why a walk did not get to the end of the bootstrap file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WalkError {
    /// The card refuses a file.
    #[error("the card refuses {file}: {status}")]
    Refused {
        /// Which file.
        file: CardFileName,
        /// Its status word.
        status: Status,
    },
    /// The card has no free logical channel.
    #[error("there is no logical channel: {0}")]
    NoChannel(Status),
    /// A file on the way is wrong.
    #[error("{file} is wrong at {error}")]
    Asn1 {
        /// Which file.
        file: CardFileName,
        /// What is wrong with it.
        error: Asn1Error,
    },
    /// A file is longer than it may be.
    #[error("{0} is too long")]
    TooLong(CardFileName),
    /// A response without a status word, or one that leads nowhere.
    #[error("a response of the card makes no sense")]
    Response,
    /// The walk takes more than [`MAX_COMMANDS`] commands.
    #[error("the card leads nowhere within {MAX_COMMANDS} commands")]
    TooManyCommands,
    /// The secure channel broke.
    #[error("the secure channel broke: {0}")]
    Secure(#[from] SecureError),
}

/// What was found on a card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CardContents {
    iccid: Vec<u8>,
    file: SecretBytes,
    secured: bool,
}

impl CardContents {
    /// The bytes of EF(ICCID): digits in swapped halves; empty if it can't be read.
    pub fn iccid(&self) -> &[u8] {
        &self.iccid
    }

    /// The bytes of EF LwM2M_Bootstrap. They may hold keys.
    pub fn file(&self) -> &[u8] {
        self.file.expose()
    }

    /// True if they came over the secure channel.
    pub const fn is_secured(&self) -> bool {
        self.secured
    }
}

/// Where the walk is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Stage {
    OpenChannel,
    SelectSecure,
    Authenticate,
    SelectPkcs15,
    Select(CardFileName),
    Read(CardFileName),
    /// A record of EF(DIR).
    Record(u8),
    CloseChannel,
    Done,
}

/// A place where the file may be.
#[derive(Debug)]
enum Candidate {
    /// A PKCS#15 application in this directory.
    Application(Vec<u8>),
    /// A DODF below this directory.
    Dodf(Vec<u8>, CardPath),
}

/// A walk over a card: [`command`](Self::command) and [`feed`](Self::feed) in turn until there is
/// no command left, then [`finish`](Self::finish).
pub struct Walk<'s> {
    options: WalkOptions,
    secure: Option<&'s mut dyn SecureChannel>,
    transport: Transport,
    stage: Stage,
    channel: u8,
    /// The secure channel is there.
    secured: bool,
    /// Path of the application's directory.
    directory: Vec<u8>,
    reading: Reading,
    candidates: VecDeque<Candidate>,
    /// Places that were looked at.
    looked: usize,
    dir_read: bool,
    iccid: Vec<u8>,
    result: Result<Option<CardContents>, WalkError>,
}

impl fmt::Debug for Walk<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Walk")
            .field("stage", &self.stage)
            .field("channel", &self.channel)
            .field("secured", &self.secured)
            .finish_non_exhaustive()
    }
}

/// A file that is being read.
#[derive(Default)]
struct Reading {
    /// Where the file begins for us, and how long it is at most.
    start: usize,
    limit: usize,
    /// Where it ends, once that is known.
    end: Option<usize>,
    bytes: Zeroizing<Vec<u8>>,
}

impl Reading {
    fn begin(&mut self, part: Option<(usize, usize)>, limit: usize) {
        self.start = part.map_or(0, |(offset, _)| offset);
        self.end = part.map(|(_, length)| length);
        self.limit = limit;
        self.bytes = Zeroizing::default();
    }

    /// How many bytes to ask for next; `None` if all are there.
    fn next(&self, step: usize) -> Option<usize> {
        let end = self.end.unwrap_or(self.limit + 1);
        let left = end.saturating_sub(self.bytes.len());
        (left > 0).then(|| left.min(step))
    }
}

impl<'s> Walk<'s> {
    /// Begins a walk. With a secure channel, the application for it is tried first.
    pub fn new(options: WalkOptions, secure: Option<&'s mut dyn SecureChannel>) -> Self {
        let mut walk = Self {
            secure,
            transport: Transport::default(),
            stage: Stage::OpenChannel,
            channel: 0,
            secured: false,
            directory: Vec::new(),
            reading: Reading::default(),
            candidates: VecDeque::new(),
            looked: 0,
            dir_read: false,
            iccid: Vec::new(),
            result: Ok(None),
            options,
        };
        match walk.options.logical_channel {
            true => walk.transport.send(apdu::open_channel()),
            false => walk.select(CardFileName::Iccid, &EF_ICCID),
        }
        walk
    }

    /// The next command for the card; `None` when the walk is over.
    pub fn command(&self) -> Option<&[u8]> {
        match self.stage {
            Stage::Done => None,
            _ => Some(self.transport.command()),
        }
    }

    /// Takes the response to the command, with its status word.
    pub fn feed(&mut self, response: &[u8]) {
        let received = match self.transport.receive(self.channel, response) {
            Ok(None) => return,
            Ok(Some(received)) => received,
            Err(error) => return self.fail(error),
        };
        if self.stage == Stage::Authenticate {
            return self.authenticate(Some(&received));
        }
        let received = match &mut self.secure {
            Some(secure) if self.secured => match secure.unwrap(&received) {
                Ok(clear) => clear,
                Err(error) => return self.fail(error.into()),
            },
            _ => received,
        };
        match received.split_last_chunk::<2>() {
            Some((data, status)) => self.answered(data, Status(u16::from_be_bytes(*status))),
            None => self.fail(WalkError::Response),
        }
    }

    /// What was found; `None` if the card has no bootstrap file.
    ///
    /// # Errors
    /// [`WalkError`]
    pub fn finish(self) -> Result<Option<CardContents>, WalkError> {
        self.result
    }

    fn answered(&mut self, data: &[u8], status: Status) {
        let ok = status == Status::OK || is_warning(status);
        match self.stage.clone() {
            Stage::OpenChannel => match data {
                [channel @ 1..=19, ..] if ok => {
                    self.channel = *channel;
                    self.select(CardFileName::Iccid, &EF_ICCID);
                }
                _ => self.fail(WalkError::NoChannel(status)),
            },
            Stage::SelectSecure if ok => self.authenticate(None),
            Stage::SelectSecure => self.select_pkcs15(),
            Stage::SelectPkcs15 if ok => self.enter(CURRENT_APPLICATION.to_vec()),
            Stage::SelectPkcs15 => self.next_candidate(),
            Stage::Select(file) if ok => match file {
                CardFileName::Dir => self.read_record(1),
                _ => self.read_on(file),
            },
            Stage::Select(file) | Stage::Read(file) if self.may_be_missing(file, status) => {
                self.missing(file);
            }
            Stage::Read(file) => self.got(file, data, status),
            Stage::Record(number) => self.got_record(number, data, status),
            Stage::CloseChannel => self.stage = Stage::Done,
            Stage::Select(file) => self.fail(WalkError::Refused { file, status }),
            Stage::Authenticate | Stage::Done => {}
        }
    }

    /// A card without a number, or without what leads to the bootstrap file, is none of LwM2M.
    fn may_be_missing(&self, file: CardFileName, status: Status) -> bool {
        let selecting = matches!(self.stage, Stage::Select(_));
        match file {
            CardFileName::Iccid => status != Status::OK && !is_warning(status) && selecting,
            _ => selecting && status == Status::NOT_FOUND,
        }
    }

    fn missing(&mut self, file: CardFileName) {
        match file {
            CardFileName::Iccid => self.begin_applications(),
            _ => self.next_candidate(),
        }
    }

    fn begin_applications(&mut self) {
        match self.secure {
            Some(_) => {
                self.stage = Stage::SelectSecure;
                let command = apdu::select_application(self.channel, &SECURE_AID);
                self.send(command);
            }
            None => self.select_pkcs15(),
        }
    }

    fn select_pkcs15(&mut self) {
        self.stage = Stage::SelectPkcs15;
        let command = apdu::select_application(self.channel, &PKCS15_AID);
        self.send(command);
    }

    fn authenticate(&mut self, response: Option<&[u8]>) {
        let channel = self.channel;
        let next = match &mut self.secure {
            Some(secure) => secure.authenticate(channel, response),
            None => Err(SecureError::Authentication),
        };
        match next {
            Ok(Some(command)) => {
                self.stage = Stage::Authenticate;
                self.send(command);
            }
            Ok(None) => {
                self.secured = true;
                self.enter(Vec::new());
            }
            // Without it, the other application is left.
            Err(error) => {
                tracing::warn!(%error, "no secure channel to the card");
                self.select_pkcs15();
            }
        }
    }

    /// An application is selected, or its directory is known.
    fn enter(&mut self, directory: Vec<u8>) {
        self.directory = directory;
        match self.options.file {
            Some(id) => self.open(CardFileName::Bootstrap, &CardPath::file(id)),
            None => self.open(CardFileName::Odf, &CardPath::file(EF_ODF)),
        }
    }

    /// Selects a file of the application.
    fn open(&mut self, file: CardFileName, path: &CardPath) {
        let limit = match file {
            CardFileName::Bootstrap => MAX_FILE,
            _ => MAX_DIRECTORY_FILE,
        };
        self.reading.begin(path.part, limit);
        let ids = match path.ids.strip_prefix(&MF) {
            Some(absolute) if !absolute.is_empty() => absolute.to_vec(),
            _ if path.ids.starts_with(&self.directory) => path.ids.clone(),
            _ => [&self.directory[..], &path.ids].concat(),
        };
        if self.secured {
            // TS-Core App. H: in the secure application, files are selected by their ids.
            let id = path.ids.last_chunk::<2>().copied().unwrap_or_default();
            self.stage = Stage::Select(file);
            let command = apdu::select_id(self.channel, &id);
            return self.send(command);
        }
        self.select_from_root(file, &ids);
    }

    /// Selects a file of the MF.
    fn select(&mut self, file: CardFileName, path: &[u8]) {
        self.reading.begin(None, MAX_DIRECTORY_FILE);
        if file == CardFileName::Iccid {
            self.reading.end = Some(ICCID_LENGTH);
        }
        self.select_from_root(file, path);
    }

    fn select_from_root(&mut self, file: CardFileName, path: &[u8]) {
        self.stage = Stage::Select(file);
        let command = apdu::select_path(self.channel, path);
        self.send(command);
    }

    /// Reads the next part of a file, or takes it if all is there.
    fn read_on(&mut self, file: CardFileName) {
        let step = usize::from(self.options.step).clamp(1, MAX_STEP);
        let Some(length) = self.reading.next(step) else {
            return self.complete(file);
        };
        let offset = self.reading.start + self.reading.bytes.len();
        // READ BINARY has 15 bits for the offset: a file of 32 KB ends there.
        let Some(offset) = u16::try_from(offset).ok().filter(|offset| *offset < 0x8000) else {
            return self.complete(file);
        };
        self.stage = Stage::Read(file);
        let command = apdu::read_binary(self.channel, offset, length);
        self.send(command);
    }

    fn got(&mut self, file: CardFileName, data: &[u8], status: Status) {
        let known_end = status == Status::END_OF_FILE;
        let more = status == Status::OK || is_warning(status);
        match status {
            _ if more => {}
            Status::WRONG_OFFSET if !self.reading.bytes.is_empty() => {
                return self.complete(file);
            }
            _ if file == CardFileName::Iccid => return self.begin_applications(),
            _ => return self.fail(WalkError::Refused { file, status }),
        }
        let reading = &mut self.reading;
        reading.bytes.extend_from_slice(data);
        if let Some(end) = reading.end {
            reading.bytes.truncate(end);
        }
        if reading.bytes.len() > reading.limit {
            return self.fail(WalkError::TooLong(file));
        }
        if file == CardFileName::Bootstrap {
            self.note_size();
        }
        match data.is_empty() || known_end {
            true => self.complete(file),
            false => self.read_on(file),
        }
    }

    /// The header of the bootstrap file says where it ends.
    fn note_size(&mut self) {
        if let (None, [_, _, high, low, ..]) = (self.reading.end, &self.reading.bytes[..]) {
            let size = usize::from(u16::from_be_bytes([*high, *low]));
            let erased = is_blank(&self.reading.bytes);
            self.reading.end = Some(if erased { HEADER } else { HEADER + size });
            let end = self.reading.end.unwrap_or_default();
            if end <= MAX_FILE {
                self.reading.bytes.truncate(end);
            }
        }
    }

    fn complete(&mut self, file: CardFileName) {
        let bytes = core::mem::take(&mut self.reading.bytes);
        let fail = |error| WalkError::Asn1 { file, error };
        match file {
            CardFileName::Iccid => {
                self.iccid = bytes.to_vec();
                self.begin_applications();
            }
            CardFileName::Dir => match asn1::applications(&bytes) {
                Ok(applications) => {
                    self.add_applications(applications);
                    self.next_candidate();
                }
                Err(error) => self.fail(fail(error)),
            },
            CardFileName::Odf => match asn1::data_object_files(&bytes) {
                Ok(files) => {
                    for path in files.into_iter().rev().take(MAX_CANDIDATES) {
                        let candidate = Candidate::Dodf(self.directory.clone(), path);
                        self.candidates.push_front(candidate);
                    }
                    self.next_candidate();
                }
                Err(error) => self.fail(fail(error)),
            },
            CardFileName::Dodf => {
                let oids: Vec<&[u8]> = self.options.oids.iter().map(Vec::as_slice).collect();
                match asn1::bootstrap_file(&bytes, &oids) {
                    Ok(Some(path)) => self.open(CardFileName::Bootstrap, &path),
                    Ok(None) => self.next_candidate(),
                    Err(error) => self.fail(fail(error)),
                }
            }
            CardFileName::Bootstrap => {
                self.result = Ok(Some(CardContents {
                    iccid: core::mem::take(&mut self.iccid),
                    file: SecretBytes::from(&bytes[..]),
                    secured: self.secured,
                }));
                self.close();
            }
        }
    }

    fn read_record(&mut self, number: u8) {
        self.stage = Stage::Record(number);
        let command = apdu::read_record(self.channel, number);
        self.send(command);
    }

    /// EF(DIR) has records, but some cards have it as one piece.
    fn got_record(&mut self, number: u8, data: &[u8], status: Status) {
        match status {
            Status::OK => match asn1::applications(data) {
                Ok(applications) => {
                    self.add_applications(applications);
                    match number < MAX_RECORDS {
                        true => self.read_record(number + 1),
                        false => self.next_candidate(),
                    }
                }
                Err(error) => self.fail(WalkError::Asn1 {
                    file: CardFileName::Dir,
                    error,
                }),
            },
            Status::WRONG_FILE_KIND if number == 1 => self.read_on(CardFileName::Dir),
            Status::NO_RECORD | Status::NOT_FOUND => self.next_candidate(),
            status => self.fail(WalkError::Refused {
                file: CardFileName::Dir,
                status,
            }),
        }
    }

    /// The application of OMA's bootstrap goes before the others (TS-Core App. G.2).
    fn add_applications(&mut self, applications: Vec<asn1::Application>) {
        for application in applications {
            if self.candidates.len() >= MAX_CANDIDATES {
                return;
            }
            let directory = application.path.map(|path| {
                let ids = path.ids.strip_prefix(&MF).unwrap_or(&path.ids);
                ids.to_vec()
            });
            match (application.dodf, directory) {
                (Some(dodf), directory) => {
                    let candidate = Candidate::Dodf(directory.unwrap_or_default(), dodf);
                    self.candidates.push_front(candidate);
                }
                (None, Some(directory)) => {
                    self.candidates.push_back(Candidate::Application(directory));
                }
                (None, None) => {}
            }
        }
    }

    /// Goes on to the next place, and at the end to what EF(DIR) says.
    fn next_candidate(&mut self) {
        self.looked += 1;
        if self.looked > 2 * MAX_CANDIDATES {
            return self.close();
        }
        match self.candidates.pop_front() {
            Some(Candidate::Application(directory)) => self.enter(directory),
            Some(Candidate::Dodf(directory, path)) => {
                self.directory = directory;
                self.open(CardFileName::Dodf, &path);
            }
            None if self.secured => {
                // The secure application holds nothing: the other one may.
                self.secured = false;
                self.select_pkcs15();
            }
            None if !self.dir_read => {
                self.dir_read = true;
                self.select(CardFileName::Dir, &EF_DIR);
            }
            None => self.close(),
        }
    }

    fn fail(&mut self, error: WalkError) {
        self.result = Err(error);
        match error {
            // Nothing more can be asked of such a card.
            WalkError::Response | WalkError::TooManyCommands | WalkError::NoChannel(_) => {
                self.stage = Stage::Done;
            }
            _ if matches!(self.stage, Stage::CloseChannel) => self.stage = Stage::Done,
            _ => self.close(),
        }
    }

    fn close(&mut self) {
        self.secured = false;
        match self.channel {
            0 => self.stage = Stage::Done,
            channel => {
                self.stage = Stage::CloseChannel;
                self.send(apdu::close_channel(channel));
            }
        }
    }

    fn send(&mut self, command: Vec<u8>) {
        let wrapped = match &mut self.secure {
            Some(secure) if self.secured => secure.wrap(&command),
            _ => Ok(command),
        };
        match wrapped {
            Ok(command) => self.transport.send(command),
            Err(error) => {
                self.secured = false;
                self.fail(error.into());
            }
        }
    }
}

/// 62xx and 63xx: done, with a remark.
const fn is_warning(status: Status) -> bool {
    matches!(status.0 >> 8, 0x62 | 0x63)
}
