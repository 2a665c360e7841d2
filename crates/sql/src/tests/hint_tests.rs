//! What hints say to write can be written: every remedy that is SQL is planned.

use super::plan_tests::compiled;
use crate::functions::{ABSENT, ELSEWHERE, REFUSED, all};

const T: &str = "CREATE TABLE t (k STRING, n BIGINT, s STRING, items ARRAY<STRING>, a TIMESTAMP(3), b TIMESTAMP(3), ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector' = 'filesystem', 'path' = 't.ndjson', 'format' = 'json');
CREATE MATERIALIZED VIEW v AS
";

fn refused(query: &str) -> Vec<String> {
    match compiled(&format!("{T}{query};")) {
        Ok(_) => Vec::new(),
        Err(errors) => errors.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn what_is_called_otherwise_elsewhere_is_here_as_the_hint_says() {
    let known: Vec<String> =
        all().iter().flat_map(|udf| udf.aliases().iter().cloned().chain([udf.name().to_owned()])).collect();
    let mut wrong = Vec::new();
    for (names, write) in ELSEWHERE {
        let query =
            if write.starts_with("FROM") { format!("SELECT * {write}") } else { format!("SELECT {write} AS x FROM t") };
        wrong.extend(refused(&query).into_iter().map(|error| format!("{write}: {error}")));
        for name in *names {
            let here = known.iter().any(|known| known == name) || highwater_core::aggregate::find(name).is_some();
            wrong.extend(here.then(|| format!("{name} is there: it needs no hint")));
            let answer = refused(&format!("SELECT {name}(n, n) AS x FROM t"));
            wrong.extend((!answer.iter().any(|error| error.contains(write))).then(|| format!("{name}: {answer:?}")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_absent_is_refused_by_name() {
    let mut wrong = Vec::new();
    for (name, hint) in ABSENT.iter().chain(REFUSED) {
        let answer = refused(&format!("SELECT {name}(n) AS x FROM t"));
        let told = answer.first().is_some_and(|error| error.contains(hint) && error.contains(&name.to_uppercase()));
        wrong.extend((!told).then(|| format!("{name}: {answer:?}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Hints that stand in the code, as SQL.
#[test]
fn other_hints_plan() {
    for query in [
        "SELECT ts + CAST(n AS BIGINT) * INTERVAL '1' SECOND AS x FROM t",
        "SELECT ts + n * INTERVAL '1' SECOND AS x FROM t",
        "SELECT items[1] AS x FROM t",
        "SELECT k, item FROM t CROSS JOIN UNNEST(t.items) AS u (item)",
        "SELECT k, item FROM t LEFT JOIN UNNEST(t.items) AS u (item) ON TRUE",
        "SELECT k, item FROM t, UNNEST(items) AS u (item)",
        "SELECT SUM(n) FILTER (WHERE k = 'a') AS x FROM t",
        "SELECT CAST(n AS DECIMAL(38, 0)) * n AS x FROM t",
        "SELECT FIRST_VALUE(n) AS x FROM t GROUP BY k",
        "SELECT k, LAG(n, 3) OVER (PARTITION BY k ORDER BY ts) AS x FROM t",
        "SELECT s::BIGINT AS x, n::VARCHAR(3) AS y FROM t",
    ] {
        assert_eq!(refused(query), Vec::<String>::new(), "{query}");
    }
}

/// An error stands where the expression is that it is about.
#[test]
fn errors_stand_at_their_expression() {
    for (query, underlined) in [
        ("SELECT k, s + ts AS x FROM t", "s + ts"),
        ("SELECT k, CASE WHEN n > 1 THEN n * ts ELSE 1 END AS x FROM t", "n * ts"),
        ("SELECT k FROM t WHERE n > 3 AND items > 5", "items > 5"),
        ("SELECT k, COUNT(*) AS c FROM t GROUP BY k HAVING NOT SUM(n)", "NOT SUM(n)"),
        ("SELECT k FROM t WHERE s -> 'a' = 'b'", "s"),
        ("SELECT k FROM t /*+ OPTIONS('a' = 'b') */", "/*+ OPTIONS('a' = 'b') */"),
        ("SELECT NOT n AS x FROM (SELECT n FROM t WHERE n > 1) y", "NOT n"),
        ("SELECT k FROM t WHERE NOT (n + 1) AND k = 'a'", "NOT (n + 1)"),
        ("SELECT ELEMENT(n) AS x FROM t", "ELEMENT"),
        ("SELECT k, COUNT(*) AS c FROM t WINDOW TUMBLING (SIZE 10 SECONDS) GROUP BY k", "WINDOW"),
        ("SELECT k FROM t WHERE n BETWEEN SYMMETRIC 1 AND 2", "BETWEEN"),
        ("SELECT 9223372036854775807 + 1 AS x, n FROM t", "9223372036854775807 + 1"),
    ] {
        let errors = compiled(&format!("{T}{query};")).err().unwrap_or_default();
        let marked = errors.first().map(|error| {
            error.text.chars().skip(error.column as usize - 1).take(error.length as usize).collect::<String>()
        });
        assert_eq!(marked.as_deref(), Some(underlined), "{query}: {errors:?}");
    }
}

/// What the library says of its functions, of UNION and of GROUPING is said in SQL's words, with what to write.
#[test]
fn what_the_library_counts_is_said_plainly() {
    for (query, what, hint) in [
        ("SELECT k, COALESCE() AS x FROM t", "COALESCE takes at least one argument", "COALESCE(a, b, 0)"),
        ("SELECT k, GCD(1) AS x FROM t", "GCD takes 2 arguments, and here there is 1", "GCD(a, b)"),
        ("SELECT LCM(n, 1, 2) AS x FROM t", "LCM takes 2 arguments, and here there is 3", "GCD(a, b)"),
        ("SELECT GROUPING(k) AS x FROM t", "GROUPING takes a key of GROUP BY", "ROLLUP (k)"),
        (
            "SELECT k FROM t UNION ALL SELECT k, n FROM t",
            "UNION takes queries of as many columns",
            "SELECT a, NULL FROM u",
        ),
    ] {
        let errors = compiled(&format!("{T}{query};")).err().unwrap_or_default();
        let [error] = errors.as_slice() else { panic!("{query}: {errors:?}") };
        let given = error.hint.as_deref().unwrap_or_default();
        assert!(error.message.contains(what) && given.contains(hint), "{query}: {error:?}");
    }
}

/// Two sinks whose paths mean one file are refused while planning.
#[test]
fn two_sinks_do_not_write_one_file() {
    let sink = |name: &str, path: &str| {
        format!(
            "CREATE SINK {name} WITH ('connector' = 'filesystem', 'path' = '{path}', 'format' = 'json') AS SELECT k FROM t;\n"
        )
    };
    for (path, refused) in [("x/o.ndjson", true), ("./x/y/../o.ndjson", true), ("x/p.ndjson", false)] {
        let errors = compiled(&format!("{T}SELECT k FROM t;\n{}{}", sink("o", "x/o.ndjson"), sink("p", path)))
            .err()
            .unwrap_or_default();
        let said = |error: &crate::SqlError| {
            error.message.contains("'p' would write to the files of 'o'")
                && error.hint.as_deref() == Some("give the sink a path of its own")
        };
        assert_eq!(errors.iter().any(said), refused, "{path}: {errors:?}");
    }
}

/// What is refused while planning says what to write, at the place that it is about.
#[test]
fn what_fails_on_every_row_is_refused_while_planning() {
    for (query, place, what, hint) in [
        ("SELECT JSON_VALUE(k, '$.a.size()') AS x FROM t", "JSON_VALUE", "size() is a method", "CARDINALITY(x)"),
        ("SELECT JSON_VALUE(k, '$.a.double()') AS x FROM t", "JSON_VALUE", "double() is a method", "RETURNING DOUBLE"),
        ("SELECT JSON_EXISTS(k, '$.a.datetime().b') AS x FROM t", "JSON_EXISTS", "is a method", "the path alone"),
        ("SELECT TO_TIMESTAMP_LTZ(n, 9) AS x FROM t", "9", "and this is 9", "TO_TIMESTAMP_LTZ(n / 1000, 3)"),
        ("SELECT FIND_IN_SET(1.5e0, ARRAY[1]) AS x FROM t", "", "FIND_IN_SET", "FIND_IN_SET(text, text)"),
        ("SELECT REGEXP_MATCH(n, k) AS x FROM t", "REGEXP_MATCH", "REGEXP_MATCH is not to be had", "REGEXP(s, '^a')"),
        ("SELECT n, SUM(n) OVER () AS x FROM t", "SUM", "needs an order", "ORDER BY ts"),
        ("SELECT n, 1 + COUNT(*) OVER (PARTITION BY k) AS x FROM t", "COUNT", "needs an order", "ORDER BY ts"),
        ("SELECT TRANSFORM(items, x -> x) AS y FROM t", "x -> x", "a lambda", "UNNEST(t.items)"),
        ("SELECT FILTER(items, (x, i) -> i > 1) AS y FROM t", "x, i", "a lambda", "UNNEST(t.items)"),
        ("SELECT k -> 'a' AS y FROM t", "k", "the operator -> is not supported", "JSON_QUERY"),
        (
            "SELECT k, SUM(COUNT(*)) OVER (PARTITION BY k ORDER BY k) AS s FROM t GROUP BY k",
            "OVER (PARTITION BY k ORDER BY k)",
            "the grouping without a window lost it",
            "TUMBLE",
        ),
        (
            "SELECT k, SUM(COUNT(*) OVER (PARTITION BY k ORDER BY k DESC)) AS s FROM t GROUP BY k",
            "",
            "count(*) OVER (PARTITION BY t.k ORDER BY t.k DESC) stands within the aggregate sum(count(*) OVER (PARTITION BY t.k ORDER BY t.k DESC))",
            "compute it in a subquery",
        ),
        (
            "SELECT 1 + n AS x, COUNT(*) AS c FROM t GROUP BY n + 1",
            "n",
            "SELECT reads 'n'",
            "a computed key is written in SELECT as it is in GROUP BY",
        ),
    ] {
        let program = format!("{T}{query};");
        let errors = compiled(&program).err().unwrap_or_default();
        let [error] = errors.as_slice() else { panic!("{query}: {errors:?}") };
        let given = format!("{} {}", error.message, error.hint.as_deref().unwrap_or_default());
        assert!(error.message.contains(what) && given.contains(hint), "{query}: {error:?}");
        let marked: String = error.text.chars().skip(error.column as usize - 1).take(error.length as usize).collect();
        assert!(marked.starts_with(place), "{query}: {marked}");
    }
}
