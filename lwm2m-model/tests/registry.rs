//! Reads every definition of OMA's public registry, where a copy of it is at hand.
#![cfg(feature = "xml")]

use std::{env, fs, path::PathBuf};

use lwm2m_model::xml::{self, WarningKind};

/// A folder with the registry's files: `LWM2M_REGISTRY`, or beside the workspace.
fn registry() -> Option<PathBuf> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/registry");
    let folder = env::var_os("LWM2M_REGISTRY").map_or(beside, PathBuf::from);
    folder.is_dir().then_some(folder)
}

fn files(folder: &PathBuf) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the folder can be listed");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut files: Vec<PathBuf> = paths
        .filter(|path| {
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            name.starts_with(|c: char| c.is_ascii_digit()) && name.ends_with(".xml")
        })
        .collect();
    files.sort();
    files
}

#[test]
fn every_file_of_the_registry_is_read() {
    let Some(folder) = registry() else {
        println!("no registry: set LWM2M_REGISTRY to the folder of its XML files");
        return;
    };
    let mut all = files(&folder);
    all.extend(files(&folder.join("version_history")));
    assert!(all.len() >= 751, "only {} files", all.len());

    let (mut resources, mut ranges, mut not_understood) = (0, 0, 0);
    for path in &all {
        let text = fs::read_to_string(path).expect("the file is UTF-8");
        let parsed = xml::parse(&text).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        assert_eq!(parsed.definitions.len(), 1, "{path:?}");
        let object = &parsed.definitions[0];
        let id = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .and_then(|s| s.split('-').next());
        assert_eq!(Some(object.id.to_string().as_str()), id, "{path:?}");
        assert!(
            !object.name.is_empty() && !object.resources.is_empty(),
            "{path:?}"
        );
        resources += object.resources.len();
        ranges += object
            .resources
            .iter()
            .filter(|r| !r.range.is_empty())
            .count();
        not_understood += parsed
            .warnings
            .iter()
            .filter(|warning| matches!(warning.kind, WarningKind::RangeNotUnderstood(_)))
            .count();
    }
    println!(
        "{} files, {resources} resources, {ranges} ranges, {not_understood} odd",
        all.len()
    );
    assert!(
        not_understood * 10 < ranges,
        "{not_understood} of {ranges} ranges"
    );
}
