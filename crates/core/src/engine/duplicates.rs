//! Duplicates across processes: what each takes the others hear of, and what two took at once is told apart by its key.
//!
//! Only for sources that know duplicates, in a cluster or in a replay of what one took. Invariant: of rows with one key within the horizon one is in the
//! dataflow, whichever processes they were sent to, at once or one after the other. What an edge has heard of it answers as
//! a duplicate itself, also if it is late by then; it has heard of all that has arrived at the views.

use std::sync::Arc;

use arrow_schema::SchemaRef;
use timely::dataflow::Stream;
use timely::dataflow::operators::probe::{Handle, Probe};

use super::config::Config;
use super::source::Source;
use crate::delta::Delta;
use crate::operator::{KeepsNothing, Route, Stateful, only, stateful, stateless};
use crate::source::{Repeats, keys_schema};
use crate::time::Epoch;

/// A source's rows with every key once; every worker must build it, if several processes take them, or took them. What has arrived at
/// `outputs` all processes have heard of.
pub(super) fn once<'s>(
    stream: Stream<'s, Epoch, Delta>,
    source: &Arc<Source>,
    config: &Config,
    outputs: &Handle<Epoch>,
) -> Stream<'s, Epoch, Delta> {
    let finder = source.clone();
    let Some(repeats) = Repeats::new(source.spec(), move |repeats| finder.found(repeats)) else { return stream };
    let key = Repeats::key(source.spec());
    let Some(schema) = keys_schema(source.spec()) else { return stream };
    let processes = if config.processes() > 1 { config.processes() } else { 0 };
    for process in 0..processes {
        // What this process took it knows.
        let other = process != config.process;
        let keys = move |rows: Delta| match rows.batch().project(&[key, key + 1]) {
            Ok(keys) if other => vec![Delta::insert(keys)],
            Ok(_) => Vec::new(),
            Err(error) => unreachable!("the key and the place are there: {error}"),
        };
        let keys = stateless(stream.clone(), "Keys", keys);
        let learner = Learner { source: source.clone(), schema: schema.clone() };
        let learnt = stateful(vec![(keys, Route::ToWorker(process * config.workers))], "Learn", Box::new(learner));
        learnt.probe_with(outputs);
    }
    stateful(vec![(stream, Route::ByColumns(vec![key]))], "Deduplicate", Box::new(repeats))
}

/// Tells an edge of the keys that other processes took, epoch by epoch.
struct Learner {
    source: Arc<Source>,
    schema: SchemaRef,
}

/// What it has told is in the log, or comes again.
impl KeepsNothing for Learner {}

impl Stateful for Learner {
    /// All of an epoch is behind the frontier, and so on the disk of who took it: who sends a row again that a crash has taken is not told
    /// that it is there.
    fn apply(&mut self, epoch: Epoch, inputs: &mut [Vec<Delta>]) -> Vec<Delta> {
        self.source.learn(epoch, Delta::concat(&self.schema, &only(inputs)).batch());
        Vec::new()
    }

    fn held(&self) -> usize {
        0
    }

    fn bytes(&self) -> usize {
        0
    }
}
