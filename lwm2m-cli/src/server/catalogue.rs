//! The object definitions of a running server, which are read again without a restart.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use lwm2m_build::folder::{Changes, Folder, FolderError};
use lwm2m_net::server::Server;
use serde_json::{Value, json};

use super::feed::Feed;
use crate::definitions;

/// Between two looks at the files.
const INTERVAL: Duration = Duration::from_secs(1);

/// The folders of definitions, and the server that goes by them.
#[derive(Debug)]
pub(crate) struct Catalogue {
    folder: Mutex<Folder>,
    server: Server,
    feed: Arc<Feed>,
}

impl Catalogue {
    pub(crate) fn new(folder: Folder, server: Server, feed: Arc<Feed>) -> Arc<Self> {
        Arc::new(Self {
            folder: Mutex::new(folder),
            server,
            feed,
        })
    }

    /// Reads what changed, and lets the server go by it.
    pub(crate) async fn reload(self: &Arc<Self>) -> Result<Changes, FolderError> {
        let catalogue = Arc::clone(self);
        let read = tokio::task::spawn_blocking(move || catalogue.read()).await;
        // A task that is not aborted ends by a panic only, which is passed on.
        read.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
    }

    fn read(&self) -> Result<Changes, FolderError> {
        let mut folder = self.folder.lock().unwrap_or_else(PoisonError::into_inner);
        let changes = folder.reload()?;
        definitions::tell(&changes);
        for error in &changes.failed {
            tracing::error!("{error}; what it defined before stays");
        }
        if !changes.is_empty() {
            // With the folder still locked: of two readers the later one's definitions stay.
            self.server.replace_registry(folder.registry().clone());
            self.feed.tell("OBJECTSPECS", "", &report(&changes));
        }
        Ok(changes)
    }

    /// Reads again whenever a file has changed.
    pub(crate) async fn watch(self: Arc<Self>) {
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if let Err(error) = self.reload().await {
                tracing::error!("{error}; the definitions of before stay");
            }
        }
    }
}

/// What was found, as JSON.
pub(crate) fn report(changes: &Changes) -> Value {
    let names = |paths: &[PathBuf]| -> Vec<String> {
        let names = paths.iter().map(|path| path.display().to_string());
        names.collect()
    };
    let warnings = changes.warnings.iter().map(
        |(path, warning)| json!({ "file": path.display().to_string(), "warning": warning.to_string() }),
    );
    json!({
        "read": names(&changes.read),
        "removed": names(&changes.removed),
        "skipped": names(&changes.skipped),
        "failed": changes.failed.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "warnings": warnings.collect::<Vec<_>>(),
    })
}
