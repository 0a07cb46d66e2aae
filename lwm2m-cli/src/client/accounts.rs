//! The file that keeps the accounts: objects 0, 1, 2, 21, 23 and 24 as one SenML JSON pack.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    ops::ControlFlow,
    path::{Path as FilePath, PathBuf},
};

use lwm2m_codec::{ContentFormat, DecodeError, Decoder, EncodeError, Encoder, Path, Record};
use lwm2m_model::{Failure, Registry, Tree};
use zeroize::Zeroizing;

/// Security, Server, Access Control, OSCORE, COSE and MQTT Server.
const OBJECTS: [u16; 6] = [0, 1, 2, 21, 23, 24];
/// First size of the buffer that a pack is written to, in bytes.
const FIRST_BUFFER: usize = 4096;
/// Largest file in bytes.
const MAX_FILE: usize = 1 << 20;

/// Says why the file of accounts can't be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AccountsError {
    #[error("{}: {error}", .file.display())]
    Io { file: PathBuf, error: io::Error },
    #[error("{}: larger than {MAX_FILE} bytes", .0.display())]
    TooLarge(PathBuf),
    #[error("{}: {error}", .file.display())]
    Decode { file: PathBuf, error: DecodeError },
    #[error("{}: {}: {}", .file.display(), .failure.path, .failure.reason)]
    Refused { file: PathBuf, failure: Failure },
    #[error("the accounts can't be written as SenML: {0}")]
    Encode(#[from] EncodeError),
    #[error("the accounts can't be read: {}: {}", .0.path, .0.reason)]
    Values(Failure),
}

/// A number that changes with the accounts; `None` while a bootstrap changes them.
pub(crate) fn revision(tree: &Tree) -> Option<u64> {
    let revision = |object| tree.revision_of(Path::object(object));
    (!tree.in_transaction()).then(|| OBJECTS.into_iter().map(revision).sum())
}

/// Adds the accounts in a file to a tree; false if there is no file.
pub(crate) fn load(tree: &mut Tree, file: &FilePath) -> Result<bool, AccountsError> {
    let failed = |error| AccountsError::Io {
        file: file.to_owned(),
        error,
    };
    let opened = match File::open(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        opened => opened.map_err(failed)?,
    };
    let mut pack = Zeroizing::new(Vec::new());
    opened
        .take(MAX_FILE as u64 + 1)
        .read_to_end(&mut pack)
        .map_err(failed)?;
    if pack.len() > MAX_FILE {
        return Err(AccountsError::TooLarge(file.to_owned()));
    }
    decode(tree, file, &pack)?;
    Ok(true)
}

fn decode(tree: &mut Tree, file: &FilePath, pack: &[u8]) -> Result<(), AccountsError> {
    let undecoded = |error| AccountsError::Decode {
        file: file.to_owned(),
        error,
    };
    let mut registry = Registry::core();
    for definition in OBJECTS.iter().filter_map(|object| tree.definition(*object)) {
        registry.insert(definition.clone());
    }
    let types = |path: Path| {
        let definition = registry.latest(path.object_id()?)?;
        definition.resource(path.resource_id()?)?.data_type
    };
    let records: Result<Vec<_>, _> =
        Decoder::new(ContentFormat::SENML_JSON, Path::ROOT, pack, &types)
            .map_err(undecoded)?
            .collect();
    let records = records.map_err(undecoded)?;
    tree.begin();
    let written = match write_records(tree, &records) {
        Ok(()) => tree.commit(),
        Err(failure) => {
            tree.rollback();
            Err(failure)
        }
    };
    written.map_err(|failure| AccountsError::Refused {
        file: file.to_owned(),
        failure,
    })
}

/// Writes what a pack holds; instances are made as they come.
fn write_records(tree: &mut Tree, records: &[Record<'_>]) -> Result<(), Failure> {
    for record in records {
        let (Some(value), Some(object), Some(instance)) = (
            record.value,
            record.path.object_id(),
            record.path.instance_id(),
        ) else {
            return Err(Failure::not_found(record.path));
        };
        if !OBJECTS.contains(&object) {
            return Err(Failure::not_allowed(record.path));
        }
        if !tree.contains(Path::instance(object, instance)) {
            tree.create(object, Some(instance))?;
        }
        tree.write(record.path, value)?;
    }
    Ok(())
}

/// Writes the accounts as a pack.
pub(crate) fn encode(tree: &Tree) -> Result<Zeroizing<Vec<u8>>, AccountsError> {
    let mut size = FIRST_BUFFER;
    loop {
        let mut buffer = Zeroizing::new(vec![0; size]);
        match encode_into(tree, &mut buffer) {
            Err(AccountsError::Encode(EncodeError::BufferTooSmall { .. })) if size < MAX_FILE => {
                size *= 2;
            }
            len => {
                buffer.truncate(len?);
                return Ok(buffer);
            }
        }
    }
}

fn encode_into(tree: &Tree, buffer: &mut [u8]) -> Result<usize, AccountsError> {
    let mut encoder = Encoder::new(ContentFormat::SENML_JSON, Path::ROOT, buffer)?;
    let mut failed = Ok(());
    for object in OBJECTS
        .into_iter()
        .filter(|object| tree.get(*object).is_some())
    {
        let all = |_: Path, _: &_| true;
        let visited = tree.visit(Path::object(object), &all, &mut |record| {
            if record.value.is_some() {
                failed = encoder.push(record);
            }
            if failed.is_ok() {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        });
        visited.map_err(AccountsError::Values)?.is_break();
        failed?;
    }
    Ok(encoder.finish()?)
}

/// Replaces the file in one step: after a crash there is the old one or the new one.
pub(crate) fn save(file: &FilePath, pack: &[u8]) -> Result<(), AccountsError> {
    let mut temporary = file.as_os_str().to_owned();
    temporary.push(format!(".{}.tmp", std::process::id()));
    let temporary = PathBuf::from(temporary);
    let saved = write(&temporary, pack).and_then(|()| fs::rename(&temporary, file));
    if saved.is_err() {
        // Nothing half-written stays; that it can't be removed changes nothing.
        let _ = fs::remove_file(&temporary);
    }
    saved
        .and_then(|()| sync_folder(file))
        .map_err(|error| AccountsError::Io {
            file: file.to_owned(),
            error,
        })
}

fn write(file: &FilePath, pack: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(file)?;
    file.write_all(pack)?;
    file.sync_all()
}

/// Makes the new name of a file last, where a folder can be synchronised.
fn sync_folder(file: &FilePath) -> io::Result<()> {
    if cfg!(unix) {
        let folder = file
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(FilePath::new(".")))?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use lwm2m_model::{
        ObjectInstance, SecretBytes, Typed,
        objects::{AccessControl, Security, Server},
    };

    fn empty() -> Tree {
        let mut tree = Tree::new();
        tree.insert(Typed::<Security>::new());
        tree.insert(Typed::<Server>::new());
        tree.insert(Typed::<AccessControl>::new());
        tree
    }

    fn full() -> Tree {
        let mut tree = empty();
        let security = Security {
            lwm2m_server_uri: "coaps://127.0.0.1".into(),
            public_key_or_identity: b"me".to_vec(),
            secret_key: SecretBytes::from(&[0x5e; 16][..]),
            short_server_id: Some(7),
            ..Security::default()
        };
        let server = Server {
            short_server_id: 7,
            lifetime: 60,
            ..Server::default()
        };
        tree.insert(Typed::new().with(3, security));
        tree.insert(Typed::new().with(1, server));
        tree
    }

    fn instance<T: ObjectInstance>(tree: &Tree, id: u16) -> T {
        tree.typed::<T>().unwrap().get(id).unwrap().clone()
    }

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    #[test]
    fn accounts_come_back_from_the_file() {
        let folder = folder();
        let file = folder.path().join("accounts.json");
        let mut tree = empty();
        assert!(!load(&mut tree, &file).unwrap());
        save(&file, &encode(&full()).unwrap()).unwrap();
        assert!(load(&mut tree, &file).unwrap());
        assert_eq!(
            instance::<Security>(&tree, 3),
            instance::<Security>(&full(), 3)
        );
        assert_eq!(instance::<Server>(&tree, 1), instance::<Server>(&full(), 1));
        assert_eq!(
            fs::read_dir(folder.path()).unwrap().count(),
            1,
            "nothing else stays"
        );
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_can_read_the_file() {
        use std::os::unix::fs::PermissionsExt;
        let folder = folder();
        let file = folder.path().join("accounts.json");
        save(&file, b"[]").unwrap();
        assert_eq!(
            fs::metadata(&file).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }

    #[test]
    fn a_broken_file_is_named_with_the_place() {
        let folder = folder();
        let file = folder.path().join("accounts.json");
        let error = |text: &str| {
            fs::write(&file, text).unwrap();
            let error = load(&mut empty(), &file).unwrap_err().to_string();
            error.replace(&file.display().to_string(), "FILE")
        };
        assert!(error("[{\"n\":\"/1/0/1\",\"v\":").starts_with("FILE: "));
        assert_eq!(
            error("[{\"n\":\"/1/0/1\",\"vs\":\"x\"}]")
                .split(": ")
                .next(),
            Some("FILE")
        );
        assert_eq!(
            error("[{\"n\":\"/3/0/1\",\"vs\":\"x\"}]"),
            "FILE: /3/0/1: the operation is not allowed here"
        );
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let folder = folder();
        let file = folder.path().join("nowhere").join("accounts.json");
        let error = save(&file, b"[]").unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("{}: ", file.display())),
            "{error}"
        );
    }

    #[test]
    fn a_bootstrap_that_is_under_way_has_no_revision() {
        let mut tree = full();
        let before = revision(&tree).unwrap();
        tree.begin();
        assert_eq!(revision(&tree), None);
        tree.write(Path::resource(1, 1, 1), lwm2m_codec::Value::Integer(61))
            .unwrap();
        tree.commit().unwrap();
        assert_ne!(revision(&tree), Some(before));
    }
}
