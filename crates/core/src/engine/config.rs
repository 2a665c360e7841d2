//! How an engine runs: workers, processes, ticks, the sizes of its buffers. Durations in ms, sizes in rows or bytes.

use std::sync::Arc;
use std::time::Duration;

use super::durable::Recorded;
use super::startup::Startup;
use crate::counted::counted;
use crate::source::RowLimits;
use crate::time::HandClock;

/// The first port of a cluster on one machine without a hostfile; process `i` listens on `FIRST_PORT + i`.
pub const FIRST_PORT: u16 = 2101;

/// How an engine runs. [`Config::default`] is one process with a worker per core.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Worker threads of this process, at least 1. Every process of a cluster must have as many.
    pub workers: usize,
    /// Which process of the cluster this is, from 0.
    pub process: usize,
    /// The addresses (`host:port`) of all processes, in order; empty or one is a single process.
    pub addresses: Vec<String>,
    /// For how long to wait for the other processes at the start.
    pub connect_timeout: Duration,
    /// How long another process may give no sign of life before it counts as lost.
    pub peer_timeout: Duration,
    /// A clock that is moved by hand instead of the wall clock: nothing ticks by itself, [`super::Engine::settle`] does. One process.
    pub clock: Option<Arc<HandClock>>,
    /// How often a live source's open epoch ends while rows come, in ms.
    pub tick_ms: u64,
    /// After how many rows of a partition a bounded source's epoch ends.
    pub tick_rows: usize,
    /// How many rows may wait in one queue (each source has a queue per worker) before the source is held back.
    pub queue_rows: usize,
    /// How many bytes may wait in one queue.
    pub queue_bytes: usize,
    /// How many batches of [`BATCH_ROWS`] rows a worker takes from one source before it waits for the operators, and for
    /// other processes to have taken theirs in (there `queue_bytes` bounds them too).
    pub lag_batches: usize,
    /// Whether published views are kept for readers; without, only sinks get results.
    pub views: bool,
    /// Whether reference tables can be changed on when all sources have ended; without, the run ends with its sources.
    pub tables_linger: bool,
    /// How many epochs of changes a view remembers for subscribers.
    pub ring_epochs: usize,
    /// How many changed rows a view remembers for subscribers.
    pub ring_rows: usize,
    /// How many bytes of changes a view remembers for subscribers, about.
    pub ring_bytes: usize,
    /// How many bytes of rows may wait for a unit that was installed until its views are shown; one for which more wait is given up.
    pub unit_bytes: usize,
    /// How many rows a view keeps (its option `max-rows` overrides): closed rows, oldest first, make room.
    pub view_rows: usize,
    /// How large a row may be that a client pushes.
    pub pushed_row: RowLimits,
    /// How many dead letters a source, a view or a sink remembers.
    pub dead_letters: usize,
    /// Where it says what it is at while it starts.
    pub startup: Startup,
    /// Where what came is kept, so that a later run goes on where this one ends; one process.
    pub data_dir: Option<std::path::PathBuf>,
    /// The files that the program was planned from, by name and text, to be kept beside what came: a replay needs them.
    pub program: Vec<(String, String)>,
    /// What an earlier run kept, to be done again instead of what its live sources bring now: the run ends when that does. Beside
    /// it `data_dir` is not looked at; one process.
    pub replay: Option<Recorded>,
    /// What becomes of what it holds, if another program wrote it.
    pub on_change: OnChange,
    /// Where all of them are written.
    pub dead_letters_file: Option<std::path::PathBuf>,
}

/// What becomes of what a data directory holds when another program wrote it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnChange {
    /// It is not run.
    #[default]
    Refuse,
    /// The rows that came are kept for the new program, as far as its sources are declared as they were, and done again with it; the
    /// log as it was is put aside.
    Rebuild,
    /// It is put aside, into a folder within the directory, and the program begins with nothing.
    Fresh,
}

pub use crate::operator::BATCH_ROWS;

impl Default for Config {
    fn default() -> Self {
        Config {
            workers: std::thread::available_parallelism().map_or(1, usize::from),
            process: 0,
            addresses: Vec::new(),
            connect_timeout: Duration::from_secs(60),
            peer_timeout: Duration::from_secs(10),
            clock: None,
            tick_ms: 10,
            tick_rows: BATCH_ROWS,
            queue_rows: 16 * BATCH_ROWS,
            queue_bytes: 64 << 20,
            lag_batches: 64,
            views: true,
            tables_linger: false,
            ring_epochs: 4096,
            ring_rows: 1 << 20,
            ring_bytes: 64 << 20,
            unit_bytes: 256 << 20,
            view_rows: 1_000_000,
            pushed_row: RowLimits::default(),
            dead_letters: 1000,
            startup: Startup::default(),
            data_dir: None,
            program: Vec::new(),
            replay: None,
            on_change: OnChange::default(),
            dead_letters_file: None,
        }
    }
}

impl Config {
    /// With so many worker threads of this process.
    #[must_use]
    pub fn workers(self, workers: usize) -> Config {
        Config { workers, ..self }
    }

    /// With epochs of so many rows of a bounded source's partition.
    #[must_use]
    pub fn tick_rows(self, tick_rows: usize) -> Config {
        Config { tick_rows, ..self }
    }

    /// With these changes: `Config::default().with(|config| config.views = false)`.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Config)) -> Config {
        change(&mut self);
        self
    }

    /// The addresses of `processes` processes on this machine.
    pub fn localhost(processes: usize) -> Vec<String> {
        (0..processes).map(|process| format!("localhost:{}", usize::from(FIRST_PORT) + process)).collect()
    }

    /// The addresses in a hostfile's text: one `host:port` a line, blank lines and `#` comments aside; the first
    /// `processes` of them.
    pub fn hostfile(text: &str, processes: usize) -> Result<Vec<String>, String> {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let addresses: Vec<String> = lines.take(processes).map(str::to_owned).collect();
        if addresses.len() < processes {
            let (found, processes) = (counted(addresses.len(), "address"), counted(processes, "process"));
            return Err(format!(
                "the hostfile has {found}, and there are to be {processes}: add the missing lines (host:port)"
            ));
        }
        match addresses.iter().find(|address| !address.contains(':')) {
            Some(address) => Err(format!("'{address}' in the hostfile has no port: write host:port")),
            None => Ok(addresses),
        }
    }

    /// Whether edges of several processes take the rows of a source, or took them.
    pub(super) fn takes_apart(&self) -> bool {
        self.processes() > 1 || self.replay.as_ref().is_some_and(Recorded::of_several)
    }

    /// How many processes there are.
    pub fn processes(&self) -> usize {
        self.addresses.len().max(1)
    }

    /// Refuses what cannot run.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.workers == 0 {
            return Err("there must be at least 1 worker: write -w 1 or more".to_owned());
        }
        let processes = self.processes();
        if self.process >= processes {
            let which = match processes - 1 {
                0 => "-p 0, or how many there are with -n".to_owned(),
                last => format!("-p 0 to -p {last}"),
            };
            let all = counted(processes, "process");
            return Err(format!(
                "there is no process {} among {all}, which are counted from 0: write {which}",
                self.process
            ));
        }
        if self.replay.is_some() && processes > 1 {
            return Err("a replay is of one process: leave -n out".to_owned());
        }
        if self.clock.is_some() && processes > 1 {
            return Err("a clock that is moved by hand is of one process: leave the addresses out".to_owned());
        }
        for (name, value) in [("tick", self.tick_ms), ("tick-rows", self.tick_rows as u64)] {
            if value == 0 {
                return Err(format!("{name} must be at least 1"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_hostfile_names_a_port_for_each_process() {
        let text = "# the cluster\nalpha:1\n\n beta:2 \ngamma:3\n";
        assert_eq!(Config::hostfile(text, 2).unwrap(), ["alpha:1", "beta:2"]);
        assert!(Config::hostfile(text, 4).unwrap_err().contains("3 addresses"));
        assert!(Config::hostfile("alpha", 1).unwrap_err().contains("host:port"));
    }

    #[test]
    fn what_cannot_run_is_refused() {
        assert!(Config::default().check().is_ok());
        assert!(Config { workers: 0, ..Config::default() }.check().is_err());
        assert!(Config { process: 2, addresses: Config::localhost(2), ..Config::default() }.check().is_err());
        assert!(Config { tick_ms: 0, ..Config::default() }.check().is_err());
    }
}
