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
pub(crate) async fn stopped(with_stdin: bool) {
    let stdin = async {
        match with_stdin {
            true => end_of_stdin().await,
            false => std::future::pending().await,
        }
    };
    tokio::select! {
        () = signals() => {}
        () = stdin => {}
    }
}

async fn end_of_stdin() {
    let mut stdin = tokio::io::stdin();
    let mut bytes = [0; 256];
    // An error is an end, too.
    while stdin.read(&mut bytes).await.is_ok_and(|len| len > 0) {}
}

#[cfg(unix)]
async fn signals() {
    use tokio::signal::unix::{SignalKind, signal};
    let terminate = async {
        match signal(SignalKind::terminate()) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        () = interrupt() => {}
        () = terminate => {}
    }
}

#[cfg(not(unix))]
async fn signals() {
    interrupt().await;
}

async fn interrupt() {
    if tokio::signal::ctrl_c().await.is_err() {
        // The system has no such signal.
        std::future::pending::<()>().await;
    }
}
