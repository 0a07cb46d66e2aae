//! Where a server keeps what must survive a restart.

use std::{
    fmt,
    sync::{Arc, Weak},
    time::Duration,
};

use lwm2m_server::JournalRecord;
use tokio::sync::mpsc;

use super::{Event, Inner};

/// Most records that one commit takes.
const MAX_BATCH: usize = 4096;

/// Pause before a commit that failed is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// Keeps the journal of a server: a file, a database.
///
/// Its methods run on a thread that may block.
pub trait JournalStore: Send + 'static {
    /// Returns the records that [`commit`](JournalStore::commit) stored. A store may leave out
    /// what a later record made meaningless: see [`lwm2m_server::Change`].
    ///
    /// # Errors
    /// [`StoreError`]; the server doesn't start then.
    fn load(&mut self) -> Result<Vec<JournalRecord>, StoreError>;

    /// Stores records, all of them or none. Answers to Register and De-register wait for it.
    ///
    /// # Errors
    /// [`StoreError`]; the server goes on and tries again with the same records.
    fn commit(&mut self, records: &[JournalRecord]) -> Result<(), StoreError>;
}

/// Says why a store failed, in words that name the place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct StoreError(Arc<str>);

impl StoreError {
    /// Takes the words of an error.
    pub fn new(error: impl fmt::Display) -> Self {
        Self(error.to_string().into())
    }
}

/// Commits records in batches until the server ends.
pub(super) async fn run(
    mut store: Box<dyn JournalStore>,
    mut records: mpsc::Receiver<JournalRecord>,
    server: Weak<Inner>,
) {
    let mut batch = Vec::new();
    let mut failed = false;
    loop {
        if batch.is_empty() && records.recv_many(&mut batch, MAX_BATCH).await == 0 {
            return;
        }
        let last = batch.last().map_or(0, |record| record.sequence);
        let commit = move || {
            let result = store.commit(&batch);
            (store, batch, result)
        };
        let result;
        (store, batch, result) = match tokio::task::spawn_blocking(commit).await {
            Ok(done) => done,
            // The store panicked, or the runtime ends.
            Err(_) => return,
        };
        let stored = result.is_ok();
        if stored {
            batch.clear();
        }
        match (server.upgrade(), result) {
            (Some(server), Ok(())) => {
                failed = false;
                // An error means that the server has ended: the rest is stored all the same.
                let _ = server
                    .call(move |core, now| core.engine.stored(now, last))
                    .await;
            }
            (Some(server), Err(error)) if !failed => {
                failed = true;
                let event = Event::StoreFailed(error);
                let _ = server.call(move |core, _| core.push(event)).await;
            }
            _ => {}
        }
        if !stored {
            if records.is_closed() {
                return;
            }
            tokio::time::sleep(RETRY).await;
        }
    }
}
