//! `lwm2m objects lint`.

use std::path::PathBuf;

use lwm2m_build::{
    folder,
    lint::{self, FileKind, Finding, Linter, Rule, Severity},
};
use serde_json::{Value, json};

use crate::{failure::Failure, output::Output};

/// Checks object definitions: ids, URNs, versions, types, ranges, units, changes between versions.
///
/// Prints a line for each finding, `FILE:LINE:COLUMN: error[RULE]: what is wrong`, and a summary.
/// A file Common.xml among the others says what reusable resources are. Exit codes: 0 without
/// errors, 1 with errors (or warnings, with --strict), 2 if a file can't be read.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Files, and folders with all that is in them.
    #[arg(required_unless_present = "rules", value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Fails for warnings, too.
    #[arg(long)]
    strict: bool,
    /// Checks for these rules only; may come several times.
    #[arg(long = "rule", value_name = "RULE", value_parser = rule)]
    only: Vec<Rule>,
    /// Prints no findings, only how many there are of each rule.
    #[arg(long)]
    count: bool,
    /// Lists the rules.
    #[arg(long)]
    rules: bool,
    /// Prints JSON: one object.
    #[arg(long)]
    json: bool,
}

fn rule(text: &str) -> Result<Rule, String> {
    let known = Rule::ALL.iter().find(|rule| rule.id() == text);
    known
        .copied()
        .ok_or_else(|| "there is no such rule; --rules lists them".into())
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let output = Output::new(args.json);
    if args.rules {
        rules(output);
        return Ok(());
    }
    let mut linter = Linter::new();
    let (mut files, mut skipped) = (0_usize, Vec::new());
    for path in &args.paths {
        for path in folder::xml_files(path).map_err(Failure::usage)? {
            let bytes = folder::read(&path).map_err(Failure::usage)?;
            let name = path.display().to_string();
            let kind = match String::from_utf8(bytes) {
                Ok(text) => linter.check(&name, &text),
                Err(_) => {
                    linter.not_text(&name);
                    FileKind::Definitions(0)
                }
            };
            match kind {
                FileKind::Other => skipped.push(name),
                _ => files += 1,
            }
        }
    }
    let mut findings = linter.finish();
    if !args.only.is_empty() {
        findings.retain(|finding| args.only.contains(&finding.rule));
    }
    tell(args, output, files, &skipped, &findings);
    let count = |severity| {
        let of = findings.iter().filter(|f| f.rule.severity() == severity);
        of.count()
    };
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    if errors > 0 || (args.strict && warnings > 0) {
        let message = format!("{errors} errors and {warnings} warnings in {files} files");
        return Err(Failure::runtime(message));
    }
    Ok(())
}

fn rules(output: Output) {
    for rule in Rule::ALL {
        let (id, severity, about) = (rule.id(), rule.severity(), rule.about());
        let json = json!({ "rule": id, "severity": severity.to_string(), "about": about });
        output.line(format!("{severity:<7} {id:<20} {about}"), &json);
    }
}

fn tell(args: &Args, output: Output, files: usize, skipped: &[String], findings: &[Finding]) {
    let counts = lint::count(findings);
    let mut lines = Vec::new();
    if !args.count {
        lines.extend(findings.iter().map(ToString::to_string));
    }
    lines.extend(skipped.iter().map(|name| {
        format!("{name}: skipped: its root element is not LWM2M, so it defines no object")
    }));
    lines.extend(counts.iter().map(|(rule, count)| {
        let severity = rule.severity().to_string();
        format!("{count:>6}  {severity:<7}  {rule}")
    }));
    lines.push(format!(
        "{files} files checked, {} skipped, {} findings",
        skipped.len(),
        findings.len()
    ));
    let counts: serde_json::Map<String, Value> = counts
        .iter()
        .map(|(rule, count)| (rule.id().to_owned(), json!(count)))
        .collect();
    let listed: Vec<Value> = match args.count {
        true => Vec::new(),
        false => findings.iter().map(finding).collect(),
    };
    let json = json!({
        "files": files, "skipped": skipped, "counts": counts, "findings": listed,
    });
    output.line(lines.join("\n"), &json);
}

fn finding(finding: &Finding) -> Value {
    json!({
        "file": finding.file,
        "line": finding.position.line,
        "column": finding.position.column,
        "severity": finding.rule.severity().to_string(),
        "rule": finding.rule.id(),
        "object": finding.object,
        "resource": finding.resource,
        "message": finding.message,
    })
}
