//! Scripts: read, run in every way, written anew.
#![allow(clippy::unwrap_used)]

use super::*;

const PROGRAM: &str = "CREATE SOURCE t (k VARCHAR, x INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH ('connector' = 'http');
-- test: this is a comment of the program? No: it is a test without steps.
CREATE MATERIALIZED VIEW n AS
SELECT k, window_end, SUM(x) AS x FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY k, window_start, window_end;
-- at this place comments are free

-- test: it closes
-- # A note.
-- input t
--   k | x | ts
--   a | 1 | 2026-01-01 12:00:01
--   a | 2 | 2026-01-01 12:00:11
-- expect n
--   k | x
--   a | 1
--
-- input t
--   {\"k\": \"b\", \"x\": 5, \"ts\": \"2026-01-01 12:00:12\"}
-- end
-- expect changes n
--   _op    | k | x
--   insert | a | 1
--   insert | a | 2
--   insert | b | 5
";

#[test]
fn a_test_passes_in_every_way() {
    let script = Script::parse("p.sql", PROGRAM).unwrap();
    assert_eq!(script.tests().map(|(_, line)| line).collect::<Vec<_>>(), [2, 7]);
    let reports = script.run(&Way::ALL, |_| true).unwrap();
    assert!(reports.iter().all(Report::passed), "{reports:?}");
    assert_eq!(script.updated(&reports), None);
}

#[test]
fn an_expectation_is_written_anew_in_its_columns() {
    let wrong = PROGRAM.replace("--   a | 1\n--\n", "--   a | 7\n--\n").replace("--   insert | a | 2\n", "");
    assert_ne!(wrong, PROGRAM);
    let script = Script::parse("p.sql", wrong).unwrap();
    let reports = script.run(&Way::ALL, |_| true).unwrap();
    let lines: Vec<usize> = reports[1].failures.iter().map(|failure| failure.line).collect();
    assert_eq!(lines, [13, 20]);
    assert_eq!(
        reports[1].failures[0].what,
        "'n' has not the rows expected: 1 missing (-), 1 not expected (+)\n  k | x\n- a | 7\n+ a | 1"
    );
    assert_eq!(script.updated(&reports).unwrap(), PROGRAM);
    // From nothing, all columns.
    let empty: String = PROGRAM
        .lines()
        .filter(|line| !line.contains("-- insert") && !line.contains("--   _op"))
        .map(|line| format!("{line}\n"))
        .collect();
    let script = Script::parse("p.sql", empty).unwrap();
    let updated = script.updated(&script.run(&Way::ALL, |_| true).unwrap()).unwrap();
    assert!(
        updated.contains("--   _op    | k | window_end          | x\n--   insert | a | 2026-01-01 12:00:10 | 1\n"),
        "{updated}"
    );
    let script = Script::parse("p.sql", updated).unwrap();
    assert!(script.run(&Way::ALL, |_| true).unwrap().iter().all(Report::passed));
}

#[test]
fn a_program_may_be_expected_to_be_refused() {
    let text = "CREATE MATERIALIZED VIEW v AS SELECT nothing FROM nowhere;\n-- test: it is refused\n-- error\n";
    let script = Script::parse("p.sql", text).unwrap();
    let reports = script.run(&Way::ALL, |_| true).unwrap();
    assert!(reports[0].failures[0].what.starts_with("the program is refused otherwise:\n+ 1:"), "{reports:?}");
    let updated = script.updated(&reports).unwrap();
    assert!(updated.starts_with(text) && updated.len() > text.len(), "{updated}");
    let script = Script::parse("p.sql", updated).unwrap();
    assert!(script.run(&Way::ALL, |_| true).unwrap()[0].passed());
    assert!(Script::parse("p.sql", "SELEC;\n-- test: t\n").unwrap().run(&Way::ALL, |_| true).is_err());
}

#[test]
fn what_is_no_step_is_refused_at_its_line() {
    let refused = |text: &str, line: usize, what: &str| {
        let error = Script::parse("p.sql", text).unwrap_err();
        assert!(error.line == line && error.what.contains(what), "{error}");
    };
    refused("-- test: t\n-- expects v\n", 2, "'expects v' is no step: write one of read SOURCE; input SOURCE");
    refused("-- test: t\n-- restart\n--   k\n", 3, "belongs to no step");
    refused("-- test: t\n-- expect v\n--\n--   k\n", 4, "belongs to no step");
    refused("-- test: t\n-- restart\n-- error\n", 3, "the only step");
    refused("-- test: t\n-- restart\n-- read s\n", 3, "before all other steps");
    assert!(Script::parse("p.sql", "-- expects v\nSELECT 1;\n--   k").unwrap().tests().next().is_none());
}

#[test]
fn every_step_that_is_told_of_can_be_read() {
    for (step, _) in STEPS.iter().filter(|(step, _)| *step != "error") {
        let written = step.replace("[SOURCE]", "s").replace("TIME", "12:00").replace("DURATION", "5 s");
        Script::parse("p.sql", format!("-- test: t\n-- {written}\n")).unwrap();
    }
}

#[test]
fn who_is_idle_goes_by_the_clock_of_the_test() {
    let script = Script::parse("idle.sql", include_str!("../idle.sql")).unwrap();
    let reports = script.run(&Way::ALL, |_| true).unwrap();
    assert!(reports.len() == 3 && reports.iter().all(Report::passed), "{reports:?}");
}

#[test]
fn a_script_may_call_what_is_registered() {
    let text = "CREATE SOURCE s (n BIGINT) WITH ('connector' = 'http');
CREATE MATERIALIZED VIEW v AS SELECT twice(n) AS n FROM s;
-- test: it is called
-- input s
--   n
--   21
-- expect v
--   n
--   42
";
    let script = Script::parse("p.sql", text).unwrap();
    assert!(script.run(&Way::ALL, |_| true).is_err());
    let catalog = highwater_sql::Catalog::new().with_function(highwater_sql::scalar("twice", |n: i64| 2 * n)).unwrap();
    assert!(script.run_with(&catalog, &Way::ALL, |_| true).unwrap()[0].passed());
}
