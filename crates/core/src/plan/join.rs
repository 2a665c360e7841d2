//! What is known of the rows of a join, and how long it keeps those of its inputs.

use super::{Facts, WindowColumns};
use crate::join::{Expiry, Join, JoinKind, Lookup, Side, TimeOrder};

/// What frees the rows of each side of a join on `keys` with the conditions `order` on times.
pub fn expiry(keys: &[(usize, usize)], order: &[TimeOrder], inputs: [&Facts; 2]) -> [Vec<Expiry>; 2] {
    let orders = orders(keys, order);
    Side::BOTH.map(|side| Join::expiry_of(side, &orders, &inputs[side.other() as usize].bounds))
}

/// All conditions on times; equal keys are conditions both ways.
fn orders(keys: &[(usize, usize)], order: &[TimeOrder]) -> Vec<TimeOrder> {
    let equal = keys.iter().flat_map(|&(left, right)| {
        [
            TimeOrder { side: Side::Left, earlier: left, later: right, gap_ms: 0 },
            TimeOrder { side: Side::Right, earlier: right, later: left, gap_ms: 0 },
        ]
    });
    order.iter().copied().chain(equal).collect()
}

/// What is known of the rows of a join. The later of two event times is for whoever reads the join to compute; `time` is
/// known if only one side has one.
pub fn join_facts(join: &Join, inputs: [&Facts; 2]) -> Facts {
    let append_only = !join.is_retracting();
    if let Some(side) = join.kind.only() {
        return Facts { append_only, bounds: side_bounds(join, side, inputs), ..inputs[side as usize].clone() };
    }
    let [left, right] = inputs;
    let width = left.bounds.len();
    let moved = |column: usize| column + width;
    let equal = |l: Option<usize>, r: Option<usize>| l.zip(r).is_some_and(|pair| join.keys.contains(&pair));
    let same_window = |l: &WindowColumns, r: &WindowColumns| equal(l.start, r.start) && equal(l.end, r.end);
    let window = left.window.zip(right.window).filter(|(l, r)| same_window(l, r));
    let moved_window =
        |w: WindowColumns| WindowColumns { start: w.start.map(moved), end: w.end.map(moved), time: w.time.map(moved) };
    Facts {
        append_only,
        time: match (left.time, right.time) {
            (Some(time), None) if join.kind != JoinKind::Right && join.kind != JoinKind::Full => Some(time),
            (None, Some(time)) if join.kind != JoinKind::Left && join.kind != JoinKind::Full => Some(moved(time)),
            _ => None,
        },
        sequence: if join.transient { left.sequence } else { None },
        key: key(join, left, right),
        closes: match join.kind {
            JoinKind::Inner | JoinKind::Left if equal(left.closes, right.closes) => left.closes,
            JoinKind::Right if equal(left.closes, right.closes) => right.closes.map(moved),
            _ => None,
        },
        bounds: pair_bounds(join, inputs),
        window: match join.kind {
            JoinKind::Inner | JoinKind::Left => window.map(|(left, _)| left),
            JoinKind::Right => window.map(|(_, right)| moved_window(right)),
            _ => None,
        },
    }
}

/// The columns that identify a row of the result.
fn key(join: &Join, left: &Facts, right: &Facts) -> Option<Vec<usize>> {
    let width = left.bounds.len();
    let (left, right) = (left.key.clone()?, right.key.clone()?);
    let covered = |side: Side, key: &[usize]| {
        let columns = join.key_columns(side);
        key.iter().all(|column| columns.contains(column))
    };
    let moved: Vec<usize> = right.iter().map(|column| column + width).collect();
    match join.kind {
        // Every left row meets one right row at most.
        JoinKind::Inner | JoinKind::Left if covered(Side::Right, &right) => Some(left),
        JoinKind::Inner | JoinKind::Right if covered(Side::Left, &left) => Some(moved),
        _ => Some(left.into_iter().chain(moved).collect()),
    }
}

/// The bounds of the columns of pairs. Of an inner join every row satisfies the conditions: what a bounded time is not
/// above of is bounded too.
fn pair_bounds(join: &Join, inputs: [&Facts; 2]) -> Vec<Option<i64>> {
    let width = inputs[0].bounds.len();
    let mut bounds: Vec<Option<i64>> =
        Side::BOTH.into_iter().flat_map(|side| side_bounds(join, side, inputs)).collect();
    let place = |side: Side, column: usize| if side == Side::Left { column } else { column + width };
    if join.kind == JoinKind::Inner {
        for order in orders(&join.keys, &join.order) {
            let implied = bounds[place(order.side, order.earlier)].map(|bound| bound.saturating_add(order.gap_ms));
            let later = &mut bounds[place(order.side.other(), order.later)];
            *later = implied.max(*later);
        }
    }
    bounds
}

/// The bounds of a side's columns in the result: a row appears when it comes, when a partner comes, or when it expires.
fn side_bounds(join: &Join, side: Side, inputs: [&Facts; 2]) -> Vec<Option<i64>> {
    let (own, other) = (inputs[side as usize], inputs[side.other() as usize]);
    if join.transient && side == Side::Left {
        return own.bounds.clone();
    }
    let orders = orders(&join.keys, &join.order);
    let bound = |(column, comes): (usize, &Option<i64>)| {
        // The partner's time is a lower bound of the column.
        let met = orders.iter().filter(|order| order.side != side && order.later == column);
        let met = met.filter_map(|order| Some(other.bounds.get(order.earlier).copied()??.saturating_add(order.gap_ms)));
        let appears = (*comes)?.min(met.max()?);
        if !join.deferred(side) {
            return Some(appears);
        }
        let expiry = join.expiry[side as usize].iter().find(|expiry| expiry.column == column)?;
        Some(appears.min((-1i64).saturating_sub(expiry.after_ms)))
    };
    let mut bounds: Vec<Option<i64>> = own.bounds.iter().enumerate().map(bound).collect();
    // The last moment of a window is known with its end.
    if let Some((end, time)) = own.window.and_then(|window| window.end.zip(window.time)) {
        bounds[time] = bounds[time].max(bounds[end].map(|bound| bound.saturating_sub(1)));
    }
    bounds
}

/// What is known of the rows of a lookup: those of its left input, shown when the watermark proves their version.
pub fn lookup_facts(lookup: &Lookup, [left, right]: [&Facts; 2]) -> Facts {
    let waits = lookup.offsets_ms[1].saturating_sub(1);
    let bound = |(column, bound): (usize, &Option<i64>)| {
        bound.filter(|_| column == lookup.times.0).map(|bound| bound.min(waits))
    };
    let bounds = left.bounds.iter().enumerate().map(bound).chain(right.bounds.iter().map(|_| None));
    Facts { append_only: true, bounds: bounds.collect(), ..left.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aggregate::Emit;

    fn stream(width: usize, lateness: i64) -> Facts {
        let bounds = (0..width).map(|column| (column == 1).then_some(-lateness)).collect();
        Facts { append_only: true, time: Some(1), bounds, key: Some(vec![0]), ..Facts::default() }
    }

    fn interval(kind: JoinKind, emit: Emit, left: &Facts, right: &Facts) -> Join {
        // r.ts BETWEEN l.ts - 30 AND l.ts + 50
        let order = vec![
            TimeOrder { side: Side::Left, earlier: 1, later: 1, gap_ms: -30 },
            TimeOrder { side: Side::Right, earlier: 1, later: 1, gap_ms: -50 },
        ];
        let keys = vec![(0, 2)];
        Join {
            kind,
            expiry: expiry(&keys, &order, [left, right]),
            keys,
            nulls_equal: false,
            order,
            residual: None,
            emit,
            transient: false,
            retracting: [!left.append_only, !right.append_only],
            owner: String::new(),
            told: Vec::new(),
        }
    }

    #[test]
    fn rows_of_an_interval_join_are_freed_and_bounded() {
        let (left, right) = (stream(3, 5), stream(4, 7));
        let join = interval(JoinKind::Inner, Emit::Final, &left, &right);
        // A left row is kept until W > ts + 50 + 7, a right row until W > ts + 30 + 5.
        assert_eq!(join.expiry[0], [Expiry { column: 1, after_ms: 57 }]);
        assert_eq!(join.expiry[1], [Expiry { column: 1, after_ms: 35 }]);
        let facts = join_facts(&join, [&left, &right]);
        assert!(facts.append_only && facts.time.is_none());
        // An old left row with a new right row: ts >= r.ts - 50 >= W - 7 - 50; and so on.
        assert_eq!(facts.bounds, [None, Some(-57), None, None, Some(-35), None, None]);
        // Every right row meets one left row at most: column 0 is a key there.
        assert_eq!(facts.key, Some(vec![3]));
        let outer = interval(JoinKind::Left, Emit::Final, &left, &right);
        let facts = join_facts(&outer, [&left, &right]);
        assert!(facts.append_only);
        assert_eq!(facts.bounds[1], Some(-58));
        assert!(!join_facts(&interval(JoinKind::Left, Emit::Changes, &left, &right), [&left, &right]).append_only);
    }

    #[test]
    fn equal_windows_bound_a_join() {
        let window = Some(WindowColumns { start: Some(0), end: Some(1), time: None });
        let bounds = vec![Some(-10), Some(1), None];
        let grouped = Facts { append_only: true, bounds, window, closes: Some(1), ..Facts::default() };
        let mut join = interval(JoinKind::Inner, Emit::Final, &grouped, &grouped);
        (join.keys, join.order) = (vec![(0, 0), (1, 1)], vec![]);
        join.expiry = expiry(&join.keys, &join.order, [&grouped, &grouped]);
        assert!(join.expiry[0].contains(&Expiry { column: 1, after_ms: -1 }));
        let facts = join_facts(&join, [&grouped, &grouped]);
        assert_eq!((facts.window, facts.closes), (window, Some(1)));
        assert_eq!(facts.bounds, [Some(-10), Some(1), None, Some(-10), Some(1), None]);
    }
}
