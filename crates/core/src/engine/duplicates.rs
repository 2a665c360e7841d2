//! Duplicates across processes: what each takes the others hear of, and what two took at once is told apart by its key.
//!
//! Only for sources that know duplicates, in a cluster. Invariant: of rows with one key within the horizon one is in the
//! dataflow, whichever processes they were sent to, at once or one after the other. What an edge has heard of it answers as
//! a duplicate itself, also if it is late by then; it has heard of all that has arrived at the views.

use std::sync::Arc;

use timely::container::NoopBuilder;
use timely::dataflow::Stream;
use timely::dataflow::operators::Operator;
use timely::dataflow::operators::probe::{Handle, Probe};

use super::config::Config;
use super::source::Source;
use crate::delta::Delta;
use crate::operator::{Route, stateful, stateless};
use crate::source::Repeats;
use crate::time::Epoch;

/// A source's rows with every key once; every worker must build it, if there are several processes. What has arrived at
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
    for process in 0..config.processes() {
        // What this process took it knows.
        let other = process != config.process;
        let keys = move |rows: Delta| match rows.batch().project(&[key, key + 1]) {
            Ok(keys) if other => vec![Delta::insert(keys)],
            Ok(_) => Vec::new(),
            Err(error) => unreachable!("the key and the place are there: {error}"),
        };
        let (keys, learner) = (stateless(stream.clone(), "Keys", keys), source.clone());
        let learnt =
            keys.unary::<NoopBuilder<Delta>, _, _, _>(Route::ToWorker(process * config.workers), "Learn", |_, _| {
                move |input, _output| {
                    input.for_each_time(|time, deltas| deltas.for_each(|keys| learner.learn(*time.time(), keys)));
                }
            });
        learnt.probe_with(outputs);
    }
    stateful(vec![(stream, Route::ByColumns(vec![key]))], "Deduplicate", Box::new(repeats))
}
