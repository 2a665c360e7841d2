//! What is known of a recursion: which nodes stand in its loop, which columns stay the same through all rounds, and what
//! they say of when its rows expire.
//!
//! Of a column that a term passes on as it is, every row has the value of the row of the start that it comes from. If all
//! that the term's rows meet is met on that column too, then what is made of a value depends on rows with that value alone:
//! windows recur side by side, and one that is over is freed.

use super::{Facts, Node, NodeId, Op, WindowColumns};
use crate::counted::counted;
use crate::differential::{Expiry, Recursion};
use crate::join::{JoinKind, Side};

/// Per node whether it stands in a loop: whether it reads the rows of the round before, of a recursion that it is not
/// outside of.
pub fn inside(nodes: &[Node]) -> Vec<bool> {
    let mut inside = Vec::with_capacity(nodes.len());
    for node in nodes {
        inside.push(match node.op {
            Op::Before { .. } => true,
            Op::Recursion(_) => false,
            _ => node.inputs.iter().any(|&input| inside[input]),
        });
    }
    inside
}

/// The column of the round before that a column of a node in a loop is, if it is one unchanged.
pub fn origin(nodes: &[Node], inside: &[bool], node: NodeId, column: usize) -> Option<usize> {
    let Node { op, inputs, .. } = &nodes[node];
    let from = |input: usize, column: usize| origin(nodes, inside, inputs[input], column);
    match op {
        Op::Before { .. } => Some(column),
        Op::Map { columns, .. } => {
            let bare = columns[column].downcast_ref::<datafusion_physical_expr::expressions::Column>()?;
            from(0, bare.index())
        }
        Op::Union => {
            let mut branches = (0..inputs.len()).map(|branch| from(branch, column));
            let first = branches.next()??;
            branches.all(|other| other == Some(first)).then_some(first)
        }
        Op::Join(join) => {
            let width = nodes[inputs[0]].schema.fields().len();
            let (side, column) = match (join.kind.only(), column.checked_sub(width)) {
                (Some(side), _) => (side, column),
                (None, Some(right)) => (Side::Right, right),
                (None, None) => (Side::Left, column),
            };
            if inside[inputs[side as usize]] {
                return from(side as usize, column);
            }
            // A given column that equals one of the loop's, if there is no row without a partner.
            let equal = |&(left, right): &(usize, usize)| {
                let (own, other) = if side == Side::Left { (left, right) } else { (right, left) };
                (own == column).then_some(other)
            };
            let outer = matches!(join.kind, JoinKind::Left | JoinKind::Right | JoinKind::Full);
            let other = join.keys.iter().find_map(equal).filter(|_| !outer)?;
            from(side.other() as usize, other)
        }
        _ => None,
    }
}

/// The joins of a loop below `body`, each with the side that is given from outside.
pub fn meetings(nodes: &[Node], inside: &[bool], body: NodeId) -> Vec<(NodeId, Side)> {
    let mut found = Vec::new();
    let mut open = vec![body];
    while let Some(id) = open.pop() {
        let node = &nodes[id];
        open.extend(node.inputs.iter().filter(|&&input| inside[input]));
        if let Op::Join(_) = node.op {
            let given = if inside[node.inputs[0]] { Side::Right } else { Side::Left };
            found.push((id, given));
        }
    }
    found.sort_by_key(|(id, _)| *id);
    found.dedup();
    found
}

/// The column of what a join is given that is met on the loop's `column`.
pub fn met_on(nodes: &[Node], inside: &[bool], (join, given): (NodeId, Side), column: usize) -> Option<usize> {
    let Node { op: Op::Join(spec), inputs, .. } = &nodes[join] else { return None };
    let of = |&(left, right): &(usize, usize)| {
        let (own, other) = if given == Side::Right { (left, right) } else { (right, left) };
        (origin(nodes, inside, inputs[given.other() as usize], own) == Some(column)).then_some(other)
    };
    spec.keys.iter().find_map(of)
}

/// What is known of the rows of a recursion. The bounds are those of columns by which rows expire.
pub fn recursion_facts(nodes: &[Node], distinct: bool, [start, body]: [NodeId; 2]) -> Facts {
    let inside = inside(nodes);
    let from = &nodes[start].facts;
    let width = nodes[start].schema.fields().len();
    let joins = meetings(nodes, &inside, body);
    let same = |column: usize| origin(nodes, &inside, body, column) == Some(column);
    let bound = |column: usize| {
        let mut bound = from.bounds.get(column).copied().flatten().filter(|_| same(column))?;
        for &(join, given) in &joins {
            let met = met_on(nodes, &inside, (join, given), column)?;
            let of = nodes[nodes[join].inputs[given as usize]].facts.bounds.get(met).copied().flatten()?;
            bound = bound.min(of);
        }
        Some(bound)
    };
    let bounds: Vec<Option<i64>> = (0..width).map(bound).collect();
    let bounded = |column: &usize| bounds[*column].is_some();
    let window = from.window.map(|window| WindowColumns {
        start: window.start.filter(bounded),
        end: window.end.filter(bounded),
        time: window.time.filter(bounded),
    });
    Facts {
        append_only: from.append_only && nodes[body].facts.append_only,
        time: from.time.filter(bounded),
        sequence: None,
        key: distinct.then(|| (0..width).collect()),
        closes: from.closes.filter(bounded),
        window: window.filter(|window| window.start.is_some() || window.end.is_some() || window.time.is_some()),
        bounds,
    }
}

/// What frees the rows of a recursion with these facts: the column that expires first.
pub fn recursion_expiry(facts: &Facts) -> Option<Expiry> {
    let bounded = facts.bounds.iter().enumerate().filter_map(|(column, bound)| Some((column, (*bound)?)));
    let (column, bound) = bounded.max_by_key(|(column, bound)| (*bound, usize::MAX - column))?;
    Some(Expiry { column, after_ms: 0i64.saturating_sub(bound) })
}

/// What a recursion does.
pub(super) fn recursion_line(recursion: &Recursion) -> String {
    let Recursion { name, distinct, max_rounds, .. } = recursion;
    let rows = if *distinct { "each row once" } else { "rows as often as they are made" };
    format!("recursion {name}: {rows}, at most {}", counted(*max_rounds, "round"))
}
