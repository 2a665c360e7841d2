//! Scalar functions: DataFusion's, and over them the names and meanings that Flink's users expect, one family a file.
//!
//! Every function here is immutable: it reads its arguments and the session's time zone, which is settled while planning,
//! and nothing else, never a clock or a source of chance. What would is listed in [`REFUSED`]. NULL in gives NULL out unless a function's help says otherwise. Times are
//! `Timestamp(ms)`, as a clock shows them; instants (TIMESTAMP_LTZ) are taken as the session's clocks show them, but where
//! a function has a form for them; whole numbers `BIGINT`, text `Utf8`.

mod calendar;
mod encode;
mod function;
mod json;
mod moments;
mod planner;
mod regex;
mod rewrite;
mod substitute;
mod text;
mod url;
mod zones;

use std::sync::Arc;

use datafusion_expr::ScalarUDF;

use function::Function;

use crate::time::Zone;

pub use function::in_zone;
pub use planner::planners;
pub use rewrite::rewrite_call;
pub(super) use zones::{conversion, instant_of, local_time};

/// The families, one slice a file.
const FAMILIES: &[&[Function]] = &[
    calendar::FUNCTIONS,
    encode::FUNCTIONS,
    json::FUNCTIONS,
    moments::FUNCTIONS,
    regex::FUNCTIONS,
    text::FUNCTIONS,
    url::FUNCTIONS,
    zones::FUNCTIONS,
];

/// Functions that are not to be had, and what to write instead. They read the clock, chance or the engine's inside, so
/// that a second run, or a second worker, would answer something else.
pub const REFUSED: &[(&str, &str)] = &[
    ("now", CLOCK),
    ("current_timestamp", CLOCK),
    ("current_date", CLOCK),
    ("current_time", CLOCK),
    ("current_row_timestamp", CLOCK),
    ("localtime", CLOCK),
    ("localtimestamp", CLOCK),
    ("today", CLOCK),
    (
        "proctime",
        "it is the time at which a source's row arrived, a column of its own: SELECT *, PROCTIME() AS p_time FROM source, or p_time AS PROCTIME() in the source",
    ),
    ("random", CHANCE),
    ("rand", CHANCE),
    ("rand_integer", CHANCE),
    ("uuid", CHANCE),
    ("gen_random_uuid", CHANCE),
    ("version", "ask `highwater --version`"),
    ("input_file_name", INSIDE),
    ("file_row_index", INSIDE),
];

const CLOCK: &str = "results must not depend on when they are computed: use the event-time column of the source";
const CHANCE: &str = "results must not depend on chance: let the source bring the value, or derive it with MD5(...)";
const INSIDE: &str = "rows do not know the file they came from: add a column for it to the data";

/// All scalar functions. Where two have a name or an alias in common the later one is meant.
pub fn all() -> Vec<Arc<ScalarUDF>> {
    let refused = |udf: &ScalarUDF| REFUSED.iter().any(|(name, _)| *name == udf.name());
    let defaults = datafusion_functions::all_default_functions().into_iter().filter(|udf| !refused(udf));
    let ours = FAMILIES.iter().flat_map(|family| family.iter()).map(|function| Arc::new(function.udf(Zone::utc())));
    defaults.chain(substitute::all()).chain(ours).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn no_function_reads_the_clock_or_chance() {
        for udf in all() {
            assert_eq!(udf.signature().volatility, datafusion_expr::Volatility::Immutable, "{}", udf.name());
        }
    }

    #[test]
    fn our_names_are_unique_and_lower_case() {
        let mut names: Vec<&str> =
            FAMILIES.iter().flat_map(|f| f.iter()).flat_map(|f| f.aliases.iter().copied().chain([f.name])).collect();
        names.extend(substitute::NAMES);
        assert!(names.iter().all(|name| name.to_ascii_lowercase() == *name));
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
