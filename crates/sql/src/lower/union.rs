//! UNION ALL: every branch as a Map to the same columns, the engine's own behind those shown.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema};
use datafusion_common::Result;
use datafusion_expr::Union;

use super::arena::Known;
use super::{Lowering, Relation};
use crate::logical::scalar::{as_column, cast_to, clock_time, column, conjunction};
use highwater_core::plan::{Emit, Facts, Node, NodeId, Op, Scalar, WindowColumns};

/// The columns that the engine carries along, if every branch has them.
const CARRIED: [&str; 6] = ["__time", "__sequence", "__closes", "__window_start", "__window_end", "__window_time"];

fn carried(facts: &Facts) -> [Option<usize>; 6] {
    let window = facts.window.unwrap_or(WindowColumns { start: None, end: None, time: None });
    [facts.time, facts.sequence, facts.closes, window.start, window.end, window.time]
}

impl Lowering<'_> {
    pub(super) fn union(&mut self, union: &Union, emit: Option<Emit>) -> Result<Relation> {
        let types: Vec<(String, DataType)> =
            union.schema.fields().iter().map(|field| (field.name().clone(), field.data_type().clone())).collect();
        let mut branches = Vec::new();
        for input in &union.inputs {
            let relation = self.lower(input, emit)?;
            // A filter and computed columns can stand in the branch's own Map; windows cannot.
            let relation = if relation.pending.is_some() { self.run(relation)? } else { relation };
            branches.push(relation);
        }
        let node = self.concat(branches, &types)?;
        let mut relation = self.all_of(node);
        relation.columns.truncate(types.len());
        relation.names.truncate(types.len());
        Ok(relation)
    }

    /// All rows of all branches, under these names and types, and whatever all of them carry.
    pub(crate) fn concat(&mut self, branches: Vec<Relation>, types: &[(String, DataType)]) -> Result<NodeId> {
        let all: Vec<[Option<usize>; 6]> =
            branches.iter().map(|branch| carried(self.arena.facts(branch.node))).collect();
        // One that all of them show at the same place is carried there.
        let shown = |c: usize| {
            let at =
                |branch: &Relation, carried: &[Option<usize>; 6], j: usize| as_column(&branch.columns[j]) == carried[c];
            (0..types.len()).find(|&j| branches.iter().zip(&all).all(|(branch, carried)| at(branch, carried, j)))
        };
        let common: Vec<usize> =
            (0..CARRIED.len()).filter(|&c| all.iter().all(|carried| carried[c].is_some())).collect();
        let shown: Vec<(usize, usize)> = common.iter().filter_map(|&c| Some((c, shown(c)?))).collect();
        let kept: Vec<usize> = common.into_iter().filter(|c| !shown.iter().any(|(shown, _)| shown == c)).collect();
        let kinds = |c: usize| {
            let kind = |(branch, carried): (&Relation, &[Option<usize>; 6])| {
                Some(self.arena.schema(branch.node).field(carried[c]?).data_type().clone())
            };
            branches.iter().zip(&all).map(kind).collect::<Vec<_>>()
        };
        let alike: Vec<bool> = (0..CARRIED.len()).map(|c| kinds(c).windows(2).all(|pair| pair[0] == pair[1])).collect();
        let mut inputs = Vec::new();
        for (branch, carried) in branches.into_iter().zip(&all) {
            let schema = Arc::clone(self.arena.schema(branch.node));
            let shown = branch
                .columns
                .into_iter()
                .zip(types)
                .map(|(expr, (name, data_type))| Ok((name.clone(), cast_to(expr, data_type, &schema)?)));
            let mut columns = shown.collect::<Result<Vec<(String, Scalar)>>>()?;
            for &c in &kept {
                if let Some(index) = carried[c] {
                    let carried = if alike[c] { column(&schema, index) } else { clock_time(&schema, index) };
                    columns.push((CARRIED[c].to_owned(), carried));
                }
            }
            inputs.push(self.arena.project(branch.node, conjunction(branch.filter), columns, &self.owner)?);
        }
        let place = |c: usize| {
            let shown = shown.iter().find(|(shown, _)| *shown == c).map(|(_, at)| *at);
            shown.or_else(|| kept.iter().position(|&kept| kept == c).map(|at| types.len() + at))
        };
        let facts: Vec<&Facts> = inputs.iter().map(|&input| self.arena.facts(input)).collect();
        let width = types.len() + kept.len();
        // A branch's lateness is in its bounds: where lateness differs, the widest of both counts.
        let known: Vec<Known> = inputs.iter().map(|&input| self.arena.known(input)).collect();
        let lateness_ms = known.iter().map(|known| known.lateness_ms).reduce(|a, b| Some(a?.max(b?))).flatten();
        let bounds = (0..width).map(|c| {
            let delay = |(facts, known): (&&Facts, &Known)| Some(facts.bounds[c]?.saturating_add(known.lateness_ms?));
            let delays = facts.iter().zip(&known).map(delay).reduce(|a, b| Some(a?.min(b?))).flatten();
            Some(delays?.saturating_sub(lateness_ms?))
        });
        let window = WindowColumns { start: place(3), end: place(4), time: place(5) };
        let union = Facts {
            append_only: facts.iter().all(|facts| facts.append_only),
            time: place(0),
            sequence: place(1),
            key: None,
            closes: place(2),
            bounds: bounds.collect(),
            window: (window.start.is_some() || window.end.is_some()).then_some(window),
        };
        let known = Known {
            lateness_ms,
            closes: known.iter().all(|known| known.closes),
            // Windows of different sizes may meet here.
            by_start: false,
            by_end: false,
            emits: known
                .iter()
                .map(|known| known.emits)
                .reduce(|a, b| if a == b { a } else { Some(Emit::Changes) })
                .flatten(),
        };
        let schema = self.arena.schema(inputs[0]);
        let fields: Vec<Field> = schema.fields().iter().map(|field| field.as_ref().clone()).collect();
        let node = Node { op: Op::Union, inputs, schema: Arc::new(Schema::new(fields)), facts: union };
        Ok(self.arena.add(node, known))
    }
}
