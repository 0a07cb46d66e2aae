//! The tokio runtime, and how a command is told to stop.

use std::future::Future;

use tokio::io::AsyncReadExt;

use crate::failure::Failure;

/// Runs a command to its end.
pub(crate) fn block_on(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::runtime(format!("can't start the runtime: {error}")))?;
    let result = runtime.block_on(command);
    // A read of standard input can't be interrupted; the end does not wait for it.
    runtime.shutdown_background();
    result
}

/// Waits until somebody wants the command to stop: by SIGINT or SIGTERM, or, if asked for, by the
/// end of standard input.
///
/// Signals count from the call on, not from the first poll: call it before telling anybody that
/// the command runs.
pub(crate) fn stopped(with_stdin: bool) -> impl Future<Output = ()> {
    let signals = signals();
    let stdin = async move {
        match with_stdin {
            true => end_of_stdin().await,
            false => std::future::pending().await,
        }
    };
    async move {
        tokio::select! {
            () = signals => {}
            () = stdin => {}
        }
    }
}

async fn end_of_stdin() {
    let mut stdin = tokio::io::stdin();
    let mut bytes = [0; 256];
    // An error is an end, too.
    while stdin.read(&mut bytes).await.is_ok_and(|len| len > 0) {}
}

#[cfg(unix)]
fn signals() -> impl Future<Output = ()> {
    use std::io::Result;
    use tokio::signal::unix::{Signal, SignalKind, signal};

    async fn received(signal: Result<Signal>) {
        match signal {
            Ok(mut signal) => drop(signal.recv().await),
            // The system does not let us listen to it.
            Err(_) => std::future::pending().await,
        }
    }

    let terminate = signal(SignalKind::terminate());
    let interrupt = signal(SignalKind::interrupt());
    async move {
        tokio::select! {
            () = received(terminate) => {}
            () = received(interrupt) => {}
        }
    }
}

#[cfg(not(unix))]
fn signals() -> impl Future<Output = ()> {
    async {
        if tokio::signal::ctrl_c().await.is_err() {
            // The system has no such signal.
            std::future::pending::<()>().await;
        }
    }
}
