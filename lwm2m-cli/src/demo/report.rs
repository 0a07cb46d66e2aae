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

/// Widths of operation, path, format, both counts of bytes, code, and result.
const WIDTHS: [usize; 7] = [18, 27, 10, 9, 11, 4, 32];

/// What a step came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Done {
    /// Code of the answer, such as 2.05.
    pub(crate) code: String,
    pub(crate) text: String,
}

/// What a step that went well came to.
pub(crate) fn done(code: &str, text: impl Into<String>) -> Result<Done, Reason> {
    Ok(Done {
        code: code.to_owned(),
        text: text.into(),
    })
}

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
        print(text);
        let columns = [
            "OPERATION",
            "PATH",
            "FORMAT",
            "TO DEVICE",
            "FROM DEVICE",
            "CODE",
            "RESULT",
        ];
        print(&self.paint("1", &line(columns, "TIME")));
    }

    /// Prints a row; bytes that could not be counted are left out.
    pub(crate) fn row(&mut self, label: &Label, bytes: Option<Bytes>, done: &Done, took: Duration) {
        self.rows += 1;
        self.bytes = self.bytes + bytes.unwrap_or_default();
        let count = |count: Option<usize>| count.map_or("-".to_owned(), |count| count.to_string());
        let columns = [
            &label.operation,
            &label.path,
            &label.format,
            &*count(bytes.map(|bytes| bytes.to_device)),
            &*count(bytes.map(|bytes| bytes.from_device)),
            &done.code,
            &done.text,
        ];
        print(&line(columns, &time(took)));
    }

    /// Prints the row of a step that failed.
    pub(crate) fn failed(&self, label: &Label, took: Duration) {
        let columns = [
            &label.operation,
            &label.path,
            &*label.format,
            "-",
            "-",
            "-",
            "FAILED",
        ];
        print(&self.paint("31", &line(columns, &time(took))));
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

    /// Prints the last line of a story whose bytes nobody counted.
    pub(crate) fn story(&self, took: Duration) {
        let steps = self.rows;
        let text = format!(
            "\n{steps} steps, each as it must be, in {:.1} s.",
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

/// A row of the table.
fn line(columns: [&str; 7], time: &str) -> String {
    let [operation, path, format, to, from, code, result] = columns;
    let [
        w_operation,
        w_path,
        w_format,
        w_to,
        w_from,
        w_code,
        w_result,
    ] = WIDTHS;
    format!(
        "{:<w_operation$} {:<w_path$} {:<w_format$} {to:>w_to$} {from:>w_from$}  {code:<w_code$} \
         {:<w_result$} {time:>9}",
        cut(operation, w_operation),
        cut(path, w_path),
        cut(format, w_format),
        cut(result, w_result),
    )
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
    fn rows_have_the_same_width() {
        let short = line(["a", "b", "c", "1", "2", "2.05", "d"], "1.0 ms");
        let wide = "something that is much too wide for its column, whichever it is";
        let long = line([wide, wide, wide, "1", "2", "2.05", wide], "1.0 ms");
        assert_eq!(short.chars().count(), long.chars().count());
        assert!(short.chars().count() < 130);
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
