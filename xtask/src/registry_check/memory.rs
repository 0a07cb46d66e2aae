//! How much memory a program and all that it starts take together.

use std::{
    collections::BTreeMap,
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

/// Between two looks at the processes.
const INTERVAL: Duration = Duration::from_millis(100);

/// Looks at the memory of this program and its children until it is asked for the most it saw.
#[derive(Debug)]
pub(super) struct Watch {
    stop: Arc<AtomicBool>,
    peak: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    pub(super) fn start() -> Self {
        let (stop, peak) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicU64::new(0)),
        );
        let (stopped, highest) = (Arc::clone(&stop), Arc::clone(&peak));
        let thread = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                highest.fetch_max(now(), Ordering::Relaxed);
                thread::sleep(INTERVAL);
            }
        });
        Self {
            stop,
            peak,
            thread: Some(thread),
        }
    }

    /// The most memory in MiB; `None` where the system does not tell.
    pub(super) fn finish(mut self) -> Option<u64> {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().ok()?;
        }
        let bytes = self.peak.load(Ordering::Relaxed);
        (bytes > 0).then_some(bytes / (1024 * 1024))
    }
}

/// The most memory that this program alone has had, in MiB; `None` where the system does not tell.
pub(super) fn own_peak() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes / 1024)
}

/// Memory in bytes of this program and its descendants; 0 where there is no `/proc`.
fn now() -> u64 {
    let mut processes: BTreeMap<u32, (u32, u64)> = BTreeMap::new();
    let Ok(entries) = fs::read_dir("/proc") else {
        return 0;
    };
    for entry in entries.flatten() {
        let Some(id) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        let status = fs::read_to_string(entry.path().join("status")).unwrap_or_default();
        let number = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name))?;
            line.split_whitespace().nth(1)?.parse::<u64>().ok()
        };
        let parent = number("PPid:").and_then(|parent| parent.try_into().ok());
        if let (Some(parent), Some(kilobytes)) = (parent, number("VmRSS:")) {
            processes.insert(id, (parent, kilobytes * 1024));
        }
    }
    let own = std::process::id();
    let is_ours = |id: u32| {
        let mut line = std::iter::successors(Some(id), |id| Some(processes.get(id)?.0));
        line.by_ref().take(processes.len()).any(|id| id == own)
    };
    let ours = processes.iter().filter(|(id, _)| is_ours(**id));
    ours.map(|(_, (_, bytes))| bytes).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_program_takes_memory_where_the_system_tells() {
        let memory = now();
        assert_eq!(
            memory > 1024 * 1024,
            fs::read_dir("/proc").is_ok(),
            "{memory}"
        );
    }
}
