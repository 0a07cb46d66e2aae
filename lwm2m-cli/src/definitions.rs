//! Object definitions: the core ones, and XML files from folders.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use lwm2m_model::{
    Registry,
    xml::{self, XmlError},
};

use crate::failure::Failure;

/// Longest file that is read, in bytes; the largest one of the public registry has 300 kB.
const MAX_FILE: u64 = 16 * 1024 * 1024;

/// Says why the definitions can't be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DefinitionsError {
    /// A folder or file can't be read.
    #[error("can't read {}: {error}", path.display())]
    Io {
        /// Which one.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// A file is no object definition.
    #[error("{}: {error}", path.display())]
    Xml {
        /// Which one.
        path: PathBuf,
        /// What is wrong, and where.
        error: XmlError,
    },
    /// A file is larger than any definition.
    #[error("{} has more than {MAX_FILE} bytes", path.display())]
    TooLarge {
        /// Which one.
        path: PathBuf,
    },
}

impl From<DefinitionsError> for Failure {
    fn from(error: DefinitionsError) -> Self {
        Self::usage(error)
    }
}

/// Loads the core objects' definitions and those of all `.xml` files in the folders, in the order
/// of their names. What is odd about a file is logged.
pub(crate) fn load(folders: &[PathBuf]) -> Result<Registry, DefinitionsError> {
    let mut registry = Registry::core();
    for folder in folders {
        for path in files(folder)? {
            read(&path, &mut registry)?;
        }
    }
    Ok(registry)
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, DefinitionsError> {
    let failed = |error| DefinitionsError::Io {
        path: folder.into(),
        error,
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let extension = path.extension().and_then(|extension| extension.to_str());
        if extension.is_some_and(|extension| extension.eq_ignore_ascii_case("xml")) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn read(path: &Path, registry: &mut Registry) -> Result<(), DefinitionsError> {
    let io = |error| DefinitionsError::Io {
        path: path.into(),
        error,
    };
    if fs::metadata(path).map_err(io)?.len() > MAX_FILE {
        return Err(DefinitionsError::TooLarge { path: path.into() });
    }
    let text = fs::read_to_string(path).map_err(io)?;
    let parsed = xml::parse(&text).map_err(|error| DefinitionsError::Xml {
        path: path.into(),
        error,
    })?;
    for warning in &parsed.warnings {
        tracing::warn!("{}: {warning}", path.display());
    }
    for definition in parsed.definitions {
        registry.insert(definition);
    }
    Ok(())
}
