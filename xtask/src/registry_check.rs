//! `cargo xtask registry-check`: everything that OMA's registry has goes through this project.
//!
//! Every file is read and linted, code is generated for every object and version and compiled as
//! one crate without a warning, and random instances of each go through every payload format. The
//! registry is not ours, so it is not in this repository, and neither is what is made of it.

mod memory;

use std::{
    collections::BTreeSet,
    fmt::Write,
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
    step::{Context, Done, Failure},
};
use memory::Watch;

/// The tests of the crate that is written; the list of objects is added.
const ROUND_TRIP: &str = include_str!("registry_check/round_trip.rs");

/// Objects of one test function; they run side by side.
const OBJECTS_PER_TEST: usize = 32;

/// Runs the check.
pub(crate) fn run(context: &Context) -> Result<Done, Failure> {
    let Some(folder) = registry(context) else {
        let how = "no registry: set LWM2M_REGISTRY to a copy of \
                   github.com/OpenMobileAlliance/lwm2m-registry";
        return Ok(Done::Partly(how.into()));
    };
    let watch = Watch::start();
    let mut told = String::new();
    let (registry, files) = read(&folder, &mut told)?;
    lint(&folder, &mut told)?;
    let krate = context.target().join("registry-check");
    write(context, &krate, &registry, &files, &mut told)?;
    let compiled = build(context, &krate, &mut told);
    if let Some(peak) = watch.finish() {
        tell(
            &mut told,
            format_args!("peak memory of all processes: {peak} MiB"),
        );
    }
    println!("{told}");
    compiled?;
    let objects: BTreeSet<u16> = registry.iter().map(|definition| definition.id).collect();
    Ok(Done::CheckedWith(format!(
        "{} files, {} objects, {} versions",
        files.len(),
        objects.len(),
        registry.iter().count()
    )))
}

/// The folder that is named, or the one beside the workspace.
fn registry(context: &Context) -> Option<PathBuf> {
    let beside = context.root.join("../shared/registry");
    let folder = std::env::var_os("LWM2M_REGISTRY").map_or(beside, PathBuf::from);
    folder.is_dir().then_some(folder)
}

fn tell(told: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string can't fail.
    let _ = writeln!(told, "{line}");
}

/// Reads every file, and tells which ones hold no definitions.
fn read(folder: &Path, told: &mut String) -> Result<(Registry, Vec<PathBuf>), Failure> {
    let start = Instant::now();
    let mut definitions = Folder::new(folder, Registry::new());
    let changes = definitions
        .reload()
        .map_err(|error| Failure(error.to_string()))?;
    let took = start.elapsed().as_secs_f64();
    if !changes.failed.is_empty() {
        let failed: Vec<String> = changes.failed.iter().map(ToString::to_string).collect();
        return Err(Failure(failed.join("\n")));
    }
    for path in &changes.skipped {
        tell(told, format_args!("no definitions in {}", path.display()));
    }
    let registry = definitions.registry().clone();
    let resources: usize = registry.iter().map(|d| d.resources.len()).sum();
    tell(
        told,
        format_args!(
            "read: {} files, {} versions of objects, {resources} resources, {} warnings, {took:.2} s",
            changes.read.len(),
            registry.iter().count(),
            changes.warnings.len(),
        ),
    );
    Ok((registry, changes.read))
}

fn lint(folder: &Path, told: &mut String) -> Result<(), Failure> {
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
    let counts = lint::count(&findings);
    tell(
        told,
        format_args!(
            "lint of version_history: {files} files, {} findings",
            findings.len()
        ),
    );
    for (rule, count) in counts {
        tell(
            told,
            format_args!("{count:>6}  {:<7}  {rule}", rule.severity().to_string()),
        );
    }
    Ok(())
}

/// Writes the crate of all objects.
fn write(
    context: &Context,
    krate: &Path,
    registry: &Registry,
    files: &[PathBuf],
    told: &mut String,
) -> Result<(), Failure> {
    let start = Instant::now();
    let sources = generate_all(registry).map_err(|error| Failure(error.to_string()))?;
    let took = start.elapsed().as_secs_f64();
    let lines: usize = sources
        .iter()
        .map(|(_, source)| source.lines().count())
        .sum();
    tell(
        told,
        format_args!(
            "generated: {} modules, {lines} lines, {took:.2} s",
            sources.len() - 1
        ),
    );
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
fn build(context: &Context, krate: &Path, told: &mut String) -> Result<(), Failure> {
    let target = krate.join("target");
    let run = |arguments: &[&str], what: &str, told: &mut String| {
        let start = Instant::now();
        let mut command = cargo(context, arguments);
        command
            .current_dir(krate)
            .env("CARGO_TARGET_DIR", &target)
            .env("REGISTRY_FILES", krate.join("files.txt"));
        let output = capture(&mut command)?;
        tell(
            told,
            format_args!("{what}: {:.1} s", start.elapsed().as_secs_f64()),
        );
        Ok::<String, Failure>(output)
    };
    run(
        &["build", "--quiet"],
        "compiled the crate, with what it depends on",
        told,
    )?;
    run(&["test", "--quiet", "--no-run"], "compiled its tests", told)?;
    let arguments = [
        "test",
        "--quiet",
        "--test",
        "round_trip",
        "--",
        "--nocapture",
    ];
    let output = run(&arguments, "random instances through four formats", told)?;
    let count = |line: &str| {
        line.split("payloads: ")
            .nth(1)?
            .trim()
            .parse::<usize>()
            .ok()
    };
    let payloads: usize = output.lines().filter_map(count).sum();
    tell(told, format_args!("payloads there and back: {payloads}"));
    if payloads == 0 {
        return Err(Failure("no payload went there and back".into()));
    }
    for line in output.lines() {
        if let Some(at) = line.find("loaded: ") {
            tell(told, format_args!("{}", line.split_at(at).1));
        }
    }
    Ok(())
}
