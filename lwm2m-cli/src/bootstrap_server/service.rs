//! A bootstrap server at work: alone, or beside a server in the same process.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Instant};

use axum::Router;
use lwm2m_bootstrap::{
    file::ProvisioningFile,
    server::{BootstrapServer, Config, Event},
};
use lwm2m_coap::Access;
use lwm2m_model::Registry;
use lwm2m_net::{Driver, Handle, LocalAddrs, Psk, SharedPsks};
use tokio::sync::{broadcast, mpsc};
use zeroize::Zeroizing;

use super::{api::Api, configurations::Configurations, read, tell};
use crate::{
    failure::Failure,
    output::{self, Output},
    server::{
        credentials::Credentials,
        feed::Message,
        keyring::KeyRing,
        store::{Keyring, Store},
    },
    sim::Subscribers,
};

/// Most events that are looked at together: one-time keys among them cost one transaction.
const BATCH: usize = 1024;

/// What a bootstrap server needs.
#[derive(Debug)]
pub(crate) struct Setup<'a> {
    /// Which devices get what.
    pub(crate) file: &'a Path,
    /// Where to listen without security.
    pub(crate) coap: Vec<SocketAddr>,
    /// Where to listen with pre-shared keys.
    pub(crate) coaps: Vec<SocketAddr>,
    /// Objects that are written to.
    pub(crate) registry: Registry,
    /// Keeps what is set over HTTP.
    pub(crate) store: Option<Store>,
    /// One-time keys can be made.
    pub(crate) one_time: bool,
    /// The operator's subscribers, and the name by which their devices know the server.
    pub(crate) subscribers: Option<(&'a Path, &'a str)>,
    /// Show each message in words.
    pub(crate) trace: bool,
}

/// A running bootstrap server.
#[derive(Debug)]
pub(crate) struct Service {
    handle: Handle<BootstrapServer>,
    events: mpsc::Receiver<Event>,
    addresses: LocalAddrs,
    configurations: Configurations,
    keys: Credentials,
}

impl Setup<'_> {
    /// Reads the file and the store.
    pub(super) fn open(self) -> Result<(ProvisioningFile, Configurations), Failure> {
        let mut file = read(self.file, &self.registry)?;
        if let Some((subscribers, naf)) = self.subscribers {
            let subscribers = Subscribers::load(subscribers).map_err(Failure::usage)?;
            subscribers.extend(&mut file.entries, naf);
        }
        let entries = file.entries.clone();
        let open = Configurations::open(entries, self.registry, self.one_time, self.store);
        Ok((file, open.map_err(Failure::usage)?))
    }

    /// Reads the file and the store, and listens.
    pub(crate) async fn start(mut self) -> Result<Service, Failure> {
        let coap = std::mem::take(&mut self.coap);
        let coaps = std::mem::take(&mut self.coaps);
        let store = self.store.clone();
        let subscribers = self.subscribers;
        let trace = self.trace.then(|| output::trace(self.registry.clone()));
        let (_, configurations) = self.open()?;
        let keys = Credentials::new(Keyring::Bootstrap, store, &[])?;
        keep_file_keys(&configurations, &keys.keys());
        let mut config = Config::default();
        config.entries = configurations.entries(&keys);
        let access = match subscribers {
            Some((file, _)) => Subscribers::load(file).map_err(Failure::usage)?.access(),
            None => Access::default(),
        };
        let seed = getrandom::u64();
        let seed = seed.map_err(|error| Failure::runtime(format!("no seed: {error}")))?;
        let mut engine = BootstrapServer::new(config, seed);
        engine.set_access(access);
        let mut driver = Driver::new(engine);
        if let Some(trace) = trace {
            driver = driver.trace(trace);
        }
        for address in coap {
            driver = driver.udp(address);
        }
        for address in coaps {
            driver = driver.dtls(address, keys.keys());
        }
        let spawned = driver.spawn(Some).await;
        let (handle, events, addresses) =
            spawned.map_err(|error| Failure::runtime(format!("can't listen: {error}")))?;
        Ok(Service {
            handle,
            events,
            addresses,
            configurations,
            keys,
        })
    }
}

/// Makes the keys of the file known to the sockets, also after one that was set over HTTP went.
pub(super) fn keep_file_keys(configurations: &Configurations, keys: &SharedPsks) {
    for psk in configurations.file_keys() {
        keys.insert(psk.identity.clone(), Psk::new(psk.key.expose()));
    }
}

impl Service {
    /// Where it listens.
    pub(crate) fn addresses(&self) -> &LocalAddrs {
        &self.addresses
    }

    /// Splits it into its HTTP interface and its work. Events go to `sender`, too.
    pub(super) fn split(
        self,
        sender: broadcast::Sender<Arc<Message>>,
        token: Option<String>,
    ) -> (Arc<Api>, Work) {
        let api = Arc::new(Api {
            handle: self.handle.clone(),
            configurations: self.configurations,
            keys: self.keys,
            addresses: self.addresses,
            sender,
            token: token.map(Zeroizing::new),
        });
        let work = Work {
            api: Arc::clone(&api),
            handle: self.handle,
            events: self.events,
        };
        (api, work)
    }

    /// As [`split`](Self::split), for a server in the same process.
    pub(crate) fn beside(
        self,
        sender: broadcast::Sender<Arc<Message>>,
        token: Option<String>,
    ) -> (Router, Work) {
        let (api, work) = self.split(sender, token);
        (api.routes(), work)
    }
}

/// What a bootstrap server has to do.
#[derive(Debug)]
pub(crate) struct Work {
    api: Arc<Api>,
    handle: Handle<BootstrapServer>,
    events: mpsc::Receiver<Event>,
}

impl Work {
    /// Reaches the engine.
    pub(crate) fn handle(&self) -> Handle<BootstrapServer> {
        self.handle.clone()
    }

    /// Tells what happens, and makes keys, until the server ends.
    pub(crate) async fn run(mut self, output: Output, keys: Option<Arc<KeyRing>>) {
        let began = Instant::now();
        let mut events = Vec::new();
        while self.events.recv_many(&mut events, BATCH).await > 0 {
            let mut requests = Vec::new();
            let mut unused = Vec::new();
            for event in events.drain(..) {
                match event {
                    Event::Requested(request) => requests.push(request),
                    Event::KeysNotTaken { identities, .. } => unused.extend(identities),
                    event => {
                        self.api.tell(&event);
                        tell(output, began, &event);
                    }
                }
            }
            if let Some(keys) = &keys {
                keys.revoke(&unused).await;
                if !requests.is_empty() {
                    keys.issue(&self.handle, requests).await;
                }
            }
        }
    }
}
