//! Generates code for every definition of OMA's public registry, where a copy of it is at hand.

use std::{collections::BTreeSet, env, fs, path::PathBuf};

use lwm2m_build::{field_names, generate};
use lwm2m_model::xml;

/// A folder with the registry's files: `LWM2M_REGISTRY`, or beside the workspace.
fn registry() -> Option<PathBuf> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/registry");
    let folder = env::var_os("LWM2M_REGISTRY").map_or(beside, PathBuf::from);
    folder.is_dir().then_some(folder)
}

#[test]
fn every_object_of_the_registry_gives_code_with_unique_names() {
    let Some(folder) = registry() else {
        println!("no registry: set LWM2M_REGISTRY to the folder of its XML files");
        return;
    };
    let entries = fs::read_dir(folder.join("version_history")).expect("the folder can be listed");
    let mut count = 0;
    for path in entries.map(|entry| entry.expect("an entry").path()) {
        if path.extension().is_none_or(|extension| extension != "xml") {
            continue;
        }
        let text = fs::read_to_string(&path).expect("the file is UTF-8");
        let definition = &xml::parse(&text).expect("the file is read").definitions[0];
        let names: BTreeSet<String> = field_names(definition)
            .into_iter()
            .map(|field| field.name)
            .collect();
        assert_eq!(names.len(), definition.resources.len(), "{path:?}");
        generate(definition).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        count += 1;
    }
    assert!(count >= 424, "only {count} files");
}
