//! A sink's thread: takes whole epochs from a bounded queue, nets and sorts them if the sink asks for it, writes them. When the
//! queue is full the worker that hands over waits, so a slow sink slows the dataflow down and nothing piles up.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use super::consolidate::RowCodec;
use super::control::Control;
use super::error::EngineError;
use super::gather::Collect;
use super::rows::relabel;
use crate::delta::Delta;
use crate::plan::SinkPlan;
use crate::sink::{SinkError, Writer};
use crate::time::Epoch;

/// Epochs that wait for a sink before the worker does.
const WAITING_EPOCHS: usize = 64;

/// How long written rows may stay unseen while more come.
const FLUSH_EVERY: Duration = Duration::from_millis(500);

type Epochs = (Epoch, Vec<Delta>);

/// The end of a sink's queue on a worker.
pub(super) struct ToSink {
    sender: Sender<Epochs>,
    columns: Vec<usize>,
    schema: arrow_schema::SchemaRef,
}

impl Collect for ToSink {
    fn collect(&mut self, epochs: Vec<Epochs>, _: Epoch) {
        for (epoch, deltas) in epochs {
            let shown = |delta: &Delta| delta.with_batch(relabel(delta.batch(), &self.columns, &self.schema));
            // The writer is gone only when it failed: then the engine is ending.
            let _ = self.sender.send((epoch, deltas.iter().map(shown).collect()));
        }
    }
}

/// A sink that is open.
pub(super) struct Opened {
    name: String,
    writer: Box<dyn Writer>,
    /// `None` if the sink takes changes as they come.
    codec: Option<RowCodec>,
    receiver: Receiver<Epochs>,
}

/// Opens the writer for one part of a sink; answers both ends.
pub(super) fn open(plan: &SinkPlan, part: usize) -> Result<(ToSink, Opened), EngineError> {
    let writer = plan.spec.connector.open(&plan.spec, part)?;
    let schema = plan.spec.schema.clone();
    let codec = plan.spec.connector.consolidated().then(|| RowCodec::new(schema.clone(), &[])).transpose();
    let codec = codec.map_err(|error| EngineError::Dataflow {
        what: format!("sink '{}' cannot be written in a fixed order: {error}", plan.spec.name),
        remedy: "leave out or cast the column whose type has no order".to_owned(),
    })?;
    let (sender, receiver) = bounded(WAITING_EPOCHS);
    let to_sink = ToSink { sender, columns: plan.columns.clone(), schema };
    Ok((to_sink, Opened { name: plan.spec.name.clone(), writer, codec, receiver }))
}

impl Opened {
    /// Writes until the worker has no more, then ends the output. After a failure of the engine the output is left as it
    /// is: not flushed, not ended.
    pub(super) fn start(self, control: &Arc<Control>, process: usize) -> Result<SinkThread, EngineError> {
        let (control, name) = (control.clone(), format!("sink {}", self.name));
        let thread = std::thread::Builder::new().name(name.clone()).spawn(move || {
            control.guard(&name, process, || {
                if let Err(error) = self.run(&control) {
                    control.fail(error.into());
                }
            });
        });
        thread.map(SinkThread).map_err(|error| EngineError::Config(format!("no thread for a sink: {error}")))
    }

    fn run(mut self, control: &Control) -> Result<(), SinkError> {
        let mut unseen = false;
        loop {
            match self.receiver.recv_timeout(FLUSH_EVERY) {
                Ok((epoch, deltas)) => {
                    let netted = match &mut self.codec {
                        Some(codec) => codec.net(&deltas, false).map(|netted| netted.delta).into_iter().collect(),
                        None => deltas,
                    };
                    for changes in &netted {
                        self.writer.write(epoch, changes)?;
                        unseen = true;
                    }
                    if unseen && self.receiver.is_empty() {
                        self.writer.flush()?;
                        unseen = false;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        if control.failure().is_some() {
            return Ok(());
        }
        self.writer.flush()?;
        self.writer.close()
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
