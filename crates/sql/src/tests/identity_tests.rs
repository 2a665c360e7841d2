//! Whether two programs are one plan, and what is told of those that are not.

use crate::Catalog;
use crate::compile;
use highwater_core::plan::identity::{Part, difference, parts};

const PROGRAM: &str = "
    CREATE SOURCE clicks (page VARCHAR, ms BIGINT, ts TIMESTAMP(3), late AS ms * 2, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)
      WITH ('connector' = 'http', 'format' = 'json', 'lateness' = '1 minute');
    CREATE TABLE names (page VARCHAR PRIMARY KEY NOT ENFORCED, name VARCHAR);
    CREATE MATERIALIZED VIEW sums WITH ('max-rows' = '1000') AS
      SELECT page, window_start, window_end, SUM(ms) AS total FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '10' SECOND))
      WHERE page IN ('a', 'b', 'c', 'd', 'e') GROUP BY page, window_start, window_end EMIT CHANGES;
    CREATE MATERIALIZED VIEW named AS SELECT c.ms + 1 AS ms, t.name FROM clicks c JOIN names t ON c.page = t.page AND c.ms > 5;
    CREATE MATERIALIZED VIEW falls AS SELECT * FROM clicks MATCH_RECOGNIZE (PARTITION BY page ORDER BY ts
      MEASURES A.ms AS high, B.ms AS low ONE ROW PER MATCH AFTER MATCH SKIP PAST LAST ROW PATTERN (A B)
      DEFINE B AS B.ms < A.ms) AS m;
    CREATE SINK out WITH ('connector' = 'print', 'format' = 'json') AS SELECT page, late FROM clicks WHERE ms >= 0;";

fn planned(program: &str) -> Vec<Part> {
    let compiled = compile(&[("p.sql".to_owned(), program.to_owned())], &Catalog::new());
    parts(&compiled.unwrap_or_else(|errors| panic!("{errors:?}")).dataflow)
}

/// What programs differ in that differ in this.
fn told(from: &str, to: &str) -> String {
    assert_eq!(PROGRAM.matches(from).count(), 1, "{from}");
    let (ours, theirs) = (planned(PROGRAM), planned(&PROGRAM.replace(from, to)));
    difference(&ours, &theirs).unwrap_or_else(|| panic!("{from} and {to} seem the same"))
}

#[test]
fn a_plan_is_the_same_however_often_and_however_it_is_written() {
    let parts = planned(PROGRAM);
    for _ in 0..3 {
        assert_eq!(planned(PROGRAM), parts);
    }
    let spaced = PROGRAM.replace('\n', "\n  -- the same\n").replace("SELECT", "select");
    assert_eq!(difference(&parts, &planned(&spaced)), None);
    // What relations are called in a query is for messages.
    let called = PROGRAM
        .replace("c.", "one.")
        .replace("clicks c ", "clicks one ")
        .replace("t.", "other.")
        .replace("names t ", "names other ");
    assert_eq!(difference(&parts, &planned(&called)), None);
    let joined = |a: &str, b: &str| {
        let query = format!(
            "SELECT {a}.ms / {b}.ms AS q FROM clicks {a} JOIN clicks {b} ON {a}.page = {b}.page AND {a}.late > {b}.late"
        );
        planned(&format!("{PROGRAM} CREATE MATERIALIZED VIEW pairs AS {query};"))
    };
    assert_eq!(difference(&joined("a", "b"), &joined("x", "y")), None);
    let mut names: Vec<&String> = parts.iter().map(|part| &part.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), parts.len(), "each has a name of its own");
}

#[test]
fn whatever_differs_is_told() {
    for (from, to, part) in [
        ("ms >= 0", "ms > 0", "of sink 'out' differs"),
        ("'5' SECOND)", "'6' SECOND)", "source 'clicks' differs"),
        ("ms * 2", "ms * 3", "source 'clicks' differs"),
        ("'1 minute'", "'2 minutes'", "source 'clicks' differs"),
        ("ms BIGINT", "ms INT", "source 'clicks' differs"),
        ("'10' SECOND", "'20' SECOND", "of view 'sums' differs"),
        ("'d', 'e'", "'d', 'f'", "of view 'sums' differs"),
        ("SUM(ms)", "MAX(ms)", "of view 'sums' differs"),
        ("EMIT CHANGES", "EMIT FINAL", "of view 'sums' differs"),
        ("'1000'", "'2000'", "view 'sums' differs"),
        ("c.ms > 5", "c.ms > 6", "of view 'named' differs"),
        ("c.ms + 1", "c.ms + 2", "of view 'named' differs"),
        ("B.ms < A.ms", "B.ms <= A.ms", "of view 'falls' differs"),
        ("PATTERN (A B)", "PATTERN (A B+?)", "of view 'falls' differs"),
        ("name VARCHAR", "name VARCHAR NOT NULL", "table 'names' differs"),
        ("'print'", "'blackhole'", "sink 'out' differs"),
        ("page, late FROM", "late, page FROM", "sink 'out' differs"),
        ("VIEW named", "VIEW other", "it has no"),
        (
            "CREATE SOURCE clicks",
            "SET 'table.local-time-zone' = 'Europe/Berlin'; CREATE SOURCE clicks",
            "setting 'table.local-time-zone' differs: here 'UTC'; there 'Europe/Berlin'",
        ),
    ] {
        let told = told(from, to);
        assert!(told.contains(part), "{from} against {to}: {told}");
    }
    let shorter = PROGRAM.split("CREATE SINK").next().unwrap();
    let told = difference(&planned(shorter), &planned(PROGRAM)).unwrap();
    assert!(told.contains("sink 'out'") && told.contains("not here"), "{told}");
}
