//! Opening a data directory: whose it is, which program it is of, and what of that program it cannot keep.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Condvar, Mutex};

use highwater_log::{Error, Folder, Log, Options, Past};

use super::super::config::{Config, OnChange};
use super::super::control::Control;
use super::super::error::EngineError;
use super::super::frames::{self, Begun, Cluster, FORMAT, Program, Start};
use super::super::greeting::Directory;
use super::super::source::Source;
use super::known::{Known, is_ours};
use super::rebuilt::Change;
use super::summaries::Appended;
use super::told::Counts;
use super::undecided::UNDECIDED_BYTES;
use super::watched::Watched;
use super::{Durable, Matching, Snapshots};
use crate::metrics::Metrics;
use crate::plan::identity::{Part, parts};
use crate::plan::{Dataflow, LogSpec, SyncMode};
use crate::source::{Replay, SourceSpec};
use crate::time::now_ms;

/// Bytes that may wait for the disk; also the longest frame. A body of the default limit fits, whatever its columns.
const WAITING_BYTES: usize = 32 << 20;

/// What a segment holds besides frames.
const SEGMENT_HEAD: u64 = 4096;

impl Durable {
    /// Opens the data directory that the configuration names, if it does.
    pub(in super::super) fn open(
        dataflow: &Dataflow,
        config: &Config,
        control: &Arc<Control>,
        metrics: &Metrics,
        extended: bool,
    ) -> Result<Option<Arc<Durable>>, EngineError> {
        if let Some(recorded) = &config.replay {
            return Durable::replay(recorded, dataflow, control, metrics).map(Some);
        }
        let Some(path) = &config.data_dir else { return Ok(None) };
        let folder = path.display().to_string();
        let wrong = |what: String, remedy: &str| EngineError::DataDir {
            folder: folder.clone(),
            what,
            remedy: remedy.to_owned(),
        };
        keepable(dataflow).map_err(|what| wrong(what, "run it without --data-dir"))?;
        let options = log_options(&dataflow.log);
        let broken = |error: Error| wrong(error.to_string(), error.remedy());
        let lock = Folder::lock(path).map_err(broken)?;
        let undecided_bytes = dataflow.log.overflow.unwrap_or(UNDECIDED_BYTES);
        let opened = || {
            let opened = Durable::opened(&folder, (&lock, &options), control, metrics).map_err(broken);
            opened.map(|durable| Durable { undecided_bytes, ..durable })
        };
        let durable = opened()?;
        let Some(change) = durable.look(dataflow, config)? else {
            return durable.with_snapshots(dataflow, config, extended).map(|durable| Some(Arc::new(durable)));
        };
        let what = format!("it was written by another program: {}", change.difference.as_deref().unwrap_or_default());
        match (config.on_change, &change.refused) {
            (OnChange::Refuse, _) => {
                let remedy = "run that program again, say what becomes of what it holds with --on-change rebuild or fresh, or name \
                              another directory with --data-dir";
                return Err(wrong(what, remedy));
            }
            (OnChange::Rebuild, Some([why, remedy])) => {
                let remedy = format!("{remedy}, or begin anew with --on-change fresh (what it holds is put aside)");
                return Err(wrong(format!("what came cannot be done again with this program: {why}"), &remedy));
            }
            (OnChange::Rebuild, None) => {
                durable.same_place(durable.known().start.as_ref(), config)?;
                if let Some(gone) = durable.past.gone() {
                    let remedy = "run that program again, or begin anew with --on-change fresh (what it holds is put aside); \
                                  SET 'log.retention' = 'all' keeps what came for programs to come";
                    return Err(wrong(
                        format!("{what}; and what came cannot be done again with this program: {gone}"),
                        remedy,
                    ));
                }
                durable.rebuild(&lock, &change, (dataflow, config))?;
            }
            (OnChange::Fresh, _) => {
                durable.close()?;
                let aside = lock.put_aside().map_err(broken)?.display().to_string();
                tracing::warn!("data directory '{folder}': {what}; what it held is in '{aside}' from now on");
            }
        }
        let durable = opened()?;
        // A sink with a file for each worker binds their number still.
        durable.look(dataflow, config)?;
        durable.with_snapshots(dataflow, config, extended).map(|durable| Some(Arc::new(durable)))
    }

    fn opened(
        folder: &str,
        (lock, options): (&Arc<Folder>, &Options),
        control: &Arc<Control>,
        metrics: &Metrics,
    ) -> Result<Durable, Error> {
        let (disk, files) = Watched::over(lock.clone(), metrics.log_sync_seconds.clone());
        let log = Log::open(disk.clone(), options.clone())?;
        let durable = Durable::of(folder.to_owned(), log.past(), control, metrics);
        let (log, lock, files, disk) = (Some(log), Some(lock.clone()), Some(files), Some(disk));
        let Options { sync, waiting_bytes, .. } = *options;
        Ok(Durable { log, lock, disk, files, sync, waiting_bytes, ..durable })
    }

    /// Of what a directory held, with nowhere to write to.
    pub(super) fn of(folder: String, past: Past, control: &Arc<Control>, metrics: &Metrics) -> Durable {
        Durable {
            folder,
            past,
            beside: Vec::new(),
            log: None,
            lock: None,
            files: None,
            sync: SyncMode::Commit,
            waiting_bytes: WAITING_BYTES,
            undecided_bytes: UNDECIDED_BYTES,
            counts: Counts::new(metrics),
            matching: Matching::default(),
            waiting: Mutex::default(),
            came: Condvar::new(),
            control: control.clone(),
            lead: AtomicU64::new(0),
            threads: Mutex::default(),
            known: Mutex::default(),
            appended: Mutex::default(),
            disk: None,
            snapshots: Snapshots::default(),
            restored: None,
        }
    }

    /// Looks through it for what is to be known before anything is opened. Answers what has changed, if another program wrote it.
    fn look(&self, dataflow: &Dataflow, config: &Config) -> Result<Option<Change>, EngineError> {
        if !is_ours(&self.folder, &self.past)? {
            return Ok(None);
        }
        let (found, read) = Known::read(&self.folder, &self.past, None)?;
        let begun = self.past.segments().map_err(|error| self.broken(&error))?;
        let segments = begun.iter().filter(|first| **first > read.from).count();
        *self.appended() = Appended::behind(found.clone(), segments, read.from);
        if !found.used {
            return Ok(None);
        }
        let mut known = self.known();
        *known = found;
        let change = known.start.as_ref().map(|start| Change::of(&start.parts, dataflow));
        if let Some(change) = change.filter(|change| change.difference.is_some()) {
            return Ok(Some(change));
        }
        self.same_place(known.start.as_ref(), config)?;
        let counted = |source: &SourceSpec| !source.connector.live(&source.options);
        if let Some(program) = known.program.as_ref().filter(|program| program.tick_rows != config.tick_rows)
            && let Some((writer, _)) = known.ended.first_key_value()
            && dataflow.sources.iter().any(counted)
        {
            let (was, is) = (program.tick_rows, config.tick_rows);
            return Err(self.wrong(
                format!("files of sink '{}' are complete by epochs of {was} rows, and epochs have {is}", writer.sink),
                &format!("start it with --tick-rows {was}"),
            ));
        }
        let many = |writer: &Begun| {
            let sink = dataflow.sinks.iter().find(|sink| sink.spec.name == writer.sink)?;
            let per_worker = sink.spec.connector.per_worker(&sink.spec);
            let of = config.processes() * config.workers;
            (per_worker && writer.parts != of).then_some((writer.sink.clone(), writer.parts))
        };
        match known.begun.iter().find_map(many) {
            None => Ok(None),
            Some((sink, parts)) => Err(self.wrong(
                format!(
                    "sink '{sink}' has a file for each of {parts} workers, and there are {}",
                    config.processes() * config.workers
                ),
                &format!("start it with -w {}", parts / config.processes()),
            )),
        }
    }

    /// Whether the process that opened it last stood where this one does.
    fn same_place(&self, start: Option<&Start>, config: &Config) -> Result<(), EngineError> {
        let was =
            start.map(|start| start.cluster.as_ref().map_or((0, 1), |cluster| (cluster.process, cluster.processes)));
        let Some((process, processes)) = was.filter(|was| *was != (config.process, config.processes())) else {
            return Ok(());
        };
        let (by, remedy) = match processes {
            1 => ("one process".to_owned(), "start it without -n and -p".to_owned()),
            _ => (format!("process {process} of {processes}"), format!("start it with -n {processes} -p {process}")),
        };
        let (ours, all) = (config.process, config.processes());
        Err(self.wrong(format!("it is of {by}, and this is process {ours} of {all}"), &remedy))
    }

    /// The directory as the other processes of a cluster are told of it.
    pub(in super::super) fn directory(&self) -> Directory {
        let known = self.known();
        let beside =
            known.start.as_ref().and_then(|start| start.cluster.as_ref()).map(|cluster| cluster.lineages.clone());
        Directory { lineage: format!("{:032x}", self.lineage()), beside: beside.unwrap_or_default() }
    }

    /// Writes down who has opened it, beside which logs of other processes.
    pub(in super::super) fn starts(
        &self,
        dataflow: &Dataflow,
        config: &Config,
        lineages: &[String],
    ) -> Result<(), EngineError> {
        if self.replays() {
            return Ok(());
        }
        let start = Start {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            at_ms: now_ms(),
            parts: program(dataflow),
            cluster: place(config, lineages),
        };
        self.write(frames::START, &start.bytes())?;
        let folder = std::env::current_dir().unwrap_or_default().display().to_string();
        let program = Program { files: config.program.clone(), folder, tick_rows: config.tick_rows };
        let known = self.known().program.as_ref() == Some(&program);
        if known || program.files.is_empty() { Ok(()) } else { self.write(frames::PROGRAM, &program.bytes()) }
    }

    fn write(&self, kind: u8, bytes: &[u8]) -> Result<(), EngineError> {
        match self.append_waiting(kind, &[bytes], || false) {
            Ok(_) => Ok(()),
            // A run whose input has ended is over before it has begun.
            Err(_) if self.is_over() => Ok(()),
            Err(_) => Err(self.wrong("nothing can be written to it", "look at the disk, then start again")),
        }
    }

    /// Writes down what frames name by numbers.
    pub(in super::super) fn begin(&self, sources: &[Arc<Source>]) -> Result<(), EngineError> {
        for (number, source) in sources.iter().enumerate() {
            let (name, schema) = (source.name().to_owned(), source.spec().physical.clone());
            self.write(frames::SOURCE, &frames::Source { source: number as u32, name, schema }.bytes())?;
            let live = source.live();
            for partition in &source.partitions {
                let (split, name) = (partition.split.to_string(), partition.name.clone());
                let (spec, source) = (source.spec(), number as u32);
                let was = if live { None } else { spec.connector.was(spec, &partition.split)? };
                let split = frames::Split { source, partition: partition.number as u32, split, name, was };
                self.write(frames::SPLIT, &split.bytes())?;
            }
            // Others read them; what numbers they have is to be known when there are more (S1).
            for (partition, split) in &source.elsewhere {
                let (source, partition, split) = (number as u32, *partition as u32, split.to_string());
                let split = frames::Split { source, partition, split, name: String::new(), was: None };
                self.write(frames::SPLIT, &split.bytes())?;
            }
        }
        Ok(())
    }
}

/// Where a process stands among several.
pub(super) fn place(config: &Config, lineages: &[String]) -> Option<Cluster> {
    let (process, processes) = (config.process, config.processes());
    (processes > 1).then(|| Cluster { process, processes, lineages: lineages.to_vec() })
}

/// What a data directory belongs to.
fn program(dataflow: &Dataflow) -> Vec<Part> {
    parts(dataflow)
}

/// How a log is kept; a new one has an identity of its own.
pub(super) fn log_options(log: &LogSpec) -> Options {
    let mut lineage = [0; 16];
    // Without random numbers the time of the clock tells it from others.
    if getrandom::fill(&mut lineage).is_err() {
        lineage[..8].copy_from_slice(&now_ms().to_le_bytes());
    }
    let lineage = u128::from_le_bytes(lineage);
    let now_ms = Arc::new(now_ms);
    let defaults = Options::default();
    let segment_bytes = log.segment.unwrap_or(defaults.segment_bytes);
    let holds = usize::try_from(segment_bytes.saturating_sub(SEGMENT_HEAD)).unwrap_or(usize::MAX);
    let waiting_bytes = WAITING_BYTES.min(holds);
    let block_bytes = defaults.block_bytes.min(waiting_bytes);
    let sync = log.sync.unwrap_or(SyncMode::Commit);
    Options { segment_bytes, block_bytes, waiting_bytes, sync, lineage, now_ms, ..defaults }
}

/// What a data directory cannot keep of a program.
fn keepable(dataflow: &Dataflow) -> Result<(), String> {
    let again =
        |source: &&SourceSpec| !source.connector.live(&source.options) && source.connector.replay() == Replay::Once;
    if let Some(source) = dataflow.sources.iter().find(again) {
        return Err(format!("source '{}' has an end and cannot be read again from its beginning", source.name));
    }
    Ok(())
}
