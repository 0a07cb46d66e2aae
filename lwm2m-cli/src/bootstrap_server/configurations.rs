//! Which devices get what: entries of the file, and those set over HTTP, which are kept.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use lwm2m_bootstrap::server::{EndpointPattern, Entry, Provision, ProvisionError, Psk, find_entry};
use lwm2m_model::{Registry, SecretBytes};
use lwm2m_net::server::StoreError;
use serde_json::Value;
use zeroize::Zeroizing;

use super::form::{self, FormError};
use crate::server::{credentials::Credentials, store::Store};

/// Most configurations set over HTTP.
const MAX_CONFIGURATIONS: usize = 100_000;

/// Says why configurations can't be read, changed or kept.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConfigurationError {
    #[error("an endpoint name is not empty, and `*` stands at its end only")]
    Name,
    #[error(transparent)]
    Form(#[from] FormError),
    #[error("no device could take it: {0}")]
    Inconsistent(#[from] ProvisionError),
    #[error("there are {MAX_CONFIGURATIONS} configurations already")]
    TooMany,
    #[error("{:?} is in the file of --config, and can't be removed here", .0)]
    InFile(String),
    #[error(
        "one-time keys need the server that they are for in the same process: \
         lwm2m server --bootstrap FILE"
    )]
    OneTime,
    #[error("the stored configuration of {name:?} can't be read: {error}")]
    Json {
        name: String,
        error: serde_json::Error,
    },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// All configurations. What was set over HTTP goes before the file's entry of the same name.
#[derive(Debug)]
pub(super) struct Configurations {
    file: Vec<Entry>,
    registry: Registry,
    /// The server that one-time keys are for is in the same process.
    one_time: bool,
    set: Mutex<BTreeMap<String, Arc<Provision>>>,
    store: Option<Store>,
}

impl Configurations {
    /// Loads what was kept in a store.
    pub(super) fn open(
        file: Vec<Entry>,
        registry: Registry,
        one_time: bool,
        store: Option<Store>,
    ) -> Result<Self, ConfigurationError> {
        let configurations = Self {
            file,
            registry,
            one_time,
            set: Mutex::default(),
            store,
        };
        for entry in &configurations.file {
            configurations.check_keys(&entry.provision)?;
        }
        let stored = configurations.store.as_ref().map(Store::configurations);
        for (name, json) in stored.unwrap_or(Ok(Vec::new()))? {
            let json = serde_json::from_slice(&json).map_err(|error| ConfigurationError::Json {
                name: name.clone(),
                error,
            })?;
            let provision = Arc::new(configurations.read(&name, &json)?);
            configurations.lock().insert(name, provision);
        }
        Ok(configurations)
    }

    fn check_keys(&self, provision: &Provision) -> Result<(), ConfigurationError> {
        match self.one_time || !provision.wants_keys() {
            true => Ok(()),
            false => Err(ConfigurationError::OneTime),
        }
    }

    fn read(&self, name: &str, json: &Value) -> Result<Provision, ConfigurationError> {
        let stem = name.strip_suffix('*').unwrap_or(name);
        if name.is_empty() || stem.contains('*') {
            return Err(ConfigurationError::Name);
        }
        let provision = form::from_json(json)?;
        provision.check(&self.registry)?;
        self.check_keys(&provision)?;
        Ok(provision)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Provision>>> {
        // A change is one assignment: what a panic left behind is whole.
        self.set.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the engine has to know. An entry that was set keeps the key of the file's entry of
    /// the same name; a key that was set goes before it, and makes an entry of its own of what a
    /// pattern gives to the device.
    pub(super) fn entries(&self, keys: &Credentials) -> Vec<Entry> {
        let mut entries = self.without_keys();
        let mut alone = Vec::new();
        for key in keys.all() {
            let psk = Some(Psk {
                identity: key.identity.into_bytes(),
                key: SecretBytes::from(key.key.as_slice()),
            });
            let name = EndpointPattern::Exact(key.endpoint);
            match entries.iter_mut().find(|entry| entry.name == name) {
                Some(entry) => entry.psk = psk,
                None => alone.push((name, psk)),
            }
        }
        for (name, psk) in alone {
            if let Some(entry) = find_entry(&entries, &name.to_string()) {
                let provision = Arc::clone(&entry.provision);
                entries.push(Entry {
                    name,
                    psk,
                    provision,
                });
            }
        }
        entries
    }

    /// The keys of the file, by identity.
    pub(super) fn file_keys(&self) -> impl Iterator<Item = &Psk> {
        self.file.iter().filter_map(|entry| entry.psk.as_ref())
    }

    fn without_keys(&self) -> Vec<Entry> {
        let set = self.lock();
        let from_file = self.file.iter();
        let kept = from_file.filter(|entry| !set.contains_key(&entry.name.to_string()));
        let psk = |name: &str| {
            let mut entries = self.file.iter();
            let entry = entries.find(|entry| entry.name.to_string() == *name);
            entry.and_then(|entry| entry.psk.clone())
        };
        let set = set.iter().map(|(name, provision)| {
            let Ok(pattern) = name.parse();
            Entry {
                name: pattern,
                psk: psk(name),
                provision: Arc::clone(provision),
            }
        });
        kept.cloned().chain(set).collect()
    }

    /// All configurations by the names of devices.
    pub(super) fn to_json(&self) -> Value {
        let entries = self.without_keys();
        let entries = entries.iter();
        let pairs = entries.map(|entry| (entry.name.to_string(), form::to_json(&entry.provision)));
        Value::Object(pairs.collect())
    }

    /// Adds or replaces a configuration, if devices could take it. Blocks while it writes.
    pub(super) fn set(&self, name: &str, json: &Value) -> Result<(), ConfigurationError> {
        let provision = self.read(name, json)?;
        let mut set = self.lock();
        if set.len() >= MAX_CONFIGURATIONS && !set.contains_key(name) {
            return Err(ConfigurationError::TooMany);
        }
        if let Some(store) = &self.store {
            let text = Zeroizing::new(form::to_json(&provision).to_string());
            store.put_configuration(name, text.as_bytes())?;
        }
        set.insert(name.to_owned(), Arc::new(provision));
        Ok(())
    }

    /// Removes a configuration that was set; false if there is none. Blocks while it writes.
    pub(super) fn remove(&self, name: &str) -> Result<bool, ConfigurationError> {
        let mut set = self.lock();
        if !set.contains_key(name) {
            let in_file = self.file.iter().any(|entry| entry.name.to_string() == name);
            return match in_file {
                true => Err(ConfigurationError::InFile(name.to_owned())),
                false => Ok(false),
            };
        }
        if let Some(store) = &self.store {
            store.remove_configuration(name)?;
        }
        set.remove(name);
        Ok(true)
    }
}
