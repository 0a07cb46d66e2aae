//! Which devices get what: entries of the file, and those set over HTTP, which are kept.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use lwm2m_bootstrap::server::{Entry, Provision, ProvisionError};
use lwm2m_model::Registry;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::form::{self, FormError};
use crate::client::accounts::{AccountsError, save};

/// Name of the file in the folder.
const FILE: &str = "bootstrap.json";
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
    #[error("{}: {error}", .file.display())]
    Io { file: PathBuf, error: io::Error },
    #[error("{}: {error}", .file.display())]
    Json {
        file: PathBuf,
        error: serde_json::Error,
    },
    #[error(transparent)]
    Save(#[from] AccountsError),
}

/// All configurations. What was set over HTTP goes before the file's entry of the same name.
#[derive(Debug)]
pub(super) struct Configurations {
    file: Vec<Entry>,
    registry: Registry,
    set: Mutex<BTreeMap<String, Arc<Provision>>>,
    kept: Option<PathBuf>,
}

impl Configurations {
    /// Loads what was kept in a folder, and makes the folder if it is not there.
    pub(super) fn open(
        file: Vec<Entry>,
        registry: Registry,
        folder: Option<&Path>,
    ) -> Result<Self, ConfigurationError> {
        let mut set = BTreeMap::new();
        let kept = folder.map(|folder| folder.join(FILE));
        if let (Some(folder), Some(kept)) = (folder, &kept) {
            let failed = |error| ConfigurationError::Io {
                file: kept.clone(),
                error,
            };
            fs::create_dir_all(folder).map_err(failed)?;
            let text = match fs::read(kept) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
                text => text.map_err(failed)?,
            };
            set = load(kept, &Zeroizing::new(text), &registry)?;
        }
        Ok(Self {
            file,
            registry,
            set: Mutex::new(set),
            kept,
        })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Provision>>> {
        // A change is one assignment: what a panic left behind is whole.
        self.set.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the engine has to know. An entry that was set keeps the key of the file's entry of
    /// the same name.
    pub(super) fn entries(&self) -> Vec<Entry> {
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
        let entries = self.entries();
        let entries = entries.iter();
        let pairs = entries.map(|entry| (entry.name.to_string(), form::to_json(&entry.provision)));
        Value::Object(pairs.collect())
    }

    /// Adds or replaces a configuration, if devices could take it.
    pub(super) fn set(&self, name: &str, json: &Value) -> Result<(), ConfigurationError> {
        let provision = read(name, json, &self.registry)?;
        let mut set = self.lock();
        if set.len() >= MAX_CONFIGURATIONS && !set.contains_key(name) {
            return Err(ConfigurationError::TooMany);
        }
        let mut changed = set.clone();
        changed.insert(name.to_owned(), Arc::new(provision));
        self.keep(&changed)?;
        *set = changed;
        Ok(())
    }

    /// Removes a configuration that was set; false if there is none.
    pub(super) fn remove(&self, name: &str) -> Result<bool, ConfigurationError> {
        let mut set = self.lock();
        let mut changed = set.clone();
        if changed.remove(name).is_none() {
            let in_file = self.file.iter().any(|entry| entry.name.to_string() == name);
            return match in_file {
                true => Err(ConfigurationError::InFile(name.to_owned())),
                false => Ok(false),
            };
        }
        self.keep(&changed)?;
        *set = changed;
        Ok(true)
    }

    /// Writes the file in one step.
    fn keep(&self, set: &BTreeMap<String, Arc<Provision>>) -> Result<(), ConfigurationError> {
        if let Some(file) = &self.kept {
            let pairs = set.iter();
            let pairs = pairs.map(|(name, provision)| (name.clone(), form::to_json(provision)));
            let text = Value::Object(pairs.collect()).to_string();
            save(file, Zeroizing::new(text).as_bytes())?;
        }
        Ok(())
    }
}

fn read(name: &str, json: &Value, registry: &Registry) -> Result<Provision, ConfigurationError> {
    let stem = name.strip_suffix('*').unwrap_or(name);
    if name.is_empty() || stem.contains('*') {
        return Err(ConfigurationError::Name);
    }
    let provision = form::from_json(json)?;
    provision.check(registry)?;
    Ok(provision)
}

fn load(
    file: &Path,
    text: &[u8],
    registry: &Registry,
) -> Result<BTreeMap<String, Arc<Provision>>, ConfigurationError> {
    if text.is_empty() {
        return Ok(BTreeMap::new());
    }
    let json: Map<String, Value> =
        serde_json::from_slice(text).map_err(|error| ConfigurationError::Json {
            file: file.to_owned(),
            error,
        })?;
    json.iter()
        .map(|(name, json)| Ok((name.clone(), Arc::new(read(name, json, registry)?))))
        .collect()
}
