//! The embedded store: registrations, observations, keys and configurations in one file.

mod configurations;
mod one_time;

use std::{
    collections::BTreeSet,
    fmt::Display,
    fs::{self, File, OpenOptions},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use lwm2m_net::server::JournalStore;
pub(crate) use lwm2m_net::server::StoreError;
use lwm2m_server::{Change, JournalRecord, RegistrationId};
use redb::{
    Database, ReadableDatabase, ReadableTable, TableDefinition, TableError, WriteTransaction,
};
use zeroize::Zeroizing;

use super::psk::PskEntry;

/// Name of the file in the folder.
const FILE: &str = "server.redb";

/// Newest record of each registration that has all of it.
const REGISTRATIONS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("registrations");
/// Newest record of each registration that only has a time.
const RENEWALS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("renewals");
/// Newest record of each observation.
const OBSERVATIONS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("observations");
/// Identity and key by endpoint name.
type Keys = TableDefinition<'static, &'static str, (&'static str, &'static [u8])>;

/// Whose keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keyring {
    /// Devices at the server.
    Server,
    /// Devices at the bootstrap server.
    Bootstrap,
}

impl Keyring {
    const fn table(self) -> Keys {
        match self {
            Self::Server => TableDefinition::new("keys"),
            Self::Bootstrap => TableDefinition::new("bootstrap keys"),
        }
    }
}

/// An open store. Clones are the same store.
#[derive(Clone)]
pub(crate) struct Store {
    /// After an error it is closed, and opened again by whoever uses it next: redb refuses to go
    /// on with a file that failed, and a full disk may have room again.
    database: Arc<Mutex<Option<Database>>>,
    path: Arc<Path>,
}

impl Store {
    /// Opens or makes the store of a folder, and makes the folder if it is not there. Nobody but
    /// the owner may read the file: it has keys.
    pub(crate) fn open(folder: &Path) -> Result<Self, StoreError> {
        fs::create_dir_all(folder)
            .map_err(|error| StoreError::new(format_args!("{}: {error}", folder.display())))?;
        let store = Self {
            database: Arc::default(),
            path: folder.join(FILE).into(),
        };
        store.with(|_| Ok::<(), redb::Error>(()))?;
        Ok(store)
    }

    fn fail(&self, error: impl Display) -> StoreError {
        StoreError::new(format_args!("{}: {error}", self.path.display()))
    }

    fn with<T, E: Display>(
        &self,
        work: impl FnOnce(&Database) -> Result<T, E>,
    ) -> Result<T, StoreError> {
        let mut slot = self.database.lock().unwrap_or_else(PoisonError::into_inner);
        let database = match slot.take() {
            Some(database) => database,
            None => self.reopen()?,
        };
        let done = work(&database).map_err(|error| self.fail(error))?;
        *slot = Some(database);
        Ok(done)
    }

    fn reopen(&self) -> Result<Database, StoreError> {
        let file = open_private(&self.path).map_err(|error| self.fail(error))?;
        let database = Database::builder().create_file(file);
        database.map_err(|error| match error {
            redb::DatabaseError::DatabaseAlreadyOpen => self.fail("another process uses it"),
            error => self.fail(error),
        })
    }

    fn write(
        &self,
        change: impl FnOnce(&WriteTransaction) -> Result<(), redb::Error>,
    ) -> Result<(), StoreError> {
        self.with(|database| {
            let transaction = database.begin_write()?;
            change(&transaction)?;
            transaction.commit()?;
            Ok::<(), redb::Error>(())
        })
    }

    /// Keeps the key of a device.
    pub(crate) fn put_key(&self, whose: Keyring, entry: &PskEntry) -> Result<(), StoreError> {
        self.write(|transaction| {
            let value = (entry.identity.as_str(), entry.key.as_slice());
            transaction
                .open_table(whose.table())?
                .insert(entry.endpoint.as_str(), value)?;
            Ok(())
        })
    }

    /// Removes the key of a device.
    pub(crate) fn remove_key(&self, whose: Keyring, endpoint: &str) -> Result<(), StoreError> {
        self.write(|transaction| {
            transaction.open_table(whose.table())?.remove(endpoint)?;
            Ok(())
        })
    }

    /// All keys.
    pub(crate) fn keys(&self, whose: Keyring) -> Result<Vec<PskEntry>, StoreError> {
        self.read(whose.table(), |endpoint, (identity, key)| PskEntry {
            endpoint: endpoint.to_owned(),
            identity: identity.to_owned(),
            key: Zeroizing::new(key.to_vec()),
        })
    }

    /// All entries of a table, which need not be there yet.
    fn read<K: redb::Key, V: redb::Value, T>(
        &self,
        definition: TableDefinition<'_, K, V>,
        mut entry: impl FnMut(K::SelfType<'_>, V::SelfType<'_>) -> T,
    ) -> Result<Vec<T>, StoreError> {
        self.with(|database| -> Result<Vec<T>, redb::Error> {
            let table = match database.begin_read()?.open_table(definition) {
                Ok(table) => table,
                Err(TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
                Err(error) => return Err(error.into()),
            };
            let mut entries = Vec::new();
            for pair in table.iter()? {
                let (key, value) = pair?;
                entries.push(entry(key.value(), value.value()));
            }
            Ok(entries)
        })
    }

    /// Removes observations whose device registered anew before it accepted them again.
    fn forget(&self, orphans: &[JournalRecord]) -> Result<(), StoreError> {
        if orphans.is_empty() {
            return Ok(());
        }
        self.write(|transaction| {
            let mut observations = transaction.open_table(OBSERVATIONS)?;
            for record in orphans {
                if let Change::Observed(observation) = &record.change {
                    observations.remove(observation.id.as_u64())?;
                }
            }
            Ok(())
        })
    }

    fn records(
        &self,
        definition: TableDefinition<'_, u64, &[u8]>,
        records: &mut Vec<JournalRecord>,
    ) -> Result<(), StoreError> {
        for bytes in self.read(definition, |_, bytes| bytes.to_vec())? {
            records.push(JournalRecord::from_bytes(&bytes).map_err(|error| self.fail(error))?);
        }
        Ok(())
    }
}

impl JournalStore for Store {
    fn load(&mut self) -> Result<Vec<JournalRecord>, StoreError> {
        let mut records = Vec::new();
        for table in [REGISTRATIONS, RENEWALS, OBSERVATIONS] {
            self.records(table, &mut records)?;
        }
        let known: BTreeSet<RegistrationId> = records
            .iter()
            .filter_map(|record| match &record.change {
                Change::Registered(registration) => Some(registration.id),
                Change::Updated {
                    snapshot: Some(registration),
                    ..
                } => Some(registration.id),
                _ => None,
            })
            .collect();
        let orphan = |record: &JournalRecord| match &record.change {
            Change::Observed(observation) => !known.contains(&observation.registration),
            _ => false,
        };
        self.forget(&records.extract_if(.., |r| orphan(r)).collect::<Vec<_>>())?;
        Ok(records)
    }

    fn commit(&mut self, records: &[JournalRecord]) -> Result<(), StoreError> {
        self.write(|transaction| {
            let mut registrations = transaction.open_table(REGISTRATIONS)?;
            let mut renewals = transaction.open_table(RENEWALS)?;
            let mut observations = transaction.open_table(OBSERVATIONS)?;
            for record in records {
                let bytes = record.to_bytes();
                match &record.change {
                    Change::Registered(registration) => {
                        registrations.insert(registration.id.as_u64(), bytes.as_slice())?;
                    }
                    Change::Updated {
                        registration,
                        snapshot,
                        ..
                    } => {
                        let id = registration.as_u64();
                        if snapshot.is_some() {
                            registrations.insert(id, bytes.as_slice())?;
                            renewals.remove(id)?;
                        } else {
                            renewals.insert(id, bytes.as_slice())?;
                        }
                    }
                    Change::Removed { registration } => {
                        registrations.remove(registration.as_u64())?;
                        renewals.remove(registration.as_u64())?;
                    }
                    Change::Observed(observation) => {
                        observations.insert(observation.id.as_u64(), bytes.as_slice())?;
                    }
                    Change::Cancelled { observation } => {
                        observations.remove(observation.as_u64())?;
                    }
                    // A kind of record that this crate doesn't know can't come from its engine.
                    _ => {}
                }
            }
            Ok(())
        })
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Store").field(&self.path).finish()
    }
}

fn open_private(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
