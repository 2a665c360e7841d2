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

/// Reads the process's own figures.
#[derive(Debug)]
pub(super) struct Process;

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), Error> {
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        // The fields after the command's name, which may hold spaces; the first of them is the third of the line.
        let fields: Vec<f64> = stat
            .rsplit_once(')')
            .map(|(_, rest)| rest.split_ascii_whitespace().map(|field| field.parse().unwrap_or(0.0)).collect())
            .unwrap_or_default();
        let field = |number: usize| fields.get(number - 3).copied();
        if let (Some(user), Some(system)) = (field(14), field(15)) {
            let seconds = ConstCounter::new((user + system) / TICKS);
            let help = "User and system CPU time spent";
            seconds.encode(encoder.encode_descriptor("process_cpu_seconds", help, None, seconds.metric_type())?)?;
        }
        let started = boot_seconds().zip(field(22)).map(|(boot, ticks)| boot + ticks / TICKS);
        let gauges = [
            ("process_start_time_seconds", "Start of the process, seconds since 1970", started),
            ("process_threads", "Threads", field(20)),
            ("process_virtual_memory_bytes", "Virtual memory", field(23)),
            ("process_resident_memory_bytes", "Resident memory", resident_bytes()),
            ("process_open_fds", "Open file descriptors", open_fds()),
            ("process_max_fds", "Most file descriptors that may be open", max_fds()),
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
