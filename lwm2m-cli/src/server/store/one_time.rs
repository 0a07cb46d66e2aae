//! One-time keys in the store.

use lwm2m_bootstrap::one_time::{Holder, KeyChange, OneTimeKey};
use lwm2m_model::SecretBytes;
use lwm2m_net::server::StoreError;
use redb::TableDefinition;

use super::Store;

/// Endpoint name, Short Server ID, subscriber, key, when it was issued, when it ends.
type Row = (
    &'static str,
    u16,
    Option<&'static str>,
    &'static [u8],
    u64,
    Option<u64>,
);

/// One-time keys by PSK identity.
const ONE_TIME: TableDefinition<'_, &str, Row> = TableDefinition::new("one-time keys");

impl Store {
    /// Stores changes of one-time keys, all of them or none.
    pub(crate) fn change_one_time(&self, changes: &[KeyChange]) -> Result<(), StoreError> {
        self.write(|transaction| {
            let mut table = transaction.open_table(ONE_TIME)?;
            for change in changes {
                match change {
                    KeyChange::Put(key) => {
                        let holder = &key.holder;
                        let row = (
                            holder.endpoint.as_str(),
                            holder.ssid,
                            holder.subscriber.as_deref(),
                            key.key.expose(),
                            key.issued,
                            key.expires,
                        );
                        table.insert(key.identity.as_str(), row)?;
                    }
                    KeyChange::Remove { identity, .. } => {
                        table.remove(identity.as_str())?;
                    }
                    // A kind of change that this crate doesn't know can't come from its table.
                    _ => {}
                }
            }
            Ok(())
        })
    }

    /// All one-time keys.
    pub(crate) fn one_time(&self) -> Result<Vec<OneTimeKey>, StoreError> {
        self.read(
            ONE_TIME,
            |identity, (endpoint, ssid, subscriber, key, issued, expires)| OneTimeKey {
                holder: Holder {
                    endpoint: endpoint.to_owned(),
                    ssid,
                    subscriber: subscriber.map(str::to_owned),
                },
                identity: identity.to_owned(),
                key: SecretBytes::from(key),
                issued,
                expires,
            },
        )
    }
}
