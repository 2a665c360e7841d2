//! The text form that was before OpenMetrics, for those who do not ask for that: `promtool check metrics`, most scripts.

use std::collections::HashSet;

/// The media type of [`plain`]'s answer.
pub const PLAIN_CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Metrics as OpenMetrics text in the older form: a counter's help and type go by its full name, and nothing marks the end.
pub fn plain(openmetrics: &str) -> String {
    let kind = |line: &'_ str| line.strip_prefix("# TYPE ")?.strip_suffix(" counter").map(str::to_owned);
    let counters: HashSet<String> = openmetrics.lines().filter_map(kind).collect();
    let mut out = String::with_capacity(openmetrics.len() + 8 * counters.len());
    for line in openmetrics.lines() {
        let about = ["# HELP ", "# TYPE "].into_iter().find_map(|what| Some((what, line.strip_prefix(what)?)));
        match about.map(|(what, rest)| (what, rest.split_once(' ').unwrap_or((rest, "")))) {
            Some((what, (name, rest))) if counters.contains(name) => {
                out.extend([what, name, "_total ", rest, "\n"]);
            }
            // An end, a unit.
            None if line.starts_with('#') => {}
            _ => out.extend([line, "\n"]),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_named_in_full_and_nothing_else_is_changed() {
        let open = "# HELP a Rows.\n# TYPE a counter\n# UNIT a rows\na_total{x=\"# TYPE b counter\"} 1\n\
                    # HELP b Now.\n# TYPE b gauge\nb 2\n# EOF\n";
        let expected = "# HELP a_total Rows.\n# TYPE a_total counter\na_total{x=\"# TYPE b counter\"} 1\n\
                        # HELP b Now.\n# TYPE b gauge\nb 2\n";
        assert_eq!(plain(open), expected);
    }
}
