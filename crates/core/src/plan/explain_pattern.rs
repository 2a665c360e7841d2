//! The text of a pattern in a plan.

use crate::pattern::{Pattern, Shape, Skip};
use crate::time::format_duration_ms;

/// What a pattern looks for.
pub(super) fn pattern_line(pattern: &Pattern, of: impl Fn(usize) -> String) -> String {
    let mut text = format!("pattern ({})", shape(pattern, &pattern.shape));
    if !pattern.keys.is_empty() {
        text.push_str(&format!(" per {}", pattern.keys.iter().map(|&key| of(key)).collect::<Vec<_>>().join(", ")));
    }
    text.push_str(&format!(" by {}", of(pattern.time)));
    if let Some(within_ms) = pattern.within_ms {
        text.push_str(&format!(" within {}", format_duration_ms(within_ms)));
    }
    if pattern.shown.is_some() {
        text.push_str(", all rows");
    }
    let name = |variable: usize| &pattern.variables[variable].name;
    match pattern.skip {
        Skip::PastLast => {}
        Skip::ToNext => text.push_str(", on from the next row"),
        Skip::ToFirst(variable) => text.push_str(&format!(", on from the first {}", name(variable))),
        Skip::ToLast(variable) => text.push_str(&format!(", on from the last {}", name(variable))),
    }
    text
}

fn shape(pattern: &Pattern, of: &Shape) -> String {
    match of {
        Shape::Row(variable) => pattern.variables[*variable].name.clone(),
        Shape::Concat(parts) => {
            let part = |part: &Shape| match part {
                Shape::Either(_) => format!("({})", shape(pattern, part)),
                _ => shape(pattern, part),
            };
            parts.iter().map(part).collect::<Vec<_>>().join(" ")
        }
        Shape::Either(parts) => parts.iter().map(|part| shape(pattern, part)).collect::<Vec<_>>().join(" | "),
        Shape::Repeat { body, least, most, reluctant } => {
            let count = match (least, most) {
                (0, None) => "*".to_owned(),
                (1, None) => "+".to_owned(),
                (0, Some(1)) => "?".to_owned(),
                (least, None) => format!("{{{least},}}"),
                (least, Some(most)) if least == most => format!("{{{least}}}"),
                (least, Some(most)) => format!("{{{least},{most}}}"),
            };
            let inner = shape(pattern, body);
            let inner = if matches!(**body, Shape::Row(_)) { inner } else { format!("({inner})") };
            format!("{inner}{count}{}", if *reluctant { "?" } else { "" })
        }
        Shape::End => "$".to_owned(),
    }
}

/// How a pattern's rows travel, and how long they are kept.
pub(super) fn pattern_state(pattern: &Pattern, of: impl Fn(usize) -> String) -> Vec<String> {
    let by = pattern.keys.iter().map(|&key| of(key)).collect::<Vec<_>>().join(", ");
    let to = if by.is_empty() { "exchange to one worker".to_owned() } else { format!("exchange by {by}") };
    let kept = match (pattern.within_ms, pattern.lateness_ms) {
        (_, None) => "state: all rows, never freed: lateness is unbounded".to_owned(),
        (None, _) => "state: rows of open matches, however long they last".to_owned(),
        (Some(within_ms), Some(lateness_ms)) => {
            format!(
                "state: rows for {} behind the watermark",
                format_duration_ms(within_ms.saturating_add(lateness_ms))
            )
        }
    };
    vec![to, kept]
}
