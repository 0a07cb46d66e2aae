//! Processes and folders that do not outlive a run, and waiting that ends.

use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::step::Failure;

/// Longest time that anything local may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// A folder that is removed at the end.
#[derive(Debug)]
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new() -> Result<Self, Failure> {
        let path = std::env::temp_dir().join(format!("lwm2m-interop-{}", std::process::id()));
        std::fs::create_dir_all(&path)
            .map_err(|error| Failure(format!("can't make {}: {error}", path.display())))?;
        Ok(Self(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left of it does no harm.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A process that runs until it is dropped.
#[derive(Debug)]
pub(super) struct Service {
    child: Child,
    lines: Receiver<String>,
    errors: Arc<Mutex<String>>,
}

impl Service {
    /// Starts a process; its standard input stays open and empty.
    pub(super) fn start(command: &mut Command) -> Result<Self, Failure> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| Failure(format!("can't run {command:?}: {error}")))?;
        let (sender, lines) = channel();
        if let Some(stdout) = child.stdout.take() {
            thread::spawn(move || {
                for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                    if sender.send(line).is_err() {
                        break;
                    }
                }
            });
        }
        let errors = Arc::new(Mutex::new(String::new()));
        if let Some(stderr) = child.stderr.take() {
            let errors = Arc::clone(&errors);
            thread::spawn(move || {
                for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                    if let Ok(mut errors) = errors.lock() {
                        errors.push_str(&line);
                        errors.push('\n');
                    }
                }
            });
        }
        Ok(Self {
            child,
            lines,
            errors,
        })
    }

    /// The next line on standard output that contains `part`.
    pub(super) fn line_with(&mut self, part: &str) -> Result<String, Failure> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) if line.contains(part) => return Ok(line),
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => {
                    return Err(Failure(format!("no line with {part}\n{}", self.errors())));
                }
                Err(RecvTimeoutError::Disconnected) => {
                    let status = self.child.wait();
                    let status = status.map_or_else(|e| e.to_string(), |s| s.to_string());
                    return Err(Failure(format!("it ended: {status}\n{}", self.errors())));
                }
            }
        }
    }

    /// What it wrote to standard error so far.
    pub(super) fn errors(&self) -> String {
        self.errors
            .lock()
            .map(|errors| errors.clone())
            .unwrap_or_default()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a command to its end, and returns all that it wrote. Kills it when it takes too long.
pub(super) fn output(command: &mut Command) -> Result<String, Failure> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| Failure(format!("can't run {command:?}: {error}")))?;
    let (sender, ended) = channel();
    let streams: [Option<Box<dyn Read + Send>>; 2] = [
        child.stdout.take().map(|stream| Box::new(stream) as _),
        child.stderr.take().map(|stream| Box::new(stream) as _),
    ];
    for mut stream in streams.into_iter().flatten() {
        let sender = sender.clone();
        thread::spawn(move || {
            let mut bytes = Vec::new();
            // What came before an error counts.
            let _ = stream.read_to_end(&mut bytes);
            let _ = sender.send(String::from_utf8_lossy(&bytes).into_owned());
        });
    }
    drop(sender);
    let deadline = Instant::now() + PATIENCE;
    let mut text = String::new();
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match ended.recv_timeout(left) {
            Ok(part) => text.push_str(&part),
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                let _ = child.kill();
                text.push_str("(it did not end and was killed)\n");
                break;
            }
        }
    }
    let _ = child.wait();
    Ok(text)
}

/// A UDP port of 127.0.0.1 that is free now.
pub(super) fn free_port() -> Result<u16, Failure> {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|socket| socket.local_addr())
        .map(|address| address.port())
        .map_err(|error| Failure(format!("there is no free UDP port: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_command_wrote_to_both_streams_is_returned() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo out; echo err >&2"]);
        let text = output(&mut command).unwrap();
        assert!(text.contains("out\n") && text.contains("err\n"), "{text}");
    }

    #[test]
    fn a_service_that_ends_early_says_why() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo no such port >&2; exit 3"]);
        let Failure(reason) = Service::start(&mut command)
            .unwrap()
            .line_with("listening")
            .unwrap_err();
        assert!(reason.starts_with("it ended: exit status: 3"), "{reason}");
    }

    #[test]
    fn a_folder_is_gone_when_it_is_dropped() {
        let folder = Folder::new().unwrap();
        let path = folder.path().to_owned();
        assert!(path.is_dir());
        drop(folder);
        assert!(!path.exists());
    }
}
