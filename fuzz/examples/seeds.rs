//! Writes the seeds of the corpora that come from the codec's test vectors, and some by chance for
//! the targets that take calls or trees: `cargo run -p lwm2m-fuzz --example seeds`.
//!
//! Files that are there already stay as they are, so that seeds can be added by hand.

use std::path::Path;

use lwm2m_fuzz::{TARGETS, Target, Verdict};
use serde_json::Value;

/// Target and names of the seeds that stand for themselves.
const TEXTS: &[(&str, &[&str])] = &[
    (
        "path",
        &[
            "/",
            "/3",
            "/3/0",
            "/3/0/6/1",
            "3/0/9",
            "/65535",
            "",
            "/03",
            "/65536",
            "/3/0/6/1/2",
        ],
    ),
    (
        "attributes",
        &[
            "pmin=10&pmax=60",
            "pmin",
            "gt=45.5&lt=-5&st=1",
            "edge=1&con=0&hqmax=5",
            "epmin=1&epmax=2",
            "st=-1",
            "dim=2",
        ],
    ),
    (
        "arguments",
        &["", "0", "7,0='U'", "5='x y',1,2='3'", "0,0", "a", "1='"],
    ),
    (
        "text",
        &[
            "\u{5}\u{4}-42",
            "\u{3}\u{6}21.5",
            "\u{3}\u{8}AQI=",
            "\u{3}\u{a}65:1",
            "\u{3}\u{7}1",
            "\u{3}\u{7}2",
        ],
    ),
    ("opaque", &["\u{3}\u{0}bytes", "\u{3}\u{8}", "\u{3}\u{4}1"]),
];

fn main() -> std::io::Result<()> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let vectors =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../lwm2m-codec/tests/data/vectors.json");
    let vectors: Vec<Value> = serde_json::from_slice(&std::fs::read(vectors)?)?;
    for vector in &vectors {
        let id = vector["id"].as_str().unwrap_or_default();
        for (name, target) in targets_of(vector) {
            if let Some(seed) = seed(vector, name, target) {
                write(&corpus, name, target, id, &seed)?;
            }
        }
    }
    for (name, texts) in TEXTS {
        let target = find(name);
        for (index, text) in texts.iter().enumerate() {
            write(
                &corpus,
                name,
                target,
                &format!("own_{index}"),
                text.as_bytes(),
            )?;
        }
    }
    for name in ["coap_writers", "link_writer", "tree"] {
        by_chance(&corpus, name, find(name))?;
    }
    Ok(())
}

fn find(name: &str) -> Target {
    let found = TARGETS.iter().find(|(other, _)| *other == name);
    found.expect("a target of this name").1
}

/// The targets that a vector is a seed of.
fn targets_of(vector: &Value) -> Vec<(&'static str, Target)> {
    let format = vector["cf"].as_u64();
    let names: &[&'static str] = match (vector["group"].as_str().unwrap_or_default(), format) {
        ("tlv", _) => &["tlv"],
        ("single", Some(0)) => &["text"],
        ("single", Some(42)) => &["opaque"],
        ("single", _) => &["cbor"],
        ("link", _) => &["link"],
        ("senml-json", _) => &["senml_json", "senml_etch_json"],
        ("senml-cbor", _) => &["senml_cbor", "senml_etch_cbor"],
        ("oma-json", _) => &["oma_json"],
        ("lwm2m-cbor", _) => &["lwm2m_cbor"],
        ("coap-tcp", _) => &["coap_tcp"],
        ("query", _)
            if vector["id"]
                .as_str()
                .unwrap_or_default()
                .starts_with("attr") =>
        {
            &["attributes"]
        }
        ("query", _)
            if vector["id"]
                .as_str()
                .unwrap_or_default()
                .starts_with("exec") =>
        {
            &["arguments"]
        }
        _ => &[],
    };
    names.iter().map(|name| (*name, find(name))).collect()
}

/// The bytes of a vector, after those that say where it stands and what types are known.
fn seed(vector: &Value, name: &str, target: Target) -> Option<Vec<u8>> {
    let data = vector["data"].as_str()?;
    let payload = match vector["kind"].as_str() {
        Some("hex") => hex(data)?,
        _ => data.as_bytes().to_vec(),
    };
    if matches!(name, "link" | "coap_tcp" | "attributes" | "arguments") {
        return Some(payload);
    }
    let wanted = Verdict::accepted_if(vector["ok"].as_bool()?);
    let depth = vector["path"]
        .as_str()
        .map_or(0, |path| path.matches('/').count());
    let depths = (0..5u8).map(|more| (depth as u8 + more) % 5);
    // The last ones take any segment in front of the path.
    let depths = depths.chain([10]);
    // The types of the core objects first, then one for all, then none.
    let heads = depths.flat_map(|depth| {
        [1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 2, 14, 26, 0].map(|types| [depth, types])
    });
    heads
        .map(|head| [&head[..], &payload].concat())
        .find(|seed| target(seed) == wanted)
}

fn hex(digits: &str) -> Option<Vec<u8>> {
    let pairs = (0..digits.len()).step_by(2);
    pairs
        .map(|at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok())
        .collect()
}

fn write(corpus: &Path, name: &str, target: Target, id: &str, seed: &[u8]) -> std::io::Result<()> {
    let id = id.replace('-', "_");
    let id = match target(seed) {
        Verdict::Accepted => id,
        Verdict::Refused => format!("err_{id}"),
    };
    let path = corpus.join(name).join(id);
    match path.exists() {
        true => Ok(()),
        false => std::fs::write(path, seed),
    }
}

/// Some inputs of growing size that a target accepts.
fn by_chance(corpus: &Path, name: &str, target: Target) -> std::io::Result<()> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    let mut kept = 0;
    for size in (64..100_000).step_by(16).map(|size| size.min(512)) {
        // Arbitrary reads lengths from bytes: small ones leave something for the rest.
        let seed: Vec<u8> = (0..size)
            .map(|_| match next() % 3 {
                0 => next() % 8,
                1 => b'a' + next() % 26,
                _ => next(),
            })
            .collect();
        if target(&seed) == Verdict::Accepted {
            write(corpus, name, target, &format!("chance_{kept:02}"), &seed)?;
            kept += 1;
        }
        if kept == 8 {
            break;
        }
    }
    Ok(())
}
