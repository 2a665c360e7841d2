//! The one shell that runs a [`Stateful`], whatever its inputs: stages rows by epoch, hands over whole epochs in order, closes
//! deadlines in between, tells what is held. Operators without state have one of their own.

use timely::container::NoopBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::dataflow::operators::{Capability, Operator};

use super::cuts::Shelf;
use super::meter::Meter;
use super::staged::Staged;
use super::{Route, Stateful};
use crate::delta::Delta;
use crate::time::Epoch;

/// Changes each delta on its own, where it is.
pub fn stateless<'s, F>(input: Stream<'s, Epoch, Delta>, name: &str, mut change: F) -> Stream<'s, Epoch, Delta>
where
    F: FnMut(Delta) -> Vec<Delta> + 'static,
{
    input.unary::<NoopBuilder<Delta>, _, _, _>(Pipeline, name, |_, _| {
        move |input, output| {
            input.for_each_time(|time, deltas| {
                let mut session = output.session_with_builder(&time);
                let changed = deltas.map(std::mem::take).flat_map(&mut change);
                changed.filter(|delta| !delta.is_empty()).for_each(|mut delta| session.give_container(&mut delta));
            });
        }
    })
}

/// Runs a state machine over its inputs, each with how its rows are routed. There is at least one.
///
/// An epoch is complete, and a deadline due, when all inputs have passed it. One capability is held, at the earliest deadline. It is
/// saved, and begins with what was saved, where the worker says so that builds it ([`super::Shells`]): what comes again of epochs before
/// is left out then.
pub fn stateful<'s>(
    inputs: Vec<(Stream<'s, Epoch, Delta>, Route)>,
    name: &str,
    mut state: Box<dyn Stateful>,
) -> Stream<'s, Epoch, Delta> {
    let Some((first, _)) = inputs.first() else { unreachable!("an operator that is built has an input") };
    let scope = first.scope();
    let mut builder = OperatorBuilder::new(name.to_owned(), scope);
    let info = builder.operator_info();
    let mut meter = Meter::new(scope.worker(), &info);
    let mut shelf = Shelf::next(name, || scope.worker().activator_for(info.address.clone()));
    let restored = shelf.as_mut().and_then(|shelf| shelf.restore(&mut *state));
    let inputs = inputs.into_iter().map(|(stream, route)| builder.new_input(stream, route));
    let mut inputs: Vec<_> = inputs.collect();
    let (output, stream) = builder.new_output::<Delta>();
    let mut output = OutputBuilder::<_, NoopBuilder<Delta>>::from(output);
    let mut staged = Staged::new(inputs.len());
    let starts = state.starts() && scope.index() == 0;
    builder.build(move |minted| {
        let initial = minted.into_iter().next();
        let deadline = state.deadline().filter(|_| restored.is_some()).map(Epoch::at);
        let mut held: Option<Capability<Epoch>> =
            deadline.and_then(|next| initial.as_ref().map(|initial| initial.delayed(&next)));
        if let Some(initial) = initial.filter(|_| starts && restored.is_none()) {
            staged.add((*initial.time(), 0), || initial, std::iter::empty());
        }
        move |frontiers| {
            for (place, input) in inputs.iter_mut().enumerate() {
                input.for_each_time(|time, deltas| match restored.is_some_and(|cut| *time.time() < cut) {
                    true => deltas.map(std::mem::take).for_each(drop),
                    false => staged.add((*time.time(), place), || time.retain(0), deltas.map(std::mem::take)),
                });
            }
            let frontiers = frontiers.iter().filter_map(|frontier| frontier.frontier().first().copied());
            let frontier = frontiers.min().unwrap_or(Epoch::END).max(restored.unwrap_or(Epoch::MIN));
            let (mut output, mut worked) = (output.activate(), 0);
            loop {
                let due = shelf.as_mut().and_then(|shelf| shelf.due(frontier));
                let bound = due.unwrap_or(frontier);
                let epoch = staged.first_before(bound);
                let until = epoch.unwrap_or(bound).watermark;
                let (now, changes) = match (state.deadline().filter(|due| *due <= until), epoch) {
                    (Some(_), _) => {
                        let Some(capability) = held.take() else { unreachable!("a deadline has its capability") };
                        let changes = state.close_until(until).into_iter();
                        (capability, changes.map(|(deadline, deltas)| (Epoch::at(deadline), deltas)).collect())
                    }
                    (None, Some(epoch)) => {
                        let (capability, mut rows) = staged.take(epoch);
                        worked += rows.iter().flatten().map(Delta::len).sum::<usize>();
                        (capability, vec![(epoch, state.apply(epoch, &mut rows))])
                    }
                    (None, None) => match (&mut shelf, due) {
                        (Some(shelf), Some(cut)) => {
                            state.expire(cut);
                            shelf.save(&mut *state);
                            continue;
                        }
                        _ => break,
                    },
                };
                for (epoch, deltas) in changes {
                    let mut deltas = deltas.into_iter().filter(|delta| !delta.is_empty()).peekable();
                    if deltas.peek().is_some() {
                        let now = now.delayed(&epoch);
                        let mut session = output.session_with_builder(&now);
                        deltas.for_each(|mut delta| session.give_container(&mut delta));
                    }
                }
                // Whatever was held is at or before the next deadline, or `now` is.
                held = state.deadline().map(Epoch::at).map(|next| match held.take() {
                    Some(earlier) if *earlier.time() <= next => earlier.delayed(&next),
                    _ => now.delayed(&next),
                });
            }
            state.expire(frontier);
            let (held, watermark) = (state.held(), frontier.watermark);
            meter.tell(watermark, worked, held, || state.bytes(), || state.windows(watermark));
        }
    });
    stream
}
