//! Pre-shared keys, and where a server looks them up.

use std::{
    collections::HashMap,
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, PoisonError, RwLock},
};

use zeroize::Zeroizing;

/// A pre-shared key. It is wiped when the last copy goes, and never printed.
///
/// The DTLS engine makes copies of its own during a handshake, which it does not wipe.
#[derive(Clone, PartialEq, Eq)]
pub struct Psk(Arc<Zeroizing<Vec<u8>>>);

impl Psk {
    /// Takes the bytes of a key.
    pub fn new(key: impl Into<Vec<u8>>) -> Self {
        Self(Arc::new(Zeroizing::new(key.into())))
    }

    /// The bytes of the key.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<Zeroizing<Vec<u8>>> for Psk {
    fn from(key: Zeroizing<Vec<u8>>) -> Self {
        Self(Arc::new(key))
    }
}

impl fmt::Debug for Psk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Psk(…)")
    }
}

/// The answer of a [`PskStore`], some time later.
pub type Lookup<'a> = Pin<Box<dyn Future<Output = Result<Option<Psk>, LookupFailed>> + Send + 'a>>;

/// Where a DTLS server finds the key of an identity: a table, a file, a database.
///
/// ```
/// use lwm2m_net::{Lookup, LookupFailed, Psk, PskStore};
///
/// struct Database;
///
/// impl PskStore for Database {
///     fn lookup<'a>(&'a self, identity: &'a [u8]) -> Lookup<'a> {
///         Box::pin(async move {
///             // … ask the database; an error of it is `Err(LookupFailed)` …
///             Ok((identity == b"device-1").then(|| Psk::new(*b"0123456789abcdef")))
///         })
///     }
/// }
/// ```
pub trait PskStore: Send + Sync + 'static {
    /// Finds the key of a PSK identity, which is any bytes that a stranger sent.
    ///
    /// It runs on its own task, must not block that, and may take up to [`Limits::key_lookup`](crate::Limits); only its
    /// handshake waits. `Ok(None)` ends the handshake with alert 115 (unknown_psk_identity), after
    /// which a device does not try again by itself (TS-Transport §5.2.9); an error ends it with
    /// alert 80 (internal_error), after which it does.
    fn lookup<'a>(&'a self, identity: &'a [u8]) -> Lookup<'a>;
}

/// The store of keys could not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[error("the store of keys could not answer")]
pub struct LookupFailed;

/// Keys in memory, which may change while servers use them. Clones share the same table.
#[derive(Debug, Clone, Default)]
pub struct SharedPsks {
    keys: Arc<RwLock<HashMap<Vec<u8>, Psk>>>,
}

impl SharedPsks {
    /// Makes an empty table.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the key of an identity, from the next handshake on.
    pub fn insert(&self, identity: impl Into<Vec<u8>>, key: Psk) {
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        keys.insert(identity.into(), key);
    }

    /// Removes an identity, and says whether it was there. Its sessions go on.
    pub fn remove(&self, identity: &[u8]) -> bool {
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        keys.remove(identity).is_some()
    }

    fn find(&self, identity: &[u8]) -> Option<Psk> {
        self.keys
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(identity)
            .cloned()
    }
}

impl<I: Into<Vec<u8>>> FromIterator<(I, Psk)> for SharedPsks {
    fn from_iter<T: IntoIterator<Item = (I, Psk)>>(keys: T) -> Self {
        let psks = Self::new();
        for (identity, key) in keys {
            psks.insert(identity, key);
        }
        psks
    }
}

impl PskStore for SharedPsks {
    fn lookup<'a>(&'a self, identity: &'a [u8]) -> Lookup<'a> {
        Box::pin(std::future::ready(Ok(self.find(identity))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_not_printed() {
        let keys: SharedPsks = [("a", Psk::new(*b"hunter2"))].into_iter().collect();
        assert!(!format!("{keys:?}").contains("hunter2"));
        assert!(!format!("{keys:?}").contains("104"));
    }

    #[test]
    fn a_table_of_keys_changes_for_all_who_share_it() {
        let keys = SharedPsks::new();
        let other = keys.clone();
        other.insert("a", Psk::new(*b"key"));
        assert_eq!(keys.find(b"a"), Some(Psk::new(*b"key")));
        assert!(keys.remove(b"a"));
        assert_eq!(other.find(b"a"), None);
    }
}
