//! The operator that brings a table's requests into the dataflow: on the first worker of each process.
//!
//! It is where the streams are: its one capability follows their frontier, so it holds nothing back and rows of an epoch
//! meet the table as the requests of that epoch and those before leave it. When the streams have ended the table ends too
//! or, if it lingers, goes on at ticks of the end of time.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use timely::container::{CapacityContainerBuilder, NoopBuilder};
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Operator;
use timely::dataflow::operators::core::Concatenate;
use timely::dataflow::{Scope, Stream};

use super::table::Table;
use crate::delta::Delta;
use crate::time::{Epoch, now_ms};

/// The frontier of all streams and nothing else.
pub(super) type Tide<'s> = Stream<'s, Epoch, Vec<()>>;

/// How far the streams are, together.
pub(super) fn tide<'s>(scope: Scope<'s, Epoch>, streams: &[Stream<'s, Epoch, Delta>]) -> Tide<'s> {
    let quiet = streams.iter().map(|stream| {
        stream.clone().unary::<CapacityContainerBuilder<Vec<()>>, _, _, _>(Pipeline, "Tide", |capability, _| {
            drop(capability);
            move |input, _| input.for_each_time(|_, rows| rows.for_each(|rows| drop(std::mem::take(rows))))
        })
    });
    scope.concatenate(quiet.collect::<Vec<_>>())
}

/// Where a process's requests come in.
pub(super) struct Inlet {
    /// Whether this is the worker that takes them.
    pub(super) first: bool,
    /// How often the end of time ticks where other processes wait for this one's; `None` without others.
    pub(super) tick: Option<Duration>,
}

/// The requests for a table on this worker.
pub(super) fn requests<'s>(tide: Tide<'s>, table: &Arc<Table>, inlet: Inlet) -> Stream<'s, Epoch, Delta> {
    let name = format!("Requests {}", table.name());
    let (table, worker) = (table.clone(), tide.scope().worker().clone());
    tide.unary_frontier::<NoopBuilder<Delta>, _, _, _>(Pipeline, &name, move |capability, info| {
        let activator = worker.activator_for(info.address.clone());
        if inlet.first {
            table.set_worker(worker.sync_activator_for(info.address.to_vec()));
            activator.activate();
        }
        let mut held = Some(capability).filter(|_| inlet.first);
        let mut begun = false;
        let mut last: Option<Epoch> = None;
        move |(input, frontier), output| {
            input.for_each_time(|_, _| {});
            let Some(capability) = &mut held else { return };
            let streams = frontier.frontier().first().copied();
            let lingers = !table.draining();
            // What the table holds at the start comes before everything.
            if std::mem::replace(&mut begun, true) {
                match streams {
                    Some(epoch) => follow(capability, epoch),
                    None if lingers => follow(capability, Epoch::MAX),
                    None => {}
                }
            }
            for mut request in table.take() {
                let epoch = *capability.time();
                output.session_with_builder(&*capability).give_container(&mut request.rows);
                last = Some(epoch);
                // Whoever asked may be gone.
                let _ = request.answer.send(epoch);
            }
            match streams {
                Some(epoch) => {
                    follow(capability, epoch);
                    table.waiting.store(last.is_some_and(|last| last >= epoch), Ordering::Release);
                }
                None if lingers => {
                    // Nothing else moves time on: the table does.
                    let next = last.map_or(0, |last| if last.watermark == i64::MAX { last.tick + 1 } else { 0 });
                    let clock = inlet.tick.map_or(0, |tick| {
                        activator.activate_after(tick);
                        now_ms().max(0) as u64 / (tick.as_millis() as u64).max(1)
                    });
                    follow(capability, Epoch { watermark: i64::MAX, tick: next.max(clock) });
                    table.waiting.store(false, Ordering::Release);
                }
                None => {
                    held = None;
                    table.close();
                }
            }
        }
    })
}

fn follow(capability: &mut timely::dataflow::operators::Capability<Epoch>, epoch: Epoch) {
    if epoch > *capability.time() {
        capability.downgrade(&epoch);
    }
}
