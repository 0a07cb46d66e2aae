//! Why a command ends early, and with which exit code.

use std::{fmt::Display, process::ExitCode};

/// What stopped a command, in words for the person who started it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failure {
    /// The command line or a configuration file is wrong: exit code 2.
    #[error("{0}")]
    Usage(String),
    /// Something went wrong: exit code 1.
    #[error("{0}")]
    Runtime(String),
}

impl Failure {
    /// The command line or a configuration file is wrong.
    pub(crate) fn usage(message: impl Display) -> Self {
        Self::Usage(message.to_string())
    }

    /// Something went wrong.
    pub(crate) fn runtime(message: impl Display) -> Self {
        Self::Runtime(message.to_string())
    }

    /// Shows the message on standard error.
    pub(crate) fn report(&self) -> ExitCode {
        eprintln!("error: {self}");
        match self {
            Self::Usage(_) => ExitCode::from(2),
            Self::Runtime(_) => ExitCode::from(1),
        }
    }
}
