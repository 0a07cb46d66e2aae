//! The corpus, and small changes of it, go through every target on stable Rust.

use std::path::{Path, PathBuf};

use lwm2m_fuzz::{TARGETS, Verdict};

/// Changed copies tried of the corpus of a target.
const MUTATIONS: usize = 4_000;
/// Longest input whose cut copies are all tried; longer ones are cut at some places.
const SHORT: usize = 256;

/// The files of a target's corpus in order of their names, so that each run is the same.
fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target);
    let entries = std::fs::read_dir(&folder).expect("a corpus for each target");
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
        .into_iter()
        .map(|path| (path.clone(), std::fs::read(path).unwrap()))
        .collect()
}

/// True for the name that the fuzzer gives to what it finds, which is a SHA-1 sum.
fn is_found(name: &str) -> bool {
    name.len() == 40 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[test]
fn corpus_files_are_accepted_unless_their_name_says_error() {
    for (target_name, target) in TARGETS {
        let files = corpus(target_name);
        assert!(!files.is_empty(), "{target_name} has no corpus");
        for (path, data) in files {
            let verdict = target(&data);
            let name = path.file_name().unwrap().to_str().unwrap();
            let expected = match name.starts_with("err_") {
                true => Verdict::Refused,
                false => Verdict::Accepted,
            };
            assert!(
                verdict == expected || is_found(name),
                "{}: {verdict:?}",
                path.display()
            );
        }
    }
}

#[test]
fn changed_and_cut_corpus_files_keep_the_promises_too() {
    let mut random = XorShift(0x9e37_79b9_7f4a_7c15);
    for (name, target) in TARGETS {
        let files = corpus(name);
        for (_, data) in &files {
            for length in (0..data.len()).step_by(1 + data.len() / SHORT) {
                let _ = target(&data[..length]);
            }
            for _ in 0..MUTATIONS / files.len() {
                let _ = target(&mutated(data, &mut random));
            }
        }
    }
}

#[test]
fn every_target_has_a_binary_and_no_corpus_lacks_a_target() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let targets: Vec<_> = TARGETS.iter().map(|(name, _)| *name).collect();
    assert!(targets.is_sorted(), "targets in order of their names");
    for (folder, ending) in [("fuzz_targets", ".rs"), ("corpus", "")] {
        let entries = std::fs::read_dir(root.join(folder)).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .map(|name| name.strip_suffix(ending).unwrap_or(&name).to_owned())
            .collect();
        names.sort();
        assert_eq!(names, targets, "{folder}");
    }
    // Cargo finds binaries only in its own folders; cargo-fuzz reads them from the manifest.
    let manifest = std::fs::read_to_string(root.join("Cargo.toml")).unwrap();
    for name in targets {
        let line = format!("path = \"fuzz_targets/{name}.rs\"");
        assert!(manifest.contains(&line), "{name} is not in Cargo.toml");
    }
}

/// Flips, replaces, inserts, removes or repeats a few bytes.
fn mutated(data: &[u8], random: &mut XorShift) -> Vec<u8> {
    let mut data = data.to_vec();
    for _ in 0..=random.below(3) {
        let at = random.below(data.len() + 1);
        let byte = random.below(256) as u8;
        match random.below(5) {
            0 => data.insert(at, byte),
            1 => data.truncate(at),
            2 if at < data.len() => drop(data.remove(at)),
            3 if at < data.len() => data[at] ^= 1 << random.below(8),
            _ if at < data.len() => data[at] = byte,
            _ => data.extend_from_within(..at),
        }
    }
    data
}

/// A small generator with a fixed seed: a failure here happens on every machine.
struct XorShift(u64);

impl XorShift {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound.max(1) as u64) as usize
    }
}
