//! How much of the codec its tests run through, by cargo-llvm-cov.

use serde_json::Value;

use crate::command::{capture, program};
use crate::step::{Context, Done, Failure};
use crate::tools::{self, Tool};

const TOOL: Tool = Tool {
    name: "cargo-llvm-cov",
    version: "0.6.21",
};

/// Per cent of the lines that have to be covered.
const FLOOR: f64 = 95.0;

/// Runs the codec's tests and those of its fuzz corpora, and counts the codec's lines.
pub(crate) fn run(context: &Context) -> Result<Done, Failure> {
    let component = ["component", "add", "llvm-tools"];
    let component = capture(&mut program(context, "rustup", &component));
    let tool = match component.and_then(|_| TOOL.find(context)) {
        Ok(tool) => tool,
        Err(failure) => return tools::without(context, "cargo-llvm-cov", failure),
    };
    let arguments = [
        "llvm-cov",
        "--package",
        "lwm2m-codec",
        "--package",
        "lwm2m-fuzz",
        "--features",
        "lwm2m-codec/serde",
        "--json",
        "--summary-only",
    ];
    let mut command = program(context, tool, &arguments);
    command.env("CARGO_TARGET_DIR", context.target().join("coverage"));
    let report = capture(&mut command)?;
    let lines = lines(&report).ok_or(Failure("cargo-llvm-cov told no lines".into()))?;
    if !context.quiet {
        for (file, covered, count) in &lines {
            println!(
                "{:>6.1} %  {covered:>5} of {count:>5}  {file}",
                percent(*covered, *count)
            );
        }
    }
    let covered = lines.iter().map(|(_, covered, _)| covered).sum();
    let count = lines.iter().map(|(_, _, count)| count).sum();
    let percent = percent(covered, count);
    let remark = format!("{percent:.1} % of {count} lines of lwm2m-codec");
    match percent >= FLOOR {
        true => Ok(Done::CheckedWith(remark)),
        false => Err(Failure(format!("{remark}, fewer than {FLOOR} %"))),
    }
}

fn percent(covered: u64, count: u64) -> f64 {
    100.0 * covered as f64 / count.max(1) as f64
}

/// The codec's files with how many of their lines are covered, and how many there are.
fn lines(report: &str) -> Option<Vec<(String, u64, u64)>> {
    const FOLDER: &str = "lwm2m-codec/src/";
    let report: Value = serde_json::from_str(report).ok()?;
    let files = report["data"][0]["files"].as_array()?;
    let lines: Vec<_> = files
        .iter()
        .filter_map(|file| {
            let (_, name) = file["filename"].as_str()?.split_once(FOLDER)?;
            let lines = &file["summary"]["lines"];
            Some((
                name.to_owned(),
                lines["covered"].as_u64()?,
                lines["count"].as_u64()?,
            ))
        })
        .collect();
    (!lines.is_empty()).then_some(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_codecs_files_count() {
        let report = r#"{"data":[{"files":[
            {"filename":"/x/lwm2m-codec/src/tlv.rs","summary":{"lines":{"count":4,"covered":3}}},
            {"filename":"/x/fuzz/src/lib.rs","summary":{"lines":{"count":9,"covered":0}}}]}]}"#;
        assert_eq!(lines(report), Some(vec![("tlv.rs".into(), 3, 4)]));
        assert_eq!(lines("{}"), None);
        assert_eq!(lines(r#"{"data":[{"files":[]}]}"#), None);
    }
}
