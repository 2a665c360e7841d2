//! The standard `process_*` metrics, read from `/proc/self` at every scrape. Seconds and bytes. Elsewhere than on Linux
//! there is nothing to read, and nothing is shown.

use std::fmt::Error;
use std::fs;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

/// Clock ticks a second in `/proc`; a constant of the kernel's interface.
const TICKS: f64 = 100.0;

/// What the process uses just now; what cannot be read is `None`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// User and system time so far.
    pub cpu_seconds: Option<f64>,
    /// When it started, seconds since 1970.
    pub start_time_seconds: Option<f64>,
    /// Threads.
    pub threads: Option<f64>,
    /// Virtual memory.
    pub virtual_bytes: Option<f64>,
    /// Resident memory.
    pub resident_bytes: Option<f64>,
    /// Open file descriptors.
    pub open_fds: Option<f64>,
    /// How many may be open.
    pub max_fds: Option<f64>,
}

impl Usage {
    /// Reads it.
    pub fn read() -> Usage {
        let fields = stat("/proc/self/stat").map(|(_, fields)| fields).unwrap_or_default();
        let field = |number: usize| fields.get(number - 3).copied();
        Usage {
            cpu_seconds: field(14).zip(field(15)).map(|(user, system)| (user + system) / TICKS),
            start_time_seconds: boot_seconds().zip(field(22)).map(|(boot, ticks)| boot + ticks / TICKS),
            threads: field(20),
            virtual_bytes: field(23),
            resident_bytes: resident_bytes(),
            open_fds: open_fds(),
            max_fds: max_fds(),
        }
    }

    /// The names of the process's threads, as far as the kernel keeps them (15 bytes), and the seconds each has worked.
    pub fn threads() -> Vec<(String, f64)> {
        let Ok(tasks) = fs::read_dir("/proc/self/task") else { return Vec::new() };
        let seconds = |task: fs::DirEntry| {
            let (name, fields) = stat(task.path().join("stat").to_str()?)?;
            Some((name, (fields.get(14 - 3)? + fields.get(15 - 3)?) / TICKS))
        };
        let mut threads: Vec<(String, f64)> = tasks.filter_map(Result::ok).filter_map(seconds).collect();
        threads.sort_by(|left, right| left.0.cmp(&right.0));
        threads
    }
}

/// The name in a `stat` file and the fields behind it, which the third of the line begins: a name may hold spaces.
fn stat(path: &str) -> Option<(String, Vec<f64>)> {
    let text = fs::read_to_string(path).ok()?;
    let (before, rest) = text.rsplit_once(')')?;
    let name = before.split_once('(')?.1.to_owned();
    Some((name, rest.split_ascii_whitespace().map(|field| field.parse().unwrap_or(0.0)).collect()))
}

/// Encodes the process's own figures.
#[derive(Debug)]
pub(super) struct Process;

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), Error> {
        let usage = Usage::read();
        if let Some(seconds) = usage.cpu_seconds {
            let seconds = ConstCounter::new(seconds);
            let help = "User and system CPU time spent";
            seconds.encode(encoder.encode_descriptor("process_cpu_seconds", help, None, seconds.metric_type())?)?;
        }
        let gauges = [
            ("process_start_time_seconds", "Start of the process, seconds since 1970", usage.start_time_seconds),
            ("process_threads", "Threads", usage.threads),
            ("process_virtual_memory_bytes", "Virtual memory", usage.virtual_bytes),
            ("process_resident_memory_bytes", "Resident memory", usage.resident_bytes),
            ("process_open_fds", "Open file descriptors", usage.open_fds),
            ("process_max_fds", "Most file descriptors that may be open", usage.max_fds),
        ];
        for (name, help, value) in gauges {
            if let Some(value) = value {
                let gauge = ConstGauge::new(value);
                gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
            }
        }
        Ok(())
    }
}

/// The value behind `name` in a file of `name value` lines.
fn line_value(path: &str, name: &str) -> Option<f64> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

fn boot_seconds() -> Option<f64> {
    line_value("/proc/stat", "btime")
}

fn resident_bytes() -> Option<f64> {
    Some(line_value("/proc/self/status", "VmRSS:")? * 1024.0)
}

fn open_fds() -> Option<f64> {
    Some(fs::read_dir("/proc/self/fd").ok()?.count() as f64)
}

fn max_fds() -> Option<f64> {
    line_value("/proc/self/limits", "Max open files")
}
