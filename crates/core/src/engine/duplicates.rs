//! Duplicates across processes: what each takes the others hear of, and what two took at once is told apart by its key.
//!
//! Only for sources that know duplicates, in a cluster or in a replay of what one took. Invariant: of rows with one key within the horizon one is in the
//! dataflow, whichever processes they were sent to, at once or one after the other. What an edge has heard of it answers as
//! a duplicate itself, also if it is late by then; it has heard of all that has arrived at the views.

use std::collections::BTreeMap;
use std::sync::Arc;

use timely::container::NoopBuilder;
use timely::dataflow::Stream;
use timely::dataflow::operators::probe::{Handle, Probe};
use timely::dataflow::operators::{Capability, Operator};

use super::config::Config;
use super::source::Source;
use crate::delta::Delta;
use crate::operator::{Route, stateful, stateless};
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
        let (keys, learner, schema) = (stateless(stream.clone(), "Keys", keys), source.clone(), schema.clone());
        let to = Route::ToWorker(process * config.workers);
        let learnt = keys.unary_frontier::<NoopBuilder<Delta>, _, _, _>(to, "Learn", |_, _| {
            let mut staged: BTreeMap<Epoch, (Capability<Epoch>, Vec<Delta>)> = BTreeMap::new();
            move |(input, frontier), _output| {
                input.for_each_time(|time, deltas| {
                    let (_, keys) = staged.entry(*time.time()).or_insert_with(|| (time.retain(0), Vec::new()));
                    keys.extend(deltas.map(std::mem::take));
                });
                // Rows that a crash may still take are not known to anybody: who sends them again is not told that they are there.
                while let Some(first) = staged.first_entry().filter(|first| !frontier.less_equal(first.key())) {
                    let (epoch, (_held, keys)) = first.remove_entry();
                    learner.learn(epoch, Delta::concat(&schema, &keys).batch());
                }
            }
        });
        learnt.probe_with(outputs);
    }
    stateful(vec![(stream, Route::ByColumns(vec![key]))], "Deduplicate", Box::new(repeats))
}
