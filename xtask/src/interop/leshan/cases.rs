//! The cases: each one gets a device of its own.

mod bootstrap;
mod inform;
mod lifecycle;
mod manage;
mod read;
mod write;

use std::fmt;

use super::site::{Direction, Session, Start};

/// What a case does; an error says what went wrong.
type Run = Box<dyn Fn(&mut Session<'_>) -> Result<(), String> + Send + Sync>;

/// One case.
pub(super) struct Case {
    pub(super) name: String,
    pub(super) format: &'static str,
    pub(super) start: Start,
    pub(super) run: Run,
    /// The one direction that it is run in, and what the other one is.
    pub(super) only: Option<(Direction, Otherwise)>,
}

/// What a case is in the direction in which it is not run.
#[derive(Debug, Clone, Copy)]
pub(super) enum Otherwise {
    /// Nothing that the peer has, with the reason.
    Inapplicable(&'static str),
    /// Not a case at all.
    Absent,
}

impl Case {
    fn new(
        name: impl Into<String>,
        format: &'static str,
        run: impl Fn(&mut Session<'_>) -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            format,
            start: Start::default(),
            run: Box::new(run),
            only: None,
        }
    }

    /// With the values that the read cases expect.
    const fn with_values(mut self) -> Self {
        self.start.values = true;
        self
    }

    /// The device is started by the case itself.
    const fn later(mut self) -> Self {
        self.start.later = true;
        self
    }

    const fn queue(mut self) -> Self {
        self.start.queue = true;
        self
    }

    const fn only(mut self, direction: Direction, otherwise: Otherwise) -> Self {
        self.only = Some((direction, otherwise));
        self
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Case")
            .field(&self.name)
            .field(&self.format)
            .finish()
    }
}

/// All cases in the order of the table.
pub(super) fn all() -> Vec<Case> {
    let parts = [
        bootstrap::cases(),
        lifecycle::cases(),
        read::cases(),
        write::cases(),
        manage::cases(),
        inform::cases(),
    ];
    parts.into_iter().flatten().collect()
}

/// Fails with a reason unless something holds.
fn check(holds: bool, reason: impl FnOnce() -> String) -> Result<(), String> {
    match holds {
        true => Ok(()),
        false => Err(reason()),
    }
}
