//! MATCH_RECOGNIZE: what it reads becomes columns, and its node says when matches are out.

use std::sync::Arc;

use arrow_schema::{Field, Schema};
use datafusion_common::Result;
use datafusion_expr::Expr;
use datafusion_physical_expr::expressions::Column;

use super::arena::Known;
use super::{Lowering, Relation};
use crate::logical::pattern_node::PatternNode;
use crate::logical::scalar::physical;
use crate::logical::shown::shown;
use crate::parse::error::Problem;
use crate::parse::error::placed;
use highwater_core::plan::{Emit, Facts, Node, Op, Pattern, Pick, Place};

impl Lowering<'_> {
    /// The rows of the matches.
    pub(super) fn pattern(&mut self, node: &PatternNode, emit: Option<Emit>) -> Result<Relation> {
        let mut relation = self.lower(&node.input, emit)?;
        if relation.pending.is_some() || relation.ranked.is_some() {
            relation = self.run(relation)?;
        }
        let schema = node.input.schema();
        let exprs = node.exprs.iter().map(|expr| physical(expr, schema)).collect::<Result<Vec<_>>>()?;
        let name = |(at, expr): (usize, &Expr)| match node.pattern.variables.iter().find(|v| v.flag == Some(at)) {
            Some(variable) => format!("is {}", variable.name),
            None => shown(expr),
        };
        let names = node.exprs.iter().enumerate().map(name).collect();
        let (relation, columns) = self.over(relation, exprs)?;
        let mut relation = self.run(Relation { columns, names, ..relation })?;
        let places = Lowering::places(&relation);
        relation.node = self.in_order_of(relation.node, places[node.pattern.time]);
        let time = places[node.pattern.time];
        let (facts, known) = (self.arena.facts(relation.node), self.arena.known_by(relation.node, Some(time)));
        if !facts.append_only {
            let what = "MATCH_RECOGNIZE reads rows that stay, and these can be taken back";
            let hint = "match a source without 'changelog' itself; or emit final results (EMIT FINAL) of windows over a source with lateness 0";
            return Err(placed(Problem::at(node.place, what).hint(hint)));
        }
        if !self.follows(relation.node, time) {
            let (lost, remedy) = self.lost_time(relation.node);
            let why = if facts.time.is_some() || lost.is_empty() { String::new() } else { format!(": {lost}") };
            let message = format!("MATCH_RECOGNIZE orders by the event-time column, and this is not it{why}");
            let problem = Problem::at(node.place, message);
            let shown = facts.time.map(|time| self.arena.schema(relation.node).field(time).name().clone());
            return Err(placed(match shown.filter(|name| !name.starts_with("__")) {
                Some(name) => problem.hint(format!("the event-time column is '{name}': write ORDER BY {name}")),
                None => problem.hint(remedy),
            }));
        }
        let pattern = Pattern {
            sequence: facts.sequence,
            lateness_ms: known.lateness_ms,
            owner: self.owner.clone(),
            ..node.pattern.moved(&|column| places[column])
        };
        let mut bounds = vec![None; node.schema.fields().len()];
        // A match that looks ahead waits for a row however late it comes.
        let within = pattern.within_ms.filter(|within| *within < i64::MAX && pattern.reach().1 == 0);
        let bound = facts.bounds[time].zip(within).map(|(bound, within)| bound.saturating_sub(within));
        bounds[node.time] = bound;
        // Every row of a match lies within it, and the match is told when its time has run out at the latest.
        let head = bounds.len() - pattern.picks.len();
        for (pick, place) in node.pattern.picks.iter().zip(head..) {
            if let Pick::Column { place: Place { offset: 0, .. }, column } = pick
                && *column == node.pattern.time
            {
                bounds[place] = bound;
            }
        }
        let out = Facts {
            append_only: pattern.lateness_ms == Some(0),
            time: within.map(|_| node.time),
            closes: Some(node.time),
            bounds,
            ..Facts::default()
        };
        let known =
            Known { lateness_ms: known.lateness_ms, closes: true, emits: Some(Emit::Final), ..Known::default() };
        let fields = node.schema.fields().iter().map(|field| Field::new(field.name(), field.data_type().clone(), true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let picks = pattern.pick_names(self.arena.schema(relation.node));
        let op = Op::Pattern(Box::new(pattern));
        let added = self.arena.add(Node { op, inputs: vec![relation.node], schema, facts: out }, known);
        let mut found = self.all_of(added);
        for (at, name) in (head..).zip(picks) {
            found.columns[at] = Arc::new(Column::new(&name, at));
        }
        Ok(found)
    }
}
