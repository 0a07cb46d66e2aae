//! How applications reach an engine that a task owns.

use std::{fmt, sync::Arc};

use lwm2m_coap::Instant;
use tokio::sync::{mpsc, oneshot};

use crate::counters::{Counters, Counts};

/// What an application asks a driver to run.
pub(crate) enum Command<E> {
    /// Run this with the engine.
    Call(Call<E>),
    /// Close all sessions and end; answer when done.
    Shutdown(oneshot::Sender<()>),
}

type Call<E> = Box<dyn FnOnce(&mut E, Instant) + Send>;

/// Reaches the engine that a [`Driver`](crate::Driver) owns.
///
/// Clones reach the same engine. When the last one is dropped, the driver closes its sessions and
/// ends.
pub struct Handle<E> {
    commands: mpsc::Sender<Command<E>>,
    counters: Arc<Counters>,
}

impl<E: 'static> Handle<E> {
    pub(crate) fn new(commands: mpsc::Sender<Command<E>>, counters: Arc<Counters>) -> Self {
        Self { commands, counters }
    }

    /// Runs `call` with the engine on the driver's task, then sends whatever the engine wants
    /// to send. Waits while the queue of calls is full.
    ///
    /// `call` must not block: nothing else moves meanwhile.
    ///
    /// # Errors
    /// [`Closed`] when the driver has ended.
    pub async fn call<R, F>(&self, call: F) -> Result<R, Closed>
    where
        R: Send + 'static,
        F: FnOnce(&mut E, Instant) -> R + Send + 'static,
    {
        let (answer, result) = oneshot::channel();
        let call: Call<E> = Box::new(move |engine, now| {
            // Who asked may have gone; the call was still wanted.
            let _ = answer.send(call(engine, now));
        });
        self.commands
            .send(Command::Call(call))
            .await
            .map_err(|_| Closed)?;
        result.await.map_err(|_| Closed)
    }

    /// Runs `call` with the engine some time later, without waiting: for `Drop`.
    ///
    /// # Errors
    /// [`PostError::Full`] when too many calls wait, [`PostError::Closed`] when the driver has
    /// ended.
    pub fn post<F>(&self, call: F) -> Result<(), PostError>
    where
        F: FnOnce(&mut E, Instant) + Send + 'static,
    {
        use mpsc::error::TrySendError;
        self.commands
            .try_send(Command::Call(Box::new(call)))
            .map_err(|error| match error {
                TrySendError::Full(_) => PostError::Full,
                TrySendError::Closed(_) => PostError::Closed,
            })
    }

    /// Closes all sessions (with a close_notify where there is DTLS) and ends the driver.
    pub async fn shutdown(&self) {
        let (answer, done) = oneshot::channel();
        if self.commands.send(Command::Shutdown(answer)).await.is_ok() {
            // An error means that it has ended in another way.
            let _ = done.await;
        }
    }

    /// True when the driver has ended.
    pub fn is_closed(&self) -> bool {
        self.commands.is_closed()
    }

    /// What the driver has counted so far.
    pub fn counts(&self) -> Counts {
        self.counters.read()
    }
}

impl<E> Clone for Handle<E> {
    fn clone(&self) -> Self {
        Self {
            commands: self.commands.clone(),
            counters: Arc::clone(&self.counters),
        }
    }
}

impl<E> fmt::Debug for Handle<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle")
            .field("counts", &self.counters.read())
            .finish_non_exhaustive()
    }
}

/// The driver has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[error("the driver has ended")]
pub struct Closed;

/// Why a call could not be left for the driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum PostError {
    /// Too many calls wait.
    #[error("too many calls wait for the driver")]
    Full,
    /// The driver has ended.
    #[error("the driver has ended")]
    Closed,
}
