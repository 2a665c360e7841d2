//! A sink's thread: takes whole epochs from a queue, nets and sorts them if the sink asks for it, writes them. While much
//! waits in the queue the sources that feed it bring nothing new ([`Sink::full`](super::sink::Sink::full)), so a slow sink slows
//! its own branch down and nothing piles up beyond what is under way; no worker waits for it, nor does any other branch.
//!
//! What an earlier run left is replaced once this one has come to its first epoch, so a run that fails before has taken
//! nothing away. What fails for a reason that passes (a full disk, no descriptor left) is tried again until it goes.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use arrow_array::RecordBatch;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};

use super::control::Control;
use super::durable::Durable;
use super::error::EngineError;
use super::frames::Begun;
use super::gather::Collect;
use super::sink::Part;
use crate::delta::Delta;
use crate::delta::RowCodec;
use crate::delta::Unfit;
use crate::delta::relabel;
use crate::operator::{Saved, Saving, Section};
use crate::plan::SinkPlan;
use crate::sink::{SinkError, Writer};
use crate::time::Epoch;

/// Bytes that a writer gathers while more epochs wait.
const GATHERED: usize = 1 << 20;

/// How long written rows may stay unseen while more come.
const FLUSH_EVERY: Duration = Duration::from_millis(500);

/// How often it is looked whether all that is compared has come.
const LOOK: Duration = Duration::from_millis(2);

type Epochs = (Epoch, Vec<Delta>);

/// What a worker tells the thread.
enum Told {
    /// An epoch is complete.
    Epoch(Epochs),
    /// A snapshot is taken behind all that was told: where the output is then is to be kept.
    Cut,
}

/// The end of a sink's queue on a worker.
pub(super) struct ToSink {
    sender: Sender<Told>,
    columns: Vec<usize>,
    schema: arrow_schema::SchemaRef,
    part: Arc<Part>,
    /// The writer was told that the run has come to its first epoch.
    begun: bool,
}

/// Nothing but where its output is, which its thread keeps when it comes to that.
impl Saved for ToSink {
    fn sections(&self) -> Vec<Section> {
        Vec::new()
    }

    fn begin(&mut self) -> Saving {
        // See above.
        let _ = self.sender.send(Told::Cut);
        Saving::default()
    }

    fn take(&mut self, _: usize, _: &RecordBatch) -> Result<(), Unfit> {
        Ok(())
    }

    fn loaded(&mut self, cut: Epoch) {
        self.part.told(cut);
    }
}

impl Collect for ToSink {
    fn kept(&mut self) -> Option<&mut dyn Saved> {
        Some(self)
    }

    fn collect(&mut self, epochs: Vec<Epochs>, as_of: Epoch) {
        // Where no row comes out a first watermark is a sign that all sources have brought some.
        let first = !self.begun && (!epochs.is_empty() || as_of.watermark > Epoch::MIN.watermark);
        self.begun |= first;
        for (epoch, deltas) in first.then(|| (Epoch::MIN, Vec::new())).into_iter().chain(epochs) {
            let shown = |delta: &Delta| delta.with_batch(relabel(delta.batch(), &self.columns, &self.schema));
            self.part.waiting.fetch_add(1, Ordering::Relaxed);
            self.part.rows.fetch_add(deltas.iter().map(|delta| delta.len() as u64).sum(), Ordering::Relaxed);
            // The writer is gone only when it failed: then the engine is ending.
            let _ = self.sender.send(Told::Epoch((epoch, deltas.iter().map(shown).collect())));
        }
        self.part.told(as_of);
    }
}

/// A sink that is open.
pub(super) struct Opened {
    name: String,
    writer: Box<dyn Writer>,
    /// `None` if the sink takes changes as they come.
    codec: Option<RowCodec>,
    receiver: Receiver<Told>,
    part: Arc<Part>,
    /// Where it is kept that it has begun, and which files are complete.
    kept: Option<(Arc<Durable>, Begun)>,
    /// A later run goes on with what one that is stopped writes.
    goes_on: bool,
}

/// Opens the writer for one of a sink's `parts`; answers both ends. `goes_on`: a run that is stopped leaves the output without its end.
pub(super) fn open(
    plan: &SinkPlan,
    part: usize,
    parts: usize,
    durable: Option<&Arc<Durable>>,
    goes_on: bool,
) -> Result<(ToSink, Opened), EngineError> {
    // One writer alone is the same one whatever the number of workers.
    let of = if plan.spec.connector.per_worker(&plan.spec) { parts } else { 1 };
    let kept = durable.map(|durable| (durable.clone(), Begun { sink: plan.spec.name.clone(), part, parts: of }));
    kept.iter().for_each(|(durable, writer)| durable.writes(writer));
    let writer = match &kept {
        Some((durable, writer)) => plan.spec.connector.kept(&plan.spec, part, parts, durable.before(writer))?,
        None => plan.spec.connector.open(&plan.spec, part, parts)?,
    };
    let schema = plan.spec.schema.clone();
    let codec = plan.spec.connector.consolidated().then(|| RowCodec::new(schema.clone(), &[])).transpose();
    let codec = codec.map_err(|error| EngineError::Dataflow {
        what: format!("sink '{}' cannot be written in a fixed order: {error}", plan.spec.name),
        remedy: "leave out or cast the column whose type has no order".to_owned(),
    })?;
    let (sender, receiver) = unbounded();
    let status = Arc::new(Part::default());
    status.comparing.store(writer.compares(), Ordering::Relaxed);
    let to_sink = ToSink { sender, columns: plan.columns.clone(), schema, part: status.clone(), begun: false };
    Ok((to_sink, Opened { name: plan.spec.name.clone(), writer, codec, receiver, part: status, kept, goes_on }))
}

impl Opened {
    /// Writes until the worker has no more, then ends the output. After a failure of the engine the output is left as it
    /// is: not flushed, not ended.
    pub(super) fn start(self, control: &Arc<Control>, process: usize) -> Result<SinkThread, EngineError> {
        let (control, name) = (control.clone(), format!("sink {}", self.name));
        let part = self.part.clone();
        part.standing.opened();
        let thread = std::thread::Builder::new().name(name.clone()).spawn(move || {
            control.guard(&name, process, || {
                if let Err(error) = self.run(&control) {
                    part.standing.gave_up(&error.detail());
                    control.fail(error.into());
                }
            });
        });
        thread.map(SinkThread).map_err(|error| EngineError::Config(format!("no thread for a sink: {error}")))
    }

    /// What is shown of it.
    pub(super) fn part(&self) -> Arc<Part> {
        self.part.clone()
    }

    fn run(mut self, control: &Control) -> Result<(), SinkError> {
        // Epochs that are with the writer and not outside yet.
        let (mut unseen, mut begun) = (0, false);
        let mut comparing = self.part.comparing.load(Ordering::Relaxed);
        loop {
            if comparing && unseen == 0 && self.part.has_all() && self.receiver.is_empty() {
                self.settle(control, |writer| writer.caught_up())?;
                comparing = false;
                self.part.comparing.store(false, Ordering::Release);
            }
            match self.receiver.recv_timeout(if comparing { LOOK } else { FLUSH_EVERY }) {
                Ok(Told::Cut) => {
                    if begun {
                        self.settle(control, |writer| writer.flush())?;
                        self.settle(control, |writer| writer.secure())?;
                        self.part.waiting.fetch_sub(std::mem::take(&mut unseen), Ordering::Relaxed);
                    }
                    let mark = self.writer.mark().unwrap_or_default();
                    if control.failure().is_none() {
                        self.kept.iter().for_each(|(durable, writer)| durable.is_marked(writer, mark));
                    }
                }
                Ok(Told::Epoch((epoch, deltas))) => {
                    if !std::mem::replace(&mut begun, true) {
                        self.settle(control, |writer| writer.begin())?;
                        self.kept.iter().for_each(|(durable, writer)| durable.begins(writer.clone()));
                    }
                    let netted = match &mut self.codec {
                        Some(codec) => codec.net(&deltas, false).map(|netted| netted.delta).into_iter().collect(),
                        None => deltas,
                    };
                    netted.iter().try_for_each(|changes| self.writer.write(epoch, changes))?;
                    unseen += 1;
                    self.end_files(control, false)?;
                    if self.receiver.is_empty() || self.writer.gathered() >= GATHERED || self.writer.is_due() {
                        self.settle(control, |writer| writer.flush())?;
                        self.part.waiting.fetch_sub(std::mem::take(&mut unseen), Ordering::Relaxed);
                    }
                }
                // Nothing comes, and what is there grows old.
                Err(RecvTimeoutError::Timeout) if begun && self.writer.is_due() => {
                    self.end_files(control, false)?;
                    self.settle(control, |writer| writer.flush())?;
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        if control.failure().is_some() {
            return Ok(());
        }
        let stopped = control.goal().is_some() || control.stopping();
        if begun || !stopped {
            self.settle(control, |writer| writer.flush())?;
        }
        let ended = !begun || self.end_files(control, true)?;
        if stopped && self.goes_on || !ended {
            self.settle(control, |writer| writer.pause(begun))?;
        } else if begun || !stopped {
            self.settle(control, |writer| writer.close())?;
        } else {
            self.settle(control, |writer| writer.leave())?;
        }
        self.part.waiting.store(0, Ordering::Relaxed);
        self.part.standing.ended();
        Ok(())
    }

    /// Ends the files that are to be, and keeps that, before and after: what others take for complete is never touched again. Returns whether
    /// none is left that is to be.
    fn end_files(&mut self, control: &Control, stopping: bool) -> Result<bool, SinkError> {
        let Some(epoch) = self.writer.to_end(stopping) else { return Ok(true) };
        let Some((durable, writer)) = self.kept.clone() else { return Ok(true) };
        if !durable.ends(&writer, epoch, None) {
            return Ok(false);
        }
        self.settle(control, |writer| writer.prepare().map(drop))?;
        let files = self.writer.mark().map_or(0, |mark| mark.files);
        if control.failure().is_some() || !durable.ends(&writer, epoch, Some(files)) {
            return Ok(false);
        }
        self.settle(control, |writer| writer.commit(epoch))?;
        Ok(true)
    }

    /// Does it, however often it has to be tried, unless it fails for good or the engine does.
    fn settle(
        &mut self,
        control: &Control,
        work: impl Fn(&mut Box<dyn Writer>) -> Result<(), SinkError>,
    ) -> Result<(), SinkError> {
        let what = format!("sink '{}'", self.name);
        loop {
            match work(&mut self.writer) {
                Err(error) if error.passes() && control.failure().is_none() => {
                    self.part.behind_all.store(!self.writer.compares(), Ordering::Release);
                    let pause = self.part.standing.failed(&what, &error.detail());
                    // Once the engine stops it no longer sleeps.
                    if control.stopping() { std::thread::sleep(pause) } else { control.sleep(pause) }
                }
                Err(_) if control.failure().is_some() => return Ok(()),
                done => {
                    self.part.standing.went_well(&what);
                    return done;
                }
            }
        }
    }
}

/// A sink's running thread.
#[derive(Debug)]
pub(super) struct SinkThread(std::thread::JoinHandle<()>);

impl SinkThread {
    /// Waits until all is written.
    pub(super) fn join(self) {
        // A panic in it was told by its guard.
        let _ = self.0.join();
    }
}
