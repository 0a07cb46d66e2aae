//! A registry from a folder of XML files, which can be read again while it is in use.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use lwm2m_model::{
    ObjectDefinition, Registry,
    xml::{self, Parsed, Warning, XmlError, XmlErrorKind},
};

/// Longest file that is read, in bytes; the largest definition of OMA's registry has 60 kB, its
/// list of reusable resources 150 kB.
pub const MAX_FILE: u64 = 4 * 1024 * 1024;

/// Most files of a folder; OMA's registry has about 760.
pub const MAX_FILES: usize = 10_000;

/// Deepest folder in a folder that is looked into.
pub const MAX_DEPTH: usize = 4;

/// Says why a file or folder can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FolderError {
    /// A file or folder can't be read.
    #[error("can't read {}: {error}", path.display())]
    Io {
        /// Which one.
        path: PathBuf,
        /// What the system says.
        #[source]
        error: io::Error,
    },
    /// A file is larger than any definition.
    #[error("{} has more than {MAX_FILE} bytes", path.display())]
    TooLarge {
        /// Which one.
        path: PathBuf,
    },
    /// There are too many files.
    #[error("{} has more than {MAX_FILES} XML files", path.display())]
    TooMany {
        /// The folder.
        path: PathBuf,
    },
    /// A file is no object definition.
    #[error("{}: {error}", path.display())]
    Xml {
        /// Which one.
        path: PathBuf,
        /// What is wrong, and where.
        #[source]
        error: XmlError,
    },
}

/// Lists the XML files of a folder and of those in it, sorted by their paths; a file stands for
/// itself.
///
/// # Errors
/// What can't be read, or that there is too much of it.
pub fn xml_files(path: &Path) -> Result<Vec<PathBuf>, FolderError> {
    let mut files = Vec::new();
    if path.is_dir() {
        list(path, MAX_DEPTH, &mut files)?;
    } else {
        files.push(path.to_path_buf());
    }
    files.sort();
    Ok(files)
}

fn list(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), FolderError> {
    let failed = |error| io_error(folder, error);
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let extension = path.extension().and_then(|extension| extension.to_str());
        if path.is_dir() {
            if depth > 0 {
                list(&path, depth - 1, files)?;
            }
        } else if extension.is_some_and(|extension| extension.eq_ignore_ascii_case("xml")) {
            if files.len() == MAX_FILES {
                let path = folder.to_path_buf();
                return Err(FolderError::TooMany { path });
            }
            files.push(path);
        }
    }
    Ok(())
}

/// Reads a file of at most [`MAX_FILE`] bytes.
///
/// # Errors
/// That it can't be read or is too large.
pub fn read(path: &Path) -> Result<Vec<u8>, FolderError> {
    let size = fs::metadata(path).map_err(|error| io_error(path, error))?;
    if size.len() > MAX_FILE {
        let path = path.to_path_buf();
        return Err(FolderError::TooLarge { path });
    }
    fs::read(path).map_err(|error| io_error(path, error))
}

fn io_error(path: &Path, error: io::Error) -> FolderError {
    let path = path.to_path_buf();
    FolderError::Io { path, error }
}

/// Folders of definitions, several versions of an object side by side.
///
/// [`reload`](Self::reload) reads what changed since, without a restart of the program. A file
/// that can't be read any more keeps its definitions of before: a server does not forget what an
/// object means because somebody saved half a file.
///
/// ```no_run
/// use std::sync::Arc;
/// use lwm2m_build::folder::Folder;
/// use lwm2m_model::Registry;
///
/// let mut folder = Folder::new("objects", Registry::core());
/// let changes = folder.reload()?;
/// println!("{} files read", changes.read.len());
/// // Cheap: definitions are shared. Hand it to whoever decodes from now on.
/// let registry: Arc<Registry> = Arc::new(folder.registry().clone());
/// # Ok::<(), lwm2m_build::folder::FolderError>(())
/// ```
#[derive(Debug)]
pub struct Folder {
    /// Folders or single files.
    paths: Vec<PathBuf>,
    base: Registry,
    /// By the place of the folder and the path of the file.
    files: BTreeMap<(usize, PathBuf), Known>,
    registry: Registry,
}

/// What is known of a file.
#[derive(Debug, Default)]
struct Known {
    /// Its length and when it was changed last: what tells that it must be read again.
    stamp: Option<(u64, SystemTime)>,
    definitions: Vec<Arc<ObjectDefinition>>,
}

/// What a [`Folder::reload`] found.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Changes {
    /// Files that are new or changed, and were read.
    pub read: Vec<PathBuf>,
    /// Files that are gone, and their definitions with them.
    pub removed: Vec<PathBuf>,
    /// Files that hold no definitions: an index, reusable resources.
    pub skipped: Vec<PathBuf>,
    /// Files that can't be used; their definitions of before stay.
    pub failed: Vec<FolderError>,
    /// What is odd about the files that were read.
    pub warnings: Vec<(PathBuf, Warning)>,
}

impl Changes {
    /// True if the definitions are what they were.
    pub fn is_empty(&self) -> bool {
        self.read.is_empty() && self.removed.is_empty()
    }
}

impl Folder {
    /// Makes an empty one of a folder, or of a single file; `base` is what the registry has
    /// besides. Call [`reload`](Self::reload) to read it.
    pub fn new(path: impl Into<PathBuf>, base: Registry) -> Self {
        Self::over([path.into()], base)
    }

    /// Makes an empty one of several folders or files, as [`new`](Self::new); those of a later
    /// one count before those of an earlier one.
    pub fn over(paths: impl IntoIterator<Item = PathBuf>, base: Registry) -> Self {
        Self {
            paths: paths.into_iter().collect(),
            registry: base.clone(),
            base,
            files: BTreeMap::new(),
        }
    }

    /// The definitions as they were read last. Of several files with the same object and version
    /// the last by path counts, and all of them count before `base`.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Reads files that are new or have changed, and forgets those that are gone.
    ///
    /// # Errors
    /// A folder can't be listed; nothing has changed then.
    pub fn reload(&mut self) -> Result<Changes, FolderError> {
        let mut files = BTreeSet::new();
        for (place, path) in self.paths.iter().enumerate() {
            files.extend(xml_files(path)?.into_iter().map(|file| (place, file)));
        }
        let mut changes = Changes::default();
        self.files.retain(|file, _| {
            let stays = files.contains(file);
            if !stays {
                changes.removed.push(file.1.clone());
            }
            stays
        });
        for file in files {
            let path = file.1.clone();
            let known = self.files.entry(file).or_default();
            let now = stamp(&path);
            if now.is_some() && known.stamp == now {
                continue;
            }
            known.stamp = now;
            match definitions(&path, &mut changes) {
                Ok(definitions) => known.definitions = definitions,
                Err(error) => changes.failed.push(error),
            }
        }
        self.rebuild();
        Ok(changes)
    }

    fn rebuild(&mut self) {
        let mut registry = self.base.clone();
        let all = self.files.values().flat_map(|file| &file.definitions);
        for definition in all {
            registry.insert(Arc::clone(definition));
        }
        self.registry = registry;
    }
}

fn stamp(path: &Path) -> Option<(u64, SystemTime)> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.len(), metadata.modified().ok()?))
}

fn definitions(
    path: &Path,
    changes: &mut Changes,
) -> Result<Vec<Arc<ObjectDefinition>>, FolderError> {
    match parse(path)? {
        Content::Definitions(parsed) => {
            let warnings = parsed.warnings.into_iter();
            changes
                .warnings
                .extend(warnings.map(|warning| (path.to_path_buf(), warning)));
            changes.read.push(path.to_path_buf());
            Ok(parsed.definitions.into_iter().map(Arc::new).collect())
        }
        Content::Other(_) => {
            changes.skipped.push(path.to_path_buf());
            Ok(Vec::new())
        }
    }
}

/// What a file holds.
pub(crate) enum Content {
    Definitions(Parsed),
    /// An index, reusable resources, a schema; and why it is no definition.
    Other(XmlError),
}

pub(crate) fn parse(path: &Path) -> Result<Content, FolderError> {
    let text = String::from_utf8(read(path)?)
        .map_err(|error| io_error(path, io::Error::new(io::ErrorKind::InvalidData, error)))?;
    match xml::parse(&text) {
        Ok(parsed) => Ok(Content::Definitions(parsed)),
        Err(error) if error.kind == XmlErrorKind::NotLwm2m || is_common(&text) => {
            Ok(Content::Other(error))
        }
        Err(error) => Err(FolderError::Xml {
            path: path.to_path_buf(),
            error,
        }),
    }
}

/// True for the list of reusable resources, which looks like an object and is none.
fn is_common(text: &str) -> bool {
    text.contains("ObjectType=\"CommonResources\"")
}
