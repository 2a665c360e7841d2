//! Joins as text.

use arrow_schema::Schema;

use super::explain::column;
use crate::aggregate::Emit;
use crate::expression::Sql;
use crate::join::{Expiry, Join, JoinKind, Lookup, Side};
use crate::time::format_duration_ms;

/// What a join does.
pub(super) fn join_line(join: &Join, inputs: [&Schema; 2]) -> String {
    let kind = match join.kind {
        JoinKind::Inner => "inner",
        JoinKind::Left => "left",
        JoinKind::Right => "right",
        JoinKind::Full => "full",
        JoinKind::LeftSemi => "left semi",
        JoinKind::LeftAnti => "left anti",
        JoinKind::RightSemi => "right semi",
        JoinKind::RightAnti => "right anti",
    };
    let equal = if join.nulls_equal { "is not distinct from" } else { "=" };
    let mut on = keys(&join.keys, inputs, equal);
    on.extend(join.order.iter().map(|order| {
        let name = |side: Side| name(inputs, side, order.column(side));
        let gap = match order.gap_ms {
            0 => String::new(),
            gap if gap < 0 => format!(" - {}", format_duration_ms(gap.saturating_neg())),
            gap => format!(" + {}", format_duration_ms(gap)),
        };
        format!("{}{gap} <= {}", name(order.side), name(order.side.other()))
    }));
    on.extend(join.residual.as_ref().map(|residual| Sql(residual).to_string()));
    let on = if on.is_empty() { "all pairs".to_owned() } else { format!("on {}", on.join(" and ")) };
    let as_of = if join.transient { " as of arrival" } else { "" };
    format!("{kind} join{as_of} {on}")
}

/// How the rows of a join's inputs travel and how long they are kept; `readers` is how many joins read the rows of a side.
pub(super) fn join_state(join: &Join, inputs: [&Schema; 2], readers: [usize; 2]) -> Vec<String> {
    let by = join.keys.iter().map(|&(left, _)| name(inputs, Side::Left, left)).collect::<Vec<_>>().join(", ");
    let mut parts = vec![match by.is_empty() {
        true => "exchange to one worker".to_owned(),
        false => format!("exchange by {by}"),
    }];
    if Side::BOTH.into_iter().any(|side| join.kind.unmatched(side)) {
        let deferred = Side::BOTH.into_iter().any(|side| join.deferred(side));
        parts.push(if deferred { "unmatched rows when they expire" } else { "unmatched rows at once" }.to_owned());
    }
    let sides = Side::BOTH.into_iter().filter(|side| !(join.transient && *side == Side::Left));
    parts.extend(sides.map(|side| {
        let which = if side == Side::Left { "left" } else { "right" };
        let shared = match readers[side as usize] {
            0 | 1 => String::new(),
            2 => ", shared with another join".to_owned(),
            more => format!(", shared with {} other joins", more - 1),
        };
        format!("state: {which} rows{shared}, {}", freed(&join.expiry[side as usize], inputs[side as usize]))
    }));
    if join.emit == Emit::Changes && join.is_retracting() {
        parts.push("emits changes".to_owned());
    }
    parts
}

fn freed(expiry: &[Expiry], schema: &Schema) -> String {
    let after = |expiry: &Expiry| {
        let time = column(schema, expiry.column);
        match expiry.after_ms {
            0 => time,
            ms if ms < 0 => format!("{time} - {}", format_duration_ms(ms.saturating_neg())),
            ms => format!("{time} + {}", format_duration_ms(ms)),
        }
    };
    match expiry {
        [] => "never freed".to_owned(),
        expiry => format!("freed after {}", expiry.iter().map(after).collect::<Vec<_>>().join(" or ")),
    }
}

/// What a lookup does.
pub(super) fn lookup_line(lookup: &Lookup, inputs: [&Schema; 2]) -> String {
    let kind = if lookup.outer { "left" } else { "inner" };
    let mut on = keys(&lookup.keys, inputs, "=");
    on.extend(lookup.residual.as_ref().map(|residual| Sql(residual).to_string()));
    let (time, from) = (name(inputs, Side::Left, lookup.times.0), name(inputs, Side::Right, lookup.times.1));
    format!("{kind} lookup of the latest {from} as of {time} on {}", on.join(" and "))
}

/// How the rows of a lookup travel and how long they are kept.
pub(super) fn lookup_state(lookup: &Lookup, inputs: [&Schema; 2]) -> Vec<String> {
    let by = lookup.keys.iter().map(|&(left, _)| name(inputs, Side::Left, left)).collect::<Vec<_>>().join(", ");
    vec![
        format!("exchange by {by}"),
        "state: waiting left rows, and per key the versions that they may ask for".to_owned(),
    ]
}

fn keys(keys: &[(usize, usize)], inputs: [&Schema; 2], equal: &str) -> Vec<String> {
    let pair = |&(left, right): &(usize, usize)| {
        format!("{} {equal} {}", name(inputs, Side::Left, left), name(inputs, Side::Right, right))
    };
    keys.iter().map(pair).collect()
}

fn name(inputs: [&Schema; 2], side: Side, index: usize) -> String {
    let which = if side == Side::Left { "left" } else { "right" };
    let name = column(inputs[side as usize], index);
    // Of a join below it says of which relation it is.
    if name.contains('.') { name } else { format!("{which}.{name}") }
}
