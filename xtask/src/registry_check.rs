//! `cargo xtask registry-check`: everything that OMA's registry has goes through this project.
//!
//! Every file is read and linted, code is generated for every object and version and compiled as
//! one crate without a warning, and random instances of each go through every payload format. The
//! registry is not ours, so it is not in this repository, and neither is what is made of it.

mod figures;
mod memory;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use lwm2m_build::{
    folder::Folder,
    generate_all,
    lint::{self, FileKind, Linter},
    module_names,
};
use lwm2m_model::Registry;

use crate::{
    command::{capture, cargo},
    document::{self, machine},
    step::{Context, Done, Failure},
};
use figures::{Figures, mebibytes, seconds};
use memory::Watch;

/// The tests of the crate that is written; the list of objects is added.
const ROUND_TRIP: &str = include_str!("registry_check/round_trip.rs");

/// Objects of one test function; they run side by side.
const OBJECTS_PER_TEST: usize = 32;

/// The document that has the figures, the one that has times only, and who writes them there.
const DOCUMENT: &str = "docs/registry.md";
const BENCHMARKS: &str = "docs/benchmarks.md";
const WRITER: &str = "cargo xtask registry-check --write";

/// Runs the check.
pub(crate) fn run(context: &Context) -> Result<Done, Failure> {
    let Some(folder) = registry(context) else {
        return Ok(absent());
    };
    let figures = check(context, &folder)?;
    if !context.quiet {
        println!("{figures}");
    }
    Ok(Done::CheckedWith(figures.summary()))
}

/// Runs the check and writes the figures to the document.
pub(crate) fn run_and_write(context: &Context) -> Result<Done, Failure> {
    let Some(folder) = registry(context) else {
        return Ok(absent());
    };
    let figures = check(context, &folder)?;
    println!("{figures}");
    let section = format!("{}\n\n{}", machine(context), figures.to_markdown());
    document::write(context, DOCUMENT, WRITER, section.trim_end())?;
    let costs = format!("{}\n\n{}", machine(context), figures.costs());
    document::write(context, BENCHMARKS, WRITER, costs.trim_end())?;
    Ok(Done::CheckedWith(format!(
        "wrote {DOCUMENT} and {BENCHMARKS}"
    )))
}

fn absent() -> Done {
    let how = "no registry: set LWM2M_REGISTRY to a copy of \
               github.com/OpenMobileAlliance/lwm2m-registry";
    Done::Partly(how.into())
}

fn check(context: &Context, folder: &Path) -> Result<Figures, Failure> {
    let start = Instant::now();
    let watch = Watch::start();
    let mut figures = Figures::default();
    let (registry, files) = read(folder, &mut figures)?;
    lint(folder, &mut figures)?;
    let krate = context.target().join("registry-check");
    write(context, &krate, &registry, &files, &mut figures)?;
    build(context, &krate, &mut figures)?;
    figures.add("the whole check", seconds(start));
    if let Some(peak) = watch.finish() {
        figures.add("peak memory of all processes together", mebibytes(peak));
    }
    Ok(figures)
}

/// The folder that is named, or the one beside the workspace.
fn registry(context: &Context) -> Option<PathBuf> {
    let beside = context.root.join("../shared/registry");
    let folder = std::env::var_os("LWM2M_REGISTRY").map_or(beside, PathBuf::from);
    folder.is_dir().then_some(folder)
}

/// Reads every file, and tells which ones hold no definitions.
fn read(folder: &Path, figures: &mut Figures) -> Result<(Registry, Vec<PathBuf>), Failure> {
    let start = Instant::now();
    let mut definitions = Folder::new(folder, Registry::new());
    let changes = definitions
        .reload()
        .map_err(|error| Failure(error.to_string()))?;
    figures.add(
        "reading all files, debug build of the reader",
        seconds(start),
    );
    if let Some(peak) = memory::own_peak() {
        figures.add("peak memory of this program after reading", mebibytes(peak));
    }
    if !changes.failed.is_empty() {
        let failed: Vec<String> = changes.failed.iter().map(ToString::to_string).collect();
        return Err(Failure(failed.join("\n")));
    }
    let name = |path: &PathBuf| {
        let inside = path.strip_prefix(folder).unwrap_or(path);
        inside.display().to_string()
    };
    let skipped: Vec<String> = changes.skipped.iter().map(name).collect();
    let registry = definitions.registry().clone();
    let objects: BTreeSet<u16> = registry.iter().map(|definition| definition.id).collect();
    let resources: usize = registry.iter().map(|d| d.resources.len()).sum();
    figures.add("files of definitions read", changes.read.len());
    figures.add("files that hold no definitions", skipped.join(", "));
    figures.add("objects", objects.len());
    figures.add("versions of objects", registry.iter().count());
    figures.add("resources", resources);
    for (_, warning) in &changes.warnings {
        *figures.warnings.entry(warning.kind.id()).or_default() += 1;
    }
    Ok((registry, changes.read))
}

fn lint(folder: &Path, figures: &mut Figures) -> Result<(), Failure> {
    let fail = |error: lwm2m_build::folder::FolderError| Failure(error.to_string());
    let mut linter = Linter::new();
    let mut files = 0;
    let mut paths =
        lwm2m_build::folder::xml_files(&folder.join("version_history")).map_err(fail)?;
    paths.push(folder.join("Common.xml"));
    for path in paths.iter().filter(|path| path.is_file()) {
        let bytes = lwm2m_build::folder::read(path).map_err(fail)?;
        let text = String::from_utf8_lossy(&bytes);
        let kind = linter.check(&path.to_string_lossy(), &text);
        files += usize::from(matches!(kind, FileKind::Definitions(_)));
    }
    let findings = linter.finish();
    figures.add("files of version_history that were linted", files);
    figures.add("findings of lint", findings.len());
    figures.lint = lint::count(&findings).into_iter().collect();
    figures
        .lint
        .sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    Ok(())
}

/// Writes the crate of all objects.
fn write(
    context: &Context,
    krate: &Path,
    registry: &Registry,
    files: &[PathBuf],
    figures: &mut Figures,
) -> Result<(), Failure> {
    let start = Instant::now();
    let sources = generate_all(registry).map_err(|error| Failure(error.to_string()))?;
    figures.add(
        "generating all modules, debug build of the generator",
        seconds(start),
    );
    if let Some(peak) = memory::own_peak() {
        figures.add(
            "peak memory of this program after generating",
            mebibytes(peak),
        );
    }
    let lines: usize = sources
        .iter()
        .map(|(_, source)| source.lines().count())
        .sum();
    figures.add("lines generated", lines);
    let objects = krate.join("src/objects");
    if objects.is_dir() {
        // Modules of a registry before must not take part.
        fs::remove_dir_all(&objects).map_err(|error| failed(&objects, &error))?;
    }
    for (name, source) in sources {
        put(&objects.join(name), &source)?;
    }
    put(&krate.join("Cargo.toml"), &manifest(context))?;
    put(
        &krate.join("src/lib.rs"),
        "//! All objects of the registry.\n#![no_std]\n#![deny(warnings, missing_docs)]\n\n\
         #[allow(missing_docs)]\npub mod objects;\n",
    )?;
    put(&krate.join("tests/round_trip.rs"), &tests(registry))?;
    let list: Vec<String> = files
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    put(&krate.join("files.txt"), &list.join("\n"))?;
    let lock = krate.join("Cargo.lock");
    fs::copy(context.root.join("Cargo.lock"), &lock).map_err(|error| failed(&lock, &error))?;
    Ok(())
}

fn put(path: &Path, text: &str) -> Result<(), Failure> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|error| failed(folder, &error))?;
    }
    fs::write(path, text).map_err(|error| failed(path, &error))
}

fn failed(path: &Path, error: &std::io::Error) -> Failure {
    Failure(format!("{}: {error}", path.display()))
}

fn manifest(context: &Context) -> String {
    let root = context.root.display();
    format!(
        "[package]\nname = \"registry-check\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\
         publish = false\n\n[workspace]\n\n[dependencies]\n\
         lwm2m-model = {{ path = \"{root}/lwm2m-model\", features = [\"xml\"] }}\n\
         lwm2m-codec = {{ path = \"{root}/lwm2m-codec\" }}\n\n[dev-dependencies]\n\
         proptest = {{ version = \"1\", default-features = false, features = [\"std\"] }}\n\n\
         [profile.dev]\ndebug = false\n\n[profile.dev.package.\"*\"]\nopt-level = 2\n"
    )
}

/// The tests, with a list of all objects.
fn tests(registry: &Registry) -> String {
    let names = module_names(registry);
    let mut source = ROUND_TRIP.to_owned();
    for (number, names) in names.chunks(OBJECTS_PER_TEST).enumerate() {
        source += &format!("#[test]\nfn objects_{number}() {{\n");
        source += "    let payloads = &AtomicUsize::new(0);\n";
        for name in names {
            let (module, structure) = (&name.module, &name.structure);
            source += &format!(
                "    check::<registry_check::objects::{module}::{structure}>(payloads);\n"
            );
        }
        source += "    println!(\"payloads: {}\", payloads.load(Ordering::Relaxed));\n}\n\n";
    }
    source
}

/// Compiles the crate and runs its tests.
fn build(context: &Context, krate: &Path, figures: &mut Figures) -> Result<(), Failure> {
    let target = krate.join("target");
    let run = |arguments: &[&str], what: &str, figures: &mut Figures| {
        let start = Instant::now();
        let mut command = cargo(context, arguments);
        command
            .current_dir(krate)
            .env("CARGO_TARGET_DIR", &target)
            .env("REGISTRY_FILES", krate.join("files.txt"));
        let output = capture(&mut command)?;
        figures.add(what, seconds(start));
        Ok::<String, Failure>(output)
    };
    let what = "compiling the crate and what it depends on, no warning";
    run(&["build", "--quiet"], what, figures)?;
    let what = "compiling its tests";
    run(&["test", "--quiet", "--no-run"], what, figures)?;
    let arguments = [
        "test",
        "--quiet",
        "--test",
        "round_trip",
        "--",
        "--nocapture",
    ];
    let what = "random instances through TLV, SenML CBOR, SenML JSON and LwM2M CBOR";
    let output = run(&arguments, what, figures)?;
    let after = |word: &'static str| {
        let lines = output.lines();
        lines.filter_map(move |line| Some(line.split_once(word)?.1.trim()))
    };
    let payloads: usize = after("payloads: ")
        .filter_map(|n| n.parse::<usize>().ok())
        .sum();
    figures.add("payloads there and back", payloads);
    for took in after("loaded: ") {
        figures.add("reading all files, optimized build of the reader", took);
    }
    match payloads {
        0 => Err(Failure("no payload went there and back".into())),
        _ => Ok(()),
    }
}
