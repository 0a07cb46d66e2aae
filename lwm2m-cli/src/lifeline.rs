//! Ties a process to the one that started it, however that ends: by its standard input.

/// A process that has this variable ends with its input.
pub(crate) const VARIABLE: &str = "LWM2M_END_WITH_INPUT";

/// True if this process shall end when its input does.
pub(crate) fn is_tied() -> bool {
    std::env::var_os(VARIABLE).is_some()
}

/// Ends this process with its input if it is tied, for commands that read no input.
pub(crate) fn watch() {
    if is_tied() {
        std::thread::spawn(|| {
            let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
            std::process::exit(1);
        });
    }
}
