//! Journal records as bytes: a version, a kind, then the fields in order.
//!
//! Numbers are big-endian, texts and lists have a 32-bit length in front, an optional field a
//! byte 0 or 1.

use alloc::{
    boxed::Box,
    string::{String, ToString},
    vec::Vec,
};
use core::net::{IpAddr, SocketAddr};

use lwm2m_codec::{ContentFormat, MAX_ID, Path, Version, coap::Token};

use super::{Change, JournalRecord, ObservationRecord, RegistrationRecord};
use crate::{Bindings, IdentityOwned, ObjectList, ObservationId, RegistrationId, Target};

/// Version of the layout below.
const VERSION: u8 = 1;

/// Says why bytes are no journal record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// A newer version of this crate wrote the record.
    #[error("version {0} of the record is not known")]
    Version(u8),
    /// The bytes are malformed.
    #[error("at byte {offset}: expected {expected}")]
    Malformed {
        /// Offset of the wrong byte.
        offset: usize,
        /// What should have been there.
        expected: &'static str,
    },
}

impl JournalRecord {
    /// Writes the record as bytes that later versions of this crate can read.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Writer(Vec::with_capacity(64));
        out.u8(VERSION);
        out.u64(self.sequence);
        match &self.change {
            Change::Registered(record) => {
                out.u8(0);
                out.registration(record);
            }
            Change::Updated {
                registration,
                unix_time,
                snapshot,
            } => {
                out.u8(1);
                out.u64(registration.as_u64());
                out.option(*unix_time, Writer::u64);
                out.option(snapshot.as_deref(), Writer::registration);
            }
            Change::Removed { registration } => {
                out.u8(2);
                out.u64(registration.as_u64());
            }
            Change::Observed(record) => {
                out.u8(3);
                out.observation(record);
            }
            Change::Cancelled { observation } => {
                out.u8(4);
                out.u64(observation.0);
            }
        }
        out.0
    }

    /// Reads what [`to_bytes`](JournalRecord::to_bytes) wrote.
    ///
    /// # Errors
    /// [`JournalError`], with the offset of the wrong byte.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, JournalError> {
        let mut input = Reader { bytes, at: 0 };
        match input.u8()? {
            VERSION => {}
            other => return Err(JournalError::Version(other)),
        }
        let sequence = input.u64()?;
        let change = match input.u8()? {
            0 => Change::Registered(Box::new(input.registration()?)),
            1 => Change::Updated {
                registration: input.registration_id()?,
                unix_time: input.option(Reader::u64)?,
                snapshot: input.option(Reader::registration)?.map(Box::new),
            },
            2 => Change::Removed {
                registration: input.registration_id()?,
            },
            3 => Change::Observed(Box::new(input.observation()?)),
            4 => Change::Cancelled {
                observation: ObservationId(input.u64()?),
            },
            _ => return Err(input.fail("a kind of record")),
        };
        match input.at == bytes.len() {
            true => Ok(Self { sequence, change }),
            false => Err(input.fail("the end")),
        }
    }
}

struct Writer(Vec<u8>);

impl Writer {
    fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    fn u16(&mut self, value: u16) {
        self.0.extend_from_slice(&value.to_be_bytes());
    }

    fn u32(&mut self, value: u32) {
        self.0.extend_from_slice(&value.to_be_bytes());
    }

    fn u64(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_be_bytes());
    }

    fn bytes(&mut self, value: &[u8]) {
        self.u32(value.len() as u32);
        self.0.extend_from_slice(value);
    }

    fn text(&mut self, value: &str) {
        self.bytes(value.as_bytes());
    }

    fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        self.u8(u8::from(value.is_some()));
        if let Some(value) = value {
            write(self, value);
        }
    }

    fn list<T>(
        &mut self,
        values: impl ExactSizeIterator<Item = T>,
        mut write: impl FnMut(&mut Self, T),
    ) {
        self.u32(values.len() as u32);
        values.for_each(|value| write(self, value));
    }

    fn version(&mut self, version: Version) {
        self.u8(version.major);
        self.u8(version.minor);
    }

    fn address(&mut self, address: SocketAddr) {
        match address.ip() {
            IpAddr::V4(ip) => self.bytes(&ip.octets()),
            IpAddr::V6(ip) => self.bytes(&ip.octets()),
        }
        self.u16(address.port());
    }

    fn registration(&mut self, record: &RegistrationRecord) {
        self.u64(record.id.as_u64());
        self.text(&record.endpoint);
        match &record.identity {
            IdentityOwned::NoSec => self.u8(0),
            IdentityOwned::Psk(identity) => {
                self.u8(1);
                self.bytes(identity);
            }
            IdentityOwned::Subscriber(subscriber) => {
                self.u8(2);
                self.text(&subscriber.to_string());
            }
        }
        self.address(record.address);
        self.u32(record.lifetime);
        self.version(record.version);
        self.u8(record.binding.bits());
        self.u8(u8::from(record.queue_mode));
        self.option(record.sms.as_deref(), Self::text);
        self.list(record.profiles.iter(), |out, text| out.text(text));
        self.text(&record.root);
        self.list(record.formats.iter(), |out, format| out.u16(format.0));
        self.u32(record.objects.len() as u32);
        for path in record.objects.paths() {
            let object = path.object_id().unwrap_or(MAX_ID);
            self.u16(object);
            self.u16(path.instance_id().unwrap_or(MAX_ID));
            self.option(record.objects.stated_version(object), Self::version);
        }
        self.list(record.extra.iter(), |out, (name, value)| {
            out.text(name);
            out.option(value.as_deref(), Self::text);
        });
        self.option(record.registered_unix, Self::u64);
        self.option(record.updated_unix, Self::u64);
    }

    fn observation(&mut self, record: &ObservationRecord) {
        self.u64(record.id.0);
        self.u64(record.registration.as_u64());
        self.bytes(record.token.as_bytes());
        self.list(record.target.paths.iter(), |out, path| {
            out.list(path.ids().iter(), |out, id| out.u16(*id));
        });
        self.option(record.target.composite, |out, format| out.u16(format.0));
        self.option(record.target.accept, |out, format| out.u16(format.0));
        self.text(&record.target.attributes);
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn fail(&self, expected: &'static str) -> JournalError {
        JournalError::Malformed {
            offset: self.at,
            expected,
        }
    }

    fn take(&mut self, len: usize, what: &'static str) -> Result<&'a [u8], JournalError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let taken = rest.get(..len).ok_or(self.fail(what))?;
        self.at += len;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], JournalError> {
        let bytes = self.take(N, "a number")?;
        bytes.try_into().map_err(|_| self.fail("a number"))
    }

    fn u8(&mut self) -> Result<u8, JournalError> {
        Ok(u8::from_be_bytes(self.array()?))
    }

    fn u16(&mut self) -> Result<u16, JournalError> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    fn u32(&mut self) -> Result<u32, JournalError> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    fn u64(&mut self) -> Result<u64, JournalError> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    fn flag(&mut self) -> Result<bool, JournalError> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(self.fail("0 or 1 before this byte")),
        }
    }

    fn slice(&mut self) -> Result<&'a [u8], JournalError> {
        let len = self.u32()? as usize;
        self.take(len, "as many bytes as the length says")
    }

    fn text(&mut self) -> Result<String, JournalError> {
        let bytes = self.slice()?;
        let text = core::str::from_utf8(bytes).map_err(|_| self.fail("UTF-8 before this byte"));
        text.map(String::from)
    }

    fn option<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, JournalError>,
    ) -> Result<Option<T>, JournalError> {
        self.flag()?.then(|| read(self)).transpose()
    }

    /// No more is reserved than the bytes can hold.
    fn list<T>(
        &mut self,
        mut read: impl FnMut(&mut Self) -> Result<T, JournalError>,
    ) -> Result<Vec<T>, JournalError> {
        let count = self.u32()?;
        let mut values = Vec::new();
        for _ in 0..count {
            values.push(read(self)?);
        }
        Ok(values)
    }

    fn version(&mut self) -> Result<Version, JournalError> {
        Ok(Version::new(self.u8()?, self.u8()?))
    }

    fn format(&mut self) -> Result<ContentFormat, JournalError> {
        self.u16().map(ContentFormat)
    }

    fn registration_id(&mut self) -> Result<RegistrationId, JournalError> {
        let number = self.u64()?;
        RegistrationId::from_u64(number).ok_or(self.fail("an id below 2^48 before this byte"))
    }

    fn address(&mut self) -> Result<SocketAddr, JournalError> {
        let ip = self.slice()?;
        let ip = if let Ok(octets) = <[u8; 4]>::try_from(ip) {
            IpAddr::from(octets)
        } else if let Ok(octets) = <[u8; 16]>::try_from(ip) {
            IpAddr::from(octets)
        } else {
            return Err(self.fail("an address before this byte"));
        };
        Ok(SocketAddr::new(ip, self.u16()?))
    }

    fn registration(&mut self) -> Result<RegistrationRecord, JournalError> {
        Ok(RegistrationRecord {
            id: self.registration_id()?,
            endpoint: self.text()?,
            identity: self.identity()?,
            address: self.address()?,
            lifetime: self.u32()?,
            version: self.version()?,
            binding: {
                let bits = self.u8()?;
                Bindings::from_bits(bits).ok_or(self.fail("bindings before this byte"))?
            },
            queue_mode: self.flag()?,
            sms: self.option(Self::text)?,
            profiles: self.list(Self::text)?,
            root: self.text()?,
            formats: self.list(Self::format)?,
            objects: self.objects()?,
            extra: self.list(|input| Ok((input.text()?, input.option(Self::text)?)))?,
            registered_unix: self.option(Self::u64)?,
            updated_unix: self.option(Self::u64)?,
        })
    }

    fn identity(&mut self) -> Result<IdentityOwned, JournalError> {
        Ok(match self.u8()? {
            0 => IdentityOwned::NoSec,
            1 => IdentityOwned::Psk(self.slice()?.into()),
            2 => {
                let subscriber = self.text()?.parse();
                let subscriber = subscriber.map_err(|_| self.fail("a subscriber before this byte"));
                IdentityOwned::Subscriber(subscriber?)
            }
            _ => return Err(self.fail("a kind of identity before this byte")),
        })
    }

    fn objects(&mut self) -> Result<ObjectList, JournalError> {
        let mut objects = ObjectList::default();
        for _ in 0..self.u32()? {
            let (object, instance) = (self.u16()?, self.u16()?);
            let version = self.option(Self::version)?;
            objects.insert(object, (instance != MAX_ID).then_some(instance), version);
        }
        Ok(objects)
    }

    fn observation(&mut self) -> Result<ObservationRecord, JournalError> {
        let id = ObservationId(self.u64()?);
        let registration = self.registration_id()?;
        let token = self.slice()?;
        let token = Token::new(token).ok_or(self.fail("a token before this byte"))?;
        let paths = self.list(|input| {
            let ids = input.list(Self::u16)?;
            Path::from_ids(&ids).ok_or(input.fail("a path before this byte"))
        })?;
        Ok(ObservationRecord {
            id,
            registration,
            token,
            target: Target {
                paths,
                composite: self.option(Self::format)?,
                accept: self.option(Self::format)?,
                attributes: self.text()?,
            },
        })
    }
}
