//! What reference tables and joins `FOR SYSTEM_TIME AS OF` become, and what is refused of them.

use super::plan_tests::{BID, compiled, planned};
use highwater_core::plan::explain;

const TABLES: &str = "
CREATE TABLE users (id BIGINT PRIMARY KEY, name STRING, good BOOLEAN NOT NULL);
CREATE TABLE pairs (a BIGINT, b BIGINT, x STRING, PRIMARY KEY (a, b) NOT ENFORCED);
CREATE TABLE rates (
  currency STRING, rate DOUBLE, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' SECOND,
  PRIMARY KEY (currency) NOT ENFORCED
) WITH ('connector' = 'memory', 'lateness' = '2 s');
CREATE TABLE endless (currency STRING PRIMARY KEY, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)
  WITH ('connector' = 'memory', 'lateness' = 'unbounded');
CREATE TABLE timeless (currency STRING PRIMARY KEY, rate DOUBLE) WITH ('connector' = 'memory');
CREATE TABLE keyless (currency STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH ('connector' = 'memory');
CREATE VIEW enriched AS SELECT b.price, b.`dateTime` AS ts, u.name FROM bid b
  JOIN users FOR SYSTEM_TIME AS OF b.`dateTime` AS u ON b.bidder = u.id;
CREATE VIEW changing AS SELECT channel, COUNT(*) AS n, MAX(`dateTime`) AS last FROM bid GROUP BY channel;
";

fn program(query: &str) -> String {
    format!("{BID}{TABLES}CREATE MATERIALIZED VIEW v AS {query};")
}

fn explained(query: &str) -> String {
    explain(&planned(&program(query)), None)
}

fn refused(query: &str) -> String {
    match compiled(&program(query)) {
        Ok(_) => panic!("it was planned: {query}"),
        Err(errors) => errors.iter().map(ToString::to_string).collect(),
    }
}

/// What is asked of a table more than once stands in no node between it and the rows that ask.
#[test]
fn conditions_on_a_table_leave_it_a_table() {
    for (table, key, time) in
        [("users", "u.id = b.bidder", "b.`dateTime`"), ("rates", "u.currency = b.channel", "b.`dateTime`")]
    {
        let name = if table == "users" { "id" } else { "rate" };
        for condition in [
            format!("CASE u.{name} WHEN 1 THEN 6 END BETWEEN 6 AND u.{name}"),
            format!("(u.{name} + 1) * (u.{name} + 1) > 4"),
            format!("COALESCE(u.{name}, 1) BETWEEN 2 AND 3 AND CASE b.price WHEN 1 THEN 6 END BETWEEN 6 AND b.price"),
        ] {
            let query = format!(
                "SELECT b.price FROM bid b JOIN {table} FOR SYSTEM_TIME AS OF {time} AS u ON {key} WHERE {condition}"
            );
            let planned = compiled(&program(&query));
            assert!(planned.is_ok(), "{query}: {:?}", planned.err());
        }
    }
}

#[test]
fn a_plain_join_follows_every_change_of_a_table() {
    let text = explained("SELECT b.auction, u.name FROM bid b JOIN users u ON b.bidder = u.id WHERE u.good");
    assert!(text.contains("join on left.bidder = right.id"), "{text}");
    assert!(text.contains("| retracting"), "{text}");
    assert!(text.contains("table users (changed over REST): id, name, good"), "{text}");
    let plan = planned(&program("SELECT b.auction, u.name FROM bid b JOIN users u ON b.bidder = u.id"));
    // Tables are there whether they are read or not, with all of their columns.
    let names: Vec<&str> = plan.tables.iter().map(|table| table.name()).collect();
    assert_eq!(names, ["users", "pairs"]);
    assert_eq!(plan.tables[0].view.columns, [0, 1, 2]);
    assert_eq!(plan.tables[1].key(), [0, 1]);
    let warnings: Vec<String> = highwater_core::plan::check(&plan).iter().map(ToString::to_string).collect();
    assert!(warnings[0].contains("a join keeps every row of its left side"), "{warnings:?}");
}

#[test]
fn as_of_a_reference_table_keeps_no_row_and_rewrites_none() {
    for query in [
        "SELECT b.auction, u.name FROM bid b JOIN users FOR SYSTEM_TIME AS OF b.`dateTime` AS u ON b.bidder = u.id",
        "SELECT b.auction, u.name FROM bid AS b LEFT JOIN users FOR SYSTEM_TIME AS OF b.`dateTime` u
           ON b.bidder = u.id AND (u.good OR b.price > 5)",
        "SELECT auction, name FROM bid JOIN users FOR SYSTEM_TIME AS OF bid.`dateTime`
           ON bidder = id WHERE good AND price > 3",
    ] {
        let plan = planned(&program(query));
        let text = explain(&plan, None);
        assert!(text.contains("| append-only"), "{text}");
        assert!(!text.contains("__as_of"), "{text}");
        assert_eq!(highwater_core::plan::check(&plan), [], "{text}");
    }
    // The event time goes on: windows close over the result.
    let text = explained(
        "SELECT name, window_start, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE enriched, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
           GROUP BY name, window_start, window_end",
    );
    assert!(text.contains("append-only") && text.contains("emits when closed"), "{text}");
}

#[test]
fn as_of_a_versioned_table_is_a_lookup_by_event_time() {
    let text = explained(
        "SELECT b.auction, b.price * r.rate AS p FROM bid b JOIN rates FOR SYSTEM_TIME AS OF b.`dateTime` AS r
           ON b.channel = r.currency AND r.rate > 2 WHERE b.price > 1",
    );
    assert!(text.contains("lookup"), "{text}");
    // Which version is met does not depend on its rate: the condition comes after.
    assert!(!text.contains("where rate"), "{text}");
    assert!(text.contains("2"), "{text}");
    let text = explained(
        "SELECT b.auction, r.rate FROM bid b LEFT JOIN rates FOR SYSTEM_TIME AS OF b.`dateTime` AS r
           ON b.channel = r.currency",
    );
    assert!(text.contains("lookup") && text.contains("| append-only"), "{text}");
}

#[test]
fn what_has_no_versions_is_refused() {
    let join = |right: &str, on: &str| format!("SELECT b.auction FROM bid b {right} ON {on}");
    for (query, message, hint) in [
        (
            join("JOIN keyless FOR SYSTEM_TIME AS OF b.`dateTime` AS r", "b.channel = r.currency"),
            "has no primary key",
            "PRIMARY KEY (column)",
        ),
        (
            join("JOIN changing FOR SYSTEM_TIME AS OF b.`dateTime` AS r", "b.channel = r.channel"),
            "'changing' is not a table",
            "a plain join follows",
        ),
        (
            join("RIGHT JOIN users FOR SYSTEM_TIME AS OF b.`dateTime` AS u", "b.bidder = u.id"),
            "behind JOIN or LEFT JOIN only",
            "write JOIN",
        ),
        (
            join("JOIN users FOR SYSTEM_TIME AS OF b.price AS u", "b.bidder = u.id"),
            "no time of the other side",
            "TIMESTAMP(3)",
        ),
        (
            join("JOIN rates FOR SYSTEM_TIME AS OF b.`dateTime` AS r", "b.price < r.rate"),
            "needs equal keys",
            "ON s.key = t.key",
        ),
        (
            join("JOIN rates FOR SYSTEM_TIME AS OF b.`dateTime` AS r", "b.price = r.rate"),
            "whole primary key",
            "every column",
        ),
        (
            join("JOIN endless FOR SYSTEM_TIME AS OF b.`dateTime` AS r", "b.channel = r.currency"),
            "never becomes certain",
            "lateness",
        ),
        (
            join("JOIN timeless FOR SYSTEM_TIME AS OF b.`dateTime` AS r", "b.channel = r.currency"),
            "no event time",
            "WATERMARK",
        ),
        (
            "SELECT c.n FROM changing c JOIN rates FOR SYSTEM_TIME AS OF c.last AS r ON c.channel = r.currency".into(),
            "never taken back",
            "plainly",
        ),
        (join("JOIN users FOR SYSTEM_TIME AS u", "b.bidder = u.id"), "followed by AS OF", "write JOIN"),
        (join("JOIN users FOR SYSTEM_TIME AS OF CAST(1 AS INT) AS u", "b.bidder = u.id"), "time column", "write JOIN"),
        (
            "SELECT 1 AS x FROM bid b, users FOR SYSTEM_TIME AS OF b.`dateTime` AS u WHERE b.bidder = u.id".into(),
            "which version of a table",
            "write JOIN",
        ),
    ] {
        let text = refused(&query);
        assert!(text.contains(message) && text.contains(hint), "{query}\n{text}");
    }
}

#[test]
fn tables_that_cannot_be_are_refused() {
    let refused = |sql: &str| match compiled(sql) {
        Ok(_) => panic!("it was planned: {sql}"),
        Err(errors) => errors.iter().map(ToString::to_string).collect::<String>(),
    };
    for (sql, message, hint) in [
        ("CREATE TABLE t (a INT)", "neither a connector nor a primary key", "PRIMARY KEY"),
        ("CREATE TABLE t (a INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts, PRIMARY KEY (a))", "a watermark", "leave"),
        ("CREATE TABLE t (a INT PRIMARY KEY, b AS a + 1)", "'b' is computed", "in the query"),
        ("CREATE TABLE t (a INT PRIMARY KEY) WITH ('format' = 'csv')", "'format' says nothing", "'path'"),
        ("CREATE TABLE t (a INT PRIMARY KEY) WITH ('path' = 'x.csv', 'pth' = '1')", "'pth'", "path"),
        ("CREATE TABLE t (a INT, PRIMARY KEY (b))", "'b' is not declared", "a"),
        ("CREATE TABLE t (a MAP<INT, INT>, PRIMARY KEY (a))", "", ""),
    ] {
        let text = refused(sql);
        assert!(text.contains(message) && text.contains(hint), "{sql}\n{text}");
    }
}
