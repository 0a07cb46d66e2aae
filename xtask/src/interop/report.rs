//! What is shown of the cases.

use std::fmt;

/// Who talks to whom.
#[derive(Debug, Clone, Copy)]
pub(super) enum Direction {
    ToServer,
    ToDevice,
    ServerToDevice,
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::ToServer => "libcoap -> our server",
            Self::ToDevice => "libcoap -> our device",
            Self::ServerToDevice => "our server -> our device",
        })
    }
}

/// What came of one case.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) direction: Direction,
    pub(super) transport: &'static str,
    /// The exact command.
    pub(super) sent: String,
    /// The answer and the event.
    pub(super) seen: String,
    /// What was expected and did not come, with the whole exchange.
    pub(super) wrong: Option<String>,
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match &self.wrong {
            None => "ok",
            Some(_) => "FAILED",
        };
        writeln!(
            f,
            "{verdict:<7} {:<26} {:<4}  {}",
            self.direction, self.transport, self.name
        )?;
        writeln!(f, "        sent  {}", self.sent)?;
        write!(f, "        seen  {}", self.seen)?;
        match &self.wrong {
            None => Ok(()),
            Some(wrong) => write!(
                f,
                "\n        {}",
                wrong.trim_end().replace('\n', "\n        ")
            ),
        }
    }
}

/// All cases of a run.
#[derive(Debug)]
pub(super) struct Report {
    rows: Vec<Row>,
    loud: bool,
}

impl Report {
    /// Makes a report that shows each case as it ends, if it is to be loud.
    pub(super) const fn new(loud: bool) -> Self {
        Self {
            rows: Vec::new(),
            loud,
        }
    }

    pub(super) fn add(&mut self, row: Row) {
        if self.loud {
            println!("{row}");
        }
        self.rows.push(row);
    }

    pub(super) fn failed(&self) -> usize {
        self.rows.iter().filter(|row| row.wrong.is_some()).count()
    }

    /// The failed cases in full.
    pub(super) fn failures(&self) -> String {
        let failed = self.rows.iter().filter(|row| row.wrong.is_some());
        let rows: Vec<String> = failed.map(Row::to_string).collect();
        rows.join("\n")
    }
}

impl fmt::Display for Report {
    /// Writes how many cases there were.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.failed() {
            0 => write!(f, "all {} cases passed", self.rows.len()),
            failed => write!(f, "{failed} of {} cases failed", self.rows.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(wrong: Option<&str>) -> Row {
        Row {
            name: "update",
            direction: Direction::ToServer,
            transport: "UDP",
            sent: "coap-client-notls".into(),
            seen: "ACK 2.04".into(),
            wrong: wrong.map(str::to_owned),
        }
    }

    #[test]
    fn a_case_shows_what_was_sent_and_seen() {
        assert_eq!(
            row(None).to_string(),
            "ok      libcoap -> our server      UDP   update\n        \
             sent  coap-client-notls\n        seen  ACK 2.04"
        );
    }

    #[test]
    fn a_failure_is_shown_with_the_exchange_and_counted() {
        let mut report = Report::new(false);
        report.add(row(None));
        report.add(row(Some("expected 2.02\nv:1 t:ACK\n")));
        assert_eq!(report.to_string(), "1 of 2 cases failed");
        assert!(
            report
                .failures()
                .ends_with("\n        expected 2.02\n        v:1 t:ACK")
        );
    }
}
