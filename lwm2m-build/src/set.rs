//! Many definitions at once: names that don't clash, and a module that lists them.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::{Path, PathBuf},
};

use lwm2m_model::{ObjectDefinition, Registry};
use proc_macro2::TokenStream;
use quote::{format_ident, quote};

use crate::{
    CompileError, GenerateError, docs, files,
    folder::{self, FolderError},
    generate, module_name, struct_name,
};

/// Name of the file, in `OUT_DIR`, that has all modules; without its ending.
const INDEX: &str = "lwm2m_objects";

/// Names of a definition among others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModuleName {
    /// Module, and file: `temperature`; `temperature_v1_0` for a version that is not the latest.
    pub module: String,
    /// Struct in the module.
    pub structure: String,
    /// Name under which the latest version of the object is re-exported.
    pub export: Option<String>,
}

/// Names the modules of a registry's definitions, in its order: by id and version.
///
/// The latest version of an object has the plain name, older ones end with their version, and
/// objects of the same name with their ids. So a name does not depend on the order of files.
pub fn module_names(registry: &Registry) -> Vec<ModuleName> {
    let latest = || {
        registry
            .iter()
            .filter(|definition| is_latest(registry, definition))
    };
    let (mut modules, mut structures) = (BTreeMap::new(), BTreeMap::new());
    for definition in latest() {
        *modules.entry(module_name(definition)).or_insert(0) += 1;
        *structures.entry(struct_name(definition)).or_insert(0) += 1;
    }
    let mut seen = BTreeSet::new();
    let names = registry.iter().map(|definition| {
        let (mut module, structure) = (module_name(definition), struct_name(definition));
        let ObjectDefinition { id, version, .. } = **definition;
        let newest = registry
            .latest(id)
            .map_or_else(|| module.clone(), |d| module_name(d));
        let unique = modules.get(&module) == Some(&1) && newest == module;
        let latest = is_latest(registry, definition);
        // An older version may have had a name that another object has now.
        if !(unique || latest && modules.get(&module) == Some(&1)) {
            module = format!("{}_{id}", module.trim_end_matches('_'));
        }
        if !latest {
            let module_name = module.trim_end_matches('_');
            module = format!("{module_name}_v{}_{}", version.major, version.minor);
        }
        // "Lamp 7" and object 7, one of two called "Lamp".
        while !seen.insert(module.clone()) {
            module = format!("{module}_{id}");
        }
        let export = match structures.get(&structure) {
            Some(1) => structure.clone(),
            _ => format!("{structure}{id}"),
        };
        ModuleName {
            module,
            structure,
            export: latest.then_some(export),
        }
    });
    names.collect()
}

fn is_latest(registry: &Registry, definition: &ObjectDefinition) -> bool {
    let latest = registry.latest(definition.id);
    latest.is_some_and(|latest| latest.version == definition.version)
}

/// Generates a module for each definition of a registry, and one that lists them; returns names
/// and contents of files, the list first.
///
/// The list, `mod.rs`, re-exports the struct of each object's latest version and has all
/// definitions as `DEFINITIONS`.
///
/// # Errors
/// A definition gives no code.
pub fn generate_all(registry: &Registry) -> Result<Vec<(String, String)>, GenerateError> {
    let mut files = sources(registry)?;
    files.insert(0, ("mod.rs".into(), index(registry, false)?));
    Ok(files)
}

fn sources(registry: &Registry) -> Result<Vec<(String, String)>, GenerateError> {
    module_names(registry)
        .into_iter()
        .zip(registry.iter())
        .map(|(name, definition)| Ok((name.module + ".rs", generate(definition)?)))
        .collect()
}

/// The module that lists the others: as files beside it, or as files in `OUT_DIR`.
fn index(registry: &Registry, in_out_dir: bool) -> Result<String, GenerateError> {
    let names = module_names(registry);
    let modules = names.iter().zip(registry.iter()).map(|(name, definition)| {
        let about = docs::doc(&[format!(
            "Object {}, version {}: {}.",
            definition.id,
            definition.version,
            docs::escape(&definition.name)
        )]);
        let module = format_ident!("{}", name.module);
        let body = match in_out_dir {
            false => quote!(;),
            true => {
                let file = format!("/{}.rs", name.module);
                quote!({
                    include!(concat!(env!("OUT_DIR"), #file));
                })
            }
        };
        quote!(#about pub mod #module #body)
    });
    let exports = names.iter().filter_map(export);
    let all = names.iter().map(|name| {
        let (module, structure) = (
            format_ident!("{}", name.module),
            format_ident!("{}", name.structure),
        );
        quote!(<#module::#structure as ::lwm2m_model::ObjectInstance>::DEFINITION)
    });
    let file = syn::parse2(quote! {
        #(#modules)*
        #(#exports)*
        /// All definitions here, in ascending order of their ids and versions.
        pub const DEFINITIONS: &[&::lwm2m_model::ObjectDefinition] = &[#(#all),*];
    });
    let file = file.map_err(|_| GenerateError::NoIndex)?;
    Ok(prettyplease::unparse(&file))
}

fn export(name: &ModuleName) -> Option<TokenStream> {
    let export = format_ident!("{}", name.export.as_ref()?);
    let (module, structure) = (
        format_ident!("{}", name.module),
        format_ident!("{}", name.structure),
    );
    Some(match export == structure {
        true => quote!(pub use #module::#structure;),
        false => quote!(pub use #module::#structure as #export;),
    })
}

/// Compiles XML files to Rust, in a `build.rs` or elsewhere.
///
/// ```no_run
/// // build.rs: all definitions of a folder, the latest version of each.
/// fn main() -> Result<(), lwm2m_build::CompileError> {
///     lwm2m_build::Config::new().latest_only(true).compile(&["objects"])?;
///     Ok(())
/// }
/// ```
/// ```text
/// // src/main.rs
/// mod objects {
///     include!(concat!(env!("OUT_DIR"), "/lwm2m_objects.rs"));
/// }
/// ```
#[derive(Debug, Clone, Default)]
pub struct Config {
    latest_only: bool,
    out_dir: Option<PathBuf>,
}

impl Config {
    /// Makes one that generates all versions, into `OUT_DIR`.
    pub fn new() -> Self {
        Self::default()
    }

    /// Leaves out all versions of an object but the latest.
    #[must_use]
    pub fn latest_only(mut self, only: bool) -> Self {
        self.latest_only = only;
        self
    }

    /// Writes to a folder that is checked in: the list of modules is `mod.rs` then.
    ///
    /// Without it the folder is `OUT_DIR`, and the list `lwm2m_objects.rs`.
    #[must_use]
    pub fn out_dir(mut self, folder: impl Into<PathBuf>) -> Self {
        self.out_dir = Some(folder.into());
        self
    }

    /// Generates the code for files and folders of definitions; returns the paths written, the
    /// list of modules first. Files that are what they would be are left alone.
    ///
    /// Files in folders that hold no definitions, such as an index, are passed over. In a build
    /// script it tells cargo to run it again when an input changes.
    ///
    /// # Errors
    /// The file that failed, and why.
    pub fn compile(&self, inputs: &[impl AsRef<Path>]) -> Result<Vec<PathBuf>, CompileError> {
        let registry = self.read(inputs)?;
        let (folder, sources) = match &self.out_dir {
            Some(folder) => (folder.clone(), generate_all(&registry)),
            None => {
                let folder = env::var_os("OUT_DIR").ok_or(CompileError::NoOutDir)?;
                for input in inputs {
                    println!("cargo::rerun-if-changed={}", input.as_ref().display());
                }
                (PathBuf::from(folder), in_out_dir(&registry))
            }
        };
        let sources = sources.map_err(|error| CompileError::Generate {
            path: folder.clone(),
            error,
        })?;
        fs::create_dir_all(&folder).map_err(|error| CompileError::Io {
            path: folder.clone(),
            error,
        })?;
        let mut written = Vec::new();
        for (name, source) in sources {
            let path = folder.join(name);
            if fs::read_to_string(&path).is_ok_and(|old| old == source) {
                continue;
            }
            files::write(&path, &source)?;
            written.push(path);
        }
        Ok(written)
    }

    fn read(&self, inputs: &[impl AsRef<Path>]) -> Result<Registry, CompileError> {
        let mut all = Registry::new();
        for input in inputs {
            let named = input.as_ref();
            for path in folder::xml_files(named)? {
                match folder::parse(&path)? {
                    folder::Content::Definitions(parsed) => {
                        for definition in parsed.definitions {
                            all.insert(definition);
                        }
                    }
                    // Somebody who names a file means it.
                    folder::Content::Other(error) if path == named => {
                        return Err(FolderError::Xml { path, error }.into());
                    }
                    folder::Content::Other(_) => {}
                }
            }
        }
        if !self.latest_only {
            return Ok(all);
        }
        let mut latest = Registry::new();
        for definition in all.iter().filter(|definition| is_latest(&all, definition)) {
            latest.insert(definition.clone());
        }
        Ok(latest)
    }
}

fn in_out_dir(registry: &Registry) -> Result<Vec<(String, String)>, GenerateError> {
    let mut files = sources(registry)?;
    files.insert(0, (format!("{INDEX}.rs"), index(registry, true)?));
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use lwm2m_model::codegen::Version;

    /// A registry of definitions that have nothing but id, version and name.
    fn registry(definitions: &[(u16, Version, &'static str)]) -> Registry {
        let core = Registry::core();
        let mut registry = Registry::new();
        for (id, version, name) in definitions {
            let mut definition = ObjectDefinition::clone(core.latest(6).expect("a core object"));
            (definition.id, definition.version) = (*id, *version);
            definition.name = (*name).into();
            registry.insert(definition);
        }
        registry
    }

    fn modules(registry: &Registry) -> Vec<String> {
        module_names(registry)
            .into_iter()
            .map(|name| name.module)
            .collect()
    }

    #[test]
    fn the_latest_version_has_the_plain_name() {
        let registry = registry(&[(3, Version::V1_0, "Device"), (3, Version::V1_1, "Device")]);
        assert_eq!(modules(&registry), ["device_v1_0", "device"]);
        let exports: Vec<_> = module_names(&registry)
            .into_iter()
            .map(|n| n.export)
            .collect();
        assert_eq!(exports, [None, Some("Device".into())]);
    }

    #[test]
    fn objects_of_the_same_name_end_with_their_ids() {
        let registry = registry(&[
            (6, Version::V1_0, "Location"),
            (3336, Version::V1_0, "Location"),
            (3336, Version::V1_1, "Location"),
        ]);
        let expected = ["location_6", "location_3336_v1_0", "location_3336"];
        assert_eq!(modules(&registry), expected);
        let exports = module_names(&registry).into_iter().filter_map(|n| n.export);
        assert!(exports.eq(["Location6", "Location3336"]));
    }

    #[test]
    fn an_old_name_that_another_object_has_now_ends_with_its_id() {
        let registry = registry(&[
            (1000, Version::V1_0, "Lamp"),
            (1000, Version::V1_1, "Light"),
            (1001, Version::V1_0, "Lamp"),
        ]);
        assert_eq!(modules(&registry), ["lamp_1000_v1_0", "light", "lamp"]);
    }

    #[test]
    fn keywords_keep_a_single_underscore() {
        let registry = registry(&[(5, Version::V1_0, "Type"), (5, Version::V1_1, "Type")]);
        assert_eq!(modules(&registry), ["type_v1_0", "type_"]);
    }
}
