//! The table of one-time keys.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    string::{String, ToString},
    vec::Vec,
};

use super::{
    EndReason, Holder, IssueError, KeyChange, KeySource, MAX_KEYS, MAX_UNUSED, OneTimeKey, UseError,
};

/// All one-time keys. Its methods say what is to change; nothing does before
/// [`apply`](Self::apply).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OneTimeKeys {
    keys: BTreeMap<String, OneTimeKey>,
    /// Identities by endpoint and server.
    holders: BTreeMap<(String, u16), BTreeSet<String>>,
    /// Identities by the time at which they end.
    expiries: BTreeSet<(u64, String)>,
}

impl OneTimeKeys {
    /// Makes an empty table.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes a table of stored keys.
    pub fn restore(keys: impl IntoIterator<Item = OneTimeKey>) -> Self {
        let mut table = Self::new();
        table.apply(keys.into_iter().map(KeyChange::Put));
        table
    }

    /// Makes a key that ends `unused_for` seconds after `now` unless it is used; returns it with
    /// what is to change. The device may still work with an earlier one.
    ///
    /// # Errors
    /// [`IssueError`]
    pub fn issue(
        &self,
        now: u64,
        holder: Holder,
        unused_for: u64,
        source: &mut dyn KeySource,
    ) -> Result<(OneTimeKey, Vec<KeyChange>), IssueError> {
        if self.keys.len() >= MAX_KEYS {
            return Err(IssueError::Full);
        }
        let mut unused: Vec<&OneTimeKey> = self
            .of(&holder.endpoint, holder.ssid)
            .filter(|key| key.expires.is_some())
            .collect();
        unused.sort_by_key(|key| key.issued);
        let excess = (unused.len() + 1).saturating_sub(MAX_UNUSED);
        let ended = unused.into_iter().take(excess);
        let mut changes: Vec<KeyChange> = ended.map(|k| end(k, EndReason::TooMany)).collect();
        let key = OneTimeKey::generate(now, holder, unused_for, source)?;
        if self.keys.contains_key(&key.identity) {
            return Err(IssueError::Repeats);
        }
        changes.push(KeyChange::Put(key.clone()));
        Ok((key, changes))
    }

    /// A key that may be used at a time, by its PSK identity.
    pub fn find(&self, now: u64, identity: &[u8]) -> Option<&OneTimeKey> {
        let identity = core::str::from_utf8(identity).ok()?;
        self.keys.get(identity).filter(|key| key.is_valid(now))
    }

    /// Checks that a device may use the key of an identity.
    ///
    /// # Errors
    /// [`UseError`]
    pub fn check(
        &self,
        now: u64,
        identity: &[u8],
        endpoint: &str,
        subscriber: Option<&str>,
    ) -> Result<&OneTimeKey, UseError> {
        let key = self.find(now, identity).ok_or(UseError::Unknown)?;
        if key.holder.endpoint != endpoint {
            return Err(UseError::Endpoint);
        }
        match &key.holder.subscriber {
            Some(holder) if subscriber != Some(holder) => Err(UseError::Subscriber),
            _ => Ok(key),
        }
    }

    /// What is to change when a device registered with an identity: the first time, its key stays
    /// for good and the others of the same endpoint and server end.
    pub fn registered(&self, endpoint: &str, identity: &[u8]) -> Vec<KeyChange> {
        let identity = core::str::from_utf8(identity).ok();
        let key = identity.and_then(|identity| self.keys.get(identity));
        let Some(key) = key.filter(|key| key.holder.endpoint == endpoint) else {
            return Vec::new();
        };
        if key.expires.is_none() {
            return Vec::new();
        }
        let mut changes: Vec<KeyChange> = self
            .of(endpoint, key.holder.ssid)
            .filter(|other| other.identity != key.identity)
            .map(|other| end(other, EndReason::Replaced))
            .collect();
        changes.push(KeyChange::Put(OneTimeKey {
            expires: None,
            ..key.clone()
        }));
        changes
    }

    /// What is to change when no device can have taken the keys of some identities.
    pub fn revoked<I: AsRef<str>>(
        &self,
        identities: impl IntoIterator<Item = I>,
    ) -> Vec<KeyChange> {
        let keys = identities
            .into_iter()
            .filter_map(|identity| self.keys.get(identity.as_ref()));
        let unused = keys.filter(|key| key.expires.is_some());
        unused.map(|key| end(key, EndReason::NotTaken)).collect()
    }

    /// What is to change because time went on.
    pub fn expired(&self, now: u64) -> Vec<KeyChange> {
        let due = self.expiries.iter().take_while(|(at, _)| *at <= now);
        let keys = due.filter_map(|(_, identity)| self.keys.get(identity));
        keys.map(|key| end(key, EndReason::Expired)).collect()
    }

    /// When the next key ends, in seconds since 1970.
    pub fn next_expiry(&self) -> Option<u64> {
        self.expiries.first().map(|(at, _)| *at)
    }

    /// Makes changes that were stored.
    pub fn apply(&mut self, changes: impl IntoIterator<Item = KeyChange>) {
        for change in changes {
            match change {
                KeyChange::Put(key) => {
                    self.remove(&key.identity);
                    self.insert(key);
                }
                KeyChange::Remove { identity, .. } => self.remove(&identity),
            }
        }
    }

    /// All keys, in the order of their identities.
    pub fn iter(&self) -> impl Iterator<Item = &OneTimeKey> {
        self.keys.values()
    }

    /// The keys of an endpoint at a server.
    pub fn of(&self, endpoint: &str, ssid: u16) -> impl Iterator<Item = &OneTimeKey> {
        let identities = self.holders.get(&(endpoint.to_string(), ssid));
        let identities = identities.into_iter().flatten();
        identities.filter_map(|identity| self.keys.get(identity))
    }

    fn insert(&mut self, key: OneTimeKey) {
        let identity = key.identity.clone();
        if let Some(expires) = key.expires {
            self.expiries.insert((expires, identity.clone()));
        }
        let holder = (key.holder.endpoint.clone(), key.holder.ssid);
        let identities = self.holders.entry(holder).or_default();
        identities.insert(identity.clone());
        self.keys.insert(identity, key);
    }

    fn remove(&mut self, identity: &str) {
        let Some(key) = self.keys.remove(identity) else {
            return;
        };
        let OneTimeKey {
            holder, identity, ..
        } = key;
        let Holder { endpoint, ssid, .. } = holder;
        let place = (endpoint, ssid);
        if let Some(identities) = self.holders.get_mut(&place) {
            identities.remove(&identity);
            if identities.is_empty() {
                self.holders.remove(&place);
            }
        }
        if let Some(expires) = key.expires {
            self.expiries.remove(&(expires, identity));
        }
    }
}

fn end(key: &OneTimeKey, reason: EndReason) -> KeyChange {
    KeyChange::Remove {
        identity: key.identity.clone(),
        holder: key.holder.clone(),
        reason,
    }
}
