//! What other engines call what is here too, for hints: the names, and what to write. Every remedy plans; a test tries them
//! over a table of `ts`, `a`, `b` (times), `n` (a number), `s` (text), `items` (an array) and `k`.

/// Functions of other engines and what to write here. What begins with FROM stands there.
pub(crate) const ELSEWHERE: &[(&[&str], &str)] = &[
    // Times.
    (&["time_bucket", "tostartofinterval", "window_start_of"], "DATE_BIN(INTERVAL '10' SECOND, ts)"),
    (
        &["tostartofminute", "tostartofhour", "tostartofday", "tostartofmonth", "tomonday", "trunc_time"],
        "DATE_TRUNC('hour', ts)",
    ),
    (&["date_diff", "datediff", "timediff", "datetime_diff", "timestamp_diff"], "TIMESTAMPDIFF(SECOND, a, b)"),
    (&["months_between"], "TIMESTAMPDIFF(MONTH, a, b)"),
    (&["add_months"], "ts + INTERVAL '1' MONTH"),
    (&["last_day", "last_day_of_month"], "FLOOR(CAST(ts AS DATE) TO MONTH) + INTERVAL '1' MONTH - INTERVAL '1' DAY"),
    (&["weekofyear", "week_of_year", "toisoweek", "toweek", "weeknumber"], "EXTRACT(WEEK FROM ts)"),
    (&["toyear", "year_of", "tomonth", "todayofmonth"], "EXTRACT(YEAR FROM ts)"),
    (
        &["date_add", "dateadd", "adddate", "date_sub", "datesub", "subdate", "timestamp_add", "timestamp_sub"],
        "ts + INTERVAL '1' DAY",
    ),
    (
        &["strftime", "formatdatetime", "to_varchar", "timestamptostring", "format_timestamp", "formatdate"],
        "DATE_FORMAT(ts, 'yyyy-MM-dd HH:mm:ss')",
    ),
    (
        &["strptime", "str_to_date", "parsedatetime", "stringtotimestamp", "parse_timestamp", "todatetime"],
        "TO_TIMESTAMP(s, 'yyyy-MM-dd HH:mm:ss')",
    ),
    (
        &[
            "from_epoch",
            "epoch_ms",
            "from_unixtime_ms",
            "timestamp_millis",
            "to_timestamp_ms",
            "fromunixtimestamp64milli",
            "unix_millis",
        ],
        "TO_TIMESTAMP_LTZ(n, 3)",
    ),
    (&["make_interval", "to_interval", "seconds"], "n * INTERVAL '1' SECOND"),
    (
        &["mz_now", "mz_logical_timestamp", "from_proctime", "systimestamp"],
        "FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' SECOND))",
    ),
    (
        &["windowstart", "windowend", "time_window", "session_window", "window"],
        "FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' SECOND))",
    ),
    (&["xor", "logical_xor"], "(n > 1) <> (n > 2)"),
    // Aggregates.
    (
        &["mode", "most_frequent"],
        "FROM (SELECT n, ROW_NUMBER() OVER (ORDER BY times DESC) AS r FROM (SELECT n, COUNT(*) AS times FROM t GROUP BY n) c) q WHERE r = 1",
    ),
    (&["countif", "count_if"], "COUNT(*) FILTER (WHERE n > 0)"),
    (&["sumif", "sum_if"], "SUM(n) FILTER (WHERE n > 0)"),
    (&["uniq", "uniqexact", "countdistinct", "count_distinct"], "COUNT(DISTINCT k)"),
    (
        &["uniqcombined", "uniqhll12", "approx_distinct_count", "hll_count", "approximate_count_distinct"],
        "APPROX_COUNT_DISTINCT(k)",
    ),
    (&["latest_by_offset", "anylast", "arbitrary", "any_value", "any"], "LAST_VALUE(n)"),
    (&["earliest_by_offset"], "FIRST_VALUE(n)"),
    (&["collect_list", "list", "grouparray", "array_accum"], "ARRAY_AGG(s)"),
    (&["collect_set", "groupuniqarray"], "ARRAY_AGG(DISTINCT s)"),
    (&["group_concat", "groupconcat", "wm_concat"], "LISTAGG(s, ',')"),
    (&["quantile", "quantileexact", "percentile_disc"], "PERCENTILE(n, 0.95)"),
    (&["percentile_approx", "quantiletdigest"], "APPROX_PERCENTILE(n, 0.95)"),
    (&["json_agg", "jsonb_agg", "json_group_array"], "JSON_ARRAYAGG(n)"),
    (&["json_object_agg", "jsonb_object_agg", "json_group_object"], "JSON_OBJECTAGG(KEY s VALUE n)"),
    (&["logical_and"], "BOOL_AND(n > 0)"),
    (&["logical_or"], "BOOL_OR(n > 0)"),
    // Text.
    (&["len", "lengthutf8", "string_length"], "CHAR_LENGTH(s)"),
    (&["string_to_array", "splitbychar", "splitbystring", "str_split", "regexp_split_to_array"], "SPLIT(s, ',')"),
    (&["charindex", "positioncaseinsensitive", "strfind"], "POSITION('a' IN s)"),
    (&["ucase", "toupper", "upperutf8"], "UPPER(s)"),
    (&["lcase", "tolower", "lowerutf8"], "LOWER(s)"),
    (&["regexp_matches", "match", "rlike"], "REGEXP(s, '^a')"),
    (&["extractall", "regexp_extract_groups"], "REGEXP_EXTRACT_ALL(s, '[0-9]+', 0)"),
    (&["format", "printf", "format_string"], "s || LPAD(CAST(n AS VARCHAR), 5, '0')"),
    // JSON.
    (
        &[
            "get_json_object",
            "json_extract",
            "json_extract_string",
            "json_extract_scalar",
            "json_extract_path_text",
            "jsonextractstring",
            "extractjsonfield",
            "visitparamextractstring",
        ],
        "JSON_VALUE(s, '$.a')",
    ),
    (&["jsonextractraw", "json_extract_path", "jsonb_extract_path"], "JSON_QUERY(s, '$.a')"),
    (&["jsonhas", "json_contains", "jsonb_path_exists"], "JSON_EXISTS(s, '$.a')"),
    (&["json_build_object", "jsonb_build_object", "tojsonstring"], "JSON_OBJECT('a' VALUE n)"),
    (&["json_build_array", "jsonb_build_array"], "JSON_ARRAY(n, s)"),
    (&["to_jsonb", "row_to_json", "to_json_string"], "JSON_STRING(n)"),
    (&["from_json", "parse_json", "try_parse_json", "jsonb"], "JSON_VALUE(s, '$.a' RETURNING BIGINT)"),
    // Arrays and maps.
    (
        &["explode", "posexplode", "arrayjoin", "flatten", "generate_subscripts"],
        "FROM t CROSS JOIN UNNEST(t.items) AS u (item)",
    ),
    (&["explode_outer", "posexplode_outer"], "FROM t LEFT JOIN UNNEST(t.items) AS u (item) ON TRUE"),
    (&["array_len", "size", "array_count", "list_length"], "CARDINALITY(items)"),
    (&["has", "list_contains", "array_includes"], "ARRAY_CONTAINS(items, 'a')"),
    (&["indexof", "list_position"], "ARRAY_POSITION(items, 'a')"),
    (&["arraydistinct", "list_distinct"], "ARRAY_DISTINCT(items)"),
    (&["arraysort", "list_sort", "sort_array"], "ARRAY_SORT(items)"),
    (&["as_map", "map_from_pairs"], "MAP['a', n]"),
    // Conditions, types, ranks.
    (&["iif", "multiif", "decode_if"], "IF(n > 0, 'a', 'b')"),
    (&["isnull", "zeroifnull"], "COALESCE(n, 0)"),
    (&["toint32", "toint64", "tointeger", "to_int", "safe_cast"], "CAST(s AS BIGINT)"),
    (&["tofloat64", "todouble", "to_double", "todecimal64"], "CAST(s AS DOUBLE)"),
    (&["tostring", "to_string", "str"], "CAST(n AS VARCHAR)"),
    (&["xxhash64", "cityhash64", "farm_fingerprint", "hash", "murmur3"], "MD5(s)"),
    (
        &["argmax", "max_by", "topk", "arg_max"],
        "FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY n DESC) AS rn FROM t) x WHERE rn = 1",
    ),
    (
        &["argmin", "min_by", "arg_min"],
        "FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY n) AS rn FROM t) x WHERE rn = 1",
    ),
    (&["lagindataframe", "neighbor"], "LAG(n) OVER (PARTITION BY k ORDER BY ts)"),
];

/// What to write instead of a function that is called so elsewhere.
pub(crate) fn elsewhere(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase();
    ELSEWHERE.iter().find(|(names, _)| names.contains(&name.as_str())).map(|(_, write)| *write)
}
