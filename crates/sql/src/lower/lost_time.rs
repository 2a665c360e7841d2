//! Where event time was lost: which operator's rows may be older than any bound, and what to write instead.

use super::Lowering;
use super::bounds::bound;
use crate::logical::scalar::{as_column, columns_of};
use highwater_core::expression::Sql;
use highwater_core::plan::{Node, NodeId, Op, Pane, Scalar};

/// What a source without a watermark needs.
const DECLARE: &str =
    "declare it in the source: WATERMARK FOR ts AS ts - INTERVAL '5' SECOND; behind a window it is window_time";

/// What keeps event time of all that may be computed of it.
pub(super) const KEEPS: &str =
    "+ and - INTERVAL, FLOOR, CEIL, DATE_TRUNC and DATE_BIN keep event time, and nothing else that is computed";

impl Lowering<'_> {
    /// Whether a column is the event time of a node whose rows may be as late as they like.
    fn waits_for_ever(&self, node: NodeId, column: Option<usize>) -> bool {
        let facts = self.arena.facts(node);
        column.is_some_and(|column| facts.time == Some(column) && facts.bounds[column].is_none())
    }

    /// Whether a column is a time to go by: the event time, or what is computed of it, at a known distance of the watermark or, if
    /// rows come and go as late as they like, at none.
    pub(super) fn follows(&self, node: NodeId, column: usize) -> bool {
        let Node { op, inputs, facts, .. } = &self.arena.nodes[node];
        if facts.time == Some(column) || facts.bounds.get(column).is_some_and(Option::is_some) {
            return true;
        }
        match op {
            Op::Map { columns, .. } => columns.get(column).is_some_and(|expr| self.computed(inputs[0], expr)),
            Op::Join(join) => join.kind.only().is_some_and(|side| self.follows(inputs[side as usize], column)),
            Op::Union => inputs.iter().all(|&input| self.follows(input, column)),
            Op::Repeat { .. } => self.follows(inputs[0], column),
            _ => false,
        }
    }

    /// The same of an expression over the columns of a node.
    pub(super) fn computed(&self, node: NodeId, expr: &Scalar) -> bool {
        let read = columns_of(expr);
        let bounds = (0..self.arena.width(node)).map(|at| (read.contains(&at) && self.follows(node, at)).then_some(0));
        bound(expr, &bounds.collect::<Vec<_>>()).is_some()
    }

    /// What a time is computed as that would be one to go by if it were not computed so.
    pub(super) fn computed_away(&self, node: NodeId, time: &Scalar) -> Option<String> {
        let (mut node, mut time) = (node, time);
        while let Some(at) = as_column(time) {
            let Node { op: Op::Map { columns, .. }, inputs, .. } = &self.arena.nodes[node] else { return None };
            (node, time) = (inputs[0], columns.get(at)?);
        }
        let away = columns_of(time).into_iter().any(|column| self.follows(node, column));
        away.then(|| Sql(time).to_string())
    }

    /// Why a node has no event time, and what to write instead. `what` is empty if a source has none.
    pub(super) fn lost_time(&self, node: NodeId) -> (String, &'static str) {
        let Node { op, inputs, .. } = &self.arena.nodes[node];
        let timeless = inputs.iter().copied().find(|&input| self.arena.facts(input).time.is_none());
        let own = match op {
            Op::Source { .. } => ("", DECLARE),
            Op::Table { .. } => (
                "a reference table has no event time",
                "take the event time of the stream that it is joined to: FROM stream JOIN t ON ...",
            ),
            Op::Read { .. } => (
                "the view that it reads has no event time",
                "show the event time in that view, or the end of its windows",
            ),
            _ if inputs.len() == 1 && timeless.is_some() => return self.lost_time(inputs[0]),
            Op::Union => match timeless {
                Some(branch) => {
                    let (what, hint) = self.lost_time(branch);
                    let what = if what.is_empty() { "its source has no watermark".to_owned() } else { what };
                    return (format!("a branch of the union has none: {what}"), hint);
                }
                None => (
                    "the branches of the union have different columns for it",
                    "select the event-time column at the same place in every branch",
                ),
            },
            Op::Rank(rank) if rank.order.first().is_some_and(|(_, options)| options.descending) => (
                "the ranking lost it: in descending order a new row takes one back that may be as old as it likes",
                "keep the first row (ORDER BY ts, ascending), or rank within windows: PARTITION BY window_start, window_end, ...",
            ),
            Op::Rank(rank) if self.waits_for_ever(inputs[0], rank.order.first().map(|(column, _)| *column)) => (
                "the ranking lost it: a row that it reads comes or goes as late as it likes",
                "give the source a lateness that it can live with, 'lateness' = '1 h', and bound the times of what lets its rows come and go: b.ts BETWEEN a.ts AND a.ts + INTERVAL '1' HOUR",
            ),
            Op::Rank(_) => (
                "the ranking lost it: in another order than that of event time a row comes or goes as late as it likes",
                "order by the event time, ascending, or rank within windows: PARTITION BY window_start, window_end, ...",
            ),
            Op::Reduce(reduce) if reduce.pane == Pane::Unbounded => (
                "the grouping without a window lost it: its groups change for ever",
                "put rows in windows first: FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), size)) GROUP BY key, window_start, window_end",
            ),
            Op::Pattern(pattern) if pattern.within_ms.is_none() => (
                "MATCH_RECOGNIZE without WITHIN lost it: a match may end as late as it likes",
                "bound it: PATTERN (A B+ C) WITHIN INTERVAL '1' HOUR",
            ),
            Op::Pattern(_) => (
                "MATCH_RECOGNIZE with NEXT lost it: a match waits for the row ahead, however late it comes",
                "make the row ahead a variable of the pattern instead of NEXT",
            ),
            Op::Join(_) | Op::Lookup(_) => (
                "the join lost it: a new row meets rows that may be as old as they like",
                "bound the times of both sides: b.ts BETWEEN a.ts AND a.ts + INTERVAL '1' HOUR; or join windows on window_start and window_end",
            ),
            Op::Recursion(_) | Op::Before { .. } => {
                ("the recursion lost it", "carry window_end through, and select it")
            }
            _ => ("the query below does not select it", "select the event-time column (or window_time) there"),
        };
        (own.0.to_owned(), own.1)
    }
}
