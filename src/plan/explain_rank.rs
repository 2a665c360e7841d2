//! Rankings as text.

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
