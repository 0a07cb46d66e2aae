//! The codec as a stranger gets it: packaged, unpacked outside of the workspace, and used by a
//! project that consists of the README's example.

use std::fs;
use std::path::Path;

use crate::command::{self, capture, cargo, program};
use crate::step::{Context, Done, Failure};

const CRATE: &str = "lwm2m-codec";

/// Packages the crate, then builds and runs the README's example with it.
pub(crate) fn run(context: &Context) -> Result<Done, Failure> {
    let target = context.target();
    let mut package = cargo(context, &["package", "--allow-dirty", "-p", CRATE]);
    package.arg("--target-dir").arg(&target);
    let output = package
        .output()
        .map_err(|error| Failure(format!("can't run cargo package: {error}")))?;
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    // Cargo only warns of a file or a line of the manifest that is missing.
    if !output.status.success() || log.contains("warning:") {
        return Err(Failure(log));
    }
    let version = version(context)?;
    let unpacked = target.join("package").join(format!("{CRATE}-{version}"));
    let project = target.join("package-user");
    write_project(&project, &unpacked)?;
    let mut run = cargo(context, &["run", "--quiet"]);
    run.current_dir(&project);
    run.env("CARGO_TARGET_DIR", project.join("target"));
    command::run(context, &mut run)?;
    let files = capture(&mut cargo(
        context,
        &["package", "--list", "--allow-dirty", "-p", CRATE],
    ))?;
    Ok(Done::CheckedWith(format!(
        "{CRATE} {version}, {} files; a project outside of the workspace runs the README's example",
        files.lines().count()
    )))
}

/// The version of the workspace.
fn version(context: &Context) -> Result<String, Failure> {
    let id = capture(&mut program(context, cargo_path(), &["pkgid", "-p", CRATE]))?;
    let version = id.trim().rsplit(['#', '@']).next();
    version
        .map(str::to_owned)
        .ok_or(Failure(format!("cargo pkgid says {id}")))
}

fn cargo_path() -> std::ffi::OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// Writes a project with the example as its `main.rs`.
fn write_project(project: &Path, unpacked: &Path) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure(format!("{}: {error}", project.display()));
    let readme = fs::read_to_string(unpacked.join("README.md")).map_err(failed)?;
    let example = example(&readme).ok_or(Failure("the README has no Rust example".into()))?;
    let manifest = format!(
        "[package]\nname = \"package-user\"\nedition = \"2024\"\n\n[dependencies]\n{CRATE} = {{ path = {:?} }}\n\n[workspace]\n",
        unpacked.display().to_string()
    );
    fs::create_dir_all(project.join("src")).map_err(failed)?;
    fs::write(project.join("Cargo.toml"), manifest).map_err(failed)?;
    fs::write(project.join("src/main.rs"), example).map_err(failed)
}

/// The first block of Rust in a Markdown text.
fn example(markdown: &str) -> Option<&str> {
    let (_, rest) = markdown.split_once("```rust\n")?;
    let (example, _) = rest.split_once("```")?;
    Some(example)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_block_of_rust_is_the_example() {
        let readme = "# x\n\n```toml\na = 1\n```\n\n```rust\nfn main() {}\n```\n";
        assert_eq!(example(readme), Some("fn main() {}\n"));
        assert_eq!(example("no code"), None);
    }
}
