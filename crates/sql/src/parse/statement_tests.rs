//! Every form of statement, and every refusal with its place and hint.

use self::super::*;
use super::ddl::ColumnKind;
use crate::parse::token::{slice, statements};

fn read(text: &str) -> Result<Statement, Problem> {
    parse(&statements(text).unwrap().remove(0))
}

fn table(text: &str) -> Table {
    match read(text).unwrap() {
        Statement::Table(table) => table,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_source_has_columns_watermark_key_and_options() {
    let t = table(
        "CREATE SOURCE IF NOT EXISTS clicks (
            `User Id` VARCHAR NOT NULL COMMENT 'who',
            body ROW<a INT, b ARRAY<ROW<c STRING>>>,
            ms BIGINT,
            ts AS TO_TIMESTAMP_LTZ(ms, 3),
            WATERMARK FOR ts AS `ts` - INTERVAL '1:30' MINUTE TO SECOND,
            CONSTRAINT k PRIMARY KEY (ms) NOT ENFORCED
        ) COMMENT 'x' WITH ('connector' = 'filesystem', \"Path\" = 'a', lateness = '5 s')",
    );
    assert!(t.source && t.if_not_exists);
    let names: Vec<&str> = t.columns.iter().map(|c| c.name.value.as_str()).collect();
    assert_eq!(names, ["User Id", "body", "ms", "ts"]);
    assert!(matches!(&t.columns[0].kind, ColumnKind::Physical(arrow_schema::DataType::Utf8, false)));
    assert!(matches!(&t.columns[3].kind, ColumnKind::Computed(tokens) if tokens.len() == 6));
    assert_eq!(t.watermark.as_ref().map(|w| (w.column.value.as_str(), w.bound_ms)), Some(("ts", 90_000)));
    assert_eq!(t.primary_key[0].value, "ms");
    assert_eq!(t.option("path").map(|o| o.value.value.as_str()), Some("a"));
}

#[test]
fn tables_need_no_connector_and_sources_no_columns() {
    assert_eq!(table("CREATE TABLE t (a INT PRIMARY KEY NOT ENFORCED, b STRING)").primary_key.len(), 1);
    let t = table("create temporary table Bids with ('connector' = 'nexmark')");
    assert!(t.columns.is_empty() && !t.source);
    assert_eq!(t.name.key(), "bids");
    assert_eq!(
        table("CREATE TABLE t (ts TIMESTAMP(3), WATERMARK FOR ts AS ts)").watermark.map(|w| w.bound_ms),
        Some(0)
    );
}

#[test]
fn views_keep_their_query_and_emit() {
    let text = "CREATE MATERIALIZED VIEW v (a, b) WITH ('x' = '1') AS\n SELECT 1, emit FROM t\n EMIT CHANGES";
    let Statement::View(view) = read(text).unwrap() else { panic!() };
    assert!(view.materialized && view.columns.len() == 2 && view.options.len() == 1);
    assert_eq!(view.query.emit.map(|(emit, span)| (emit, span.start.line)), Some((Emit::Changes, 3)));
    assert_eq!(slice(text, view.query.span), "SELECT 1, emit FROM t\n EMIT CHANGES");
    assert_eq!(view.query.tokens.len(), 6);
    let Statement::View(view) = read("CREATE TEMPORARY VIEW v AS (WITH x AS (SELECT 1) SELECT * FROM x)").unwrap()
    else {
        panic!()
    };
    assert!(!view.materialized && view.query.emit.is_none());
    for text in [
        "SELECT a, b AS emit FROM t",
        "SELECT a FROM emit",
        "SELECT a FROM t AS emit",
        "WITH emit AS (SELECT a FROM t) SELECT a FROM emit",
        "SELECT a FROM t JOIN emit ON t.a = 1",
        "SELECT emit.a FROM u emit JOIN t emit ON a = b",
    ] {
        let Statement::View(view) = read(&format!("CREATE VIEW v AS {text}")).unwrap() else { panic!() };
        assert!(view.query.emit.is_none(), "{text}");
        let Statement::View(view) = read(&format!("CREATE VIEW v AS {text} EMIT CHANGES")).unwrap() else { panic!() };
        assert_eq!(view.query.emit.map(|(emit, _)| emit), Some(Emit::Changes), "{text}");
    }
}

#[test]
fn sinks_and_inserts() {
    let Statement::Sink(sink) = read("CREATE SINK s WITH ('connector' = 'print') AS SELECT 1 EMIT FINAL").unwrap()
    else {
        panic!()
    };
    assert_eq!(sink.query.emit.map(|(emit, _)| emit), Some(Emit::Final));
    let Statement::Insert(insert) = read("INSERT INTO s (b, a) SELECT 1, 2").unwrap() else { panic!() };
    assert_eq!(insert.columns.len(), 2);
    let Statement::Insert(insert) = read("INSERT INTO s (SELECT 1)").unwrap() else { panic!() };
    assert!(insert.columns.is_empty());
    for nothing in ["BEGIN STATEMENT SET", "BEGIN", "END", "EXECUTE STATEMENT SET BEGIN", "SET 'pipeline.name' = 'x'"] {
        assert!(matches!(read(nothing).unwrap(), Statement::Nothing), "{nothing}");
    }
    let set = "EXECUTE STATEMENT SET BEGIN INSERT INTO s SELECT 1";
    assert!(matches!(read(set).unwrap(), Statement::Insert(_)));
}

#[test]
fn refusals_have_a_place_and_a_hint() {
    for (text, column, message, hint) in [
        ("SELECT 1", 1, "a query on its own", "CREATE MATERIALIZED VIEW name AS"),
        ("CREATE OR REPLACE VIEW v AS SELECT 1", 1, "OR REPLACE", "once"),
        ("CREATE CATALOG c", 8, "CREATE CATALOG", "one catalog"),
        ("CREATE VIEWW v AS SELECT 1", 8, "expected SOURCE, TABLE", "statements are"),
        ("CREATE TABLE t (a INTT)", 19, "'INTT' is not a type", "types are"),
        ("CREATE TABLE a.t (a INT)", 15, "not qualified", "last part"),
        ("CREATE TABLE t (a INT, A INT)", 24, "there twice", "without case"),
        ("CREATE TABLE t (a INT, PRIMARY KEY (aa))", 37, "'aa' is not declared", "did you mean a?"),
        ("CREATE TABLE t (a INT) LIKE x", 24, "end of the statement", "LIKE"),
        ("CREATE TABLE t (a INT) DISTRIBUTED BY (a)", 24, "expected WITH", "part file"),
        (
            "CREATE TABLE t (t TIMESTAMP, WATERMARK FOR t AS t - INTERVAL '1' MONTH)",
            49,
            "differ in length",
            "INTERVAL '5' SECOND",
        ),
        (
            "CREATE TABLE t (t TIMESTAMP, WATERMARK FOR t AS t + INTERVAL '1' DAY)",
            49,
            "less an interval",
            "WATERMARK FOR",
        ),
        ("CREATE TABLE t (t TIMESTAMP, WATERMARK FOR t AS t - INTERVAL '-1' DAY)", 49, "negative", "WATERMARK FOR"),
        ("CREATE SOURCE s (a INT)", 15, "no connector", "'connector' = 'filesystem'"),
        ("CREATE SINK s WITH ('connector' = 'print')", 43, "expected AS", "INSERT INTO"),
        ("CREATE VIEW v AS SELECT 1 EMIT ON WINDOW CLOSE", 27, "EMIT is followed by", "EMIT CHANGES"),
        ("INSERT OVERWRITE s SELECT 1", 8, "OVERWRITE", "INSERT INTO"),
        ("DROP TABLE x", 1, "DROP is not supported", "leave"),
        ("EXPLAIN SELECT 1", 1, "EXPLAIN is not supported", "highwater explain"),
        ("CREAT TABLE x (a INT)", 1, "does not begin a statement", "did you mean CREATE?"),
    ] {
        let problem = read(text).unwrap_err();
        assert!(problem.message.contains(message), "{text}: {problem:?}");
        assert!(problem.hint.as_ref().is_some_and(|h| h.contains(hint)), "{text}: {problem:?}");
        assert_eq!(problem.span.start.column, column, "{text}: {problem:?}");
    }
    for (text, message) in [
        ("CREATE VIEW v AS", "expected a query"),
        ("CREATE TABLE t (a INT METADATA FROM x)", "expected the name in quotes"),
        ("CREATE VIEW v AS FROM x", "expected a query, found 'FROM'"),
        ("CREATE VIEW AS SELECT 1", "expected AS"),
        ("CREATE TABLE t (a INT) WITH ('x' = '1', 'X' = '2')", "there twice"),
        ("CREATE TABLE t (a INT) WITH ('x')", "expected '='"),
        ("CREATE TABLE t (a INT", "expected ')'"),
    ] {
        let problem = read(text).unwrap_err();
        assert!(problem.message.contains(message), "{text}: {problem:?}");
    }
}
