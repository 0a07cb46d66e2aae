//! Finds what is wrong with object definitions, and where, in words for their authors.

mod common;
mod object;
mod range;
mod raw;
mod resource;
mod rule;
mod units;
mod versions;

use std::{collections::BTreeMap, fmt};

use lwm2m_model::xml::{self, MAX_NODES, Position};
use roxmltree::{Document, ParsingOptions};

use common::Common;
pub use rule::{Rule, Severity};
use versions::Versions;

/// Something that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Finding {
    /// The file, as it was named to the linter.
    pub file: String,
    /// Where in the file.
    pub position: Position,
    /// The rule that is broken.
    pub rule: Rule,
    /// Object ID, where it is known.
    pub object: Option<u16>,
    /// Resource ID, if it is about a resource.
    pub resource: Option<u16>,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl fmt::Display for Finding {
    /// Writes `file:line:column: severity[rule]: message`, as compilers do.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Position { line, column } = self.position;
        let severity = self.rule.severity();
        write!(
            f,
            "{}:{line}:{column}: {severity}[{}]: {}",
            self.file, self.rule, self.message
        )
    }
}

/// What a file turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// It holds this many object definitions, or should have.
    Definitions(usize),
    /// The registry of reusable resources.
    Common,
    /// Another kind of XML file, such as an index or a schema: nothing of it was checked.
    Other,
}

/// Checks definitions: each alone, and all together.
///
/// ```
/// use lwm2m_build::lint::{Linter, Rule};
///
/// let mut linter = Linter::new();
/// linter.check("lamp.xml", "<LWM2M><Object ObjectType='MODefinition'/></LWM2M>");
/// let findings = linter.finish();
/// assert!(findings.iter().any(|finding| finding.rule == Rule::MissingElement));
/// ```
#[derive(Debug, Default)]
pub struct Linter {
    findings: Vec<Finding>,
    common: Option<Common>,
    versions: Versions,
}

impl Linter {
    /// Makes a linter that has seen nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Checks the text of a file. What it defines takes part in the checks of
    /// [`finish`](Self::finish).
    ///
    /// A file of reusable resources (`Common.xml`) is taken as what the resources of all other
    /// files are compared with, in whatever order the files come.
    pub fn check(&mut self, file: &str, text: &str) -> FileKind {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let options = ParsingOptions {
            nodes_limit: MAX_NODES,
            ..ParsingOptions::default()
        };
        match Document::parse_with_options(text, options) {
            Ok(document) => self.document(file, text, &document),
            Err(error) => {
                let position = Position {
                    line: error.pos().row,
                    column: error.pos().col,
                };
                let message = format!("not well-formed XML: {error}");
                self.scope(file).add(Rule::Malformed, position, message);
                FileKind::Definitions(0)
            }
        }
    }

    /// Notes a file that is not UTF-8 text.
    pub fn not_text(&mut self, file: &str) {
        let start = Position { line: 1, column: 1 };
        let message = "the file is not UTF-8 text; save it as UTF-8";
        self.scope(file).add(Rule::Malformed, start, message);
    }

    fn document(&mut self, file: &str, text: &str, document: &Document<'_>) -> FileKind {
        let root = document.root_element();
        if root.tag_name().name() != "LWM2M" {
            return FileKind::Other;
        }
        let objects = root.children().filter(|node| node.has_tag_name("Object"));
        let objects: Vec<raw::Raw> = objects
            .map(|node| raw::Raw::object(document, node))
            .collect();
        if let [only] = objects.as_slice()
            && let Some(kind) = &only.attribute
            && kind.trimmed() == "CommonResources"
        {
            self.common = Some(Common::new(only));
            return FileKind::Common;
        }
        if objects.is_empty() {
            let position = raw::position(document, root.range().start);
            let message = "the file defines no object: LWM2M needs an Object inside";
            self.scope(file).add(Rule::Malformed, position, message);
        }
        // What the reader takes can be compared with other files; what it refuses has findings.
        let parsed = xml::parse(text).map_or_else(|_| Vec::new(), |parsed| parsed.definitions);
        for raw in &objects {
            object::check(&mut self.scope(file), raw, objects.len());
        }
        for definition in parsed {
            let raw = objects
                .iter()
                .find(|raw| raw.text("ObjectID").parse() == Ok(definition.id));
            if let Some(raw) = raw {
                self.versions.add(file, raw, definition);
            }
        }
        FileKind::Definitions(objects.len())
    }

    /// Ends with the checks over several files, and returns all findings in the order of files
    /// and lines.
    pub fn finish(mut self) -> Vec<Finding> {
        if let Some(common) = &self.common {
            common.compare(&self.versions, &mut self.findings);
        }
        self.versions.compare(&mut self.findings);
        self.findings.sort();
        self.findings.dedup();
        self.findings
    }

    fn scope<'a>(&'a mut self, file: &'a str) -> Scope<'a> {
        Scope::new(file, &mut self.findings)
    }
}

/// Counts findings by rule; rules without any are left out.
pub fn count(findings: &[Finding]) -> BTreeMap<Rule, usize> {
    let mut counts = BTreeMap::new();
    for finding in findings {
        *counts.entry(finding.rule).or_insert(0) += 1;
    }
    counts
}

/// Where findings go, and what they are about.
struct Scope<'a> {
    file: &'a str,
    findings: &'a mut Vec<Finding>,
    object: Option<u16>,
    resource: Option<u16>,
}

impl<'a> Scope<'a> {
    fn new(file: &'a str, findings: &'a mut Vec<Finding>) -> Self {
        Self {
            file,
            findings,
            object: None,
            resource: None,
        }
    }

    fn add(&mut self, rule: Rule, position: Position, message: impl Into<String>) {
        self.findings.push(Finding {
            file: self.file.to_owned(),
            position,
            rule,
            object: self.object,
            resource: self.resource,
            message: message.into(),
        });
    }
}
