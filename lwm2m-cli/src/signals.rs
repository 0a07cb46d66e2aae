//! Signals that ask a command to end.

/// Waits for Ctrl-C, or for SIGTERM where there is such a thing.
pub(crate) async fn interrupted() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = terminate.recv() => return,
                interrupt = tokio::signal::ctrl_c() => if interrupt.is_ok() { return },
            }
        }
    }
    // A system without signals never interrupts.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
