//! A process that is driven by lines, and whose lines are kept.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::site::SOON;

/// What a process wrote so far.
#[derive(Debug, Default)]
struct Log {
    lines: Mutex<(Vec<String>, bool)>,
    more: Condvar,
}

/// A running process; it is ended when this is dropped.
#[derive(Debug)]
pub(super) struct Peer {
    child: Mutex<Child>,
    input: Mutex<Option<ChildStdin>>,
    log: Arc<Log>,
}

impl Peer {
    /// Starts a process with a pipe for each of its streams.
    pub(super) fn start(command: &mut Command) -> Result<Self, String> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("can't run {command:?}: {error}"))?;
        let log = Arc::new(Log::default());
        let streams: [Option<(Box<dyn Read + Send>, &str)>; 2] = [
            child.stdout.take().map(|out| (Box::new(out) as _, "")),
            child
                .stderr
                .take()
                .map(|err| (Box::new(err) as _, "stderr: ")),
        ];
        for (stream, prefix) in streams.into_iter().flatten() {
            let (log, ends) = (Arc::clone(&log), prefix.is_empty());
            thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    log.add(format!("{prefix}{line}"));
                }
                if ends {
                    log.close();
                }
            });
        }
        let input = Mutex::new(child.stdin.take());
        Ok(Self {
            child: Mutex::new(child),
            input,
            log,
        })
    }

    /// Number of lines so far, to be given to [`Self::wait`].
    pub(super) fn mark(&self) -> usize {
        self.log.lock().0.len()
    }

    /// Writes a line to its standard input.
    pub(super) fn say(&self, line: &str) -> Result<(), String> {
        let mut input = self.input.lock().unwrap_or_else(PoisonError::into_inner);
        let input = input.as_mut().ok_or("its input is closed")?;
        writeln!(input, "{line}")
            .and_then(|()| input.flush())
            .map_err(|error| format!("can't write {line:?} to it: {error}"))
    }

    /// Gives a peer of Java a line that begins with a verb, and waits until it is done.
    pub(super) fn order(&self, endpoint: &str, line: &str) -> Result<(), String> {
        let mark = self.mark();
        self.say(line)?;
        let verb = line.split(' ').next().unwrap_or_default();
        let [done, failed] = ["DONE", "FAILED"].map(|word| format!("{word} {endpoint} {verb}"));
        let answer = self.wait(mark, SOON, |line| {
            line.starts_with(&done) || line.starts_with(&failed)
        })?;
        match answer.starts_with(&done) {
            true => Ok(()),
            false => Err(answer),
        }
    }

    /// The first line from a mark on that fits.
    pub(super) fn wait(
        &self,
        mark: usize,
        patience: Duration,
        fits: impl Fn(&str) -> bool,
    ) -> Result<String, String> {
        let deadline = Instant::now() + patience;
        let mut lines = self.log.lock();
        let mut from = mark;
        loop {
            if let Some(found) = lines.0.iter().skip(from).find(|line| fits(line)) {
                return Ok(found.clone());
            }
            from = lines.0.len();
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || lines.1 {
                let why = if lines.1 {
                    "it ended"
                } else {
                    "no such line came"
                };
                let last: Vec<_> = lines.0.iter().rev().take(5).rev().cloned().collect();
                return Err(format!("{why}; its last lines:\n{}", last.join("\n")));
            }
            let waited = self.log.more.wait_timeout(lines, left);
            lines = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// All lines from a mark on that fit.
    pub(super) fn lines(&self, mark: usize, fits: impl Fn(&str) -> bool) -> Vec<String> {
        let lines = self.log.lock();
        let fitting = lines.0.iter().skip(mark).filter(|line| fits(line));
        fitting.cloned().collect()
    }
}

impl Log {
    fn lock(&self) -> std::sync::MutexGuard<'_, (Vec<String>, bool)> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, line: String) {
        self.lock().0.push(line);
        self.more.notify_all();
    }

    fn close(&self) {
        self.lock().1 = true;
        self.more.notify_all();
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        // It may have ended by itself.
        let _ = child.kill();
        let _ = child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    #[test]
    fn a_peer_answers_lines_until_it_ends() {
        let peer = Peer::start(Command::new("sh").args(["-c", "read x; echo got $x"])).unwrap();
        let mark = peer.mark();
        peer.say("one").unwrap();
        let line = peer.wait(mark, PATIENCE, |line| line.starts_with("got"));
        assert_eq!(line.as_deref(), Ok("got one"));
        let error = peer.wait(0, PATIENCE, |line| line == "never").unwrap_err();
        assert!(error.starts_with("it ended"), "{error}");
    }
}
