//! From XML files to Rust files.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

use lwm2m_model::xml::{self, XmlError};

use crate::{GenerateError, folder::FolderError, generate, module_name};

/// Says why files can't be compiled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompileError {
    /// A file can't be read or written.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        #[source]
        error: io::Error,
    },
    /// A file is not an object definition.
    #[error("{}: {error}", path.display())]
    Xml {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        error: XmlError,
    },
    /// A file or folder can't be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// No code can be generated from a file.
    #[error("{}: {error}", path.display())]
    Generate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        error: GenerateError,
    },
    /// The environment variable `OUT_DIR`, which cargo sets for build scripts, is missing.
    #[error("OUT_DIR is not set; call this from build.rs")]
    NoOutDir,
}

/// Generates `<module name>.rs` in `OUT_DIR` for each object in XML files, and tells cargo to do so
/// again when they change. For `build.rs`. [`Config`](crate::Config) does more: folders, versions,
/// a list of all modules.
///
/// # Errors
/// The file that failed, and why.
pub fn compile(inputs: &[impl AsRef<Path>]) -> Result<(), CompileError> {
    let folder = env::var_os("OUT_DIR").ok_or(CompileError::NoOutDir)?;
    for input in inputs {
        println!("cargo::rerun-if-changed={}", input.as_ref().display());
    }
    compile_to(inputs, folder).map(drop)
}

/// Generates `<module name>.rs` in a folder for each object in XML files; returns the paths written.
///
/// # Errors
/// The file that failed, and why.
pub fn compile_to(
    inputs: &[impl AsRef<Path>],
    folder: impl AsRef<Path>,
) -> Result<Vec<PathBuf>, CompileError> {
    let mut written = Vec::new();
    for input in inputs {
        let path = input.as_ref().to_path_buf();
        let text = fs::read_to_string(&path).map_err(|error| CompileError::Io {
            path: path.clone(),
            error,
        })?;
        let parsed = xml::parse(&text).map_err(|error| CompileError::Xml {
            path: path.clone(),
            error,
        })?;
        for definition in &parsed.definitions {
            let source = generate(definition).map_err(|error| CompileError::Generate {
                path: path.clone(),
                error,
            })?;
            let output = folder.as_ref().join(module_name(definition) + ".rs");
            write(&output, &source)?;
            written.push(output);
        }
    }
    Ok(written)
}

pub(crate) fn write(path: &Path, source: &str) -> Result<(), CompileError> {
    fs::write(path, source).map_err(|error| CompileError::Io {
        path: path.to_path_buf(),
        error,
    })
}
