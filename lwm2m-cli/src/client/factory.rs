//! The file that the factory writes: accounts as TOML or as a pack.

use std::{
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
};

use lwm2m_bootstrap::{
    file::ConfigError,
    source::{Information, Origin, SourceError},
};
use lwm2m_codec::{ContentFormat, DecodeError};
use lwm2m_model::Registry;
use zeroize::Zeroizing;

/// Says why a factory file can't be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FactoryError {
    #[error("can't read {}: {error}", .file.display())]
    Io { file: PathBuf, error: io::Error },
    #[error("{}: {error}", .file.display())]
    Toml { file: PathBuf, error: ConfigError },
    #[error("{}: {error}", .file.display())]
    Pack { file: PathBuf, error: DecodeError },
    #[error("{}: it is not UTF-8", .0.display())]
    Text(PathBuf),
    #[error("{}: expected a name that ends in .toml, .cbor or .json", .0.display())]
    Kind(PathBuf),
    #[error("{}: {error}", .file.display())]
    Refused { file: PathBuf, error: SourceError },
}

/// Reads a factory file; its ending says what is in it.
pub(super) fn read(file: &Path, registry: &Registry) -> Result<Information, FactoryError> {
    let format = match file.extension().and_then(OsStr::to_str) {
        Some("toml") => None,
        Some("cbor") => Some(ContentFormat::SENML_CBOR),
        Some("json") => Some(ContentFormat::SENML_JSON),
        _ => return Err(FactoryError::Kind(file.to_owned())),
    };
    let bytes = fs::read(file).map_err(|error| FactoryError::Io {
        file: file.to_owned(),
        error,
    })?;
    let bytes = Zeroizing::new(bytes);
    if let Some(format) = format {
        let read = Information::from_pack(Origin::Factory, format, &bytes, registry);
        return read.map_err(|error| FactoryError::Pack {
            file: file.to_owned(),
            error,
        });
    }
    let text = str::from_utf8(&bytes).map_err(|_| FactoryError::Text(file.to_owned()))?;
    Information::from_toml(text, registry).map_err(|error| FactoryError::Toml {
        file: file.to_owned(),
        error,
    })
}
