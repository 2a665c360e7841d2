//! Opening a data directory: whose it is, which program it is of, and what of that program it cannot keep.

use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Condvar, Mutex};

use highwater_log::{Error, Folder, Log, Lsn, Options};

use super::super::config::Config;
use super::super::control::Control;
use super::super::error::EngineError;
use super::super::frames::{self, Begun, FORMAT, Frame, Start, Unreadable};
use super::super::source::Source;
use super::told::Counts;
use super::watched::{Files, Watched};
use super::{Durable, Known};
use crate::metrics::Metrics;
use crate::plan::identity::{Part, difference, parts};
use crate::plan::{Dataflow, SyncMode};
use crate::source::{Replay, SourceSpec, SplitId};
use crate::time::now_ms;

/// Bytes that may wait for the disk; also the longest frame. A body of the default limit fits, whatever its columns.
pub(super) const WAITING_BYTES: usize = 32 << 20;

impl Durable {
    /// Opens the data directory that the configuration names, if it does.
    pub(in super::super) fn open(
        dataflow: &Dataflow,
        config: &Config,
        control: &Arc<Control>,
        metrics: &Metrics,
    ) -> Result<Option<Arc<Durable>>, EngineError> {
        let Some(path) = &config.data_dir else { return Ok(None) };
        let folder = path.display().to_string();
        let wrong = |what: String, remedy: &str| EngineError::DataDir {
            folder: folder.clone(),
            what,
            remedy: remedy.to_owned(),
        };
        keepable(dataflow, config).map_err(|what| wrong(what, "run it without --data-dir"))?;
        let sync = dataflow.log_sync.unwrap_or(SyncMode::Commit);
        let (log, files) = log(path, sync, metrics).map_err(|error| wrong(error.to_string(), error.remedy()))?;
        let durable = Durable {
            folder: folder.clone(),
            log,
            files,
            sync,
            counts: Counts::new(metrics),
            waiting: Mutex::default(),
            came: Condvar::new(),
            control: control.clone(),
            lead: AtomicU64::new(0),
            telling: Mutex::default(),
            known: Mutex::default(),
        };
        if durable.is_ours()? {
            durable.look(dataflow, config)?;
        }
        Ok(Some(Arc::new(durable)))
    }

    /// Whether it holds anything, which this version has to know how to read.
    fn is_ours(&self) -> Result<bool, EngineError> {
        let opened = self.log.opened();
        if opened.end == Lsn(0) {
            return Ok(false);
        }
        let mut reader = self.log.reader(opened.first).map_err(|error| self.broken(&error))?;
        let frame = reader.read().map_err(|error| self.broken(&error))?;
        match frame.map(|frame| Frame::read(frame.kind, frame.bytes)) {
            Some(Ok(Frame::Start(start))) if start.format == FORMAT => Ok(true),
            Some(Ok(Frame::Start(Start { format, version, .. }))) => Err(self.wrong(
                format!("Highwater {version} wrote it in the format {format}, this is {FORMAT}"),
                "open it with that version",
            )),
            Some(Err(error)) => Err(self.wrong(error, "name another directory")),
            _ => Err(self.wrong("it does not begin as one of Highwater does", "name another directory")),
        }
    }

    /// Looks through it for what is to be known before anything is opened.
    fn look(&self, dataflow: &Dataflow, config: &Config) -> Result<(), EngineError> {
        let opened = self.log.opened();
        let mut reader = self.log.reader(opened.first).map_err(|error| self.broken(&error))?;
        let (mut known, mut used, mut last) = (self.known(), false, None);
        while let Some(frame) = reader.read().map_err(|error| self.broken(&error))? {
            let unreadable = |error| self.wrong(error, "open it with the version that wrote it");
            // Until something of a run is kept another program may take its place.
            used |= ![frames::START, frames::SOURCE, frames::SPLIT].contains(&frame.kind);
            if [frames::SOURCE, frames::MOVE, frames::LEASE, frames::INPUT].contains(&frame.kind) {
                continue;
            }
            let lsn = frame.lsn.0;
            match Frame::read(frame.kind, frame.bytes).map_err(unreadable)? {
                Frame::Request(request) => drop(known.requests.insert(lsn, (request.table, None))),
                Frame::Taken(taken) => {
                    known.requests.insert(taken.request, (taken.table, Some(taken.epoch)));
                }
                Frame::Start(start) => last = Some(start),
                Frame::Ahead(ahead) => drop(known.ahead.insert((ahead.source, ahead.partition), ahead.rows)),
                Frame::Begun(begun) => drop(known.begun.insert(begun)),
                Frame::Split(split) => {
                    let was = (SplitId::new(split.split), split.was);
                    known.splits.insert((split.source, split.partition), was);
                }
                Frame::Rows(rows) => {
                    let end = rows.beside().and_then(|beside| beside.end.parse().map_err(Unreadable));
                    known.ends.insert((rows.source, rows.partition), end.map_err(unreadable)?);
                }
                _ => {}
            }
        }
        if !used {
            *known = Known::default();
            return Ok(());
        }
        let difference = last.and_then(|start| difference(&program(dataflow), &start.parts));
        if let Some(difference) = difference {
            let what = format!("it was written by another program: {difference}");
            return Err(self.wrong(what, "run that program again, or name another directory with --data-dir"));
        }
        let many = |writer: &Begun| {
            let sink = dataflow.sinks.iter().find(|sink| sink.spec.name == writer.sink)?;
            let per_worker = sink.spec.connector.per_worker(&sink.spec);
            (per_worker && writer.parts != config.workers).then_some((writer.sink.clone(), writer.parts))
        };
        match known.begun.iter().find_map(many) {
            None => Ok(()),
            Some((sink, parts)) => Err(self.wrong(
                format!("sink '{sink}' has a file for each of {parts} workers, and there are {}", config.workers),
                &format!("start it with -w {parts}"),
            )),
        }
    }

    /// Writes down who has opened it.
    pub(in super::super) fn starts(&self, dataflow: &Dataflow) -> Result<(), EngineError> {
        let start = Start {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            at_ms: now_ms(),
            parts: program(dataflow),
        };
        self.write(frames::START, &start.bytes())
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
        }
        Ok(())
    }
}

/// What a data directory belongs to.
fn program(dataflow: &Dataflow) -> Vec<Part> {
    parts(dataflow)
}

fn log(path: &Path, sync: SyncMode, metrics: &Metrics) -> Result<(Log, Arc<Files>), Error> {
    let mut lineage = [0; 16];
    // Without random numbers the time of the clock tells it from others.
    if getrandom::fill(&mut lineage).is_err() {
        lineage[..8].copy_from_slice(&now_ms().to_le_bytes());
    }
    let lineage = u128::from_le_bytes(lineage);
    let now_ms = Arc::new(now_ms);
    let options = Options { waiting_bytes: WAITING_BYTES, sync, lineage, now_ms, ..Options::default() };
    let (disk, files) = Watched::over(Folder::lock(path)?, metrics.log_sync_seconds.clone());
    Ok((Log::open(disk, options)?, files))
}

/// What a data directory cannot keep of a program.
fn keepable(dataflow: &Dataflow, config: &Config) -> Result<(), String> {
    if config.processes() > 1 {
        return Err(format!("{} processes cannot keep one yet", config.processes()));
    }
    let again =
        |source: &&SourceSpec| !source.connector.live(&source.options) && source.connector.replay() == Replay::Once;
    if let Some(source) = dataflow.sources.iter().find(again) {
        return Err(format!("source '{}' has an end and cannot be read again from its beginning", source.name));
    }
    Ok(())
}
