//! The term of a recursion as differential dataflow runs it.

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMillisecondType;
use arrow_array::{Array, UInt32Array};
use datafusion_physical_expr::expressions::Column;
use timely::dataflow::{Scope, Stream};

use super::map::Map;
use super::recursion::met_on;
use super::{Node, NodeId, Op, Scalar};
use crate::delta::{Delta, Rejects};
use crate::differential::{Given, Meet, Recursion, Shows, Step, Term, recursion};
use crate::expression::can_fail;
use crate::join::{Join, JoinKind, Side};
use crate::time::Epoch;

/// What the operators of a loop are made from.
struct Body<'a, 's> {
    nodes: &'a [Node],
    inside: &'a [bool],
    built: &'a [Stream<'s, Epoch, Delta>],
    rejects: &'a Rejects,
    spec: &'a Recursion,
    givens: Vec<Given<'s>>,
}

/// Builds the recursion at `id` and the operators in its loop.
pub(super) fn looped<'s>(
    scope: Scope<'s, Epoch>,
    nodes: &[Node],
    inside: &[bool],
    (id, spec): (NodeId, &Recursion),
    built: &[Stream<'s, Epoch, Delta>],
    rejects: &Rejects,
) -> (Stream<'s, Epoch, Delta>, Option<Stream<'s, Epoch, Delta>>) {
    let node = &nodes[id];
    let mut body = Body { nodes, inside, built, rejects, spec, givens: Vec::new() };
    let term = body.term(node.inputs[1]);
    recursion(scope, spec, &node.schema, built[node.inputs[0]].clone(), body.givens, term, (id, rejects))
}

impl Body<'_, '_> {
    fn term(&mut self, id: NodeId) -> Term {
        let Node { op, inputs, schema, .. } = &self.nodes[id];
        match op {
            Op::Before { .. } => Term::Before,
            Op::Union => Term::Union(inputs.iter().map(|&input| self.term(input)).collect()),
            Op::Map { filter, columns, .. } => {
                let from = self.nodes[inputs[0]].schema.clone();
                let (rejects, failed) = self.rejects.apart();
                let map = Map::new(filter.clone(), columns.clone(), &from, schema.clone(), &rejects);
                let failed = filter.iter().chain(columns).any(can_fail).then_some(failed);
                let rows = Step { rows: Box::new(move |delta| map.apply(delta)), failed };
                Term::Map { input: Box::new(self.term(inputs[0])), from, to: schema.clone(), rows }
            }
            Op::Join(join) => self.meet(id, join),
            other => unreachable!("the planner refuses {other:?} in the term of a recursion"),
        }
    }

    fn meet(&mut self, id: NodeId, join: &Join) -> Term {
        let Node { inputs, .. } = &self.nodes[id];
        let schemas = [inputs[0], inputs[1]].map(|input| &self.nodes[input].schema);
        let given = if self.inside[inputs[0]] { Side::Right } else { Side::Left };
        let expires_by =
            self.spec.expiry.and_then(|expiry| met_on(self.nodes, self.inside, (id, given), expiry.column));
        self.givens.push(Given {
            stream: self.built[inputs[given as usize]].clone(),
            schema: schemas[given as usize].clone(),
            keys: join.key_columns(given),
            nulls_equal: join.nulls_equal,
            expires_by,
        });
        let place = self.givens.len() - 1;
        let fields = schemas.iter().flat_map(|schema| schema.fields().iter());
        let fields: Vec<_> = fields.map(|field| field.as_ref().clone().with_nullable(true)).collect();
        let pair: arrow_schema::SchemaRef = std::sync::Arc::new(arrow_schema::Schema::new(fields));
        let check = check(join, schemas[0].fields().len(), &pair, self.rejects);
        let input = self.term(inputs[given.other() as usize]);
        Term::Meet(Box::new(Meet {
            input,
            schema: schemas[given.other() as usize].clone(),
            given: place,
            keys: join.key_columns(given.other()),
            nulls_equal: join.nulls_equal,
            given_first: given == Side::Left,
            pair,
            check,
            shows: shows(join.kind, given),
        }))
    }
}

/// What a join of the loop's rows with a given side shows.
fn shows(kind: JoinKind, given: Side) -> Shows {
    match (kind, given) {
        (JoinKind::Inner, _) => Shows::Pairs,
        (JoinKind::Left, Side::Right) | (JoinKind::Right, Side::Left) => Shows::PairsAndLone,
        (JoinKind::LeftSemi, Side::Right) | (JoinKind::RightSemi, Side::Left) => Shows::Met,
        (JoinKind::LeftAnti, Side::Right) | (JoinKind::RightAnti, Side::Left) => Shows::Lone,
        (JoinKind::LeftSemi, Side::Left) | (JoinKind::RightSemi, Side::Right) => Shows::GivenOfPairs,
        other => unreachable!("the planner refuses {other:?} in the term of a recursion"),
    }
}

/// What must hold of a pair besides equal keys.
fn check(join: &Join, width: usize, pair: &arrow_schema::SchemaRef, rejects: &Rejects) -> Option<Step> {
    if join.order.is_empty() && join.residual.is_none() {
        return None;
    }
    let place = |side: Side, column: usize| if side == Side::Left { column } else { column + width };
    let orders = join.order.iter().map(|order| {
        let (earlier, later) = (place(order.side, order.earlier), place(order.side.other(), order.later));
        (earlier, later, order.gap_ms)
    });
    let orders: Vec<(usize, usize, i64)> = orders.collect();
    let all = pair
        .fields()
        .iter()
        .enumerate()
        .map(|(index, field)| std::sync::Arc::new(Column::new(field.name(), index)) as Scalar);
    let (rejects, failed) = rejects.apart();
    let map = Map::new(join.residual.clone(), all.collect(), pair, pair.clone(), &rejects);
    let failed = join.residual.as_ref().is_some_and(can_fail).then_some(failed);
    Some(Step { rows: Box::new(move |delta| map.apply(in_order(delta, &orders))), failed })
}

/// The rows whose times are as far apart as the conditions say.
pub(super) fn in_order(delta: Delta, orders: &[(usize, usize, i64)]) -> Delta {
    let times = |column: usize| delta.batch().column(column).as_primitive::<TimestampMillisecondType>();
    let holds = |row: usize, &(earlier, later, gap_ms): &(usize, usize, i64)| {
        let (earlier, later) = (times(earlier), times(later));
        let apart = || earlier.value(row).saturating_add(gap_ms) <= later.value(row);
        earlier.is_valid(row) && later.is_valid(row) && apart()
    };
    let kept = (0..delta.len()).filter(|&row| orders.iter().all(|order| holds(row, order)));
    let kept: Vec<u32> = kept.map(|row| row as u32).collect();
    if kept.len() == delta.len() { delta } else { delta.take(&UInt32Array::from(kept)) }
}
