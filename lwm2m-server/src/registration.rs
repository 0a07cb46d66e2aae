//! What a server knows of a registered device (TS-Core §6.2).

use alloc::{string::String, vec::Vec};
use core::{fmt, net::SocketAddr, str::FromStr};

use lwm2m_coap::{Instant, PeerId};
use lwm2m_codec::{ContentFormat, MAX_ID, Path, Version};
use lwm2m_model::ver::effective_version;

use crate::IdentityOwned;

/// Names a registration; it is the last segment of its location, `/rd/{id}`.
///
/// The first byte is the server's shard number, the other five are random.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegistrationId(u64);

impl RegistrationId {
    pub(crate) const MIN: Self = Self(0);
    pub(crate) const MAX: Self = Self(u64::MAX);

    pub(crate) const fn new(shard: u8, random: u64) -> Self {
        Self(((shard as u64) << 40) | (random & 0xff_ffff_ffff))
    }

    /// The shard number of the server that chose the id.
    pub const fn shard(self) -> u8 {
        (self.0 >> 40) as u8
    }

    /// The id as a number below 2⁴⁸.
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// Makes an id from a number below 2⁴⁸.
    pub const fn from_u64(number: u64) -> Option<Self> {
        if number >> 48 == 0 {
            Some(Self(number))
        } else {
            None
        }
    }
}

impl fmt::Display for RegistrationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:012x}", self.0)
    }
}

impl fmt::Debug for RegistrationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Says that a text is not 12 lower-case hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected 12 hexadecimal digits")]
pub struct ParseRegistrationIdError;

impl FromStr for RegistrationId {
    type Err = ParseRegistrationIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if text.len() != 12 || !digits {
            return Err(ParseRegistrationIdError);
        }
        u64::from_str_radix(text, 16)
            .map(Self)
            .map_err(|_| ParseRegistrationIdError)
    }
}

/// A set of bindings: the letters of `b=` (TS-Core §6.2.1.2).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Bindings(u8);

impl Bindings {
    /// The letters in the order of their bits.
    const LETTERS: [u8; 6] = *b"UTSNMH";

    /// UDP: what a device speaks that says nothing.
    pub const UDP: Self = Self(1);

    /// True if a letter is in the set: U UDP, T TCP, S SMS, N Non-IP, M MQTT, H HTTP.
    pub fn contains(self, letter: char) -> bool {
        let bit = Self::LETTERS.iter().position(|l| char::from(*l) == letter);
        bit.is_some_and(|bit| self.0 & (1 << bit) != 0)
    }

    /// Reads the letters; the second value tells whether the `Q` of LwM2M 1.0 was among them.
    pub(crate) fn parse(text: &str) -> Option<(Self, bool)> {
        let (mut set, mut queue) = (0, false);
        for letter in text.bytes() {
            if letter == b'Q' {
                queue = true;
                continue;
            }
            set |= 1 << Self::LETTERS.iter().position(|l| *l == letter)?;
        }
        (set != 0).then_some((Self(set), queue))
    }

    pub(crate) const fn bits(self) -> u8 {
        self.0
    }

    pub(crate) const fn from_bits(bits: u8) -> Option<Self> {
        if bits != 0 && bits < 1 << Self::LETTERS.len() {
            Some(Self(bits))
        } else {
            None
        }
    }
}

impl fmt::Display for Bindings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write;
        let letters = Self::LETTERS.iter().map(|l| char::from(*l));
        letters
            .filter(|l| self.contains(*l))
            .try_for_each(|l| f.write_char(l))
    }
}

impl fmt::Debug for Bindings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Objects and instances that a device registered, in ascending order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ObjectList {
    // An object comes as an entry of instance MAX_ID if it has no instance.
    entries: Vec<Entry>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    object: u16,
    instance: u16,
    ver: Option<Version>,
}

impl ObjectList {
    /// Adds an object or an instance. A `ver` counts for the whole object, wherever it stands
    /// (TS-Core §7.2.3).
    pub(crate) fn insert(&mut self, object: u16, instance: Option<u16>, ver: Option<Version>) {
        let range = self.range(object);
        let known = self.entries.get(range.clone()).unwrap_or_default();
        let ver = ver.or_else(|| known.first().and_then(|entry| entry.ver));
        for entry in self.entries.get_mut(range.clone()).unwrap_or_default() {
            entry.ver = ver;
        }
        let entry = Entry {
            object,
            instance: instance.unwrap_or(MAX_ID),
            ver,
        };
        let known = self.entries.get(range.clone()).unwrap_or_default();
        match known.binary_search_by_key(&entry.instance, |e| e.instance) {
            Ok(_) => {}
            // The bare object says nothing once there is an instance.
            Err(_) if instance.is_none() && !known.is_empty() => {}
            Err(at) => {
                let bare = known.last().is_some_and(|e| e.instance == MAX_ID);
                self.entries.insert(range.start + at, entry);
                if bare && instance.is_some() {
                    self.entries.remove(range.end);
                }
            }
        }
    }

    /// Adds all entries of another list.
    pub(crate) fn merge(&mut self, other: &Self) {
        for entry in &other.entries {
            let instance = (entry.instance != MAX_ID).then_some(entry.instance);
            self.insert(entry.object, instance, entry.ver);
        }
    }

    fn range(&self, object: u16) -> core::ops::Range<usize> {
        let start = self.entries.partition_point(|e| e.object < object);
        let end = self.entries.partition_point(|e| e.object <= object);
        start..end
    }

    /// Number of entries: instances, and objects without instance.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True if nothing is registered.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The objects in ascending order.
    pub fn objects(&self) -> impl Iterator<Item = u16> + '_ {
        let chunks = self.entries.chunk_by(|a, b| a.object == b.object);
        chunks.filter_map(|chunk| chunk.first().map(|entry| entry.object))
    }

    /// The instances of an object in ascending order.
    pub fn instances(&self, object: u16) -> impl Iterator<Item = u16> + '_ {
        let entries = self.entries.get(self.range(object)).unwrap_or_default();
        entries
            .iter()
            .map(|entry| entry.instance)
            .filter(|instance| *instance != MAX_ID)
    }

    /// All entries as paths: instances, and objects without instance.
    pub fn paths(&self) -> impl Iterator<Item = Path> + '_ {
        self.entries.iter().map(|entry| match entry.instance {
            MAX_ID => Path::object(entry.object),
            instance => Path::instance(entry.object, instance),
        })
    }

    /// The `ver` that the device stated for an object.
    pub fn stated_version(&self, object: u16) -> Option<Version> {
        let range = self.range(object);
        self.entries.get(range.start..range.end)?.first()?.ver
    }

    /// True if the object of a path is registered, and its instance if the path names one.
    pub fn contains(&self, path: Path) -> bool {
        let Some(object) = path.object_id() else {
            return true;
        };
        let range = self.range(object);
        match path.instance_id() {
            None => !range.is_empty(),
            Some(instance) => self.instances(object).any(|known| known == instance),
        }
    }
}

/// A registered device.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Registration {
    /// Its id, which is also its location.
    pub id: RegistrationId,
    /// Endpoint name.
    pub endpoint: String,
    /// The peer that it last came from; `None` while it has no session.
    pub peer: Option<PeerId>,
    /// To whom it belongs.
    pub identity: IdentityOwned,
    /// The address that it last came from.
    pub address: SocketAddr,
    /// Lifetime in seconds; 0 is infinite.
    pub lifetime: u32,
    /// Version of LwM2M.
    pub version: Version,
    /// Bindings.
    pub binding: Bindings,
    /// True in queue mode: the device sleeps.
    pub queue_mode: bool,
    /// Number for SMS triggers.
    pub sms: Option<String>,
    /// Profile ids (LwM2M 1.2).
    pub profiles: Vec<String>,
    /// Alternate root path such as `/lwm2m`; empty for `/`.
    pub root: String,
    /// Content formats that the device announced.
    pub formats: Vec<ContentFormat>,
    /// Objects and instances.
    pub objects: ObjectList,
    /// Parameters that this crate doesn't know, as name and value.
    pub extra: Vec<(String, Option<String>)>,
    /// When it registered.
    pub registered_at: Instant,
    /// When it registered, in seconds since 1970, if the server knew the time.
    pub registered_unix: Option<u64>,
    /// When its lifetime was last renewed.
    pub updated_at: Instant,
    /// When its lifetime was last renewed, in seconds since 1970, if the server knew the time.
    pub updated_unix: Option<u64>,
}

impl Registration {
    /// The version of a registered object: as stated, else as the enabler's version implies
    /// (TS-Core §7.2.3); `None` if the object is not registered.
    pub fn object_version(&self, object: u16) -> Option<Version> {
        self.objects.contains(Path::object(object)).then(|| {
            let stated = self.objects.stated_version(object);
            effective_version(self.version, object, stated)
        })
    }

    /// The version by which to understand an object: that of
    /// [`object_version`](Self::object_version), or for an object that is not registered the one
    /// that the enabler implies.
    pub fn version_of(&self, object: u16) -> Version {
        self.object_version(object)
            .unwrap_or_else(|| effective_version(self.version, object, None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{string::ToString, vec};

    #[test]
    fn a_location_reads_back_as_the_id_it_was_made_of() {
        let id = RegistrationId::new(7, 0xdead_beef_0042);
        assert_eq!(id.to_string(), "07adbeef0042");
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.shard(), 7);
        for wrong in ["", "07adbeef004", "07ADBEEF0042", "+7adbeef0042"] {
            assert_eq!(
                wrong.parse::<RegistrationId>(),
                Err(ParseRegistrationIdError)
            );
        }
    }

    #[test]
    fn queue_mode_of_1_0_is_a_letter_of_the_binding() {
        let (set, queue) = Bindings::parse("UQS").unwrap();
        assert!(queue);
        assert_eq!(set.to_string(), "US");
        assert!(set.contains('S') && !set.contains('T'));
        assert_eq!(Bindings::parse("Q"), None);
        assert_eq!(Bindings::parse("UX"), None);
    }

    #[test]
    fn a_version_counts_for_the_object_wherever_it_stands() {
        let mut list = ObjectList::default();
        let two = Some(Version::new(2, 2));
        list.insert(44, Some(1), None);
        list.insert(44, Some(0), two);
        list.insert(3, Some(0), None);
        list.insert(55, None, Some(Version::new(1, 9)));
        assert_eq!(list.stated_version(44), two);
        assert_eq!(list.objects().collect::<Vec<_>>(), [3, 44, 55]);
        assert_eq!(list.instances(44).collect::<Vec<_>>(), [0, 1]);
        assert_eq!(list.instances(55).count(), 0);
    }

    #[test]
    fn an_instance_replaces_the_bare_object() {
        let mut list = ObjectList::default();
        list.insert(5, None, Some(Version::V1_1));
        list.insert(5, Some(2), None);
        list.insert(5, None, None);
        let paths: Vec<_> = list.paths().collect();
        assert_eq!(paths, vec![Path::instance(5, 2)]);
        assert_eq!(list.stated_version(5), Some(Version::V1_1));
        assert!(list.contains(Path::object(5)) && !list.contains(Path::instance(5, 0)));
    }
}
