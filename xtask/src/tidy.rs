//! The house rules that neither the compiler nor clippy checks.
//!
//! Each rule is a function from files to violations, so that its tests need no disk:
//! - [`dependencies`]: which crate may depend on which, and on no runtime in the engines;
//! - [`purity`]: no socket, clock, thread or global randomness in the engines;
//! - [`text`]: length, unfinished work, ignored tests, machine paths;
//! - [`documents`]: paths and links that the documents name exist.

mod dependencies;
mod documents;
mod purity;
mod source;
mod text;

use std::fmt;

use crate::command::{capture, program};
use crate::step::{Context, Done, Failure};

/// A place that breaks a rule.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Violation {
    file: String,
    line: usize,
    rule: &'static str,
    what: String,
}

impl Violation {
    /// Makes a violation; `line` counts from 1.
    fn new(file: &File, line: usize, rule: &'static str, what: impl Into<String>) -> Self {
        Self {
            file: file.path.clone(),
            line,
            rule,
            what: what.into(),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}: {}: {}",
            self.file, self.line, self.rule, self.what
        )
    }
}

/// A text file of the repository; `path` is relative to its root, with `/`.
#[derive(Debug)]
struct File {
    path: String,
    text: String,
}

impl File {
    /// The lines with their numbers, from 1.
    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text
            .lines()
            .enumerate()
            .map(|(index, line)| (index + 1, line))
    }

    /// The crate folder (`lwm2m-codec`) and the path in it, for files of the product crates.
    fn in_product_crate(&self) -> Option<(&str, &str)> {
        let (name, rest) = self.path.split_once('/')?;
        name.starts_with("lwm2m-").then_some((name, rest))
    }
}

/// All rules over all files.
fn violations(files: &[File]) -> Vec<Violation> {
    let mut found = dependencies::check(files);
    found.extend(purity::check(files));
    found.extend(text::check(files));
    found.extend(documents::check(files));
    found.sort();
    found
}

/// Runs the step.
pub(crate) fn run(context: &Context) -> Result<Done, Failure> {
    let files = load(context)?;
    let found = violations(&files);
    if found.is_empty() {
        return Ok(Done::CheckedWith(format!("{} files", files.len())));
    }
    let lines: Vec<String> = found.iter().map(Violation::to_string).collect();
    Err(Failure(lines.join("\n")))
}

/// Reads every text file that git tracks or would add; the rest is not part of the project.
fn load(context: &Context) -> Result<Vec<File>, Failure> {
    let arguments = [
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ];
    let listing = capture(&mut program(context, "git", &arguments))?;
    let mut files = Vec::new();
    for path in listing.split('\0').filter(|path| !path.is_empty()) {
        // A tracked file may be deleted in the working tree, and a corpus file is not text.
        if let Ok(text) = std::fs::read_to_string(context.root.join(path)) {
            let path = path.to_owned();
            files.push(File { path, text });
        }
    }
    Ok(files)
}

#[cfg(test)]
fn file(path: &str, text: &str) -> File {
    File {
        path: path.into(),
        text: text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_violation_names_file_line_and_rule() {
        let violation = Violation::new(&file("a/b.rs", ""), 7, "purity", "names `tokio`");
        assert_eq!(violation.to_string(), "a/b.rs:7: purity: names `tokio`");
    }

    #[test]
    fn violations_of_all_rules_come_in_the_order_of_files() {
        let files = [
            file("lwm2m-codec/src/lib.rs", "#![no_std]\nuse std::fs;\n"),
            file("ARCHITECTURE.md", "`lwm2m-codec/src/gone.rs`\n"),
        ];
        let rules: Vec<_> = violations(&files).iter().map(|found| found.rule).collect();
        assert_eq!(rules, ["paths in documents", "unsafe code", "purity"]);
    }
}
