//! What the cases need of Leshan: Java, Maven, the libraries, and the peers built against them.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use lwm2m_codec::Type;
use lwm2m_model::{ObjectDefinition, Operations, Registry};

use crate::apt;
use crate::step::{Context, Failure};

/// What has to be there, and the Debian package that has it.
const TOOLS: [(&str, &str); 3] = [
    ("java", "default-jre-headless"),
    ("javac", "default-jdk-headless"),
    ("mvn", "maven"),
];
/// The version of Leshan's server and devices, as in `peers/leshan/pom.xml`.
pub(super) const VERSION: &str = "2.0.0-M18";
/// Objects whose definitions Leshan's libraries do not bring along.
const OBJECTS: [u16; 2] = [3303, 3442];

/// The newest version whose bootstrap server can be had, as in `peers/leshan-bootstrap/pom.xml`.
pub(super) const BOOTSTRAP_VERSION: &str = "2.0.0-M4";

/// The peers, ready to be started.
#[derive(Debug)]
pub(super) struct Peers {
    /// Server, devices and DTLS.
    main: OsString,
    /// The bootstrap server: its libraries are of another version.
    bootstrap: OsString,
    models: PathBuf,
}

impl Peers {
    /// Gets Leshan's libraries by Maven and compiles the peers; what is there already stays. On a
    /// CI machine Java and Maven are installed first, where they are missing.
    pub(super) fn prepare(context: &Context) -> Result<Self, Failure> {
        have_tools(context)?;
        let [main, bootstrap] = [("leshan", VERSION), ("leshan-bootstrap", BOOTSTRAP_VERSION)]
            .map(|(name, version)| compiled(context, name, version));
        let models = context.target().join("peers/models.tsv");
        fs::write(&models, definitions()).map_err(|error| Failure(error.to_string()))?;
        Ok(Self {
            main: main?,
            bootstrap: bootstrap?,
            models,
        })
    }

    /// A peer: `Server` or `Device`.
    pub(super) fn command(&self, class: &str) -> Command {
        java(&self.main, class)
    }

    /// Leshan's bootstrap server on these ports of CoAP and CoAPS.
    pub(super) fn bootstrap(&self, coap: u16, coaps: u16) -> Command {
        let mut command = java(&self.bootstrap, "Bootstrap");
        command.arg(coap.to_string()).arg(coaps.to_string());
        // It takes the newer version's DTLS.
        command.arg(&self.main);
        command
    }

    /// The file of definitions that server and devices read.
    pub(super) fn models(&self) -> &Path {
        &self.models
    }
}

fn java(class_path: &OsString, class: &str) -> Command {
    let mut java = Command::new("java");
    // Many small JVM threads on few cores: the quick compiler alone starts fastest.
    java.args(["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx512m"]);
    java.arg("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn");
    java.arg("-cp").arg(class_path).arg(class);
    java
}

/// Checks that Java and Maven are there; on a CI machine installs what is missing.
fn have_tools(context: &Context) -> Result<(), Failure> {
    let missing = || {
        let mut tools = TOOLS.iter();
        tools.find(|(tool, _)| quiet(Command::new(tool).arg("-version")).is_err())
    };
    while let Some((tool, package)) = missing() {
        if !context.strict {
            return Err(Failure(format!("{tool} is missing (Debian: {package})")));
        }
        apt::install(context, package)?;
        if missing().is_some_and(|(still, _)| still == tool) {
            return Err(Failure(format!("{package} brought no {tool}")));
        }
    }
    Ok(())
}

/// The class path of the peers in a folder of `peers`.
fn compiled(context: &Context, name: &str, version: &str) -> Result<OsString, Failure> {
    let fail = |error: std::io::Error| Failure(error.to_string());
    let sources = context.root.join("xtask/peers").join(name);
    let target = context.target().join("peers").join(name);
    let (libraries, classes) = (target.join("lib"), target.join("classes"));
    libraries_of(&sources.join("pom.xml"), &libraries, version)?;
    fs::create_dir_all(&classes).map_err(fail)?;
    let all = libraries.join("*");
    let mut files: Vec<PathBuf> = fs::read_dir(sources.join("src"))
        .map_err(fail)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    files.sort();
    let mut javac = Command::new("javac");
    javac.arg("-d").arg(&classes).arg("-cp").arg(&all);
    quiet(javac.args(files))?;
    std::env::join_paths([classes, all])
        .map_err(|error| Failure(format!("the folder's name can't stand in a path: {error}")))
}

/// Copies the libraries of a `pom.xml` to a folder, unless the same ones are there.
fn libraries_of(pom: &Path, folder: &Path, version: &str) -> Result<(), Failure> {
    let fail = |error: std::io::Error| Failure(error.to_string());
    let wanted = fs::read_to_string(pom).map_err(fail)?;
    let mark = folder.join("pom.xml");
    if fs::read_to_string(&mark).is_ok_and(|had| had == wanted) {
        return Ok(());
    }
    if folder.exists() {
        // Libraries of other versions must not stay beside the new ones.
        fs::remove_dir_all(folder).map_err(fail)?;
    }
    fs::create_dir_all(folder).map_err(fail)?;
    let mut maven = Command::new("mvn");
    maven.args(["-q", "-B", "-f"]).arg(pom);
    maven.arg("dependency:copy-dependencies");
    maven.arg(format!("-DoutputDirectory={}", folder.display()));
    quiet(&mut maven).map_err(|Failure(reason)| {
        Failure(format!("Leshan {version} can't be had by Maven:\n{reason}"))
    })?;
    fs::write(mark, wanted).map_err(fail)
}

/// Runs a command to its end; a failure carries what it wrote.
fn quiet(command: &mut Command) -> Result<(), Failure> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| Failure(format!("can't run {command:?}: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    let text = [output.stdout, output.stderr].concat();
    Err(Failure(String::from_utf8_lossy(&text).into_owned()))
}

/// The definitions as `Nodes.java` reads them: facts only.
fn definitions() -> String {
    let registry = Registry::core();
    let mut text = String::new();
    for object in OBJECTS.iter().filter_map(|id| registry.latest(*id)) {
        describe(object, &mut text);
    }
    text
}

fn describe(object: &ObjectDefinition, text: &mut String) {
    let ObjectDefinition {
        id,
        version,
        multiple,
        mandatory,
        name,
        ..
    } = object;
    // Writing to a String can't fail.
    let _ = writeln!(
        text,
        "object\t{id}\t{version}\t{multiple}\t{mandatory}\t{name}"
    );
    for resource in object.resources.iter() {
        let _ = writeln!(
            text,
            "resource\t{}\t{}\t{}\t{}\t{}\t{}",
            resource.id,
            operations(resource.operations),
            resource.multiple,
            resource.mandatory,
            type_name(resource.data_type),
            resource.name
        );
    }
}

const fn operations(operations: Operations) -> &'static str {
    match (operations.read, operations.write, operations.execute) {
        (_, _, true) => "E",
        (true, true, _) => "RW",
        (true, false, _) => "R",
        (false, true, _) => "W",
        (false, false, false) => "NONE",
    }
}

const fn type_name(data_type: Option<Type>) -> &'static str {
    match data_type {
        Some(Type::String) => "STRING",
        Some(Type::Integer) => "INTEGER",
        Some(Type::Unsigned) => "UNSIGNED_INTEGER",
        Some(Type::Float) => "FLOAT",
        Some(Type::Boolean) => "BOOLEAN",
        Some(Type::Opaque) => "OPAQUE",
        Some(Type::Time) => "TIME",
        Some(Type::ObjectLink) => "OBJLNK",
        Some(Type::CoreLink) => "CORELINK",
        None => "NONE",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definition_is_one_line_for_each_resource() {
        let text = definitions();
        assert!(text.starts_with("object\t3303\t1.1\ttrue\tfalse\tTemperature\n"));
        assert!(text.contains("\nresource\t5700\tR\tfalse\ttrue\tFLOAT\tSensor Value\n"));
        assert!(text.contains("\nresource\t5605\tE\tfalse\tfalse\tNONE\t"));
    }
}
