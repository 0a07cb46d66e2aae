//! The embedded store: registrations, observations and keys in one file.

use std::{
    fmt::Display,
    fs::{self, File, OpenOptions},
    path::{Path, PathBuf},
    sync::Arc,
};

use lwm2m_net::server::{JournalStore, StoreError};
use lwm2m_server::{Change, JournalRecord};
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
const KEYS: TableDefinition<'_, &str, (&str, &[u8])> = TableDefinition::new("keys");

/// An open store. Clones are the same store.
#[derive(Clone)]
pub(crate) struct Store {
    database: Arc<Database>,
    path: Arc<Path>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Store").field(&self.path).finish()
    }
}

impl Store {
    /// Opens or makes the store of a folder, and makes the folder if it is not there. Nobody but
    /// the owner may read the file: it has keys.
    pub(crate) fn open(folder: &Path) -> Result<Self, StoreError> {
        let path = folder.join(FILE);
        let failed = |error: &dyn Display| named(&path, error);
        fs::create_dir_all(folder)
            .map_err(|error| StoreError::new(format_args!("{}: {error}", folder.display())))?;
        let file = open_private(&path).map_err(|error| failed(&error))?;
        let database = Database::builder().create_file(file);
        let database = database.map_err(|error| match error {
            redb::DatabaseError::DatabaseAlreadyOpen => failed(&"another process uses it"),
            error => failed(&error),
        })?;
        Ok(Self {
            database: Arc::new(database),
            path: path.into(),
        })
    }

    fn fail(&self, error: impl Display) -> StoreError {
        named(&self.path, &error)
    }

    fn write<E: Display>(
        &self,
        change: impl FnOnce(&WriteTransaction) -> Result<(), E>,
    ) -> Result<(), StoreError> {
        let transaction = self.database.begin_write().map_err(|e| self.fail(e))?;
        change(&transaction).map_err(|error| self.fail(error))?;
        transaction.commit().map_err(|error| self.fail(error))
    }

    /// Keeps the key of a device.
    pub(crate) fn put_key(&self, entry: &PskEntry) -> Result<(), StoreError> {
        self.write(|transaction| -> Result<(), redb::Error> {
            let value = (entry.identity.as_str(), entry.key.as_slice());
            transaction
                .open_table(KEYS)?
                .insert(entry.endpoint.as_str(), value)?;
            Ok(())
        })
    }

    /// Removes the key of a device.
    pub(crate) fn remove_key(&self, endpoint: &str) -> Result<(), StoreError> {
        self.write(|transaction| -> Result<(), redb::Error> {
            transaction.open_table(KEYS)?.remove(endpoint)?;
            Ok(())
        })
    }

    /// All keys.
    pub(crate) fn keys(&self) -> Result<Vec<PskEntry>, StoreError> {
        let read = || -> Result<Vec<PskEntry>, redb::Error> {
            let table = match self.database.begin_read()?.open_table(KEYS) {
                Ok(table) => table,
                Err(TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
                Err(error) => return Err(error.into()),
            };
            let mut keys = Vec::new();
            for entry in table.iter()? {
                let (endpoint, value) = entry?;
                let (identity, key) = value.value();
                keys.push(PskEntry {
                    endpoint: endpoint.value().to_owned(),
                    identity: identity.to_owned(),
                    key: Zeroizing::new(key.to_vec()),
                });
            }
            Ok(keys)
        };
        read().map_err(|error| self.fail(error))
    }

    fn records(
        &self,
        definition: TableDefinition<'_, u64, &[u8]>,
        records: &mut Vec<JournalRecord>,
    ) -> Result<(), StoreError> {
        let read = || -> Result<Vec<Vec<u8>>, redb::Error> {
            let table = match self.database.begin_read()?.open_table(definition) {
                Ok(table) => table,
                Err(TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
                Err(error) => return Err(error.into()),
            };
            let values = table.iter()?;
            values.map(|entry| Ok(entry?.1.value().to_vec())).collect()
        };
        for bytes in read().map_err(|error| self.fail(error))? {
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
        Ok(records)
    }

    fn commit(&mut self, records: &[JournalRecord]) -> Result<(), StoreError> {
        self.write(|transaction| -> Result<(), redb::Error> {
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

fn named(path: &Path, error: &dyn Display) -> StoreError {
    StoreError::new(format_args!("{}: {error}", path.display()))
}

fn open_private(path: &PathBuf) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
