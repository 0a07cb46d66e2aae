//! The line protocol: what one line of the standard input asks for.

use std::path::PathBuf;

use lwm2m_codec::{ContentFormat, Path};

use super::value::{self, ValueError};

/// Longest line of the input in bytes; the rest is a line of its own.
pub(crate) const MAX_LINE: u64 = 65_536;

/// A command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Line {
    Set {
        path: Path,
        text: String,
    },
    Get {
        path: Path,
    },
    Send {
        format: ContentFormat,
        paths: Vec<Path>,
    },
    Collect {
        paths: Vec<Path>,
    },
    SendCollected {
        format: ContentFormat,
    },
    Update,
    Bootstrap,
    /// Another SIM, or none.
    Sim(Option<PathBuf>),
    Quit,
}

/// Says why a line is not a command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LineError {
    #[error(
        "{0:?} is not a command: set, get, send, collect, send-collected, update, bootstrap, sim or \
         quit"
    )]
    Unknown(String),
    #[error("expected {0}")]
    Usage(&'static str),
    #[error(transparent)]
    Path(#[from] ValueError),
}

/// Reads a line; `None` for a blank one.
pub(crate) fn parse(line: &str) -> Option<Result<Line, LineError>> {
    let line = line.trim();
    let (command, rest) = match line.split_once(char::is_whitespace) {
        Some((command, rest)) => (command, rest.trim_start()),
        None => (line, ""),
    };
    (!command.is_empty()).then(|| command_of(command, rest))
}

fn command_of(command: &str, rest: &str) -> Result<Line, LineError> {
    let bare = |line: Line, usage| match rest {
        "" => Ok(line),
        _ => Err(LineError::Usage(usage)),
    };
    match command {
        "set" => {
            const USAGE: LineError = LineError::Usage("set PATH VALUE");
            let (path, text) = match rest.split_once(char::is_whitespace) {
                Some((path, text)) => (path, text.trim_start()),
                None => (rest, ""),
            };
            if path.is_empty() {
                return Err(USAGE);
            }
            Ok(Line::Set {
                path: value::path(path)?,
                text: text.to_owned(),
            })
        }
        "get" if rest.is_empty() => Err(LineError::Usage("get PATH")),
        "get" => Ok(Line::Get {
            path: value::path(rest)?,
        }),
        "send" => {
            let (format, rest) = format_of(rest);
            let paths = paths(rest, "send [senml-cbor|senml-json] PATH...")?;
            Ok(Line::Send { format, paths })
        }
        "collect" => Ok(Line::Collect {
            paths: paths(rest, "collect PATH...")?,
        }),
        "send-collected" => match format_of(rest) {
            (format, "") => Ok(Line::SendCollected { format }),
            _ => Err(LineError::Usage("send-collected [senml-cbor|senml-json]")),
        },
        "update" => bare(Line::Update, "update, alone"),
        "bootstrap" => bare(Line::Bootstrap, "bootstrap, alone"),
        "sim" if rest.is_empty() => Err(LineError::Usage("sim FILE, or sim none")),
        "sim" => Ok(Line::Sim((rest != "none").then(|| rest.into()))),
        "quit" => bare(Line::Quit, "quit, alone"),
        other => Err(LineError::Unknown(other.to_owned())),
    }
}

/// The format that a Send begins with, or SenML CBOR, and what comes after it.
fn format_of(rest: &str) -> (ContentFormat, &str) {
    let (word, after) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let mut formats = [ContentFormat::SENML_CBOR, ContentFormat::SENML_JSON].into_iter();
    match formats.find(|format| format.name() == Some(word)) {
        Some(format) => (format, after.trim_start()),
        None => (ContentFormat::SENML_CBOR, rest),
    }
}

fn paths(rest: &str, usage: &'static str) -> Result<Vec<Path>, LineError> {
    if rest.is_empty() {
        return Err(LineError::Usage(usage));
    }
    let paths: Result<_, _> = rest.split_whitespace().map(value::path).collect();
    Ok(paths?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Line {
        parse(text).unwrap().unwrap()
    }

    fn error(text: &str) -> String {
        parse(text).unwrap().unwrap_err().to_string()
    }

    #[test]
    fn a_value_may_have_blanks_and_may_be_empty() {
        let path = Path::resource(3, 0, 15);
        assert_eq!(
            line(" set /3/0/15  a b \n"),
            Line::Set {
                path,
                text: "a b".into()
            }
        );
        assert_eq!(
            line("set /3/0/15"),
            Line::Set {
                path,
                text: String::new()
            }
        );
    }

    #[test]
    fn send_takes_several_paths() {
        let paths = vec![Path::instance(3303, 0), Path::resource(3, 0, 9)];
        let format = ContentFormat::SENML_CBOR;
        let collect = Line::Collect {
            paths: paths.clone(),
        };
        assert_eq!(line("collect /3303/0 3/0/9"), collect);
        let send = Line::Send { format, paths };
        assert_eq!(line("send /3303/0 3/0/9"), send);
        assert_eq!(line("send senml-cbor /3303/0 3/0/9"), send);
    }

    #[test]
    fn collected_values_are_sent_in_the_format_that_is_named() {
        let send = |format| Line::SendCollected { format };
        assert_eq!(line("send-collected"), send(ContentFormat::SENML_CBOR));
        assert_eq!(
            line("send-collected senml-json"),
            send(ContentFormat::SENML_JSON)
        );
        assert!(error("send-collected tlv").starts_with("expected send-collected"));
    }

    #[test]
    fn commands_without_arguments_take_none() {
        assert_eq!(line("update"), Line::Update);
        assert_eq!(line("bootstrap"), Line::Bootstrap);
        assert_eq!(line("quit\r\n"), Line::Quit);
        assert_eq!(error("quit now"), "expected quit, alone");
    }

    #[test]
    fn a_line_that_is_no_command_is_told_what_is_wrong() {
        assert_eq!(parse(" \n"), None);
        assert_eq!(
            error("reboot"),
            "\"reboot\" is not a command: set, get, send, collect, send-collected, update, bootstrap, \
             sim or quit"
        );
        assert_eq!(error("set"), "expected set PATH VALUE");
        assert_eq!(
            error("send"),
            "expected send [senml-cbor|senml-json] PATH..."
        );
        assert_eq!(error("send /3/x"), "/3/x: segment 1 is not an id");
    }
}
