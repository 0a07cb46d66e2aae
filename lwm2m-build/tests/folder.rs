//! A folder of definitions that changes while it is in use.

use std::{fs, path::PathBuf};

use lwm2m_build::folder::{Folder, FolderError};
use lwm2m_model::{Registry, codegen::Version};

const GREENHOUSE: &str = include_str!("fixtures/lint/3999.xml");

/// An empty folder for a test.
fn empty(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(folder.join("old")).expect("a folder");
    folder
}

#[test]
fn what_changes_is_read_again_and_the_rest_is_not() {
    let path = empty("reload");
    let write = |name: &str, text: &str| fs::write(path.join(name), text).expect("a file");
    write("3999.xml", GREENHOUSE);
    write("DDF.xml", "<DDFList/>");
    let older = GREENHOUSE
        .replace("3999:1.1", "3999:1.0")
        .replace("ObjectVersion>1.1", "ObjectVersion>1.0");
    write("old/3999-1_0.xml", &older);

    let mut folder = Folder::new(&path, Registry::core());
    let changes = folder.reload().expect("the folder is read");
    assert_eq!((changes.read.len(), changes.skipped.len()), (2, 1));
    assert!(changes.failed.is_empty() && changes.warnings.is_empty());
    let registry = folder.registry().clone();
    assert_eq!(
        registry.latest(3999).map(|d| d.version),
        Some(Version::V1_1)
    );
    assert!(registry.get(3999, Version::V1_0).is_some() && registry.latest(3).is_some());

    let changes = folder.reload().expect("the folder is read");
    assert!(changes.read.is_empty() && changes.removed.is_empty());

    write("3999.xml", &GREENHOUSE.replace(">Warmth<", ">Temperature<"));
    fs::remove_file(path.join("old/3999-1_0.xml")).expect("the file is there");
    let changes = folder.reload().expect("the folder is read");
    assert_eq!(changes.read, [path.join("3999.xml")]);
    assert_eq!(changes.removed, [path.join("old/3999-1_0.xml")]);
    assert!(folder.registry().get(3999, Version::V1_0).is_none());
    let name = |registry: &Registry| {
        let object = registry.latest(3999).expect("the object");
        object.resource(0).expect("its resource").name.to_string()
    };
    assert_eq!(name(folder.registry()), "Temperature");
    // Who holds the registry of before still has it.
    assert_eq!(name(&registry), "Warmth");
}

#[test]
fn a_file_that_breaks_keeps_its_definitions_and_is_named() {
    let path = empty("broken");
    fs::write(path.join("3999.xml"), GREENHOUSE).expect("a file");
    let mut folder = Folder::new(&path, Registry::new());
    folder.reload().expect("the folder is read");
    fs::write(path.join("3999.xml"), &GREENHOUSE[..900]).expect("a file");
    let changes = folder.reload().expect("the folder is read");
    assert!(matches!(
        changes.failed.as_slice(),
        [FolderError::Xml { .. }]
    ));
    assert!(folder.registry().latest(3999).is_some());
    assert!(
        Folder::new(path.join("gone"), Registry::new())
            .reload()
            .is_ok_and(|c| c.failed.len() == 1)
    );
}
