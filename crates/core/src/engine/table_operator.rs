//! The operator that brings a table's requests into the dataflow: on the first worker of each process.
//!
//! It is where the streams are: its one lane follows their frontier, so it holds nothing back and rows of an epoch
//! meet the table as the requests of that epoch and those before leave it. When the streams have ended the table ends too
//! or, if it lingers, goes on at ticks of the end of time. All tables of a worker go on together: what reads two of them
//! is never held back by the one that does not change.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use highwater_log::Lsn;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Operator;
use timely::dataflow::operators::core::Concatenate;
use timely::dataflow::{Scope, Stream};
use timely::scheduling::Activator;
use tokio::sync::oneshot;

use super::table::{Request, Table};
use crate::delta::Delta;
use crate::operator::{Tide, emitting};
use crate::time::{Epoch, now_ms};

/// The name of an operator that follows a stream and takes none of its rows.
pub(super) const TIDE: &str = "Tide";

/// How soon it is looked again whether changes are durable.
const LOOK: Duration = Duration::from_millis(1);

/// How far the streams are, together.
pub(super) fn tide<'s>(scope: Scope<'s, Epoch>, streams: &[Stream<'s, Epoch, Delta>]) -> Tide<'s> {
    let quiet = streams.iter().map(|stream| {
        stream.clone().unary::<CapacityContainerBuilder<Vec<()>>, _, _, _>(Pipeline, TIDE, |capability, _| {
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
    /// How far the tables of the worker are at the end of time.
    pub(super) end: Rc<EndOfTime>,
}

/// The tick of the end of time that the tables of a worker are at.
#[derive(Default)]
pub(super) struct EndOfTime {
    tick: Cell<u64>,
    tables: RefCell<Vec<Activator>>,
}

impl EndOfTime {
    /// The tick that all are at, which is `tick` at least; the others are woken to follow.
    fn at_least(&self, tick: u64) -> u64 {
        if tick > self.tick.get() {
            self.tick.set(tick);
            self.tables.borrow().iter().for_each(Activator::activate);
        }
        self.tick.get()
    }
}

/// The requests for a table on this worker.
pub(super) fn requests<'s>(tide: Tide<'s>, table: &Arc<Table>, inlet: Inlet) -> Stream<'s, Epoch, Delta> {
    let (name, lanes) = (format!("Requests {}", table.name()), usize::from(inlet.first));
    let (table, worker, scope) = (table.clone(), tide.scope().worker().clone(), tide.scope());
    emitting(scope, &name, lanes, Some(tide), move |info| {
        let activator = worker.activator_for(info.address.clone());
        if inlet.first {
            table.set_worker(worker.sync_activator_for(info.address.to_vec()));
            activator.activate();
        }
        inlet.end.tables.borrow_mut().push(activator.clone());
        let mut open = inlet.first;
        let mut begun = false;
        let mut last: Option<Epoch> = None;
        // Changes that were sent and are not durable: what shows them is held back.
        let mut held: VecDeque<(Lsn, Epoch, oneshot::Sender<Epoch>)> = VecDeque::new();
        move |emitter, streams| {
            if !open {
                return;
            }
            let lingers = !table.draining();
            for (epoch, rows) in table.again() {
                emitter.send(0, epoch, rows);
                last = last.max(Some(epoch));
            }
            let durable = |lsn| table.kept.as_ref().is_none_or(|kept| kept.is_durable(lsn));
            while let Some((_, epoch, answer)) = held.pop_front_if(|(lsn, ..)| durable(*lsn)) {
                // Whoever asked may be gone.
                let _ = answer.send(epoch);
            }
            // What the table holds at the start comes before everything.
            if std::mem::replace(&mut begun, true) {
                match streams {
                    Some(epoch) => emitter.advance(0, epoch),
                    None if lingers => emitter.advance(0, Epoch::MAX),
                    None => {}
                }
            }
            let mut requests = table.take();
            while let Some(Request { frame, rows, answer }) = requests.pop_front() {
                let Some(epoch) = emitter.at(0) else { unreachable!("it is open") };
                match table.kept.as_ref().zip(frame).map(|(kept, frame)| kept.take(frame, epoch)) {
                    Some(Err(_)) => {
                        // There is no room for it now.
                        requests.push_front(Request { frame, rows, answer });
                        table.give_back(requests);
                        break;
                    }
                    Some(Ok(lsn)) => held.push_back((lsn, epoch, answer)),
                    None => drop(answer.send(epoch)),
                }
                emitter.send(0, epoch, rows);
                last = last.max(Some(epoch));
            }
            if !held.is_empty() || table.kept.is_some() && table.waits() {
                activator.activate_after(LOOK);
                table.waiting.store(true, Ordering::Release);
                return;
            }
            match streams {
                Some(epoch) => {
                    emitter.advance(0, epoch);
                    table.waiting.store(last.is_some_and(|last| last >= epoch), Ordering::Release);
                }
                None if lingers => {
                    // Nothing else moves time on: the table does.
                    let next = last.map_or(0, |last| if last.watermark == i64::MAX { last.tick + 1 } else { 0 });
                    let clock = inlet.tick.map_or(0, |tick| {
                        activator.activate_after(tick);
                        now_ms().max(0) as u64 / (tick.as_millis() as u64).max(1)
                    });
                    let tick = inlet.end.at_least(next.max(clock));
                    emitter.advance(0, Epoch { watermark: i64::MAX, tick });
                    table.waiting.store(false, Ordering::Release);
                }
                None => {
                    (open, last) = (false, None);
                    emitter.end(0);
                    table.close();
                }
            }
        }
    })
}
