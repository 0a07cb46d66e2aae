//! Paths and links that the documents name exist.

use std::collections::BTreeSet;

use super::{File, Violation};

const PATHS: &str = "paths in documents";

/// The documents whose paths in backticks are checked.
const DOCUMENTS: [&str; 3] = ["ARCHITECTURE.md", "CONTRIBUTING.md", "README.md"];

/// Endings that make a name without folder a path: files at the root.
const ENDINGS: [&str; 3] = [".md", ".toml", ".yml"];

/// Checks backticks of the main documents and relative links of all.
pub(super) fn check(files: &[File]) -> Vec<Violation> {
    let known = known_paths(files);
    let mut found = Vec::new();
    for file in files.iter().filter(|file| file.path.ends_with(".md")) {
        let folder = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let mut fenced = false;
        for (number, line) in file.lines() {
            fenced ^= line.trim_start().starts_with("```");
            if fenced {
                continue;
            }
            let mut named = Vec::new();
            if DOCUMENTS.contains(&file.path.as_str()) {
                named.extend(
                    backticked(line)
                        .filter(|name| is_path(name, &known))
                        .map(str::to_owned),
                );
            }
            named.extend(links(line).filter_map(|link| resolve(folder, link)));
            for path in named
                .iter()
                .filter(|path| !known.contains(path.trim_end_matches('/')))
            {
                found.push(Violation::new(
                    file,
                    number,
                    PATHS,
                    format!("`{path}` does not exist"),
                ));
            }
        }
    }
    found
}

/// All files and the folders they are in.
fn known_paths(files: &[File]) -> BTreeSet<&str> {
    let mut known = BTreeSet::new();
    for file in files {
        let mut path = file.path.as_str();
        known.insert(path);
        while let Some((folder, _)) = path.rsplit_once('/') {
            known.insert(folder);
            path = folder;
        }
    }
    known
}

/// The texts in single backticks of a line.
fn backticked(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// True for what looks like a path of this repository, not a LwM2M path, URL or media type.
fn is_path(name: &str, known: &BTreeSet<&str>) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
    if name.starts_with('/') || name.contains("..") || !name.chars().all(plain) {
        return false;
    }
    match name.split_once('/') {
        Some((first, _)) => first.starts_with("lwm2m-") || known.contains(first),
        None => ENDINGS
            .iter()
            .any(|ending| name.len() > ending.len() && name.ends_with(ending)),
    }
}

/// The targets of `[text](target)`.
fn links(line: &str) -> impl Iterator<Item = &str> {
    line.split("](")
        .skip(1)
        .filter_map(|rest| Some(rest.split_once(')')?.0))
}

/// The path that a relative link means; `None` for URLs and anchors.
fn resolve(folder: &str, link: &str) -> Option<String> {
    let path = link.split('#').next().unwrap_or(link);
    if path.is_empty() || path.contains(':') {
        return None;
    }
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            // Above the root: on a hosting page that is not a file of this repository.
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    (!parts.is_empty()).then(|| parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::super::file;
    use super::*;

    fn found(document: &str, text: &str) -> Vec<String> {
        let files = [
            file(document, text),
            file("lwm2m-codec/src/path.rs", ""),
            file("docs/limits.md", ""),
            file("deny.toml", ""),
        ];
        check(&files).into_iter().map(|found| found.what).collect()
    }

    #[test]
    fn a_path_that_is_gone_is_found() {
        let text =
            "`lwm2m-codec/src/path.rs`, `lwm2m-codec/src/`, `deny.toml`, `lwm2m-codec/src/x.rs`";
        assert_eq!(
            found("ARCHITECTURE.md", text),
            ["`lwm2m-codec/src/x.rs` does not exist"]
        );
        assert_eq!(found("ARCHITECTURE.md", "`gone.toml`").len(), 1);
    }

    #[test]
    fn other_things_in_backticks_are_no_paths() {
        let text =
            "`/3303/0/5700`, `application/link-format`, `cargo xtask ci`, `Message<'a>`, `.rs`";
        assert_eq!(found("ARCHITECTURE.md", text), [""; 0]);
    }

    #[test]
    fn a_link_is_relative_to_its_document() {
        assert_eq!(
            found("docs/a.md", "[x](limits.md) [y](../deny.toml#top)"),
            [""; 0]
        );
        assert_eq!(
            found("docs/a.md", "[x](gone.md)"),
            ["`docs/gone.md` does not exist"]
        );
        assert_eq!(
            found("docs/a.md", "[x](https://example.com/a.md) [y](#part)"),
            [""; 0]
        );
    }

    #[test]
    fn code_blocks_are_not_read() {
        assert_eq!(found("README.md", "```\n[x](gone.md)\n```\n"), [""; 0]);
    }
}
