//! Which joins find the rows of a relation by the same key, and so keep them once.

use std::collections::HashMap;

use super::recursion::inside;
use super::{Node, NodeId, Op};
use crate::join::{Join, JoinKind, Side};

/// A relation under a key: the node, its key columns, whether a NULL key is one.
pub type Index = (NodeId, Vec<usize>, bool);

/// The relations that a join finds rows in, left and right, if it is one that may share them: an inner join on keys whose
/// rows stay until they are taken back.
pub fn indexes(node: &Node) -> Option<[Index; 2]> {
    let Op::Join(join) = &node.op else { return None };
    let Join { kind, keys, nulls_equal, order, expiry, transient, .. } = join;
    let stays = order.is_empty() && expiry.iter().all(Vec::is_empty) && !transient;
    let index = |side: Side| (node.inputs[side as usize], join.key_columns(side), *nulls_equal);
    let both = Side::BOTH.map(index);
    (*kind == JoinKind::Inner && stays && !keys.is_empty() && both[0] != both[1]).then_some(both)
}

/// Per node: of a join that shares a side with another, how many joins read its left and its right side. Such joins stand on
/// arrangements.
pub fn sharing(nodes: &[Node]) -> Vec<Option<[usize; 2]>> {
    let inside = inside(nodes);
    let of = |id: NodeId| if inside[id] { None } else { indexes(&nodes[id]) };
    let mut readers: HashMap<Index, usize> = HashMap::new();
    for index in (0..nodes.len()).filter_map(of).flatten() {
        *readers.entry(index).or_default() += 1;
    }
    let shared = |id: NodeId| {
        let counts = of(id)?.map(|index| readers.get(&index).copied().unwrap_or(0));
        counts.iter().any(|count| *count > 1).then_some(counts)
    };
    (0..nodes.len()).map(shared).collect()
}
