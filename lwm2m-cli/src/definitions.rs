//! Object definitions: the core ones, and XML files from folders.

use std::path::PathBuf;

use lwm2m_build::folder::{Changes, Folder};
use lwm2m_model::Registry;

use crate::failure::Failure;

/// Loads the core objects' definitions and those of all XML files in the folders.
pub(crate) fn load(folders: &[PathBuf]) -> Result<Registry, Failure> {
    Ok(open(folders)?.registry().clone())
}

/// Loads definitions that may be read again later. What is odd about a file is logged; what can't
/// be used is an error, so that a typing mistake is not found by the first device.
pub(crate) fn open(folders: &[PathBuf]) -> Result<Folder, Failure> {
    let mut folder = Folder::over(folders.iter().cloned(), Registry::core());
    let changes = folder.reload().map_err(Failure::usage)?;
    tell(&changes);
    match changes.failed.into_iter().next() {
        Some(error) => Err(Failure::usage(error)),
        None => Ok(folder),
    }
}

/// Logs what is odd about the files that were read.
pub(crate) fn tell(changes: &Changes) {
    for (path, warning) in &changes.warnings {
        tracing::warn!("{}: {warning}", path.display());
    }
    for path in &changes.skipped {
        tracing::info!("{}: no definitions", path.display());
    }
}
