//! `WITH RECURSIVE`: the start and the step lowered like any query, the step over a node that stands for the rows of the
//! round before. What of the step does not read that node is computed outside of the loop, once.

use std::sync::Arc;

use arrow_schema::DataType;
use datafusion_common::Result;
use datafusion_expr::RecursiveQuery;
use datafusion_sql::sqlparser::tokenizer::Span;

use super::arena::Known;
use super::{Lowering, Relation};
use crate::logical::identity::readable;
use crate::logical::scalar::{cast_to, conjunction};
use crate::logical::shared::same;
use crate::parse::error::Problem;
use crate::parse::error::placed;
use crate::syntax::recursive::aggregated;
use highwater_core::differential::Codec;
use highwater_core::plan::recursion::{inside, meetings, recursion_expiry, recursion_facts};
use highwater_core::plan::{Emit, Facts, Join, JoinKind, Node, NodeId, Op, Recursion, Side};

impl Lowering<'_> {
    /// The rows of a recursion. One that is read twice is computed once.
    pub(super) fn recursion(&mut self, query: &RecursiveQuery, emit: Option<Emit>) -> Result<Relation> {
        let same = |known: &&(RecursiveQuery, Option<Emit>, u64, NodeId)| {
            same_recursion(&known.0, query) && (known.1, known.2) == (emit, self.max_rounds)
        };
        if let Some((.., node)) = self.arena.recursions.iter().find(same) {
            return Ok(self.all_of(*node));
        }
        let fields = query.static_term.schema().fields();
        let columns: Vec<(String, DataType)> =
            fields.iter().map(|field| (field.name().clone(), field.data_type().clone())).collect();
        let start = self.lower(&query.static_term, emit)?;
        let start = self.exactly(start, &columns)?;
        let schema = Arc::clone(self.arena.schema(start));
        if let Err(error) = Codec::new(&schema) {
            let problem =
                Problem::at(Span::empty(), format!("the rows of '{}' have no order: {error}", readable(&query.name)));
            return Err(placed(problem.hint("leave columns of nested types out of the recursion")));
        }
        // What the start and all the step reads adds; the step may take back.
        let mut append_only = self.arena.facts(start).append_only;
        let body = loop {
            let facts = Facts { append_only, bounds: vec![None; columns.len()], ..Facts::default() };
            let op = Op::Before { name: query.name.clone() };
            let node = Node { op, inputs: Vec::new(), schema: Arc::clone(&schema), facts };
            let before = self.arena.add(node, self.arena.known(start));
            self.loops.push((query.name.clone(), before));
            let step = self.lower(&query.recursive_term, emit).and_then(|step| self.exactly(step, &columns));
            self.loops.pop();
            let step = step?;
            self.check_step(query, step)?;
            if !append_only || self.arena.facts(step).append_only {
                break step;
            }
            append_only = false;
        };
        let facts = recursion_facts(&self.arena.nodes, query.is_distinct, [start, body]);
        let expiry = recursion_expiry(&facts);
        let known = self.known_of_recursion([start, body], expiry.is_some());
        let op = Op::Recursion(Recursion {
            name: readable(&query.name),
            owner: self.owner.clone(),
            distinct: query.is_distinct,
            max_rounds: self.max_rounds,
            expiry,
        });
        let node = self.arena.add(Node { op, inputs: vec![start, body], schema, facts }, known);
        self.arena.recursions.push((query.clone(), emit, self.max_rounds, node));
        Ok(self.all_of(node))
    }

    /// A node with exactly these columns.
    fn exactly(&mut self, relation: Relation, columns: &[(String, DataType)]) -> Result<NodeId> {
        let relation = if relation.pending.is_some() { self.run(relation)? } else { relation };
        let relation = if relation.ranked.is_some() { self.settle(relation)? } else { relation };
        let schema = Arc::clone(self.arena.schema(relation.node));
        let exprs = relation.columns.into_iter().zip(columns);
        let exprs = exprs.map(|(expr, (name, data_type))| Ok((name.clone(), cast_to(expr, data_type, &schema)?)));
        let exprs = exprs.collect::<Result<Vec<_>>>()?;
        self.arena.project(relation.node, conjunction(relation.filter), exprs, &self.owner)
    }

    /// What a recursion passes on of what is known of its start and its step.
    fn known_of_recursion(&self, inputs: [NodeId; 2], expires: bool) -> Known {
        let nodes = &self.arena.nodes;
        let inside = inside(nodes);
        let given =
            meetings(nodes, &inside, inputs[1]).into_iter().map(|(join, side)| nodes[join].inputs[side as usize]);
        let mut known = self.arena.known(inputs[0]);
        for other in given.map(|given| self.arena.known(given)) {
            known.lateness_ms = known.lateness_ms.zip(other.lateness_ms).map(|(a, b)| a.max(b));
            known.by_start &= other.by_start;
            known.by_end &= other.by_end;
            known.closes &= other.closes;
            known.emits = match (known.emits, other.emits) {
                (a, b) if a == b => a,
                (Some(a), None) | (None, Some(a)) => Some(a),
                _ => Some(Emit::Changes),
            };
        }
        known.closes &= expires;
        known
    }

    /// Refuses what a step cannot do with the rows of the round before.
    fn check_step(&self, query: &RecursiveQuery, step: NodeId) -> Result<()> {
        let nodes = &self.arena.nodes;
        let (inside, name) = (inside(nodes), &readable(&query.name));
        let refuse = |what: String, hint: &str| Err(placed(Problem::at(Span::empty(), what).hint(hint)));
        let mut open = vec![step];
        while let Some(id) = open.pop() {
            let node = &nodes[id];
            let reads: Vec<bool> = node.inputs.iter().map(|&input| inside[input]).collect();
            open.extend(node.inputs.iter().zip(&reads).filter(|(_, reads)| **reads).map(|(input, _)| *input));
            match &node.op {
                Op::Before { .. } | Op::Map { .. } => {}
                Op::Union if reads.iter().all(|reads| *reads) => {}
                Op::Union => {
                    return refuse(
                        format!("a branch of the step of '{name}' does not read '{name}'"),
                        "put it before the step, with the start: in parentheses, (SELECT ... UNION ALL SELECT ...) UNION ALL step",
                    );
                }
                Op::Join(_) if reads == [true, true] => {
                    return refuse(
                        format!("'{name}' is read twice in one step of its recursion"),
                        "read it once: join it with the relation that it starts from",
                    );
                }
                Op::Join(join) => check_join(join, reads[0], query)?,
                Op::Reduce(reduce) if reduce.aggregates.is_empty() => {
                    return refuse(
                        format!("DISTINCT, EXCEPT or INTERSECT over '{name}' in its own step is not supported"),
                        "write UNION instead of UNION ALL: then every row is there once; compare with NOT EXISTS",
                    );
                }
                Op::Reduce(_) => return Err(placed(aggregated(Span::empty(), name))),
                Op::Window { .. } => {
                    return refuse(
                        format!("rows of '{name}' are put in windows in its own step"),
                        "put the rows that it starts from in windows, and carry window_end through",
                    );
                }
                _ => {
                    return refuse(
                        format!("'{name}' is ranked, matched or looked up in its own step"),
                        "do that to what the recursion reads, or to its result",
                    );
                }
            }
        }
        Ok(())
    }
}

/// Whether two recursions are the same, which scan the same tables then.
fn same_recursion(one: &RecursiveQuery, other: &RecursiveQuery) -> bool {
    one == other && same(&one.static_term, &other.static_term) && same(&one.recursive_term, &other.recursive_term)
}

/// Refuses joins whose result a further row of the round before can take back.
fn check_join(join: &Join, left_loops: bool, query: &RecursiveQuery) -> Result<()> {
    let name = &readable(&query.name);
    let own = if left_loops { Side::Left } else { Side::Right };
    let refuse = |what: String, hint: &str| Err(placed(Problem::at(Span::empty(), what).hint(hint)));
    match join.kind {
        _ if join.transient => refuse(
            format!("'{name}' is joined FOR SYSTEM_TIME AS OF in its own step"),
            "join the versions to what the recursion reads",
        ),
        JoinKind::Inner => Ok(()),
        kind if kind != JoinKind::Full && kind.only().is_none_or(|side| side == own) => {
            match kind.only().is_some() || kind.unmatched(own) {
                true => Ok(()),
                false => refuse(
                    format!("'{name}' stands on the side of an outer join that may be missing, in its own step"),
                    "a row once made is never unmade in a recursion: keep it on the other side, or use an inner join",
                ),
            }
        }
        JoinKind::LeftSemi | JoinKind::RightSemi if query.is_distinct => Ok(()),
        JoinKind::LeftSemi | JoinKind::RightSemi => {
            refuse(format!("'{name}' is asked for existence in its own step of UNION ALL"), "write UNION, or join it")
        }
        JoinKind::Full => refuse(
            format!("'{name}' is joined FULL in its own step"),
            "a row once made is never unmade in a recursion: use an inner or a left join",
        ),
        _ => refuse(
            format!("the step of '{name}' asks for rows that are not in '{name}'"),
            "a row once made is never unmade in a recursion: subtract from the result",
        ),
    }
}
