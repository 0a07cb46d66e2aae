//! The keys of devices: from the command line, from the store, and set over HTTP.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use lwm2m_net::{Psk, SharedPsks, server::StoreError};
use lwm2m_server::IdentityOwned;

use super::{
    psk::PskEntry,
    store::{Keyring, Store},
};
use crate::failure::Failure;

/// Most keys.
const MAX_KEYS: usize = 1_000_000;

/// Keys by endpoint name, the same ones as the DTLS sockets have by identity.
#[derive(Debug)]
pub(crate) struct Credentials {
    keys: SharedPsks,
    table: Mutex<Table>,
    whose: Keyring,
    store: Option<Store>,
}

#[derive(Debug, Default)]
struct Table {
    /// By endpoint name.
    entries: BTreeMap<String, PskEntry>,
    /// Endpoint names by identity.
    endpoints: BTreeMap<String, BTreeSet<String>>,
}

/// Says why a key is not taken.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CredentialsError {
    /// The identity has another key already.
    #[error("identity {identity:?} has another key already, for endpoint {endpoint:?}")]
    Conflict {
        /// The identity.
        identity: String,
        /// Another endpoint that uses it.
        endpoint: String,
    },
    /// There are too many.
    #[error("more than {MAX_KEYS} keys")]
    Full,
    /// It can't be stored.
    #[error("{0}")]
    Store(#[from] StoreError),
}

impl Credentials {
    /// Takes the stored keys, and those of the command line, which count more.
    pub(crate) fn new(
        whose: Keyring,
        store: Option<Store>,
        given: &[PskEntry],
    ) -> Result<Self, Failure> {
        let credentials = Self {
            keys: SharedPsks::new(),
            table: Mutex::default(),
            whose,
            store,
        };
        for entry in given {
            if credentials.get(&entry.endpoint).is_some() {
                let name = &entry.endpoint;
                return Err(Failure::usage(format!("--psk: two keys for {name:?}")));
            }
            credentials
                .insert(entry.clone())
                .map_err(|error| Failure::usage(format!("--psk: {error}")))?;
        }
        let stored = credentials.store.as_ref().map(|store| store.keys(whose));
        let stored = stored.unwrap_or(Ok(Vec::new())).map_err(Failure::runtime)?;
        for entry in stored {
            if credentials.get(&entry.endpoint).is_none()
                && let Err(error) = credentials.insert(entry)
            {
                tracing::warn!("a stored key is not used: {error}");
            }
        }
        Ok(credentials)
    }

    /// The table for the DTLS sockets, which follows every change.
    pub(crate) fn keys(&self) -> SharedPsks {
        self.keys.clone()
    }

    /// Endpoint names and the identities that they belong to.
    pub(crate) fn allowed(&self) -> Vec<(String, IdentityOwned)> {
        let entries = self.all();
        let allowed = entries
            .into_iter()
            .map(|e| (e.endpoint.clone(), identity(&e)));
        allowed.collect()
    }

    /// All keys in the order of the endpoint names.
    pub(crate) fn all(&self) -> Vec<PskEntry> {
        self.table().entries.values().cloned().collect()
    }

    /// The key of an endpoint name.
    pub(crate) fn get(&self, endpoint: &str) -> Option<PskEntry> {
        self.table().entries.get(endpoint).cloned()
    }

    /// Sets the key of an endpoint name, and stores it. Blocks while it writes.
    pub(crate) fn put(&self, entry: PskEntry) -> Result<(), CredentialsError> {
        let old = self.get(&entry.endpoint);
        self.insert(entry.clone())?;
        let stored = self
            .store
            .as_ref()
            .map_or(Ok(()), |s| s.put_key(self.whose, &entry));
        if let Err(error) = stored {
            // Nothing half-done: what is not stored is not in use.
            self.take(&entry.endpoint);
            if let Some(old) = old {
                self.insert(old)?;
            }
            return Err(error.into());
        }
        Ok(())
    }

    /// Removes the key of an endpoint name; false if there is none. Blocks while it writes.
    pub(crate) fn remove(&self, endpoint: &str) -> Result<bool, CredentialsError> {
        if self.get(endpoint).is_none() {
            return Ok(false);
        }
        if let Some(store) = &self.store {
            store.remove_key(self.whose, endpoint)?;
        }
        Ok(self.take(endpoint))
    }

    fn insert(&self, entry: PskEntry) -> Result<(), CredentialsError> {
        let mut table = self.table();
        let users = table.endpoints.get(&entry.identity);
        let other = users.and_then(|users| users.iter().find(|name| **name != entry.endpoint));
        if let Some(other) = other.and_then(|name| table.entries.get(name))
            && other.key != entry.key
        {
            return Err(CredentialsError::Conflict {
                identity: entry.identity,
                endpoint: other.endpoint.clone(),
            });
        }
        if table.entries.len() >= MAX_KEYS && !table.entries.contains_key(&entry.endpoint) {
            return Err(CredentialsError::Full);
        }
        self.release(&mut table, &entry.endpoint);
        let (name, identity) = (entry.endpoint.clone(), entry.identity.clone());
        self.keys
            .insert(identity.as_bytes(), Psk::new(entry.key.to_vec()));
        let users = table.endpoints.entry(identity).or_default();
        users.insert(name.clone());
        table.entries.insert(name, entry);
        Ok(())
    }

    fn take(&self, endpoint: &str) -> bool {
        self.release(&mut self.table(), endpoint)
    }

    /// Removes an entry, and its identity from the sockets' table if no other endpoint uses it.
    fn release(&self, table: &mut Table, endpoint: &str) -> bool {
        let Some(old) = table.entries.remove(endpoint) else {
            return false;
        };
        let Some(users) = table.endpoints.get_mut(&old.identity) else {
            return true;
        };
        users.remove(endpoint);
        if users.is_empty() {
            table.endpoints.remove(&old.identity);
            self.keys.remove(old.identity.as_bytes());
        }
        true
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The identity that an endpoint name belongs to.
pub(crate) fn identity(entry: &PskEntry) -> IdentityOwned {
    IdentityOwned::Psk(entry.identity.as_bytes().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(text: &str) -> PskEntry {
        text.parse().unwrap()
    }

    #[test]
    fn an_identity_has_one_key() {
        let credentials = Credentials::new(Keyring::Server, None, &[entry("a,id,00")]).unwrap();
        assert_eq!(credentials.put(entry("b,id,00")), Ok(()));
        assert_eq!(
            credentials.put(entry("c,id,01")),
            Err(CredentialsError::Conflict {
                identity: "id".into(),
                endpoint: "a".into(),
            })
        );
        assert_eq!(credentials.all().len(), 2);
    }

    #[test]
    fn two_keys_for_one_endpoint_on_the_command_line_are_refused() {
        let given = [entry("a,x,00"), entry("a,y,01")];
        let failure = Credentials::new(Keyring::Server, None, &given).unwrap_err();
        assert_eq!(failure, Failure::usage("--psk: two keys for \"a\""));
    }
}
