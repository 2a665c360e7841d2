//! Scalar functions: DataFusion's, and over them the names and meanings that Flink's users expect, one family a file.
//!
//! Every function here is immutable: it reads its arguments and the session's time zone, which is settled while planning,
//! and nothing else, never a clock or a source of chance. What would is listed in [`REFUSED`]. NULL in gives NULL out unless a function's help says otherwise. Times are
//! `Timestamp(ms)`, as a clock shows them; instants (TIMESTAMP_LTZ) are taken as the session's clocks show them, but where
//! a function has a form for them; whole numbers `BIGINT`, text `Utf8`.

mod args;
mod arrays;
mod as_text;
pub(crate) mod attempt;
mod bins;
mod bytes;
mod calendar;
mod called;
mod closure;
mod decimals;
mod elsewhere;
mod encode;
pub(crate) mod exact;
mod fitted;
mod floats;
mod function;
mod generic;
mod json;
mod like;
mod lists;
mod manual;
mod maps;
pub(crate) mod marker;
mod moments;
mod of_text;
mod pieces;
mod planner;
mod recast;
mod regex;
mod rewrite;
mod rounding;
mod sets;
pub(crate) mod settled;
mod steps;
mod strict;
mod substitute;
mod text;
mod texts;
mod url;
mod zones;

use std::sync::Arc;

use datafusion_expr::ScalarUDF;

use function::Function;
use generic::Generic;

use highwater_core::time::Zone;

pub(crate) use as_text::tried;
pub use as_text::written;
pub(crate) use called::called;
pub use closure::{ScalarFn, ScalarFunction, scalar};
pub(crate) use decimals::digits;
pub use decimals::settled;
#[cfg(test)]
pub(crate) use elsewhere::ELSEWHERE;
pub(crate) use elsewhere::elsewhere;
pub use function::{in_zone, zone_of};
pub(crate) use generic::mixes;
pub use manual::{Chapter, Entry, MANUAL};
pub use planner::planners;
pub(crate) use recast::{recast, recasting, recasts};
pub use rewrite::rewrite_call;
pub(crate) use texts::length;
pub(super) use zones::{conversion, instant_of, local_time};

/// The families, one slice a file.
const FAMILIES: &[&[Function]] = &[
    as_text::FUNCTIONS,
    calendar::FUNCTIONS,
    encode::FUNCTIONS,
    json::FUNCTIONS,
    like::FUNCTIONS,
    moments::FUNCTIONS,
    pieces::FUNCTIONS,
    regex::FUNCTIONS,
    steps::FUNCTIONS,
    text::FUNCTIONS,
    url::FUNCTIONS,
    zones::FUNCTIONS,
];

/// The families whose types follow their arguments.
const GENERIC: &[&[Generic]] = &[
    arrays::FUNCTIONS,
    bins::FUNCTIONS,
    bytes::FUNCTIONS,
    fitted::FUNCTIONS,
    floats::FUNCTIONS,
    json::make::FUNCTIONS,
    maps::FUNCTIONS,
    sets::FUNCTIONS,
    strict::FUNCTIONS,
    texts::FUNCTIONS,
];

/// Functions of the library that are not to be had, and what to write instead. Some read the clock, chance or the engine's inside, so
/// that a second run, or a second worker, would return something else; others mean something else than where users know them from,
/// or speak of the library's types.
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
    ("to_char", "write DATE_FORMAT(ts, 'yyyy-MM-dd HH:mm:ss')"),
    ("to_timestamp_seconds", "write TO_TIMESTAMP_LTZ(n, 0)"),
    ("to_timestamp_millis", "write TO_TIMESTAMP_LTZ(n, 3)"),
    ("to_timestamp_micros", "write TO_TIMESTAMP_LTZ(n / 1000, 3)"),
    ("to_timestamp_nanos", "write TO_TIMESTAMP_LTZ(n / 1000000, 3)"),
    ("to_unixtime", "write UNIX_TIMESTAMP(s)"),
    ("to_local_time", "write CONVERT_TZ(s, 'UTC', 'Europe/Berlin')"),
    ("regexp_match", "write REGEXP(s, '^a') for whether it is found, REGEXP_EXTRACT_ALL(s, '[0-9]+', 0) for what is"),
    ("to_time", "write CAST(s AS TIME)"),
    ("make_time", "write CAST('12:30:00' AS TIME)"),
    ("arrow_cast", "write CAST(x AS type)"),
    ("arrow_try_cast", "write TRY_CAST(x AS type)"),
    ("cast_to_type", "write CAST(x AS type)"),
    ("try_cast_to_type", "write TRY_CAST(x AS type)"),
    ("named_struct", "write ROW(a, b), or CAST(ROW(a, b) AS ROW<name INT, other STRING>)"),
    ("get_field", "write row.field"),
    ("arrow_typeof", TYPES),
    ("arrow_field", TYPES),
    ("arrow_metadata", TYPES),
    ("with_metadata", TYPES),
    ("union_extract", TYPES),
    ("union_tag", TYPES),
];

const TYPES: &str = "`highwater explain` shows the type of every column";

/// Functions of Flink that are not here, and what to write.
pub const ABSENT: &[(&str, &str)] = &[
    ("overlaps", "write a.from_time <= b.to_time AND b.from_time <= a.to_time"),
    ("typeof", TYPES),
    ("printf", "write s || LPAD(CAST(n AS VARCHAR), 5, '0')"),
    ("current_watermark", "late rows are told apart at the source: 'lateness', and its dead letters"),
    ("source_watermark", "write WATERMARK FOR ts AS ts - INTERVAL '5' SECOND in the source"),
    ("object_of", "write ROW(a, b), or JSON_OBJECT(KEY 'a' VALUE a)"),
    ("object_update", "write ROW(...) with the fields that it is to have"),
    ("current_database", "there is one database"),
    ("url_decode_recursive", "write URL_DECODE(URL_DECODE(s)) as often as it was encoded"),
    ("group_id", "write GROUPING(k)"),
    ("cume_dist", "count in two views: COUNT(*) up to the row, and COUNT(*) of all, and join them"),
    ("percent_rank", "write RANK() ... with a bound, and divide by a COUNT(*) that is joined"),
    ("ntile", "write PERCENTILE(x, 0.25) and compare with it"),
    ("nth_value", "write LAG(x, n), or ROW_NUMBER() ... and WHERE rn = n"),
    ("json_length", "write CARDINALITY of an ARRAY column, or declare the JSON as ROW and ARRAY"),
    ("parse_json", VARIANT),
    ("try_parse_json", VARIANT),
    ("ml_predict", "models are not supported"),
    ("ml_evaluate", "models are not supported"),
    ("vector_search", "models are not supported"),
    ("ai_complete", "models are not supported"),
    ("ai_embedding", "models are not supported"),
    ("lateral_snapshot", "write JOIN t FOR SYSTEM_TIME AS OF s.ts ON ..."),
];

const VARIANT: &str =
    "there is no VARIANT: keep the text, and take JSON_VALUE(s, '$.a' RETURNING BIGINT) and the like of it";

const CLOCK: &str = "results must not depend on when they are computed: use the event-time column of the source";
const CHANCE: &str = "results must not depend on chance: let the source bring the value, or derive it with MD5(...)";
const INSIDE: &str = "rows do not know the file they came from: add a column for it to the data";

/// All scalar functions. Where two have a name or an alias in common the later one is meant.
pub fn all() -> Vec<Arc<ScalarUDF>> {
    let refused = |udf: &ScalarUDF| REFUSED.iter().any(|(name, _)| *name == udf.name());
    let defaults = datafusion_functions::all_default_functions().into_iter().filter(|udf| !refused(udf));
    let ours = FAMILIES.iter().flat_map(|family| family.iter()).map(|function| Arc::new(function.udf(Zone::utc())));
    let generic = GENERIC.iter().flat_map(|family| family.iter()).map(|function| Arc::new(function.udf()));
    defaults.chain(substitute::all()).chain(rounding::all()).chain(ours).chain(generic).collect()
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
        names.extend(GENERIC.iter().flat_map(|f| f.iter()).flat_map(|f| f.aliases.iter().copied().chain([f.name])));
        assert!(names.iter().all(|name| name.to_ascii_lowercase() == *name));
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    /// Flink's built-in functions, by its documentation; those with a syntax of their own (CAST, EXTRACT, CASE, ...) are
    /// in the manual.
    const FLINK: &str = "power abs sqrt ln log10 log2 log exp ceil ceiling floor sin sinh cos tan tanh cot asin acos atan atan2 cosh
        degrees radians sign round pi e rand rand_integer uuid bin hex truncate unhex percentile char_length character_length upper
        lower ltrim rtrim btrim repeat regexp_replace overlay substring replace translate regexp_count regexp_extract
        regexp_extract_all regexp_instr regexp_substr initcap concat concat_ws lpad rpad from_base64 to_base64 ascii chr decode
        encode instr left right locate url_decode url_decode_recursive url_encode parse_url printf regexp reverse split split_index
        str_to_map substr elt startswith endswith localtime localtimestamp current_time current_date current_timestamp now
        current_row_timestamp year quarter month week dayofyear dayofmonth dayofweek hour minute second date_format timestampadd
        timestampdiff from_unixtime unix_timestamp to_date to_timestamp_ltz to_timestamp current_watermark overlaps nullif coalesce
        if ifnull is_alpha is_decimal is_digit greatest least typeof cardinality element array_append array_contains array_distinct
        array_except array_intersect array_join array_max array_min array_position array_prepend array_remove array_reverse
        array_slice array_sort array_union array_concat map_entries map_keys map_union map_values map_from_arrays json_exists
        json_string json_value json_query json_object json_array json json_quote json_unquote parse_json try_parse_json group_id
        grouping grouping_id md5 sha1 sha224 sha256 sha384 sha512 sha2 count avg sum max min stddev_pop stddev_samp var_pop var_samp
        variance collect rank dense_rank row_number lead lag first_value last_value listagg cume_dist percent_rank ntile array_agg
        json_objectagg json_arrayagg approx_count_distinct current_database ml_predict ml_evaluate vector_search ai_complete
        ai_embedding json_length object_of object_update nth_value source_watermark current_watermark proctime";

    /// What stands for syntax of SQL's own, which the manual has as it is written.
    const SYNTAX: &[&str] = &[
        "like",
        "ilike",
        "similar",
        "timestamp_floor",
        "timestamp_ceil",
        "array",
        "array_element",
        "map",
        "map_value",
        "struct",
        "is_json",
    ];

    #[test]
    fn every_function_is_in_the_manual() {
        let calls: Vec<&str> = MANUAL.iter().flat_map(|chapter| chapter.entries).map(|entry| entry.call).collect();
        let calls = calls.join(" ").to_ascii_lowercase();
        let said: Vec<&str> = calls.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).collect();
        let all = all();
        let names = all.iter().flat_map(|udf| udf.aliases().iter().map(String::as_str).chain([udf.name()]));
        let silent: std::collections::BTreeSet<&str> = names
            .filter(|name| !name.starts_with("__") && !said.contains(name) && !SYNTAX.contains(name))
            .filter(|name| !REFUSED.iter().chain(ABSENT).any(|(refused, _)| refused == name))
            .collect();
        assert!(silent.is_empty(), "neither in the manual nor refused: {silent:?}");
    }

    #[test]
    fn every_function_of_flink_is_there_or_refused_by_name() {
        let known: Vec<String> =
            all().iter().flat_map(|udf| udf.aliases().iter().cloned().chain([udf.name().to_owned()])).collect();
        let over = ["row_number", "rank", "dense_rank", "lag", "lead", "grouping", "grouping_id"];
        for name in FLINK.split_whitespace() {
            let there = known.iter().any(|known| known == name)
                || highwater_core::aggregate::find(name).is_some()
                || over.contains(&name)
                || REFUSED.iter().chain(ABSENT).any(|(refused, _)| *refused == name);
            assert!(there, "{name} is neither there nor refused");
        }
    }
}
