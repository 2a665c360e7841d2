//! Groups, joins and rankings as differential dataflow's operators.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{BooleanArray, RecordBatch, UInt32Array};
use arrow_schema::SchemaRef;
use timely::dataflow::Stream;

use super::build::{rank_terms, reduce_terms};
use super::build_failing::{Failures, apart, told};
use super::build_recursion::in_order;
use super::{Dataflow, Node, NodeId, Op, Pane, Rank, Reduce, Scalar};
use crate::delta::{Delta, Rejects};
use crate::differential::{
    Aggregated, Answer, Half, Intake, Joined, Ranked, SessionsOf, Stay, Step, distinct, grouped, half, joined,
};
use crate::expression::{can_fail, failure, halving, read_as, told_as, truth};
use crate::join::{Expiry, Join, Side, pair_schema};
use crate::operator::{Route, stateful};
use crate::time::Epoch;
use crate::window::Source;

/// The rows of a node under a key, and when they are past.
type Index = (NodeId, Vec<usize>, bool, Vec<Expiry>);
/// The rows of a node, and those that it could not take.
type Built<'s> = (Stream<'s, Epoch, Delta>, Option<Stream<'s, Epoch, Delta>>);

/// What is arranged so far, for all joins that find rows by the same key.
#[derive(Debug, Default)]
pub(super) struct Halves<'s>(HashMap<Index, Half<'s>>);

/// Builds the operators of a node that runs on differential's.
pub(super) fn differential<'s>(
    plan: &Dataflow,
    id: NodeId,
    built: &[Stream<'s, Epoch, Delta>],
    rejects: &Rejects,
    halves: &mut Halves<'s>,
) -> Built<'s> {
    let node = &plan.nodes[id];
    let from = |input: usize| (&plan.nodes[node.inputs[input]], built[node.inputs[input]].clone());
    match &node.op {
        Op::Reduce(reduce) => reduced(id, node, reduce, from(0), rejects),
        Op::Rank(rank) => ranked(id, node, rank, from(0), rejects),
        Op::Join(join) => joining(plan, id, join, built, rejects, halves),
        other => unreachable!("the plan says that {other:?} runs on the engine's own operators"),
    }
}

fn reduced<'s>(
    id: NodeId,
    node: &Node,
    reduce: &Reduce,
    (from, rows): (&Node, Stream<'s, Epoch, Delta>),
    rejects: &Rejects,
) -> Built<'s> {
    let (rejects, failures) = Failures::of(id, rejects);
    let terms = reduce_terms(from, node, reduce, &rejects);
    let windowed = |source: Source| Stay::Windowed { terms: terms.clone(), source };
    let (name, stay) = match reduce.pane {
        Pane::Unbounded => ("Reduce", Stay::Always),
        Pane::Windows { time, window, zone } => ("WindowReduce", windowed(Source::Time { time, window, zone })),
        Pane::Assigned { start, end } => ("WindowReduce", windowed(Source::Columns { start, end })),
        Pane::Session { time, gap, .. } => ("Session", Stay::Session { terms: terms.clone(), time, gap }),
    };
    let (unbounded, in_window) = (reduce.pane == Pane::Unbounded, matches!(stay, Stay::Windowed { .. }));
    let intake = Intake::new(&from.schema, &reduce.keys, true, stay);
    let keys = intake.key_schema().clone();
    if unbounded && reduce.keys.is_empty() {
        // There is one row always.
        let records = taken_in(rows, intake.with_nothing(), Route::ByColumns(Vec::new()));
        let answer = Aggregated::new(&terms, &keys, false);
        return (grouped(records, name, &from.schema, &node.schema, Box::new(answer)), None);
    }
    if unbounded {
        let records = taken_in(rows, intake, Route::Here);
        let rows = match reduce.aggregates.is_empty() {
            true => distinct(records, "Distinct", &node.schema),
            false => {
                let answer = Box::new(Aggregated::new(&terms, &keys, false));
                grouped(records, name, &from.schema, &node.schema, answer)
            }
        };
        return (rows, None);
    }
    let answer: Box<dyn Answer> = match reduce.pane {
        Pane::Session { time, gap, keep } => Box::new(SessionsOf::new(terms, &keys, time, gap, keep)),
        _ => Box::new(Aggregated::new(&terms, &keys, in_window)),
    };
    // Sessions hold together what is of one key.
    let route = if in_window { Route::Here } else { Route::ByColumns(reduce.keys.clone()) };
    let (records, failed) = telling(rows, route, intake, failures);
    (grouped(records, name, &from.schema, &node.schema, answer), Some(failed))
}

fn ranked<'s>(
    id: NodeId,
    node: &Node,
    rank: &Rank,
    (from, rows): (&Node, Stream<'s, Epoch, Delta>),
    rejects: &Rejects,
) -> Built<'s> {
    let (rejects, failures) = Failures::of(id, rejects);
    let stay = match rank.window {
        None => Stay::Always,
        Some((start, end)) => {
            Stay::Windowed { terms: rank_terms(from, node, rank, &rejects), source: Source::Columns { start, end } }
        }
    };
    let intake = Intake::new(&from.schema, &rank.keys, true, stay);
    let (records, failed) = match rank.window {
        None => (taken_in(rows, intake, Route::Here), None),
        Some(_) => {
            let (records, failed) = telling(rows, Route::Here, intake, failures);
            (records, Some(failed))
        }
    };
    let answer = Ranked::new(rank.clone(), &from.schema, &node.schema);
    (grouped(records, "Rank", &from.schema, &node.schema, Box::new(answer)), failed)
}

fn joining<'s>(
    plan: &Dataflow,
    id: NodeId,
    join: &Join,
    built: &[Stream<'s, Epoch, Delta>],
    rejects: &Rejects,
    halves: &mut Halves<'s>,
) -> Built<'s> {
    let node = &plan.nodes[id];
    let inputs = [0, 1].map(|input: usize| plan.nodes[node.inputs[input]].schema.clone());
    let side = |side: Side| {
        let (input, keys) = (node.inputs[side as usize], join.key_columns(side));
        let expiry = join.expiry[side as usize].clone();
        let arranged = |stay: Stay| {
            let intake = Intake::new(&inputs[side as usize], &keys, join.nulls_equal, stay);
            half(taken_in(built[input].clone(), intake, Route::Here))
        };
        if join.transient && side == Side::Left {
            return arranged(Stay::Transient);
        }
        let stay = if expiry.is_empty() { Stay::Always } else { Stay::Expiring(expiry.clone()) };
        let index = (input, keys.clone(), join.nulls_equal, expiry);
        halves.0.entry(index).or_insert_with(|| arranged(stay)).clone()
    };
    let both = Side::BOTH.map(side);
    let pair = pair_schema([&inputs[0], &inputs[1]]);
    let spec = Joined {
        kind: join.kind,
        deferred: Side::BOTH.map(|side| join.deferred(side)),
        check: check(join, &pair, inputs[0].fields().len(), rejects),
        pair,
        inputs,
        output: node.schema.clone(),
    };
    joined(both, spec, id)
}

/// The records of rows.
fn taken_in<'s>(rows: Stream<'s, Epoch, Delta>, intake: Intake, route: Route) -> Stream<'s, Epoch, Delta> {
    stateful(vec![(rows, route)], "Intake", Box::new(intake))
}

/// The records of rows, and the rows that it could not take.
fn telling<'s>(
    rows: Stream<'s, Epoch, Delta>,
    route: Route,
    intake: Intake,
    failures: Failures,
) -> (Stream<'s, Epoch, Delta>, Stream<'s, Epoch, Delta>) {
    apart(stateful(vec![(rows, route)], "Intake", told(Box::new(intake), Some(failures))))
}

/// Which pairs count, besides that their keys are equal: those whose times are in order, and for which the rest holds.
fn check(join: &Join, pair: &SchemaRef, width: usize, rejects: &Rejects) -> Option<Step> {
    if join.order.is_empty() && join.residual.is_none() {
        return None;
    }
    let place = |side: Side, column: usize| if side == Side::Left { column } else { column + width };
    let orders: Vec<(usize, usize, i64)> = join
        .order
        .iter()
        .map(|order| (place(order.side, order.earlier), place(order.side.other(), order.later), order.gap_ms))
        .collect();
    let (rejects, failed) = rejects.apart();
    let failed = join.residual.as_ref().is_some_and(can_fail).then_some(failed);
    let (residual, told) = (join.residual.clone(), read_as(&told_as(pair, &join.told), &join.residual));
    let rows = Box::new(move |rows: Delta| {
        let rows = in_order(rows, &orders);
        match &residual {
            Some(residual) if !rows.is_empty() => vec![holding(residual, &rows, &told, &rejects)],
            _ => vec![rows],
        }
    });
    Some(Step { rows, failed })
}

/// The pairs for which a condition holds; one on which it fails becomes a dead letter alone, its columns `told` by these names.
fn holding(condition: &Scalar, rows: &Delta, told: &SchemaRef, rejects: &Rejects) -> Delta {
    let batch: &RecordBatch = rows.batch();
    let step = |range: std::ops::Range<usize>| truth(condition, &batch.slice(range.start, range.len()));
    let parts = halving(0..rows.len(), &step, &mut |row| {
        let told = RecordBatch::try_new(Arc::clone(told), batch.columns().to_vec());
        let told = told.as_ref().unwrap_or(batch);
        rejects.row(failure([condition], &batch.slice(row, 1)), told, row, rows.diff(row));
        Some(BooleanArray::from(vec![false]))
    });
    let keep = parts.iter().flat_map(|part| part.iter().map(|keep| keep == Some(true)));
    let kept: Vec<u32> = keep.enumerate().filter(|(_, keep)| *keep).map(|(row, _)| row as u32).collect();
    rows.take(&UInt32Array::from(kept))
}
