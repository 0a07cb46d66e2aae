//! The table that the demonstration prints.

use std::{
    io::{self, IsTerminal, Write},
    time::Duration,
};

use super::{reason::Reason, relay::Bytes};

/// What a row of the table is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Label {
    pub(crate) operation: String,
    pub(crate) path: String,
    pub(crate) format: String,
}

impl Label {
    pub(crate) fn new(
        operation: impl Into<String>,
        path: impl Into<String>,
        format: impl Into<String>,
    ) -> Self {
        Self {
            operation: operation.into(),
            path: path.into(),
            format: format.into(),
        }
    }
}

impl std::fmt::Display for Label {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.operation, self.path)?;
        if self.format == "-" {
            Ok(())
        } else {
            write!(f, " ({})", self.format)
        }
    }
}

/// Widths of operation, path, format, both counts of bytes, and result.
const WIDTHS: [usize; 6] = [20, 26, 12, 9, 11, 40];

/// Prints rows as they come, and counts them.
#[derive(Debug)]
pub(crate) struct Report {
    colour: bool,
    rows: usize,
    bytes: Bytes,
}

impl Report {
    pub(crate) fn new() -> Self {
        let colour = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self {
            colour,
            rows: 0,
            bytes: Bytes::default(),
        }
    }

    /// Prints what the table shows and its head.
    pub(crate) fn head(&self, text: &str) {
        let [operation, path, format, to, from, result] = WIDTHS;
        print(text);
        print(&self.paint(
            "1",
            &format!(
                "{:<operation$} {:<path$} {:<format$} {:>to$} {:>from$}  {:<result$} {:>8}",
                "OPERATION", "PATH", "FORMAT", "TO DEVICE", "FROM DEVICE", "RESULT", "TIME"
            ),
        ));
    }

    /// Prints a row; bytes that could not be counted are left out.
    pub(crate) fn row(
        &mut self,
        label: &Label,
        bytes: Option<Bytes>,
        result: &str,
        took: Duration,
    ) {
        self.rows += 1;
        self.bytes = self.bytes + bytes.unwrap_or_default();
        let count = |count: Option<usize>| count.map_or("-".to_owned(), |count| count.to_string());
        let [operation, path, format, to, from, width] = WIDTHS;
        let left = format!(
            "{:<operation$} {:<path$} {:<format$} {:>to$} {:>from$}",
            label.operation,
            cut(&label.path, path),
            label.format,
            count(bytes.map(|bytes| bytes.to_device)),
            count(bytes.map(|bytes| bytes.from_device)),
        );
        let result = self.paint("32", &format!("{:<width$}", cut(result, width)));
        print(&format!("{left}  {result} {:>8}", time(took)));
    }

    /// Prints the row of a step that failed, and why.
    pub(crate) fn failed(&self, label: &Label, reason: &Reason, took: Duration) {
        let [operation, path, format, to, from, width] = WIDTHS;
        let left = format!(
            "{:<operation$} {:<path$} {:<format$} {:>to$} {:>from$}",
            label.operation,
            cut(&label.path, path),
            label.format,
            "-",
            "-",
        );
        let result = self.paint("31", &format!("{:<width$}", "FAILED"));
        print(&format!("{left}  {result} {:>8}", time(took)));
        print(&self.paint("31", &format!("    {reason}")));
    }

    /// Prints the last line.
    pub(crate) fn summary(&self, took: Duration) {
        let text = format!(
            "\n{} operations, each answer as it must be; {} bytes to the device, {} from it, in \
             {:.1} s.",
            self.rows,
            self.bytes.to_device,
            self.bytes.from_device,
            took.as_secs_f64()
        );
        print(&self.paint("32", &text));
    }

    fn paint(&self, colour: &str, text: &str) -> String {
        match self.colour {
            true => format!("\x1b[{colour}m{text}\x1b[0m"),
            false => text.to_owned(),
        }
    }
}

fn time(took: Duration) -> String {
    format!("{:.1} ms", took.as_secs_f64() * 1000.0)
}

/// Cuts a text that is too wide for its column.
fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width - 1).chain(['…']).collect()
}

fn print(line: &str) {
    // Who reads the table may have gone; the exit code remains.
    let _ = writeln!(io::stdout(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_wide_is_cut() {
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("äbcd", 3), "äb…");
    }

    #[test]
    fn a_label_names_its_format_if_there_is_one() {
        assert_eq!(
            Label::new("Read", "/3/0", "TLV").to_string(),
            "Read /3/0 (TLV)"
        );
        assert_eq!(Label::new("Update", "/rd", "-").to_string(), "Update /rd");
    }
}
