//! Rankings and frames as text.

use super::explain::aggregate;
use super::{Frame, Over};
use crate::aggregate::Emit;
use crate::rank::{Numbering, Rank};
use crate::time::format_duration_ms;

fn called(numbering: Numbering) -> &'static str {
    match numbering {
        Numbering::Row => "row number",
        Numbering::Rank => "rank",
        Numbering::Dense => "dense rank",
    }
}

/// What a ranking does.
pub(super) fn rank_line(rank: &Rank, of: impl Fn(usize) -> String) -> String {
    let bound = match (rank.from, rank.to) {
        (from, to) if to < from => "nothing".to_owned(),
        (1, 1) => "first".to_owned(),
        (1, to) => format!("first {to}"),
        (from, to) => format!("{from} to {to}"),
    };
    let mut text = format!("{bound} by {}", called(rank.by));
    let order = rank.order.iter().map(|(column, options)| {
        // NULL is below every value unless it is said to be elsewhere.
        let nulls = match (options.descending, options.nulls_first) {
            (true, true) => " NULLS FIRST",
            (false, false) => " NULLS LAST",
            _ => "",
        };
        format!("{}{}{nulls}", of(*column), if options.descending { " DESC" } else { "" })
    });
    let order = order.collect::<Vec<_>>().join(", ");
    text.push_str(&format!(" in order of {order}"));
    if !rank.keys.is_empty() {
        text.push_str(&format!(" per {}", rank.keys.iter().map(|&key| of(key)).collect::<Vec<_>>().join(", ")));
    }
    if let Some((start, end)) = rank.window {
        text.push_str(&format!(" per window {}..{}", of(start), of(end)));
    }
    text
}

/// How a ranking's rows travel, when they are shown, how long they are kept.
pub(super) fn rank_state(rank: &Rank, of: impl Fn(usize) -> String) -> Vec<String> {
    let by = rank.exchange().iter().map(|&key| of(key)).collect::<Vec<_>>().join(", ");
    let mut parts = vec![match by.is_empty() {
        true => "exchange to one worker".to_owned(),
        false => format!("exchange by {by}"),
    }];
    let what = match (rank.retracting, rank.to) {
        (true, _) => "all rows".to_owned(),
        (false, 1) => "the first row".to_owned(),
        (false, to) => format!("the first {to} rows"),
    };
    let Some(_) = rank.window else {
        let per = if rank.keys.is_empty() { "" } else { " per key" };
        parts.push(format!("state: {what}{per}, never freed"));
        return parts;
    };
    parts.push(match rank.emit {
        Emit::Final => "emits when closed".to_owned(),
        Emit::Changes => "emits changes".to_owned(),
    });
    parts.push(match rank.lateness_ms {
        Some(0) => format!("state: {what} of open windows, freed at window_end"),
        Some(ms) => format!("state: {what} of open windows, freed at window_end + {}", format_duration_ms(ms)),
        None => format!("state: {what} of all windows, never freed: lateness is unbounded"),
    });
    parts
}

/// What aggregates over frames do.
pub(super) fn over_line(over: &Over, of: impl Fn(usize) -> String) -> String {
    let calls: Vec<String> = over.aggregates.iter().map(|call| aggregate(call, &of)).collect();
    let rows = |count: u64| match count {
        0 => "current row".to_owned(),
        u64::MAX => "unbounded".to_owned(),
        count => format!("{count} before"),
    };
    let range = |ms: i64| match ms {
        0 => "current row".to_owned(),
        i64::MAX => "unbounded".to_owned(),
        ms => format!("{} before", format_duration_ms(ms)),
    };
    let frame = match over.frame {
        Frame::Rows { from, to } => format!("rows from {} to {}", rows(from), rows(to)),
        Frame::Range { from_ms, to_ms } => format!("range from {} to {}", range(from_ms), range(to_ms)),
    };
    let order: Vec<String> =
        over.order.iter().map(|(column, how)| of(*column) + if how.descending { " DESC" } else { "" }).collect();
    let keys: Vec<String> = over.keys.iter().map(|&key| of(key)).collect();
    let per = if keys.is_empty() { String::new() } else { format!(" per {}", keys.join(", ")) };
    format!("over {frame} in order of {}{per}: {}", order.join(", "), calls.join(", "))
}

/// How the rows of frames travel and how long they are kept.
pub(super) fn over_state(over: &Over, of: impl Fn(usize) -> String) -> Vec<String> {
    let by = over.keys.iter().map(|&key| of(key)).collect::<Vec<_>>().join(", ");
    let time = over.order.first().map_or_else(String::new, |(column, _)| of(*column));
    let late = match over.lateness_ms {
        None | Some(0) => String::new(),
        Some(ms) => format!(" + {}", format_duration_ms(ms)),
    };
    let freed = match over.frame {
        _ if over.lateness_ms.is_none() => "never freed: lateness is unbounded".to_owned(),
        Frame::Rows { from: u64::MAX, .. } | Frame::Range { from_ms: i64::MAX, .. } => "never freed".to_owned(),
        Frame::Rows { from, .. } => format!("the last {from} per key never freed"),
        Frame::Range { from_ms, .. } => format!("freed after {time} + {}{late}", format_duration_ms(from_ms)),
    };
    vec![
        if by.is_empty() { "exchange to one worker".to_owned() } else { format!("exchange by {by}") },
        format!("emits after {time}"),
        format!("state: rows, {freed}"),
    ]
}
