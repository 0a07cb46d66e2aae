//! From a description to a running device.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use lwm2m_bootstrap::{Rule, check_consistency};
use lwm2m_client::{Client, Config};
use lwm2m_codec::{Path, Version};
use lwm2m_model::{Object, ObjectInstance, Tree, objects};
use tokio::sync::Notify;

use super::{
    Device, Events, Keys, StartError,
    accounts::{self, Account},
};
use crate::{Driver, Limits, Trace, hooks::Hooks};

/// Describes a device; [`start`](Builder::start) makes it run.
#[derive(Debug)]
#[must_use = "a builder does nothing until it is started"]
pub struct Builder {
    config: Config,
    tree: Tree,
    accounts: Vec<Account>,
    limits: Limits,
    hooks: Hooks,
    trace: Option<Trace>,
    /// The first thing that was wrong.
    error: Option<StartError>,
}

impl Builder {
    pub(super) fn new(endpoint: String) -> Self {
        Self {
            config: Config::new(endpoint),
            tree: Tree::new(),
            accounts: Vec::new(),
            limits: Limits::default(),
            hooks: Hooks::default(),
            trace: None,
            error: None,
        }
    }

    /// Adds the account of a bootstrap server. The device asks it for servers when it has none.
    pub fn bootstrap(mut self, uri: impl Into<String>, keys: impl Into<Keys>) -> Self {
        let (uri, keys) = (uri.into(), keys.into());
        self.accounts.push(Account {
            uri,
            keys,
            server: None,
        });
        self
    }

    /// Adds the account of a server: Short Server ID (1 to 65534), URI, keys, and lifetime of the
    /// registration in seconds (0 for one without end).
    pub fn server(
        mut self,
        ssid: u16,
        uri: impl Into<String>,
        keys: impl Into<Keys>,
        lifetime: u64,
    ) -> Self {
        let (uri, keys) = (uri.into(), keys.into());
        self.accounts.push(Account {
            uri,
            keys,
            server: Some((ssid, lifetime)),
        });
        self
    }

    /// Adds an object: one as [`Typed`](lwm2m_model::Typed), [`Dynamic`](lwm2m_model::Dynamic) or
    /// of your own, or one instance of a typed object, which gets the lowest free id.
    ///
    /// Objects 0 and 1 are made of the accounts; those given here are kept beside.
    pub fn object<Kind>(mut self, object: impl IntoObject<Kind>) -> Self {
        if let Err(error) = object.insert_into(&mut self.tree) {
            self.error.get_or_insert(error);
        }
        self
    }

    /// Replaces all objects by those of a tree.
    pub fn tree(mut self, tree: Tree) -> Self {
        self.tree = tree;
        self
    }

    /// Sets the versions of LwM2M to register with, the preferred one first. The default is 1.2,
    /// 1.1, 1.0: a server that answers 4.12 gets the next one.
    pub fn versions(mut self, versions: impl IntoIterator<Item = Version>) -> Self {
        self.config.versions = versions.into_iter().collect();
        self
    }

    /// Registers in queue mode (TS-Transport §6.5): servers keep requests until the device wakes.
    pub const fn queue_mode(mut self, on: bool) -> Self {
        self.config.queue_mode = on;
        self
    }

    /// Changes any other setting of the engine.
    pub fn configure(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.config);
        self
    }

    /// Resolves names by this resolver rather than by the system's.
    #[cfg(feature = "cellular")]
    pub fn resolver(mut self, resolver: crate::cellular::Resolver) -> Self {
        resolver.hook(&mut self.hooks);
        self
    }

    /// Makes keys that no account holds, and lets the device connect without security over the
    /// operator's bearer only.
    #[cfg(feature = "cellular")]
    pub fn cellular(mut self, cellular: crate::cellular::Cellular) -> Self {
        cellular.hook(&mut self.hooks);
        self
    }

    /// Replaces the default limits of the driver.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Shows each message in words.
    pub fn trace(mut self, trace: Trace) -> Self {
        self.trace = Some(trace);
        self
    }

    /// Starts the device on the current tokio runtime. It registers in the background, or
    /// bootstraps first if it has no server.
    ///
    /// # Errors
    /// [`StartError`]; nothing runs then.
    pub async fn start(self) -> Result<(Device, Events), StartError> {
        let Self {
            config,
            mut tree,
            accounts,
            limits,
            hooks,
            error,
            trace,
        } = self;
        if let Some(error) = error {
            return Err(error);
        }
        accounts::add(&mut tree, accounts)?;
        check(&mut tree, config.check_sources)?;
        let seed = getrandom::u64().map_err(|_| StartError::Random)?;
        let client = Client::new(config, tree, seed);
        let notify = Arc::new(Notify::new());
        let notified = Arc::clone(&notify);
        let mut driver = Driver::new(client).limits(limits);
        driver.hooks = hooks;
        if let Some(trace) = trace {
            driver = driver.trace(trace);
        }
        let (handle, events, _) = driver
            .spawn(move |event| {
                notified.notify_one();
                Some(event)
            })
            .await?;
        let device = Device {
            handle,
            events: notify,
        };
        device
            .call(|client, now| {
                if let Ok(since) = SystemTime::now().duration_since(UNIX_EPOCH) {
                    client.set_unix_time(now, since.as_secs());
                }
                client.start(now);
            })
            .await?;
        Ok((device, Events(events)))
    }
}

/// Checks what a device can't do without.
fn check(tree: &mut Tree, has_sources: bool) -> Result<(), StartError> {
    let accounts = lwm2m_bootstrap::accounts(tree);
    match check_consistency(tree) {
        // The sources are asked first.
        Err(error) if error.rule == Rule::NoServerAccount && has_sources => {}
        Err(error) if error.rule == Rule::NoServerAccount => {
            accounts.bootstrap.ok_or(StartError::NoAccount)?;
        }
        checked => checked?,
    }
    if !tree.contains(Path::instance(3, 0)) {
        return Err(StartError::DeviceMissing);
    }
    // /3/0/16 is mandatory, and UDP is all that the driver has.
    tree.update(0, |device: &mut objects::Device| {
        if device.supported_binding_and_modes.is_empty() {
            device.supported_binding_and_modes = "U".into();
        }
    });
    Ok(())
}

/// What [`Builder::object`] takes. `Kind` only keeps the two implementations apart.
pub trait IntoObject<Kind>: sealed::Sealed<Kind> {
    /// Adds it to a tree.
    #[doc(hidden)]
    fn insert_into(self, tree: &mut Tree) -> Result<(), StartError>;
}

impl<T: ObjectInstance> IntoObject<sealed::Instance> for T {
    fn insert_into(self, tree: &mut Tree) -> Result<(), StartError> {
        accounts::insert(tree, self)
    }
}

impl<O: Object> IntoObject<sealed::Whole> for O {
    fn insert_into(self, tree: &mut Tree) -> Result<(), StartError> {
        tree.insert(self);
        Ok(())
    }
}

mod sealed {
    use lwm2m_model::{Object, ObjectInstance};

    /// One instance.
    #[derive(Debug)]
    pub enum Instance {}

    /// All instances.
    #[derive(Debug)]
    pub enum Whole {}

    pub trait Sealed<Kind> {}
    impl<T: ObjectInstance> Sealed<Instance> for T {}
    impl<O: Object> Sealed<Whole> for O {}
}
