//! The one-time keys that the server and the bootstrap server of a process share.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use lwm2m_bootstrap::{
    one_time::{
        EndReason, Holder, IssueError, KeyChange, KeySource, KeySourceFailed, OneTimeKey,
        OneTimeKeys,
    },
    server::{BootstrapRequest, BootstrapServer, RefusedReason},
};
use lwm2m_net::{Handle, Psk, SharedPsks, server::Server};
use lwm2m_server::{IdentityOwned, Registration};
use tokio::sync::{Mutex, Notify};

use super::{
    credentials::Credentials,
    store::{Store, StoreError},
};

/// Longest pause between two looks at the clock: the machine's clock may be set.
const LOOK: Duration = Duration::from_secs(60);

/// Keys of the operating system's cryptographic source.
struct System;

impl KeySource for System {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), KeySourceFailed> {
        getrandom::fill(bytes).map_err(|_| KeySourceFailed)
    }
}

/// One-time keys: a key is stored, then known to the server, then given to the device.
pub(crate) struct KeyRing {
    table: Mutex<OneTimeKeys>,
    store: Option<Store>,
    psks: SharedPsks,
    server: Server,
    credentials: Arc<Credentials>,
    /// The table has changed.
    changed: Notify,
}

/// Why no key could be made.
#[derive(Debug, thiserror::Error)]
enum KeyError {
    #[error(transparent)]
    Issue(#[from] IssueError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the server ends")]
    Ending,
}

/// Loads the stored keys and makes them known to a server that has not started yet.
pub(crate) fn load(store: Option<&Store>, psks: &SharedPsks) -> Result<OneTimeKeys, StoreError> {
    let stored = store.map_or(Ok(Vec::new()), Store::one_time)?;
    for key in &stored {
        learn(psks, key);
    }
    Ok(OneTimeKeys::restore(stored))
}

/// The endpoint name and the identity of a key.
pub(crate) fn allowed(key: &OneTimeKey) -> (String, IdentityOwned) {
    (key.holder.endpoint.clone(), identity(&key.identity))
}

fn learn(psks: &SharedPsks, key: &OneTimeKey) {
    psks.insert(key.identity.as_bytes(), Psk::new(key.key.expose()));
}

fn identity(text: &str) -> IdentityOwned {
    IdentityOwned::Psk(text.as_bytes().into())
}

impl KeyRing {
    pub(crate) fn new(
        table: OneTimeKeys,
        store: Option<Store>,
        server: Server,
        credentials: Arc<Credentials>,
    ) -> Arc<Self> {
        Arc::new(Self {
            table: Mutex::new(table),
            store,
            psks: credentials.keys(),
            server,
            credentials,
            changed: Notify::new(),
        })
    }

    /// All keys, for those who may list them.
    pub(crate) async fn list(&self) -> Vec<OneTimeKey> {
        self.table.lock().await.iter().cloned().collect()
    }

    /// Makes keys for devices and lets these be provisioned with them. All requests together
    /// cost one transaction of the store.
    pub(crate) async fn issue(
        &self,
        bootstrap: &Handle<BootstrapServer>,
        requests: Vec<BootstrapRequest>,
    ) {
        let mut table = self.table.lock().await;
        let now = unix_time();
        let mut all = Vec::new();
        let mut granted = Vec::new();
        let mut failed = Vec::new();
        for request in requests {
            match make(&table, now, &request) {
                Ok((keys, changes)) => {
                    all.extend(changes);
                    granted.push((request, keys));
                }
                Err(error) => {
                    tracing::error!(endpoint = request.endpoint, %error, "no one-time key");
                    failed.push(request);
                }
            }
        }
        if let Err(error) = self.change(&mut table, all).await {
            eprintln!("error: can't store one-time keys: {error}; no device gets one");
            failed.extend(granted.drain(..).map(|(request, _)| request));
        }
        drop(table);
        let decide = move |engine: &mut BootstrapServer, now| {
            for request in failed {
                // A device that is gone needs no answer.
                let _ = engine.reject(now, request, RefusedReason::KeysUnavailable);
            }
            let mut late = Vec::new();
            for (request, keys) in granted {
                if engine.accept(now, request, &keys).is_err() {
                    late.extend(keys.into_iter().map(|key| key.identity));
                }
            }
            late
        };
        if let Ok(late) = bootstrap.call(decide).await {
            self.revoke(&late).await;
        }
    }

    /// Ends keys that no device can have taken.
    pub(crate) async fn revoke(&self, identities: &[String]) {
        if identities.is_empty() {
            return;
        }
        let mut table = self.table.lock().await;
        let changes = table.revoked(identities);
        self.change_or_tell(&mut table, changes).await;
    }

    /// Takes note of a registration: the first one with a one-time key ends the device's other
    /// keys.
    pub(crate) async fn registered(&self, registration: &Registration) {
        let IdentityOwned::Psk(psk) = &registration.identity else {
            return;
        };
        let mut table = self.table.lock().await;
        let changes = table.registered(&registration.endpoint, psk);
        if changes.is_empty() {
            return;
        }
        self.change_or_tell(&mut table, changes).await;
        self.end_old(&registration.endpoint).await;
    }

    /// Ends the key that an endpoint had before it got a one-time key.
    async fn end_old(&self, endpoint: &str) {
        let Some(old) = self.credentials.get(endpoint) else {
            return;
        };
        let (credentials, name) = (Arc::clone(&self.credentials), endpoint.to_owned());
        let removed = tokio::task::spawn_blocking(move || credentials.remove(&name)).await;
        match removed {
            Ok(Ok(_)) => {
                let entry = (endpoint.to_owned(), identity(&old.identity));
                // An error means that the server ends.
                let _ = self.server.disallow_identities(vec![entry]).await;
            }
            Ok(Err(error)) => tracing::error!(endpoint, %error, "the old key stays"),
            Err(_) => {}
        }
    }

    /// Ends keys when their time has come. One that a registered device uses stays: its first
    /// Register may have been told before a crash, and nobody had taken note.
    pub(crate) async fn run(self: Arc<Self>) {
        self.reconcile().await;
        loop {
            let next = self.table.lock().await.next_expiry();
            let wait = next.map_or(LOOK, |at| {
                Duration::from_secs(at.saturating_sub(unix_time())).min(LOOK)
            });
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.changed.notified() => continue,
            }
            self.expire().await;
        }
    }

    /// Takes note of registrations that were restored: the store may have them from just before a
    /// crash, and not yet that their keys are in use.
    async fn reconcile(&self) {
        // An error means that the server ends.
        for registration in self.server.registrations().await.unwrap_or_default() {
            self.registered(&registration).await;
        }
    }

    async fn expire(&self) {
        let due = self.table.lock().await.expired(unix_time());
        for change in &due {
            if let KeyChange::Remove { holder, .. } = change
                && let Ok(Some(registration)) = self.server.find(&*holder.endpoint).await
            {
                self.registered(&registration).await;
            }
        }
        let mut table = self.table.lock().await;
        let changes = table.expired(unix_time());
        self.change_or_tell(&mut table, changes).await;
    }

    async fn change_or_tell(&self, table: &mut OneTimeKeys, changes: Vec<KeyChange>) {
        if let Err(error) = self.change(table, changes).await {
            eprintln!("error: can't store one-time keys: {error}");
        }
    }

    /// Stores changes, then makes them.
    async fn change(
        &self,
        table: &mut OneTimeKeys,
        changes: Vec<KeyChange>,
    ) -> Result<(), KeyError> {
        if changes.is_empty() {
            return Ok(());
        }
        let changes = match self.store.clone() {
            None => changes,
            Some(store) => {
                let work = move || store.change_one_time(&changes).map(|()| changes);
                let stored = tokio::task::spawn_blocking(work).await;
                stored.map_err(|_| KeyError::Ending)??
            }
        };
        let mut added = Vec::new();
        let mut removed = Vec::new();
        for change in &changes {
            match change {
                KeyChange::Put(key) => {
                    learn(&self.psks, key);
                    added.push(allowed(key));
                }
                KeyChange::Remove {
                    identity: text,
                    holder,
                    reason,
                } => {
                    tell_end(text, holder, *reason);
                    self.psks.remove(text.as_bytes());
                    removed.push((holder.endpoint.clone(), identity(text)));
                }
                _ => {}
            }
        }
        table.apply(changes);
        self.changed.notify_one();
        let allowed = self.server.allow_also(added).await;
        let disallowed = self.server.disallow_identities(removed).await;
        allowed.and(disallowed).map_err(|_| KeyError::Ending)
    }
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyRing")
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}

fn tell_end(identity: &str, holder: &Holder, reason: EndReason) {
    let (endpoint, ssid) = (&holder.endpoint, holder.ssid);
    tracing::info!(%endpoint, ssid, identity, %reason, "a one-time key ends");
}

/// Makes the keys for one device.
fn make(
    table: &OneTimeKeys,
    now: u64,
    request: &BootstrapRequest,
) -> Result<(Vec<OneTimeKey>, Vec<KeyChange>), IssueError> {
    let mut keys = Vec::new();
    let mut changes = Vec::new();
    for wanted in &request.keys {
        let holder = Holder {
            endpoint: request.endpoint.clone(),
            ssid: wanted.ssid,
            subscriber: request.subscriber.as_ref().map(ToString::to_string),
        };
        let unused_for = wanted.unused_for.as_secs();
        let (key, change) = table.issue(now, holder, unused_for, &mut System)?;
        keys.push(key);
        changes.extend(change);
    }
    Ok((keys, changes))
}

/// Seconds since 1970; 0 if the machine's clock is before.
fn unix_time() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}
