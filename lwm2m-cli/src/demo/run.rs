//! Runs steps one after the other: time, bytes, sabotage, and what a step that fails means.

use std::time::Duration;

use super::{
    process::Ending,
    reason::Reason,
    relay::Bytes,
    report::{Done, Label, Report},
    sabotage::Sabotage,
    world::World,
};

/// How long a step may take.
pub(crate) const STEP_TIMEOUT: Duration = Duration::from_secs(4);
/// How long the end of a process is waited for when the connection to it broke.
const DEATH_TIMEOUT: Duration = Duration::from_millis(500);

/// A step that failed.
#[derive(Debug, thiserror::Error)]
#[error("step {number}, {label}: {reason}")]
pub(crate) struct Failed {
    number: usize,
    label: Label,
    reason: Reason,
}

/// Where the bytes of a step are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Count {
    /// What passes between the device and the server meanwhile.
    Server,
    /// An exchange with the bootstrap server, by its number.
    Bootstrap(usize),
}

impl Failed {
    pub(crate) const fn new(number: usize, label: Label, reason: Reason) -> Self {
        Self {
            number,
            label,
            reason,
        }
    }
}

/// Runs the steps.
#[derive(Debug)]
pub(crate) struct Runner {
    pub(crate) world: World,
    report: Report,
    sabotage: Option<Sabotage>,
    number: usize,
    /// A process that may end.
    released: Option<&'static str>,
}

impl Runner {
    pub(crate) fn new(world: World, report: Report, sabotage: Option<Sabotage>) -> Self {
        // A wrong key is in use from the start.
        let sabotage = match sabotage {
            Some(Sabotage::WrongKey { .. }) => None,
            other => other,
        };
        Self {
            world,
            report,
            sabotage,
            number: 0,
            released: None,
        }
    }

    /// Runs a step and prints its row.
    pub(crate) async fn step(
        &mut self,
        label: Label,
        work: impl AsyncFnOnce(&mut World) -> Result<Done, Reason>,
    ) -> Result<(), Failed> {
        self.counted(label, Count::Server, work).await
    }

    /// Runs a step whose bytes are counted elsewhere.
    pub(crate) async fn counted(
        &mut self,
        label: Label,
        count: Count,
        work: impl AsyncFnOnce(&mut World) -> Result<Done, Reason>,
    ) -> Result<(), Failed> {
        self.number += 1;
        self.break_something(&label.operation);
        let before = self.world.begin();
        let result = self.attempt(work).await;
        let took = self.world.took();
        match result {
            Ok(done) => {
                let bytes = self.bytes(count, before).await;
                self.report.row(&label, bytes, &done, took);
                Ok(())
            }
            Err(reason) => {
                self.report.failed(&label, took);
                Err(Failed::new(self.number, label, reason))
            }
        }
    }

    /// True if a sabotage did not happen: a test that breaks nothing shows nothing.
    pub(crate) const fn is_unbroken(&self) -> bool {
        self.sabotage.is_some() || self.world.alter
    }

    /// From now on a process may end.
    pub(crate) const fn release(&mut self, process: &'static str) {
        self.released = Some(process);
    }

    /// Prints the summary, if all went well, and ends the processes.
    pub(crate) async fn end(self, took: Option<Duration>) {
        if let Some(took) = took {
            self.report.summary(took);
        }
        self.world.end().await;
    }

    async fn attempt(
        &mut self,
        work: impl AsyncFnOnce(&mut World) -> Result<Done, Reason>,
    ) -> Result<Done, Reason> {
        let mut endings = self.endings();
        let worked = tokio::select! {
            worked = tokio::time::timeout(STEP_TIMEOUT, work(&mut self.world)) => worked,
            reason = first(endings.clone()) => return Err(reason),
        };
        // The step may have started the device.
        endings.extend(self.endings());
        match worked {
            Ok(Err(Reason::Http(error))) => {
                let death = tokio::time::timeout(DEATH_TIMEOUT, first(endings)).await;
                Err(death.unwrap_or(Reason::Http(error)))
            }
            Ok(result) => result,
            Err(_) => Err(Reason::Timeout {
                what: self.world.waiting.clone(),
                after: STEP_TIMEOUT,
            }),
        }
    }

    /// The ends of the processes that must not end.
    fn endings(&self) -> Vec<Ending> {
        let world = &self.world;
        let all = [
            Some(&world.bootstrap),
            Some(&world.server),
            world.device.as_ref(),
        ];
        let bound = all
            .into_iter()
            .flatten()
            .filter(|p| Some(p.name) != self.released);
        bound.map(super::process::Process::ending).collect()
    }

    async fn bytes(&mut self, count: Count, before: Bytes) -> Option<Bytes> {
        match count {
            Count::Server => Some(self.world.passed().await - before),
            Count::Bootstrap(number) => {
                self.world.bootstrap_relay.exchanges()?.get(number).copied()
            }
        }
    }

    /// Does what a test wants to be broken at an operation; once.
    fn break_something(&mut self, at: &str) {
        match &self.sabotage {
            Some(Sabotage::Kill { process, operation }) if operation == at => {
                if let Some(process) = self.world.process(process) {
                    process.kill();
                }
                self.sabotage = None;
            }
            Some(Sabotage::Alter { operation }) if operation == at => {
                self.world.alter = true;
                self.sabotage = None;
            }
            _ => {}
        }
    }
}

/// Waits until the first of some processes ends.
pub(crate) async fn first(endings: Vec<Ending>) -> Reason {
    let mut ends = tokio::task::JoinSet::new();
    for ending in endings {
        ends.spawn(ending.died());
    }
    match ends.join_next().await {
        Some(Ok(reason)) => reason,
        _ => std::future::pending().await,
    }
}
