//! What the check found, in numbers.

use std::{
    collections::BTreeMap,
    fmt::{self, Display, Write},
    iter,
    time::Instant,
};

use lwm2m_build::lint::Rule;

/// All figures in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Figures {
    rows: Vec<(String, String)>,
    /// Warnings of the reader by their kinds.
    pub(super) warnings: BTreeMap<&'static str, usize>,
    /// Findings of lint by their rules, the most frequent first.
    pub(super) lint: Vec<(Rule, usize)>,
}

impl Figures {
    pub(super) fn add(&mut self, what: impl Display, figure: impl Display) {
        self.rows.push((what.to_string(), figure.to_string()));
    }

    /// The counts that tell whether anything was checked.
    pub(super) fn summary(&self) -> String {
        let figure = |what: &str| {
            let row = self.rows.iter().find(|(name, _)| name == what);
            row.map_or("no", |(_, figure)| figure.as_str())
        };
        format!(
            "{} files, {} versions of {} objects, {} payloads there and back",
            figure("files of definitions read"),
            figure("versions of objects"),
            figure("objects"),
            figure("payloads there and back"),
        )
    }

    /// A table of times and memory.
    pub(super) fn costs(&self) -> String {
        table(
            self.rows
                .iter()
                .filter(|(_, figure)| [" s", " MiB"].iter().any(|unit| figure.ends_with(unit))),
        )
    }

    /// Tables for a document.
    pub(super) fn to_markdown(&self) -> String {
        let mut text = table(self.rows.iter());
        text += "\n| warning of the reader | how often |\n|---|--:|\n";
        let warnings = self.warnings.iter();
        text.extend(warnings.map(|(kind, count)| format!("| `{kind}` | {count} |\n")));
        text += "\n| rule of lint | how grave | findings |\n|---|---|--:|\n";
        for (rule, count) in &self.lint {
            // Writing to a string can't fail.
            let _ = writeln!(text, "| `{rule}` | {} | {count} |", rule.severity());
        }
        text
    }
}

impl fmt::Display for Figures {
    /// Writes a line for each figure.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, figure) in &self.rows {
            writeln!(f, "{what}: {figure}")?;
        }
        for (kind, count) in &self.warnings {
            writeln!(f, "{count:>6}  reader   {kind}")?;
        }
        for (rule, count) in &self.lint {
            let severity = rule.severity().to_string();
            writeln!(f, "{count:>6}  {severity:<7}  {rule}")?;
        }
        Ok(())
    }
}

fn table<'r>(rows: impl Iterator<Item = &'r (String, String)>) -> String {
    let rows = rows.map(|(what, figure)| format!("| {what} | {figure} |\n"));
    iter::once("| what | figure |\n|---|--:|\n".to_owned())
        .chain(rows)
        .collect()
}

/// The time since `start`.
pub(super) fn seconds(start: Instant) -> String {
    format!("{:.1} s", start.elapsed().as_secs_f64())
}

/// An amount of memory, given in MiB.
pub(super) fn mebibytes(amount: u64) -> String {
    format!("{amount} MiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_shown_as_lines_and_as_tables() {
        let mut figures = Figures::default();
        figures.add("objects", 3);
        figures.warnings.insert("name-missing", 2);
        figures.lint.push((Rule::RangeSyntax, 20));
        let shown = figures.to_string();
        assert!(shown.contains("objects: 3\n"), "{shown}");
        assert!(shown.contains("     2  reader   name-missing"), "{shown}");
        let tables = figures.to_markdown();
        assert!(
            tables.contains("| `range-syntax` | warning | 20 |"),
            "{tables}"
        );
        assert!(
            figures
                .summary()
                .starts_with("no files, no versions of 3 objects")
        );
    }
}
