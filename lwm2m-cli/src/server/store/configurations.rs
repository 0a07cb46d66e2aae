//! Bootstrap configurations in the store.

use lwm2m_net::server::StoreError;
use redb::TableDefinition;
use zeroize::Zeroizing;

use super::Store;

/// JSON by endpoint name or pattern.
const CONFIGURATIONS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("configurations");

/// A stored configuration.
pub(crate) struct Stored {
    /// Endpoint name or pattern.
    pub(crate) name: String,
    /// JSON; it has keys.
    pub(crate) json: Zeroizing<Vec<u8>>,
}

impl Store {
    /// Keeps a configuration.
    pub(crate) fn put_configuration(&self, name: &str, json: &[u8]) -> Result<(), StoreError> {
        self.write(|transaction| {
            transaction.open_table(CONFIGURATIONS)?.insert(name, json)?;
            Ok(())
        })
    }

    /// Removes a configuration.
    pub(crate) fn remove_configuration(&self, name: &str) -> Result<(), StoreError> {
        self.write(|transaction| {
            transaction.open_table(CONFIGURATIONS)?.remove(name)?;
            Ok(())
        })
    }

    /// All configurations.
    pub(crate) fn configurations(&self) -> Result<Vec<Stored>, StoreError> {
        self.read(CONFIGURATIONS, |name, json| Stored {
            name: name.to_owned(),
            json: Zeroizing::new(json.to_vec()),
        })
    }
}
