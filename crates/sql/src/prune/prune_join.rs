//! Pruning of joins and lookups: what they read of each side, and themselves over the columns that are left.

use std::collections::{BTreeMap, BTreeSet};

use datafusion_common::Result;

use crate::lower::{columns_of, replaced};
use highwater_core::plan::sharing::indexes;
use highwater_core::plan::{Expiry, Join, Lookup, Node, NodeId, Op, Scalar, Side, TimeOrder};

/// The columns of each input that an operator with two inputs needs so that the columns `mine` of its output stay: of its
/// output everything stays that its inputs have. `width` is that of the left input. `None`: not such an operator.
pub(crate) fn needed(op: &Op, mine: &BTreeSet<usize>, width: usize) -> Option<[BTreeSet<usize>; 2]> {
    let mut sides: [BTreeSet<usize>; 2] = Default::default();
    let split = |sides: &mut [BTreeSet<usize>; 2], column: usize| {
        let (side, column) = if column < width { (0, column) } else { (1, column - width) };
        sides[side].insert(column);
    };
    let (keys, residual) = match op {
        Op::Join(join) => {
            for side in Side::BOTH {
                let own = &mut sides[side as usize];
                own.extend(join.order.iter().map(|order| order.column(side)));
                own.extend(join.expiry[side as usize].iter().map(|expiry| expiry.column));
            }
            match join.kind.only() {
                Some(side) => sides[side as usize].extend(mine),
                None => mine.iter().for_each(|&column| split(&mut sides, column)),
            }
            (&join.keys, &join.residual)
        }
        Op::Lookup(lookup) => {
            sides[0].insert(lookup.times.0);
            sides[1].insert(lookup.times.1);
            sides[1].extend(lookup.sequence);
            mine.iter().for_each(|&column| split(&mut sides, column));
            (&lookup.keys, &lookup.residual)
        }
        _ => return None,
    };
    for &(left, right) in keys {
        sides[0].insert(left);
        sides[1].insert(right);
    }
    residual.iter().flat_map(columns_of).for_each(|column| split(&mut sides, column));
    // Rows without columns are not to be had.
    sides.iter_mut().filter(|side| side.is_empty()).for_each(|side| side.extend([0]));
    Some(sides)
}

/// The columns of its output that then stay.
pub(crate) fn output(op: &Op, sides: &[BTreeSet<usize>; 2], width: usize) -> BTreeSet<usize> {
    match op {
        Op::Join(join) if join.kind.only().is_some() => {
            join.kind.only().map(|side| sides[side as usize].clone()).unwrap_or_default()
        }
        _ => sides[0].iter().copied().chain(sides[1].iter().map(|column| column + width)).collect(),
    }
}

/// The operator over inputs that have only these of their columns.
pub(crate) fn rebuilt(op: &Op, sides: &[BTreeSet<usize>; 2], width: usize) -> Result<Op> {
    let at = |side: Side, column: usize| sides[side as usize].range(..column).count();
    let keys = |keys: &[(usize, usize)]| keys.iter().map(|&(l, r)| (at(Side::Left, l), at(Side::Right, r))).collect();
    let residual = |residual: &Option<Scalar>| {
        let place = |index: usize| match index.checked_sub(width) {
            Some(right) => sides[0].len() + at(Side::Right, right),
            None => at(Side::Left, index),
        };
        residual.clone().map(|expr| replaced(expr, &place)).transpose()
    };
    Ok(match op {
        Op::Join(join) => Op::Join(Join {
            keys: keys(&join.keys),
            order: (join.order.iter())
                .map(|o| TimeOrder { earlier: at(o.side, o.earlier), later: at(o.side.other(), o.later), ..*o })
                .collect(),
            residual: residual(&join.residual)?,
            told: match join.told.is_empty() {
                true => Vec::new(),
                false => {
                    let kept = sides[0].iter().copied().chain(sides[1].iter().map(|column| column + width));
                    kept.map(|column| join.told.get(column).cloned().flatten()).collect()
                }
            },
            expiry: Side::BOTH.map(|side| {
                let moved = |e: &Expiry| Expiry { column: at(side, e.column), ..*e };
                join.expiry[side as usize].iter().map(moved).collect()
            }),
            ..join.clone()
        }),
        Op::Lookup(lookup) => Op::Lookup(Lookup {
            keys: keys(&lookup.keys),
            times: (at(Side::Left, lookup.times.0), at(Side::Right, lookup.times.1)),
            sequence: lookup.sequence.map(|column| at(Side::Right, column)),
            residual: residual(&lookup.residual)?,
            ..lookup.clone()
        }),
        other => other.clone(),
    })
}

/// Of the joins that find the rows of `node` by one key, each keeps what any of them needs of it: so it is one relation still,
/// and kept once.
pub(crate) fn share(
    nodes: &[Node],
    sharing: &[Option<[usize; 2]>],
    node: NodeId,
    kept: &mut [Option<BTreeSet<usize>>],
) {
    /// Columns, and the joins with where those stand in their output.
    type Readers = (BTreeSet<usize>, Vec<(NodeId, usize)>);
    let mut groups: BTreeMap<(Vec<usize>, bool), Readers> = BTreeMap::new();
    for (id, join) in nodes.iter().enumerate().filter(|(id, _)| sharing[*id].is_some()) {
        let Some(mine) = &kept[id] else { continue };
        let width = nodes[join.inputs[0]].schema.fields().len();
        let sides = needed(&join.op, mine, width).into_iter().flatten();
        let indexes = indexes(join).into_iter().flatten();
        for (side, (columns, (input, keys, nulls_equal))) in sides.zip(indexes).enumerate() {
            if input == node {
                let (all, joins) = groups.entry((keys, nulls_equal)).or_default();
                all.extend(columns);
                joins.push((id, side * width));
            }
        }
    }
    for (columns, joins) in groups.into_values() {
        for (join, offset) in joins {
            kept[join].get_or_insert_default().extend(columns.iter().map(|column| column + offset));
        }
    }
}
