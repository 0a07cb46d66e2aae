//! The binary as a process, a client for its HTTP interface, and a device that says what a test
//! tells it to.
#![allow(dead_code, unreachable_pub)] // Each test file uses its part.

pub mod demo;
pub mod device;
pub mod http;

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        atomic::{AtomicU32, Ordering},
        mpsc::{Receiver, channel},
    },
    thread,
    time::Duration,
};

use serde_json::Value;

/// How long a test waits for what must come.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A running `lwm2m` command. Dropped, it is killed.
pub struct Process {
    child: Child,
    lines: Receiver<Value>,
}

/// Where a server listens.
#[derive(Debug, Clone, Copy)]
pub struct Addresses {
    pub coap: Option<SocketAddr>,
    pub coaps: Option<SocketAddr>,
    pub http: Option<SocketAddr>,
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lwm2m"));
    command.args(arguments).env_remove("LWM2M_HTTP_TOKEN");
    command
}

impl Process {
    /// Starts a command with `--json`.
    pub fn start(arguments: &[&str]) -> Self {
        Self::spawn(command(arguments))
    }

    /// Starts a command that can't make a file larger than this, as on a disk that gets full.
    #[cfg(unix)]
    pub fn start_with_small_disk(blocks: u32, arguments: &[&str]) -> Self {
        let mut shell = Command::new("sh");
        let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\"");
        shell.args(["-c", &script, "sh", env!("CARGO_BIN_EXE_lwm2m")]);
        shell.args(arguments);
        Self::spawn(shell)
    }

    /// Starts a command whose standard error goes to a file.
    pub fn start_with_log(arguments: &[&str], log: &Path) -> Self {
        let mut command = command(arguments);
        command.stderr(std::fs::File::create(log).expect("a file"));
        Self::spawn(command)
    }

    fn spawn(mut command: Command) -> Self {
        let mut child = command
            .arg("--json")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let stdout = child.stdout.take().expect("a pipe");
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines() {
                let Ok(line) = line else { return };
                let json = serde_json::from_str(&line).expect("a line of JSON");
                if sender.send(json).is_err() {
                    return;
                }
            }
        });
        Self { child, lines }
    }

    /// Starts a server without security on free ports, with further arguments.
    pub fn server(arguments: &[&str]) -> (Self, Addresses) {
        let own = ["server", "--coap", "127.0.0.1:0", "--http", "127.0.0.1:0"];
        let all: Vec<&str> = own.iter().chain(arguments).copied().collect();
        let process = Self::start(&all);
        let addresses = process.addresses();
        (process, addresses)
    }

    /// The next line of output with this event.
    pub fn line(&self, event: &str) -> Value {
        loop {
            let line = self.lines.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("no line {event:?} came"));
            if line["event"] == event {
                return line;
            }
        }
    }

    /// Writes a line to its input and returns the answer to it.
    pub fn tell(&mut self, command: &str) -> Value {
        let stdin = self.child.stdin.as_mut().expect("a pipe");
        writeln!(stdin, "{command}").expect("written");
        loop {
            let line = self.lines.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("{command:?} was not answered"));
            if line["command"] == command {
                return line;
            }
        }
    }

    /// The next line of output, whatever it is; `None` when there are no more.
    pub fn any_line(&self) -> Option<Value> {
        self.lines.recv_timeout(PATIENCE).ok()
    }

    /// Waits until it ends by itself.
    pub fn ended(mut self) -> ExitStatus {
        self.child.wait().expect("ended")
    }

    /// Closes its input.
    pub fn close_input(&mut self) {
        self.child.stdin = None;
    }

    /// Waits until the addresses are told.
    pub fn addresses(&self) -> Addresses {
        let line = self.line("listening");
        let first = |list: &Value| {
            list[0]
                .as_str()
                .map(|text| text.parse().expect("an address"))
        };
        Addresses {
            coap: first(&line["coap"]),
            coaps: first(&line["coaps"]),
            http: line["http"]
                .as_str()
                .map(|text| text.parse().expect("an address")),
        }
    }

    /// Ends it as `kill -9` does.
    pub fn kill(mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("ended");
    }

    /// Asks it to end, and waits.
    #[cfg(unix)]
    pub fn terminate(mut self) -> ExitStatus {
        let id = self.child.id().to_string();
        // The shell has it built in; the program of this name is not everywhere.
        let command = format!("kill -TERM {id}");
        let status = Command::new("sh").args(["-c", &command]).status();
        assert!(status.expect("kill runs").success());
        self.child.wait().expect("ended")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a command that must end by itself; returns its exit code and what it said.
pub fn failure(arguments: &[&str]) -> (i32, String) {
    let mut child = command(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let mut text = String::new();
    let mut stderr = child.stderr.take().expect("a pipe");
    stderr.read_to_string(&mut text).expect("text");
    let status = child.wait().expect("ended");
    (status.code().expect("an exit code"), text)
}

/// A folder of a test's own, removed when it is dropped.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("lwm2m-test-{}-{number}", std::process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    pub fn path(&self) -> &str {
        self.0.to_str().expect("UTF-8")
    }

    pub fn write(&self, name: &str, content: &str) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, content).expect("written");
        path.to_str().expect("UTF-8").to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left lies in the target folder.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
