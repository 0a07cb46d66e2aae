//! The table of results, on the terminal and in `docs/interop.md`.

use std::fmt::Write as _;

use super::site::{Direction, Transport};

/// What came of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    Pass,
    /// With what went wrong, and the exchange.
    Fail(String),
    /// The peer has nothing of the kind, with the reason.
    NotApplicable(&'static str),
}

/// A line of the table.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) format: &'static str,
    pub(super) direction: Direction,
    pub(super) transport: Transport,
    pub(super) outcome: Outcome,
}

/// All lines.
#[derive(Debug, Default)]
pub(super) struct Table(pub(super) Vec<Row>);

impl Row {
    /// The line as it is shown.
    pub(super) fn line(&self) -> String {
        let (verdict, why) = match &self.outcome {
            Outcome::Pass => ("pass", ""),
            Outcome::Fail(_) => ("FAIL", ""),
            Outcome::NotApplicable(why) => ("n/a", *why),
        };
        let (direction, transport) = (self.direction.name(), self.transport.name());
        let (name, format) = (&self.name, self.format);
        format!("{verdict:<5} {direction:<27} {transport:<8} {format:<10} {name}  {why}")
            .trim_end()
            .to_owned()
    }
}

impl Table {
    fn count(&self, fits: impl Fn(&Outcome) -> bool) -> usize {
        self.0.iter().filter(|row| fits(&row.outcome)).count()
    }

    pub(super) fn failed(&self) -> usize {
        self.count(|outcome| matches!(outcome, Outcome::Fail(_)))
    }

    /// The last line.
    pub(super) fn totals(&self) -> String {
        let pass = self.count(|outcome| *outcome == Outcome::Pass);
        let not = self.count(|outcome| matches!(outcome, Outcome::NotApplicable(_)));
        format!("{pass} pass, {} fail, {not} n/a", self.failed())
    }

    /// Those that did not fail.
    pub(super) fn unnoticed(&self) -> Vec<String> {
        let unnoticed = |row: &&Row| !matches!(row.outcome, Outcome::Fail(_));
        self.0.iter().filter(unnoticed).map(Row::line).collect()
    }

    /// The failed cases with their exchanges.
    pub(super) fn failures(&self) -> String {
        let mut text = String::new();
        for row in &self.0 {
            if let Outcome::Fail(story) = &row.outcome {
                let story = story.trim_end().replace('\n', "\n    ");
                // Writing to a String can't fail.
                let _ = writeln!(text, "{}\n    {story}\n", row.line());
            }
        }
        text
    }

    /// The table in Markdown: a line for each case, a column for each direction and transport.
    pub(super) fn markdown(&self, heading: &str) -> String {
        const COLUMNS: [(Direction, Transport); 4] = [
            (Direction::OurDevice, Transport::Udp),
            (Direction::OurDevice, Transport::Dtls),
            (Direction::OurServer, Transport::Udp),
            (Direction::OurServer, Transport::Dtls),
        ];
        let mut text = format!("{heading}\n\n| case | format |");
        for (direction, transport) in COLUMNS {
            let _ = write!(text, " {}, {} |", direction.name(), transport.name());
        }
        text.push_str("\n|---|---|---|---|---|---|\n");
        let mut reasons: Vec<&'static str> = Vec::new();
        let mut known: Vec<(&str, &str)> = Vec::new();
        for row in &self.0 {
            let key = (row.name.as_str(), row.format);
            if known.contains(&key) {
                continue;
            }
            known.push(key);
            let _ = write!(text, "| {} | {} |", row.name, row.format);
            for column in COLUMNS {
                let found = self.0.iter().find(|other| {
                    (other.name.as_str(), other.format) == key
                        && (other.direction, other.transport) == column
                });
                let cell = match found.map(|row| &row.outcome) {
                    Some(Outcome::Pass) => "pass".to_owned(),
                    Some(Outcome::Fail(_)) => "**fail**".to_owned(),
                    Some(Outcome::NotApplicable(why)) => {
                        format!("n/a ({})", numbered(why, &mut reasons))
                    }
                    None => String::new(),
                };
                let _ = write!(text, " {cell} |");
            }
            text.push('\n');
        }
        let _ = writeln!(text, "\n{}", self.totals());
        for (index, reason) in reasons.iter().enumerate() {
            let _ = writeln!(text, "\n({}) {reason}.", index + 1);
        }
        text
    }
}

/// The number of a reason, from 1 on.
fn numbered(why: &'static str, reasons: &mut Vec<&'static str>) -> usize {
    let known = reasons.iter().position(|reason| *reason == why);
    known.unwrap_or_else(|| {
        reasons.push(why);
        reasons.len() - 1
    }) + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(direction: Direction, outcome: Outcome) -> Row {
        Row {
            name: "register".into(),
            format: "link",
            direction,
            transport: Transport::Udp,
            outcome,
        }
    }

    #[test]
    fn a_case_is_one_line_with_a_column_for_each_way() {
        let table = Table(vec![
            row(Direction::OurDevice, Outcome::Pass),
            row(Direction::OurServer, Outcome::NotApplicable("no reason")),
        ]);
        let text = table.markdown("# Heading");
        assert!(text.contains("| register | link | pass |  | n/a (1) |  |"));
        assert!(text.ends_with("\n1 pass, 0 fail, 1 n/a\n\n(1) no reason.\n"));
    }

    #[test]
    fn a_failure_is_told_with_its_story() {
        let table = Table(vec![row(
            Direction::OurDevice,
            Outcome::Fail("a\nb\n".into()),
        )]);
        assert_eq!(table.failed(), 1);
        assert!(table.failures().starts_with("FAIL "));
        assert!(table.failures().ends_with("\n    a\n    b\n\n"));
    }
}
