//! What is said of programs that are wrong is said in SQL's words: thousands of them, of every function, operator, cast and clause over
//! values of every type, and what comes out of planning has no name of the library's, of Arrow's, or of the engine's own columns.

use super::plan_tests::compiled;
use crate::functions::all;
use highwater_core::aggregate::AGGREGATES;

const T: &str = "CREATE SOURCE t (n INT, b BIGINT, x DOUBLE, d DECIMAL(10, 2), s STRING, y BYTES, o BOOLEAN, dt DATE, c TIME(3), ts TIMESTAMP(3),
  z TIMESTAMP_LTZ(3), a ARRAY<INT>, m MAP<STRING, INT>, r ROW<p INT, q STRING>, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)
  WITH ('connector' = 'filesystem', 'path' = 't.ndjson', 'format' = 'json');\n";

/// A value of each type.
const VALUES: &[&str] = &[
    "n",
    "b",
    "x",
    "d",
    "s",
    "y",
    "o",
    "dt",
    "c",
    "ts",
    "z",
    "a",
    "m",
    "r",
    "(ts - ts)",
    "(c - c)",
    "INTERVAL '1' MONTH",
    "NULL",
    "'text'",
    "1.5",
];

const TYPES: &[&str] = &[
    "INT",
    "BIGINT",
    "DOUBLE",
    "DECIMAL(10, 2)",
    "STRING",
    "BYTES",
    "BOOLEAN",
    "DATE",
    "TIME",
    "TIMESTAMP(3)",
    "TIMESTAMP_LTZ(3)",
    "ARRAY<INT>",
    "MAP<STRING, INT>",
    "ROW<p INT, q STRING>",
    "INTERVAL",
];

/// What stands between, before, behind or around values.
const OPERATORS: &[&str] = &[
    "{} + {}",
    "{} - {}",
    "{} * {}",
    "{} / {}",
    "{} % {}",
    "{} = {}",
    "{} < {}",
    "{} AND {}",
    "{} || {}",
    "{} LIKE {}",
    "{} SIMILAR TO {}",
    "{} IN ({}, 1)",
    "{} BETWEEN {} AND 3",
    "{} IS DISTINCT FROM {}",
    "CASE WHEN n = 1 THEN {} ELSE {} END",
    "CASE {} WHEN {} THEN 1 END",
    "COALESCE({}, {})",
    "GREATEST({}, {})",
    "NULLIF({}, {})",
    "ARRAY[{}, {}]",
    "MAP[{}, {}]",
    "({}, 1) = ({}, 2)",
    "{} IN (SELECT {} FROM t)",
    "{} > ALL (SELECT {} FROM t)",
    "IF({}, {}, 1)",
    "({})[{}]",
    "{} & {}",
    "{} << {}",
];

const AROUND: &[&str] = &[
    "-{}",
    "NOT {}",
    "{} IS TRUE",
    "EXTRACT(HOUR FROM {})",
    "FLOOR({} TO HOUR)",
    "CEIL({})",
    "SIGN({})",
    "ABS({})",
    "SUBSTRING({} FROM 1 FOR 2)",
    "POSITION('a' IN {})",
    "TRIM({})",
    "{}.p",
    "CAST({} AS VARCHAR(3))",
    "TIMESTAMPDIFF(HOUR, {}, ts)",
    "TIMESTAMPADD(DAY, {}, ts)",
    "({})['k']",
    "({})[1]",
    "SUM(b) FILTER (WHERE {})",
    "SUM(b) OVER (ORDER BY ts RANGE BETWEEN {} PRECEDING AND CURRENT ROW)",
    "SUM(b) OVER (ORDER BY {} RANGE BETWEEN INTERVAL '1' HOUR PRECEDING AND CURRENT ROW)",
    "SUM(b) OVER (PARTITION BY {} ORDER BY ts ROWS BETWEEN {} PRECEDING AND CURRENT ROW)",
    "LAG(n, {}) OVER (ORDER BY ts)",
    "LAG({}) OVER (ORDER BY {})",
    "FIRST_VALUE({}) OVER (ORDER BY {})",
    "NTILE({}) OVER (ORDER BY ts)",
    "JSON_VALUE({}, '$.a')",
    "JSON_OBJECT({} VALUE 1)",
    "LISTAGG({}, {})",
    "PERCENTILE_CONT({}) WITHIN GROUP (ORDER BY {})",
    "DATE_FORMAT({}, {})",
    "CONVERT_TZ({}, 'UTC', 'UTC')",
];

/// Queries with a value at `{}`.
const QUERIES: &[&str] = &[
    "SELECT n FROM t WHERE {}",
    "SELECT COUNT(*) AS c FROM t GROUP BY n HAVING {}",
    "SELECT 1 AS c HAVING {}",
    "SELECT {} AS c FROM t GROUP BY n",
    "SELECT SUM({}) AS c, AVG({}) AS e FROM t",
    "SELECT MAX(SUM(b)) AS c, {} AS e FROM t",
    "SELECT n FROM t ORDER BY {} LIMIT 3",
    "SELECT n FROM t ORDER BY n LIMIT {}",
    "SELECT n FROM t QUALIFY ROW_NUMBER() OVER (ORDER BY {}) < 3",
    "SELECT n FROM t QUALIFY {}",
    "SELECT t.n FROM t JOIN t AS u ON {}",
    "SELECT t.n FROM t LEFT JOIN t AS u ON t.n = {}",
    "SELECT (SELECT {}, 1 FROM t) AS c FROM t",
    "SELECT n, (SELECT u.b FROM t AS u WHERE u.n = {}) AS c FROM t",
    "SELECT n FROM t WHERE EXISTS (SELECT 1 FROM t AS u WHERE {})",
    "SELECT i FROM t CROSS JOIN UNNEST({}) AS u (i)",
    "SELECT window_start, COUNT(*) AS c FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), {})) GROUP BY window_start, window_end",
    "SELECT COUNT(*) AS c FROM t GROUP BY TUMBLE(ts, {})",
    "SELECT COUNT(*) AS c FROM t GROUP BY TUMBLE({}, INTERVAL '1' HOUR)",
    "SELECT {} AS c FROM t GROUP BY GROUPING SETS ((n), (b))",
    "SELECT n FROM t JOIN t AS u USING (nothing) WHERE {}",
    "SELECT q.nothing, {} AS c FROM (SELECT n FROM t) q",
    "SELECT NOTHING({}) AS c FROM t",
    "WITH RECURSIVE w AS (SELECT {} AS c FROM t UNION ALL SELECT c + 1 FROM w WHERE c < 3) SELECT c FROM w",
    "SELECT * FROM t MATCH_RECOGNIZE (ORDER BY ts MEASURES {} AS c PATTERN (A B) DEFINE B AS {})",
    "SELECT c FROM (VALUES ({}), (1)) AS w (c)",
    // Rows outside, where none is left, and aggregates where there are no groups.
    "SELECT n + 1 AS m, (SELECT COUNT(*) FROM t AS u WHERE u.n = t.n + 1 AND {} IS NOT NULL) AS c FROM t GROUP BY t.n + 1",
    "SELECT n FROM t ORDER BY (SELECT MAX(u.b) FROM t AS u WHERE u.n = t.n AND {} IS NOT NULL), n LIMIT 3",
    "SELECT n, (SELECT COUNT(*) FROM t AS u WHERE u.b > MAX(t.b) AND {} IS NOT NULL) AS c FROM t GROUP BY n",
    "SELECT t.n FROM t JOIN t AS u ON MAX({}) = 1",
    "SELECT COUNT(*) AS c FROM t GROUP BY COUNT({})",
    "SELECT COUNT({}) AS c FROM t GROUP BY c",
    "SELECT JSON_ARRAYAGG(*) AS c, {} AS e FROM t",
];

/// Words that are not SQL's: of types, of the library's rules and errors, of the engine's own columns.
const FOREIGN: &[&str] = &[
    "Int8",
    "Int16",
    "Int32",
    "Int64",
    "UInt",
    "Float32",
    "Float64",
    "Utf8",
    "LargeUtf8",
    "Binary(",
    "Boolean(",
    "Decimal128",
    "Decimal256",
    "Date32",
    "Time32",
    "Time64",
    "Timestamp(",
    "Interval(",
    "Duration(",
    "List(",
    "Struct(",
    "Map(",
    "Field {",
    "IntervalMonthDayNano",
    "Null,",
    "(Null",
    "datatype",
    "DataType",
    "Coercible",
    "Uniform",
    "Signature",
    "coerce",
    "Coerce",
    "signature",
    "UDF",
    "user-defined",
    "LogicalPlan",
    "logical plan",
    "Physical",
    "physical",
    "Expr",
    "Planner",
    "planner",
    "Internal",
    "internal error",
    "Error during",
    "Arrow",
    "arrow",
    "DataFusion",
    "backtrace",
    "bug",
    "Schema",
    "__",
    "Some(",
    "None",
    "Candidate",
    "metadata",
    "ScalarFunction",
    "BinaryExpr",
    "nullable",
    "infix",
    "Unsupported",
    "Source table",
];

/// The programs of one kind, some of the pairs where there are many.
fn filled(form: &str, every: usize) -> Vec<String> {
    let mut queries = Vec::new();
    for (at, first) in VALUES.iter().enumerate() {
        for (other, second) in VALUES.iter().enumerate() {
            if form.matches("{}").count() < 2 && other > 0 || !(at * 7 + other).is_multiple_of(every) {
                continue;
            }
            queries.push(form.replacen("{}", first, 1).replacen("{}", second, 1));
        }
    }
    queries
}

fn queries() -> Vec<String> {
    let shown = |expr: String| format!("SELECT {expr} AS c FROM t");
    let mut queries: Vec<String> = OPERATORS.iter().flat_map(|form| filled(form, 2)).map(shown).collect();
    queries.extend(AROUND.iter().flat_map(|form| filled(form, 5)).map(shown));
    queries.extend(
        AROUND.iter().filter(|form| form.matches("{}").count() == 1).flat_map(|form| filled(form, 1)).map(shown),
    );
    queries.extend(QUERIES.iter().flat_map(|form| filled(form, 1)).step_by(2));
    for data_type in TYPES {
        queries.extend(filled(&format!("CAST({{}} AS {data_type})"), 1).into_iter().map(shown));
        queries.extend(filled(&format!("TRY_CAST(ARRAY[{{}}] AS ARRAY<{data_type}>)"), 1).into_iter().map(shown));
    }
    for word in ["UNION ALL", "INTERSECT", "EXCEPT ALL"] {
        for value in ["{}", "ARRAY[{}]", "ROW({}, NULL)", "MAP['k', {}]"] {
            queries.extend(filled(&format!("SELECT {value} AS c FROM t {word} SELECT {value} FROM t"), 11));
        }
    }
    let functions = all().into_iter().map(|udf| udf.name().to_owned());
    let aggregates = AGGREGATES.iter().map(|aggregate| aggregate.name().to_owned());
    for name in
        functions.chain(aggregates).filter(|name| !name.starts_with("__") && name.chars().all(char::is_alphanumeric))
    {
        queries.push(shown(format!("{name}()")));
        queries.extend(filled(&format!("{name}({{}})"), 1).into_iter().map(shown));
        queries.extend(filled(&format!("{name}({{}}, {{}})"), 23).into_iter().map(shown));
        queries.extend(filled(&format!("{name}({{}}, {{}}, 1)"), 67).into_iter().map(shown));
    }
    queries
}

#[test]
fn what_is_said_of_wrong_programs_is_in_the_words_of_sql() {
    let queries: Vec<String> = queries().into_iter().step_by(3).collect();
    let (mut refused, mut wrong) = (0, Vec::new());
    // All errors of a program are told, so that many make one.
    for queries in queries.chunks(150) {
        let views =
            queries.iter().enumerate().map(|(at, query)| format!("CREATE MATERIALIZED VIEW v{at} AS {query};\n"));
        let Err(errors) = compiled(&format!("{T}{}", views.collect::<String>())) else { continue };
        refused += errors.len();
        for error in errors {
            let said = format!("{} / {}", error.message, error.hint.as_deref().unwrap_or(""));
            if let Some(word) = FOREIGN.iter().find(|word| said.contains(**word)) {
                wrong.push(format!("{said}\n    ({word}, line {} of v0 = {})", error.line, queries[0]));
            }
        }
    }
    assert!(refused > 3_000, "only {refused} programs are refused");
    assert!(wrong.is_empty(), "{} of {refused}:\n{}", wrong.len(), wrong.join("\n"));
}
