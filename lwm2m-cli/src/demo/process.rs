//! A process of this binary: its input, the JSON lines of its output, and its end.

use std::{
    collections::VecDeque,
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{Child, ChildStderr, ChildStdin, ChildStdout, Command},
    sync::{mpsc, watch},
    task::JoinHandle,
};

use super::{reason::Reason, world::text};

/// Most lines that wait.
const MAX_LINES: usize = 1024;
/// Lines of the standard error that are kept for a report.
const KEPT_ERRORS: usize = 5;
/// Environment variable that holds the device's key.
pub(crate) const KEY_VARIABLE: &str = "LWM2M_PSK_KEY";

/// A running process; it is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) name: &'static str,
    stdin: ChildStdin,
    lines: mpsc::Receiver<Value>,
    end: Ending,
    kill: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// Tells how a process ended.
#[derive(Debug, Clone)]
pub(crate) struct Ending {
    name: &'static str,
    status: watch::Receiver<Option<Result<(), String>>>,
    stderr: Arc<Mutex<VecDeque<String>>>,
}

impl Process {
    /// Starts this binary with arguments, and with a key in its environment.
    pub(crate) fn start(
        name: &'static str,
        arguments: &[&str],
        key: Option<&str>,
    ) -> Result<Self, Reason> {
        let failed = |error| Reason::Spawn {
            process: name,
            error,
        };
        let mut command = Command::new(std::env::current_exe().map_err(failed)?);
        command
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .env_remove(KEY_VARIABLE);
        if let Some(key) = key {
            command.env(KEY_VARIABLE, key);
        }
        let mut child = command.spawn().map_err(failed)?;
        let missing = || failed(std::io::ErrorKind::BrokenPipe.into());
        let stdin = child.stdin.take().ok_or_else(missing)?;
        let stdout = child.stdout.take().ok_or_else(missing)?;
        let stderr = child.stderr.take().ok_or_else(missing)?;
        let (line, lines) = mpsc::channel(MAX_LINES);
        let (ended, status) = watch::channel(None);
        let (kill, killed) = watch::channel(false);
        let errors = Arc::default();
        tokio::spawn(read(stdout, line));
        tokio::spawn(keep(stderr, Arc::clone(&errors)));
        let task = tokio::spawn(wait(child, killed, ended));
        let end = Ending {
            name,
            status,
            stderr: errors,
        };
        Ok(Self {
            name,
            stdin,
            lines,
            end,
            kill,
            task,
        })
    }

    /// The next line of its output. When there are no more it never comes: the process's end
    /// says more.
    pub(crate) async fn line(&mut self) -> Value {
        match self.lines.recv().await {
            Some(line) => line,
            None => std::future::pending().await,
        }
    }

    /// Writes a line to its input.
    pub(crate) async fn tell(&mut self, line: &str) -> Result<(), Reason> {
        let line = format!("{line}\n");
        match self.stdin.write_all(line.as_bytes()).await {
            Ok(()) => Ok(()),
            // It has ended, and that says more.
            Err(_) => Err(self.end.clone().died().await),
        }
    }

    /// Gives a device a command and returns the value of its answer; what else it tells meanwhile
    /// goes to `events`.
    pub(crate) async fn ask(
        &mut self,
        command: &str,
        events: &mut VecDeque<Value>,
    ) -> Result<String, Reason> {
        self.tell(command).await?;
        loop {
            let line = self.line().await;
            if line["command"] != command {
                events.push_back(line);
                continue;
            }
            return match line["ok"] == true {
                true => Ok(line["value"].as_str().unwrap_or_default().to_owned()),
                false => Err(Reason::Device(text(&line["error"]))),
            };
        }
    }

    /// Kills it.
    pub(crate) fn kill(&self) {
        // It may have ended before.
        let _ = self.kill.send(true);
    }

    /// Kills it and waits until it is gone.
    pub(crate) async fn end(self) {
        self.kill();
        // The task ends with the process.
        let _ = self.task.await;
    }

    /// Tells how it ends.
    pub(crate) fn ending(&self) -> Ending {
        self.end.clone()
    }
}

impl Ending {
    /// The name of the process.
    pub(crate) const fn name(&self) -> &'static str {
        self.name
    }

    /// Waits for the end: fine, or what the status says.
    pub(crate) async fn wait(&mut self) -> Result<(), String> {
        let ended = self.status.wait_for(Option::is_some).await;
        let status = ended.ok().and_then(|status| status.clone());
        status.unwrap_or_else(|| Err("its status is not known".into()))
    }

    /// Waits for the end, which should not come.
    pub(crate) async fn died(mut self) -> Reason {
        let status = match self.wait().await {
            Ok(()) => "it stopped by itself".into(),
            Err(status) => status,
        };
        let errors = self.stderr.lock().unwrap_or_else(PoisonError::into_inner);
        let stderr = errors.iter().cloned().collect::<Vec<_>>().join(" | ");
        Reason::Died {
            process: self.name,
            status,
            stderr,
        }
    }
}

async fn wait(
    mut child: Child,
    mut killed: watch::Receiver<bool>,
    ended: watch::Sender<Option<Result<(), String>>>,
) {
    let killed = async {
        // An error means that whoever could kill it is gone.
        let _ = killed.wait_for(|killed| *killed).await;
    };
    let status = tokio::select! {
        status = child.wait() => status,
        () = killed => {
            // It may have ended before.
            let _ = child.start_kill();
            child.wait().await
        }
    };
    let status = match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(status.to_string()),
        Err(error) => Err(error.to_string()),
    };
    // Nobody may want to know any more.
    let _ = ended.send(Some(status));
}

/// Reads JSON lines; others are skipped.
async fn read(stdout: ChildStdout, sender: mpsc::Sender<Value>) {
    let mut lines = BufReader::new(stdout).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if let Ok(json) = serde_json::from_str(&line)
            && sender.send(json).await.is_err()
        {
            return;
        }
    }
}

/// Keeps the last lines of the standard error.
async fn keep(stderr: ChildStderr, kept: Arc<Mutex<VecDeque<String>>>) {
    let mut lines = BufReader::new(stderr).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == KEPT_ERRORS {
            kept.pop_front();
        }
        kept.push_back(line);
    }
}
