//! Differential dataflow's operators, and the way in and out of them.

mod grouped;
mod joined;
mod recursion;

use std::collections::BTreeMap;

use differential_dataflow::{AsCollection, VecCollection};
use timely::container::{CapacityContainerBuilder, NoopBuilder};
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Operator;
use timely::progress::Timestamp;

use super::Settled;
use super::codec::Bytes;
use super::intake::{Record, records};
use crate::delta::{Delta, Failed, failed_delta};
use crate::operator::{Route, stateful};
use crate::time::Epoch;

pub use grouped::{distinct, grouped};
pub use joined::{Half, Joined, half, joined};
pub use recursion::{Given, recursion};

/// Changes of rows.
type Changes<'s, T, D> = VecCollection<'s, T, D, i64>;
type Builder<D, T> = CapacityContainerBuilder<Vec<(D, T, i64)>>;
/// What a step could not take, each with its time and how often.
type FailedIn<T> = Vec<(Failed, T, i64)>;

/// What `of` makes of the records of a stream.
fn received<'s, D: Clone + 'static>(
    stream: Stream<'s, Epoch, Delta>,
    name: &str,
    mut of: impl FnMut(Record) -> Option<D> + 'static,
) -> Changes<'s, Epoch, D> {
    let changes = stream.unary::<Builder<D, Epoch>, _, _, _>(Pipeline, name, move |_, _| {
        move |input, output| {
            input.for_each_time(|time, deltas| {
                let epoch = *time.time();
                let mut session = output.session(&time);
                for delta in deltas {
                    let records = records(delta);
                    session.give_iterator(records.filter_map(|(record, diff)| Some((of(record)?, epoch, diff))));
                }
            });
        }
    });
    changes.as_collection()
}

/// What `of` makes of each change, which happens at a time: perhaps something, at that time or a later one.
fn changed<'s, D: Clone + 'static, D2: Clone + 'static>(
    rows: Changes<'s, Epoch, D>,
    name: &str,
    mut of: impl FnMut(D, Epoch) -> Option<(D2, Epoch)> + 'static,
) -> Changes<'s, Epoch, D2> {
    let changes = rows.inner.unary::<Builder<D2, Epoch>, _, _, _>(Pipeline, name, move |_, _| {
        move |input, output| {
            input.for_each_time(|time, updates| {
                let mut session = output.session(&time);
                let updates = updates.flat_map(std::mem::take);
                session.give_iterator(updates.filter_map(|(record, epoch, diff)| {
                    let (changed, epoch) = of(record, epoch)?;
                    Some((changed, epoch, diff))
                }));
            });
        }
    });
    changes.as_collection()
}

/// What failed, as changes at the epochs.
fn told<'s, T: Timestamp>(
    failed: Stream<'s, Epoch, FailedIn<T>>,
    node: usize,
    epoch: fn(&T) -> Epoch,
) -> Stream<'s, Epoch, Delta> {
    failed.unary::<NoopBuilder<Delta>, _, _, _>(Pipeline, "Failed", move |_, _| {
        move |input, output| {
            input.for_each_time(|time, rows| {
                let mut by_epoch: BTreeMap<Epoch, Vec<Failed>> = BTreeMap::new();
                for (failed, at, diff) in rows.flat_map(std::mem::take) {
                    by_epoch.entry(epoch(&at)).or_default().push(Failed { diff, ..failed });
                }
                for (epoch, failed) in by_epoch {
                    // A change may be told before its epoch has come.
                    let capability = time.delayed(&epoch, 0);
                    let mut session = output.session_with_builder(&capability);
                    failed_delta(node, &failed).iter_mut().for_each(|delta| session.give_container(delta));
                }
            });
        }
    })
}

/// The changes of a result, by whole epochs, netted, in the order of their bytes.
fn settled<'s>(rows: Changes<'s, Epoch, Bytes>, name: &str, result: Settled) -> Stream<'s, Epoch, Delta> {
    let bytes = rows.inner.unary::<NoopBuilder<Delta>, _, _, _>(Pipeline, "Rows", |_, _| {
        move |input, output| {
            input.for_each_time(|time, updates| {
                for mut updates in updates.map(std::mem::take) {
                    updates.sort_unstable_by_key(|(_, epoch, _)| *epoch);
                    for updates in updates.chunk_by(|one, next| one.1 == next.1) {
                        // A change may be told before its epoch has come.
                        let capability = time.delayed(&updates[0].1, 0);
                        let mut delta = Settled::bytes(updates.iter().map(|(row, _, diff)| (row.as_slice(), *diff)));
                        output.session_with_builder(&capability).give_container(&mut delta);
                    }
                }
            });
        }
    });
    stateful(vec![(bytes, Route::Here)], name, Box::new(result))
}
