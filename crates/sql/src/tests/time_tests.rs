//! Instants and zones in programs, and event time: what keeps it, and where it is said to be lost.

use crate::*;

const CLICKS: &str = "CREATE SOURCE clicks (k VARCHAR, n BIGINT, ts TIMESTAMP_LTZ(3), wall TIMESTAMP(3),
WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector' = 'http', 'format' = 'json');\n";

fn compiled(text: &str) -> Result<Dataflow, String> {
    let compiled = compile(&[("a.sql".to_owned(), text.to_owned())], &Catalog::new());
    compiled
        .map(|compiled| compiled.dataflow)
        .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
}

fn view(zone: &str, query: &str) -> Result<Dataflow, String> {
    compiled(&format!("SET 'table.local-time-zone' = '{zone}';\n{CLICKS}CREATE MATERIALIZED VIEW v AS {query};"))
}

fn types(zone: &str, query: &str) -> String {
    let plan = view(zone, query).unwrap();
    let types = plan.views[0].schema.fields().iter().map(|field| highwater_core::plan::sql_type(field.data_type()));
    types.collect::<Vec<_>>().join(" ")
}

#[test]
fn instants_are_of_their_own_type_in_every_zone() {
    let query =
        "SELECT ts, wall, ts + INTERVAL '1' HOUR AS later, COALESCE(ts, ts) AS c, MAX(ts) AS m, FLOOR(ts TO DAY) AS d,
        CAST(wall AS TIMESTAMP(3) WITH LOCAL TIME ZONE) AS i, TO_TIMESTAMP_LTZ(n, 3) AS t, CAST(ts AS TIMESTAMP) AS l
        FROM clicks GROUP BY ts, wall, n";
    let instants = |kind: &str| {
        ["I", "T", "I", "I", "I", "I", "I", "I", "T"]
            .map(|one| if one == "I" { kind } else { "TIMESTAMP(3)" })
            .join(" ")
    };
    assert_eq!(types("Europe/Berlin", query), instants("TIMESTAMP_LTZ(3)"));
    assert_eq!(types("UTC", query), instants("TIMESTAMP_LTZ(3)"));
    let windows = "SELECT window_start, window_time, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' DAY))
        GROUP BY window_start, window_end, window_time";
    assert_eq!(types("Europe/Berlin", windows), "TIMESTAMP_LTZ(3) TIMESTAMP_LTZ(3) BIGINT");
    // Where clocks are always equally far ahead of UTC the grid is shifted, and rows are put in windows as elsewhere.
    let explained = highwater_core::plan::explain(&view("GMT+05:30", windows).unwrap(), None);
    assert!(explained.contains("over tumble(ts, 1 d, offset -330 min)"), "{explained}");
}

#[test]
fn what_a_zone_cannot_be_is_refused() {
    for (text, says) in [
        ("SET 'table.local-time-zone' = 'Europe/Berln';", "write 'Europe/Berlin'"),
        (&format!("{CLICKS}SET 'table.local-time-zone' = 'Europe/Berlin';"), "before the first CREATE"),
    ] {
        let error = compiled(text).unwrap_err();
        assert!(error.contains(says), "{error}");
    }
    for (query, says) in [
        ("SELECT DATE_TRUNC('day', ts) AS d FROM clicks", "DATE_TRUNC does not know the session's time zone"),
        ("SELECT wall AT TIME ZONE 'Europe/Berlin' AS d FROM clicks", "write CONVERT_TZ(ts, 'UTC', 'Europe/Berlin')"),
        ("SELECT CONVERT_TZ(wall, 'UTC', 'Mars') AS d FROM clicks", "there is no time zone 'Mars'"),
        ("SELECT CAST(ts AS TIMESTAMP WITH TIME ZONE) AS d FROM clicks", "a time zone of their own"),
    ] {
        let error = view("Europe/Berlin", query).unwrap_err();
        assert!(error.contains(says), "{query}: {error}");
    }
}

/// A query over `t`, put in windows by its column `at`.
fn windowed(query: &str) -> Result<Dataflow, String> {
    compiled(&format!(
        "{CLICKS}CREATE TABLE names (k VARCHAR PRIMARY KEY, at TIMESTAMP(3));
        CREATE SOURCE waited (k VARCHAR, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)
        WITH ('connector' = 'http', 'format' = 'json', 'lateness' = 'unbounded');
        CREATE VIEW t AS {query};
        CREATE MATERIALIZED VIEW v AS SELECT window_start, window_end, COUNT(*) AS n
        FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(at), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end;"
    ))
}

const PATTERN: &str = "SELECT * FROM clicks MATCH_RECOGNIZE (PARTITION BY k ORDER BY ts MEASURES {measure} AS at
    PATTERN (A B* C) {within} DEFINE B AS n = 0, C AS {c})";

fn pattern(measure: &str, within: &str, c: &str) -> String {
    PATTERN.replace("{measure}", measure).replace("{within}", within).replace("{c}", c)
}

#[test]
fn event_time_survives_what_bounds_it() {
    let hour = "WITHIN INTERVAL '1' HOUR";
    for query in [
        "SELECT k, ts AS at FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY ts) AS rn FROM clicks) WHERE rn = 1".to_owned(),
        "SELECT k, ts AS at FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY ts, n) AS rn FROM clicks) WHERE rn <= 3".to_owned(),
        "SELECT k, at FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY n DESC) AS rn FROM
            (SELECT k, n, window_start, window_end, window_time AS at FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '10' SECOND)))) WHERE rn <= 3".to_owned(),
        pattern("MATCH_ROWTIME()", hour, "n = 1"),
        pattern("LAST(ts)", hour, "n = 1"),
        pattern("FIRST(ts)", hour, "n = 1"),
        pattern("C.ts", hour, "n = 1"),
        pattern("LAST(B.ts, 1)", hour, "n = 1"),
    ] {
        assert!(windowed(&query).is_ok(), "{query}: {}", windowed(&query).unwrap_err());
    }
}

#[test]
fn where_event_time_is_lost_is_said() {
    let hour = "WITHIN INTERVAL '1' HOUR";
    for (query, lost, remedy) in [
        (
            "SELECT k, ts AS at FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY ts DESC) AS rn FROM clicks) WHERE rn = 1".to_owned(),
            "the ranking lost it: in descending order",
            "ORDER BY ts, ascending",
        ),
        (
            "SELECT k, ts AS at FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY n) AS rn FROM clicks) WHERE rn <= 3".to_owned(),
            "the ranking lost it: in another order",
            "PARTITION BY window_start",
        ),
        (
            "SELECT k, ts AS at FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY ts) AS rn FROM waited) WHERE rn = 1".to_owned(),
            "the ranking lost it: a row that it reads comes or goes as late as it likes",
            "'lateness' = '1 h'",
        ),
        ("SELECT k, MAX(ts) AS at FROM clicks GROUP BY k".to_owned(), "the grouping without a window lost it", "TABLE(TUMBLE"),
        (
            "SELECT a.k, a.ts AS at FROM clicks a JOIN clicks b ON a.k = b.k".to_owned(),
            "'at' is not the event-time column: the join lost it: a new row meets rows",
            "select GREATEST(a.ts, b.ts)",
        ),
        (pattern("MATCH_ROWTIME()", "", "n = 1"), "MATCH_RECOGNIZE without WITHIN lost it", "WITHIN INTERVAL"),
        (pattern("MATCH_ROWTIME()", hour, "NEXT(n) = 1"), "MATCH_RECOGNIZE with NEXT lost it", "instead of NEXT"),
        ("SELECT k, at FROM names".to_owned(), "a reference table has no event time", "FROM stream JOIN"),
        (
            "SELECT k, ts AS at FROM clicks UNION ALL SELECT k, MAX(ts) FROM clicks GROUP BY k".to_owned(),
            "a branch of the union has none: the grouping without a window lost it",
            "TABLE(TUMBLE",
        ),
        ("SELECT k, wall AS at FROM clicks".to_owned(), "'at' is not the event-time column", "select the event-time column"),
    ] {
        let error = windowed(&query).unwrap_err();
        assert!(error.contains(lost) && error.contains(remedy), "{query}: {error}");
    }
}

/// Parquet and Arrow are told which times are instants: declared or computed, nested, whatever the session's zone.
#[test]
fn sinks_know_which_columns_are_instants() {
    let sink = |zone: &str, query: &str| {
        let zone = if zone.is_empty() { String::new() } else { format!("SET 'table.local-time-zone' = '{zone}';\n") };
        let to = "WITH ('connector' = 'filesystem', 'path' = 'out.parquet', 'format' = 'parquet')";
        let plan = compiled(&format!(
            "{zone}{CLICKS}CREATE VIEW v AS SELECT k, ts AS seen, wall FROM clicks;\n{}",
            query.replace("$TO", to)
        ));
        let plan = plan.unwrap_or_else(|error| panic!("{query}: {error}"));
        let fields = plan.sinks[0].spec.schema.fields().clone();
        let shown = fields.iter().map(|field| highwater_core::plan::sql_type(field.data_type()));
        shown.collect::<Vec<_>>().join(" ").replace("TIMESTAMP_LTZ(3)", "instant").replace("TIMESTAMP(3)", "time")
    };
    for (query, expected) in [
        (
            "CREATE SINK s $TO AS SELECT ts, wall, CAST(ts AS VARCHAR) AS t FROM clicks WHERE k IN (SELECT k FROM v);",
            "instant time VARCHAR",
        ),
        ("CREATE SINK s $TO AS SELECT seen, wall FROM v UNION ALL SELECT ts, wall FROM clicks;", "instant time"),
        (
            "CREATE SINK s $TO AS SELECT k, MAX(ts) AS a, MIN(wall) AS b, ARRAY_AGG(ts) AS c, MAX(ts + INTERVAL '1' HOUR) AS d
             FROM clicks GROUP BY k;",
            "VARCHAR instant time ARRAY<instant> instant",
        ),
        (
            "CREATE SINK s $TO AS SELECT ROW(ts, wall) AS a, ARRAY[ts] AS b, MAP[k, ts - INTERVAL '1' MONTH] AS c,
             ARRAY[ROW(MAP[k, ARRAY[ts]])] AS d, MAP[k, wall] AS e FROM clicks;",
            "ROW<f0 instant, f1 time> ARRAY<instant> MAP<VARCHAR, instant> \
             ARRAY<ROW<f0 MAP<VARCHAR, ARRAY<instant>>>> MAP<VARCHAR, time>",
        ),
        (
            "CREATE SINK s $TO AS SELECT ts + INTERVAL '1' SECOND AS a, wall + INTERVAL '1' SECOND AS b, FLOOR(ts TO DAY) AS c,
             COALESCE(ts, CAST(wall AS TIMESTAMP_LTZ(3))) AS d, CASE WHEN n = 1 THEN ts END AS e, TO_TIMESTAMP_LTZ(n, 3) AS f,
             TO_TIMESTAMP('2024-01-01') AS g, CAST(ts AS TIMESTAMP(3)) AS h, LAG(ts) OVER (PARTITION BY k ORDER BY ts) AS i
             FROM clicks;",
            "instant time instant instant instant instant time time instant",
        ),
        (
            "CREATE SINK s $TO AS SELECT window_start, window_time, MAX(wall) AS w
             FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' DAY)) GROUP BY window_start, window_end, window_time;",
            "instant instant time",
        ),
        (
            "CREATE SINK s $TO AS SELECT * FROM clicks MATCH_RECOGNIZE (PARTITION BY k ORDER BY ts
             MEASURES FIRST(A.ts) AS a, LAST(A.wall) AS b, MATCH_ROWTIME() AS c PATTERN (A B) DEFINE B AS n = 0);",
            "VARCHAR instant time instant",
        ),
        ("CREATE SINK s $TO AS SELECT a.ts, (SELECT MAX(b.seen) FROM v b) AS m FROM clicks a;", "instant instant"),
        (
            "CREATE TABLE o (a TIMESTAMP_LTZ(3), b TIMESTAMP(3), c ROW<x TIMESTAMP_LTZ(3), y ARRAY<TIMESTAMP(3)>>) $TO;
             INSERT INTO o SELECT wall, ts, ROW(wall, ARRAY[ts]) FROM clicks;",
            "instant time ROW<x instant, y ARRAY<time>>",
        ),
    ] {
        for zone in ["", "Asia/Tokyo", "Europe/Berlin"] {
            assert_eq!(sink(zone, query), expected, "in '{zone}': {query}");
        }
    }
}

/// A time that is computed of the event time follows the watermark too, and rows are put in windows by it, whatever reads it.
#[test]
fn windows_go_by_times_that_are_computed() {
    for time in [
        "ts + INTERVAL '1' SECOND",
        "ts - INTERVAL '1' DAY",
        "FLOOR(ts TO MINUTE)",
        "CEIL(ts TO HOUR)",
        "DATE_TRUNC('hour', ts)",
    ] {
        for calls in [
            "TABLE(TUMBLE(TABLE zz, DESCRIPTOR(t2), INTERVAL '10' SECOND)) GROUP BY window_start, window_end",
            "TABLE(HOP(TABLE zz, DESCRIPTOR(t2), INTERVAL '5' SECOND, INTERVAL '10' SECOND)) GROUP BY window_start, window_end",
            "TABLE(SESSION(TABLE zz PARTITION BY k, DESCRIPTOR(t2), INTERVAL '10' SECOND)) GROUP BY k, window_start, window_end",
            "zz GROUP BY TUMBLE(t2, INTERVAL '10' SECOND)",
        ] {
            let view = format!("CREATE VIEW zz AS SELECT {time} AS t2, k FROM clicks;");
            let query = format!("CREATE MATERIALIZED VIEW v AS SELECT COUNT(*) AS n FROM {calls};");
            let plan = compiled(&format!("{CLICKS}{view}{query}"));
            assert!(plan.is_ok(), "{time}, {calls}: {plan:?}");
        }
    }
}

/// What else is computed of it does not, and the message says so, with what does.
#[test]
fn what_loses_event_time_is_named() {
    for (time, said) in [
        ("COALESCE(ts, ts + INTERVAL '1' DAY)", "as coalesce(ts, "),
        ("CASE WHEN k = 'a' THEN ts ELSE ts + INTERVAL '1' SECOND END", "as CASE WHEN k = 'a' THEN ts ELSE "),
    ] {
        let view = format!("CREATE VIEW zz AS SELECT {time} AS t2, k, n FROM clicks;");
        for over in [
            "SELECT COUNT(*) AS n FROM TABLE(TUMBLE(TABLE zz, DESCRIPTOR(t2), INTERVAL '10' SECOND)) GROUP BY window_start, window_end",
            "SELECT SUM(n) OVER (PARTITION BY k ORDER BY t2) AS s FROM zz",
        ] {
            let answer = compiled(&format!("{CLICKS}{view}CREATE MATERIALIZED VIEW v AS {over};"));
            let error = answer.err().unwrap_or_default();
            assert!(error.contains(&format!("computed of it, {said}")), "{over}: {error}");
            assert!(error.contains("FLOOR, CEIL, "), "{over}: {error}");
        }
    }
}

/// Whether what stands over `t` lets its state go, by what `explain` says.
fn kept_for_ever(rows: &str, over: &str) -> bool {
    let plan = compiled(&format!(
        "{CLICKS}CREATE SOURCE paid (k VARCHAR, n BIGINT, ts TIMESTAMP_LTZ(3), WATERMARK FOR ts AS ts)
        WITH ('connector' = 'http', 'format' = 'json');
        CREATE VIEW t AS {rows};
        CREATE MATERIALIZED VIEW v AS {over};"
    ));
    let explained = highwater_core::plan::explain(&plan.unwrap(), None);
    let (bounded, unbounded) =
        (explained.contains("freed at"), explained.contains("never freed: lateness is unbounded"));
    assert!(bounded != unbounded, "{rows}; {over}: {explained}");
    unbounded
}

#[test]
fn windows_over_rows_that_others_let_come_and_go_are_amended_for_ever() {
    let windows = "SELECT window_start, COUNT(*) AS m FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end";
    let hops = "SELECT window_start, COUNT(*) AS m FROM TABLE(HOP(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE, INTERVAL '2' MINUTE)) GROUP BY window_start, window_end";
    let sessions = "SELECT k, window_start, COUNT(*) AS m FROM TABLE(SESSION(TABLE t PARTITION BY k, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY k, window_start, window_end";
    for (rows, for_ever) in [
        ("SELECT * FROM clicks c", false),
        ("SELECT * FROM clicks c WHERE EXISTS (SELECT 1 FROM paid p WHERE p.k = c.k)", true),
        ("SELECT * FROM clicks c WHERE NOT EXISTS (SELECT 1 FROM paid p WHERE p.k = c.k)", true),
        ("SELECT * FROM clicks c WHERE k IN (SELECT k FROM paid)", true),
        ("SELECT * FROM clicks c WHERE n = 0 OR k IN (SELECT k FROM paid)", true),
        ("SELECT * FROM clicks c WHERE n < (SELECT COUNT(*) FROM paid p WHERE p.k = c.k)", true),
        ("SELECT c.* FROM clicks c CROSS JOIN (SELECT COUNT(*) AS m FROM paid) q WHERE c.n < q.m", true),
        // A row of long ago can still find its partner.
        ("SELECT * FROM clicks c WHERE EXISTS (SELECT 1 FROM paid p WHERE p.k = c.k AND p.ts >= c.ts)", true),
        // It waits for its partner for an hour.
        (
            "SELECT * FROM clicks c WHERE EXISTS (SELECT 1 FROM paid p WHERE p.k = c.k
            AND p.ts BETWEEN c.ts - INTERVAL '1' HOUR AND c.ts + INTERVAL '1' HOUR)",
            false,
        ),
    ] {
        for over in [windows, hops, sessions] {
            assert_eq!(kept_for_ever(rows, over), for_ever, "{rows}; {over}");
        }
    }
    // So are windows whose rows come and go behind the TUMBLE.
    let late = "SELECT window_start, SUM(CASE WHEN k IN (SELECT k FROM paid) THEN 1 ELSE 0 END) AS m
        FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) x GROUP BY window_start, window_end";
    assert!(kept_for_ever("SELECT * FROM clicks", late));
    // And those by a time that is computed of the event time, where the rows are or behind what lets them come and go.
    let exists = "EXISTS (SELECT 1 FROM paid p WHERE p.k = c.k)";
    for (at, computed) in [
        ("c.ts", "ts + INTERVAL '1' HOUR"),
        ("c.ts", "DATE_TRUNC('minute', ts - INTERVAL '1' DAY)"),
        ("c.ts + INTERVAL '1' HOUR", "ts"),
        ("FLOOR(c.ts TO HOUR)", "ts + INTERVAL '1' SECOND"),
    ] {
        for rows in [
            format!("SELECT k, {computed} AS ts FROM (SELECT c.k, {at} AS ts FROM clicks c WHERE {exists}) q"),
            format!("SELECT k, {computed} AS ts FROM (SELECT c.k, {at} AS ts FROM clicks c) c WHERE {exists}"),
            format!(
                "SELECT k, {computed} AS ts FROM (SELECT c.k, {at} AS ts FROM clicks c WHERE {exists}) q
                UNION ALL SELECT k, ts + INTERVAL '1' SECOND FROM clicks"
            ),
        ] {
            for over in [windows, hops, sessions] {
                assert!(kept_for_ever(&rows, over), "{rows}; {over}");
            }
        }
    }
    let joined = "SELECT c.k, GREATEST(c.ts, p.ts) + INTERVAL '1' HOUR AS ts FROM clicks c JOIN paid p ON c.k = p.k";
    let others = "EXISTS (SELECT 1 FROM clicks p WHERE p.n = c.n)";
    let error = windowed(&format!("SELECT k, n, wall AS at FROM clicks c WHERE {others}")).unwrap_err();
    assert!(error.contains("'at' is not the event-time column"), "{error}");
    let bounded = "SELECT k, ts + INTERVAL '1' HOUR AS ts FROM clicks";
    // A new pair has a new row in it.
    assert!(!kept_for_ever(joined, windows) && !kept_for_ever(bounded, windows));
}

/// The last moment of joined windows is known with their end.
#[test]
fn windows_of_joined_windows_go_by_their_last_moment() {
    let hours = "(SELECT * FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' HOUR)))";
    for on in ["", " AND x.window_time = y.window_time"] {
        let rows = format!(
            "SELECT x.k, x.window_time AS ts FROM {hours} x JOIN {hours} y
            ON x.k = y.k AND x.window_end = y.window_end AND x.window_start = y.window_start{on}"
        );
        windowed(&rows.replace(" AS ts", " AS at")).unwrap_or_else(|error| panic!("{rows}: {error}"));
    }
}
