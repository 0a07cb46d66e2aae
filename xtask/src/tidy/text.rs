//! Rules on plain text: length, unfinished work, ignored tests, machine paths.

use super::source::{code_of, names};
use super::{File, Violation};

/// Longest hand-written file.
const MAX_LINES: usize = 1000;

/// Words that mark unfinished work; written in parts, for this file is checked too.
const UNFINISHED: [&str; 2] = [concat!("TO", "DO"), concat!("FIX", "ME")];

/// Hosts of private registries and mirrors.
const HOSTS: [&str; 2] = [concat!("arti", "factory"), concat!("crates.io", ":443")];

/// First folders of paths that exist on one machine only.
const FOLDERS: [&str; 3] = [
    concat!("/ro", "ot/"),
    concat!("/wo", "rk/"),
    concat!("/ho", "me/"),
];

/// Checks all files.
pub(super) fn check(files: &[File]) -> Vec<Violation> {
    let mut found = Vec::new();
    for file in files {
        found.extend(machine_paths(file));
        if file.path == "Cargo.lock" {
            continue;
        }
        found.extend(unfinished(file));
        if file.path.ends_with(".rs") {
            found.extend(length(file));
            found.extend(unfinished_code(file));
        }
    }
    found
}

fn length(file: &File) -> Option<Violation> {
    let count = file.text.lines().count();
    let generated = file.path.contains("/generated/") || file.path.ends_with("/generated.rs");
    (count > MAX_LINES && !generated).then(|| {
        let what = format!("{count} lines; a file has at most {MAX_LINES}");
        Violation::new(file, count, "file length", what)
    })
}

fn unfinished(file: &File) -> Vec<Violation> {
    let mut found = Vec::new();
    for (number, line) in file.lines() {
        for word in UNFINISHED.iter().filter(|word| names(line, word)) {
            found.push(Violation::new(file, number, "unfinished", *word));
        }
    }
    found
}

fn unfinished_code(file: &File) -> Vec<Violation> {
    let mut found = Vec::new();
    for (index, line) in code_of(&file.text).lines().enumerate() {
        for name in ["todo!", "unimplemented!"] {
            if names(line, name) {
                found.push(Violation::new(file, index + 1, "unfinished", name));
            }
        }
        if line.contains("#[ignore") {
            let what = "a test that does not run asserts nothing";
            found.push(Violation::new(file, index + 1, "ignored test", what));
        }
    }
    found
}

fn machine_paths(file: &File) -> Vec<Violation> {
    let mut found = Vec::new();
    for (number, line) in file.lines() {
        let folder = FOLDERS.iter().find(|folder| starts_a_path(line, folder));
        for what in folder
            .into_iter()
            .chain(HOSTS.iter().filter(|host| line.contains(**host)))
        {
            found.push(Violation::new(file, number, "machine path", *what));
        }
    }
    found
}

/// True if the folder stands at the start of a path, not inside of one or of a URL.
fn starts_a_path(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || "_-./}~".contains(c))
    })
}

#[cfg(test)]
mod tests {
    use super::super::file;
    use super::*;

    fn rules(path: &str, text: &str) -> Vec<(usize, &'static str)> {
        let found = check(&[file(path, text)]);
        found.iter().map(|found| (found.line, found.rule)).collect()
    }

    #[test]
    fn a_long_file_is_found_unless_it_is_generated() {
        let text = "\n".repeat(MAX_LINES + 1);
        assert_eq!(rules("a/src/b.rs", &text), [(1001, "file length")]);
        assert_eq!(rules("a/src/b.rs", &text[1..]), []);
        assert_eq!(rules("a/src/generated/b.rs", &text), []);
    }

    #[test]
    fn unfinished_work_is_found_in_comments_and_code() {
        let comment = format!("fn f() {{}}\n// {}: more\n", UNFINISHED[0]);
        assert_eq!(rules("a/src/b.rs", &comment), [(2, "unfinished")]);
        assert_eq!(rules("README.md", UNFINISHED[1]), [(1, "unfinished")]);
        assert_eq!(
            rules("a/src/b.rs", "fn f() { todo!() }"),
            [(1, "unfinished")]
        );
        assert_eq!(
            rules("a/src/b.rs", "unimplemented!(\"x\")"),
            [(1, "unfinished")]
        );
        assert_eq!(rules("a/src/b.rs", "// `todo!` is refused"), []);
    }

    #[test]
    fn an_ignored_test_is_found_with_or_without_reason() {
        let text = "#[test]\n#[ignore]\nfn a() {}\n#[ignore = \"slow\"]\nfn b() {}";
        assert_eq!(
            rules("a/tests/b.rs", text),
            [(2, "ignored test"), (4, "ignored test")]
        );
    }

    #[test]
    fn paths_of_one_machine_are_found_and_urls_are_not() {
        let path = format!("see `{}x`", FOLDERS[1]);
        assert_eq!(rules("a.md", &path), [(1, "machine path")]);
        assert_eq!(
            rules("a.md", &format!("https://example.com{}x", FOLDERS[1])),
            []
        );
    }

    #[test]
    fn a_private_registry_is_found_in_the_lock_file() {
        let text = format!("name = \"a\"\nsource = \"https://x/{}/y\"", HOSTS[0]);
        assert_eq!(rules("Cargo.lock", &text), [(2, "machine path")]);
    }
}
