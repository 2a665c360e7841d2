//! What is refused: each with its place and what to write instead.

use super::plan_tests::{BID, compiled};

/// A program after the declaration of `bid`, the text that is underlined, a part of the message, a part of the hint.
const REFUSALS: &[(&str, &str, &str, &str)] = &[
    // Clauses.
    ("SELECT auction FROM bid ORDER BY price", "price", "ORDER BY has no meaning", "order when you read"),
    ("SELECT auction FROM bid LIMIT 3", "3", "without an order", "ORDER BY x LIMIT n"),
    ("SELECT auction FROM bid FETCH FIRST 3 ROWS ONLY", "3", "without an order", "limit when you read"),
    (
        "SELECT a.auction FROM bid a ASOF JOIN bid b MATCH_CONDITION (a.price >= b.price)",
        "",
        "ASOF JOIN is not supported",
        "FOR SYSTEM_TIME AS OF",
    ),
    ("SELECT (4 * 90000000000000000) * 90000000000000000 AS x FROM bid", "", "is beyond BIGINT", ""),
    ("SELECT 7 - ABS(-9223372036854775807) * 2 AS x FROM bid", "", "is beyond BIGINT", ""),
    ("SELECT CAST(300 AS TINYINT) AS x FROM bid", "300", "this cast fails on every row", "TRY_CAST"),
    ("SELECT auction FROM bid WHERE price > ALL (price)", "", "ANY and ALL", "IN (a, b, c)"),
    (
        "SELECT ROW_NUMBER() OVER (PARTITION BY auction ORDER BY price) AS n FROM bid",
        "price",
        "a ranking needs a bound",
        "WHERE rn <= 10",
    ),
    (
        "SELECT auction FROM bid QUALIFY ROW_NUMBER() OVER (PARTITION BY auction ORDER BY price) > 3",
        "price",
        "a ranking needs a bound",
        "WHERE rn <= 10",
    ),
    (
        "SELECT LEAD(price) OVER (PARTITION BY auction ORDER BY dateTime) AS n FROM bid",
        "dateTime",
        "rows that are yet to come",
        "LAG(x)",
    ),
    (
        "SELECT auction FROM bid QUALIFY RANK() OVER (PARTITION BY auction) = 1",
        "auction",
        "a ranking needs an order",
        "ORDER BY x",
    ),
    ("SELECT DISTINCT ON (auction) auction, price FROM bid", "auction", "none is the first", "ORDER BY key, x"),
    ("SELECT auction FROM bid FOR SYSTEM_TIME AS OF dateTime", "dateTime", "which version of a table", "JOIN t FOR"),
    ("SELECT auction FROM bid TABLESAMPLE (10 PERCENT)", "bid", "TABLESAMPLE", "MOD(id, 10)"),
    ("SELECT auction FROM bid GROUP BY ALL", "", "GROUP BY ALL", "write the columns out"),
    ("SELECT auction, COUNT(*) AS n FROM bid GROUP BY auction WITH ROLLUP", "", "GROUP BY ... WITH", "ROLLUP (a, b)"),
    ("SELECT ARRAY[1, 'a'] AS x FROM bid", "ARRAY", "ARRAY does not take (BIGINT, VARCHAR)", "of values of one type"),
    ("SELECT CAST(dateTime AS TIMESTAMP_LTZ(2)) AS x FROM bid", "", "a precision of 2", "TIMESTAMP(0) or TIMESTAMP(3)"),
    (
        "SELECT CAST(ROW(dateTime) AS ROW<x TIMESTAMP(0)>) AS y FROM bid",
        "",
        "is of TIMESTAMP(0)",
        "CAST(t AS TIMESTAMP(0))",
    ),
    ("SELECT MAP['a', 1, 'b', 'x'] AS x FROM bid", "", "MAP does not take", "values of one type"),
    ("SELECT ELT(1, price, 'x') AS y FROM bid", "", "ELT does not take", ""),
    (
        "SELECT CASE WHEN price > 1 THEN ARRAY[price] ELSE ARRAY['x'] END AS y FROM bid",
        "",
        "a text beside what is none",
        "TRY_CAST",
    ),
    ("SELECT COALESCE(ROW(price), ROW('x')) AS y FROM bid", "", "a text beside what is none", "TRY_CAST"),
    ("SELECT auction FROM bid WHERE MAP['a', price] = MAP['a', 'x']", "", "a text beside what is none", "TRY_CAST"),
    ("SELECT SUM(dateTime - dateTime) AS x FROM bid", "", "of times write TIMESTAMPDIFF(SECOND, a, b)", ""),
    ("SELECT -(dateTime - dateTime) AS x FROM bid", "", "a minus stands before numbers", "b - a"),
    ("SELECT FROM bid", "", "at least one column", "SELECT 1 AS one"),
    ("WITH RECURSIVE r AS (SELECT auction FROM r) SELECT * FROM r", "r", "'r' reads itself without a start", "UNION"),
    // Names.
    ("SELECT prise FROM bid", "prise", "there is no column 'prise'", "did you mean price"),
    ("SELECT b.prise FROM bid b", "b.prise", "there is no column 'b.prise'", "did you mean price"),
    ("SELECT price FROM bidd", "bidd", "there is no source, table or view 'bidd'", "did you mean bid"),
    ("SELECT price FROM a.bid", "a.bid", "names are not qualified", "last part"),
    ("SELECT 1e400 AS n FROM bid", "1e400", "1e400 is beyond DOUBLE", "CAST('Infinity' AS DOUBLE)"),
    ("SELECT cuont(price) AS n FROM bid", "cuont", "there is no function 'cuont'", "did you mean count"),
    ("SELECT auction, price AS Auction FROM bid", "Auction", "the column 'auction' is there twice", "AS other_name"),
    ("SELECT auction, price FROM bid GROUP BY auction", "price", "price", ""),
    ("SELECT auction FROM bid GROUP BY price", "auction", "auction", ""),
    ("SELECT auction FROM bid WHERE SUM(price) > 3", "WHERE", "no aggregates", "HAVING"),
    // Clocks and chance.
    ("SELECT NOW() AS n FROM bid", "NOW", "NOW is not to be had", "event-time column"),
    ("SELECT CURRENT_TIMESTAMP AS n FROM bid", "CURRENT_TIMESTAMP", "CURRENT_TIMESTAMP", "event-time column"),
    ("SELECT CAST(PROCTIME() AS DATE) AS n FROM bid", "PROCTIME", "PROCTIME", "PROCTIME() AS p_time"),
    ("SELECT UNIX_TIMESTAMP() AS n FROM bid", "UNIX_TIMESTAMP", "reads a clock", "event-time column"),
    ("SELECT RAND() AS n FROM bid", "RAND", "RAND", "MD5"),
    // Windows.
    (
        "SELECT * FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR(price), INTERVAL '1' HOUR))",
        "price",
        "windows need the event-time column",
        "WATERMARK FOR",
    ),
    (
        "SELECT * FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR(prise), INTERVAL '1' HOUR))",
        "prise",
        "there is no column 'prise'",
        "price",
    ),
    (
        "SELECT * FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR(dateTime), INTERVAL '1' MONTH))",
        "",
        "differ in length",
        "TUMBLE",
    ),
    ("SELECT * FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR(dateTime), INTERVAL '0' SECOND))", "", "above zero", "TUMBLE"),
    ("SELECT * FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR(dateTime)))", "TUMBLE", "missing size", "INTERVAL '10' SECOND"),
    ("SELECT * FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR(dateTime), 10))", "10", "not an interval", "INTERVAL"),
    (
        "SELECT * FROM TABLE(CUMULATE(TABLE bid, DESCRIPTOR(dateTime), INTERVAL '3' SECOND, INTERVAL '10' SECOND))",
        "",
        "whole multiple",
        "step first",
    ),
    (
        "SELECT * FROM TABLE(TUMBLE(DATA => TABLE bid, TIMECOL => DESCRIPTOR(dateTime), LENGTH => INTERVAL '1' HOUR))",
        "",
        "no argument 'length'",
        "TUMBLE",
    ),
    (
        "SELECT * FROM TABLE(SESSION(TABLE bid PARTITION BY bidder, DESCRIPTOR(dateTime), INTERVAL '1' HOUR))",
        "dateTime",
        "known only when it is grouped",
        "GROUP BY",
    ),
    (
        "SELECT auction, COUNT(*) AS n FROM TABLE(SESSION(TABLE bid PARTITION BY bidder, DESCRIPTOR(dateTime), INTERVAL '1' HOUR)) GROUP BY auction, window_start, window_end",
        "dateTime",
        "not those that the sessions are apart by",
        "same keys",
    ),
    (
        "SELECT * FROM TABLE(TUMBLE(TABLE bid PARTITION BY bidder, DESCRIPTOR(dateTime), INTERVAL '1' HOUR))",
        "TUMBLE",
        "no PARTITION BY",
        "GROUP BY",
    ),
    ("SELECT * FROM TABLE(GENERATE(1, 2))", "", "", ""),
    (
        "SELECT TUMBLE_START(dateTime, INTERVAL '1' HOUR) AS s FROM bid",
        "TUMBLE_START",
        "without a window in GROUP BY",
        "GROUP BY TUMBLE",
    ),
    (
        "SELECT TUMBLE_START(dateTime, INTERVAL '2' HOUR) AS s FROM bid GROUP BY TUMBLE(dateTime, INTERVAL '1' HOUR)",
        "TUMBLE_START",
        "not of the window in GROUP BY",
        "arguments of GROUP BY",
    ),
    (
        "SELECT COUNT(*) AS n FROM bid GROUP BY TUMBLE(dateTime, INTERVAL '1' HOUR), HOP(dateTime, INTERVAL '1' HOUR, INTERVAL '2' HOUR)",
        "HOP",
        "one window",
        "window_time",
    ),
    // EMIT.
    (
        "SELECT auction, COUNT(*) AS n FROM bid GROUP BY auction EMIT FINAL",
        "EMIT FINAL",
        "no result is ever final",
        "group by a window",
    ),
    // What is of another type than it stands for.
    ("SELECT price FROM bid WHERE channel", "channel", "a condition is a truth value", "channel <> ''"),
    ("SELECT price FROM bid WHERE price", "price", "a condition is a truth value", "price <> 0"),
    ("SELECT CASE WHEN channel THEN 1 END AS x FROM bid", "channel", "a condition is a truth value", "IS NOT NULL"),
    ("SELECT IF(price, 1, 2) AS x FROM bid", "price", "a condition is a truth value", "price <> 0"),
    ("SELECT COUNT(*) FILTER (WHERE url) AS x FROM bid", "url", "a condition is a truth value", "url <> ''"),
    ("SELECT COALESCE(price, channel) AS x FROM bid", "channel", "is a text", "CAST(bid.channel AS BIGINT)"),
    ("SELECT GREATEST(channel, price) AS x FROM bid", "channel", "is a text", "CAST(bid.channel AS BIGINT)"),
    ("SELECT IF(price > 1, url, 1) AS x FROM bid", "url", "is a text", "CAST(bid.url AS BIGINT)"),
    (
        "SELECT price FROM bid WHERE (price, channel) = (channel, price)",
        "channel",
        "is a text",
        "CAST(bid.channel AS BIGINT)",
    ),
    ("SELECT price FROM bid WHERE (price, auction) = (1, 2, 3)", "", "a row of 2", "(a, b) = (c, d)"),
    ("SELECT price FROM bid WHERE price LIKE '1%'", "", "LIKE takes texts", "CAST(x AS VARCHAR)"),
    ("SELECT `dateTime` + 5 AS x FROM bid", "", "there is no TIMESTAMP(3) + BIGINT", "INTERVAL"),
    ("SELECT price FROM bid WHERE channel = \"web\"", "\"web\"", "there is no column 'web'", "'web' for a text"),
    ("SELECT COALESCE(price, 'z') AS x FROM bid", "price", "'z' stands beside a value of type BIGINT", "AS VARCHAR"),
    ("SELECT IFNULL(price, 'z') AS x FROM bid", "price", "'z' stands beside", "AS VARCHAR"),
    ("SELECT NULLIF('z', price) AS x FROM bid", "price", "'z' stands beside", ""),
    ("SELECT IF(price > 1, 'z', price) AS x FROM bid", "price", "'z' stands beside", ""),
    ("SELECT GREATEST(price, 'z') AS x FROM bid", "price", "'z' stands beside", ""),
    ("SELECT price FROM bid WHERE price IN (1, 'z')", "price", "'z' stands beside", ""),
    ("SELECT price FROM bid WHERE price BETWEEN 1 AND 'z'", "price", "'z' stands beside", ""),
    ("SELECT price FROM bid WHERE `dateTime` > 'z'", "", "'z' stands beside a value of type TIMESTAMP(3)", ""),
    ("SELECT CASE price WHEN 'z' THEN 1 END AS x FROM bid", "price", "'z' stands beside", ""),
    ("SELECT CASE WHEN price > 1 THEN price ELSE 'z' END AS x FROM bid", "price", "'z' stands beside", ""),
    (
        "SELECT CASE WHEN price > 1 THEN NULL WHEN price > 2 THEN price ELSE url END AS x FROM bid",
        "url",
        "is a text",
        "",
    ),
    ("SELECT price FROM bid UNION ALL SELECT url FROM bid", "url", "column 1 of a UNION is a text", "CAST("),
    ("SELECT url FROM bid UNION SELECT price FROM bid", "price", "column 1 of a UNION is a text", "CAST("),
    // Casts.
    ("SELECT CAST(channel AS ROW<a INT>) AS x FROM bid", "channel", "is not cast to ROW<a INT>", "JSON_VALUE"),
    ("SELECT CAST(price AS ARRAY<INT>) AS x FROM bid", "price", "is not cast to ARRAY<INT>", "ARRAY[x]"),
    (
        "SELECT CAST(ROW(1, price) AS ROW<a INT>) AS x FROM bid",
        "price",
        "is not cast to ROW<a INT>",
        "number of fields",
    ),
    (
        "SELECT CAST(CAST(ROW(1, price) AS ROW<a INT, b INT>) AS ROW<b INT, a INT>) AS x FROM bid",
        "price",
        "is not cast to ROW<b INT, a INT>",
        "fields go by their places",
    ),
    ("SELECT CAST(MAP['a', price] AS ARRAY<INT>) AS x FROM bid", "price", "is not cast to ARRAY<INT>", "ARRAY[x]"),
    ("SELECT CAST(ROW(1) AS ROW<a INTT>) AS x FROM bid", "INTT", "'INTT' is not a type", "ROW<...>"),
    ("SELECT CAST(channel AS MULTISET<INT>) AS x FROM bid", "MULTISET", "MULTISET is not supported", "MAP<type, INT>"),
    (
        "SELECT CAST(ROW(1) AS ROW<a INT NOT NULL>) AS x FROM bid",
        "",
        "a cast does not say NOT NULL",
        "leave NOT NULL out",
    ),
    ("SELECT CAST(channel AS UUID) AS x FROM bid", "", "'UUID' is not a type", "STRING"),
    ("SELECT CAST(TIME '10:00:00' AS DATE) AS x FROM bid", "", "TIME is not cast to DATE", "DATE '2024-01-01' + "),
    ("SELECT CAST(999.995 AS DECIMAL(5, 2)) AS x FROM bid", "", "is no DECIMAL(5, 2)", "TRY_CAST"),
    // Times of day.
    ("SELECT EXTRACT(DAY FROM TIME '10:00:00') AS x FROM bid", "", "a TIME has no DAY", "HOUR, MINUTE"),
    ("SELECT FLOOR(TIME '10:00:00' TO DAY) AS x FROM bid", "", "a TIME has no DAY", "DATE '2024-01-01' + t"),
    ("SELECT TIMESTAMPADD(MONTH, 1, TIME '10:00:00') AS x FROM bid", "", "a TIME has no MONTH", "HOUR, MINUTE"),
    ("SELECT YEAR(TIME '10:00:00') AS x FROM bid", "YEAR", "YEAR does not take (TIME)", "DATE '2024-01-01' + t"),
    (
        "SELECT DATE_FORMAT(TIME '10:00:00', 'HH') AS x FROM bid",
        "DATE_FORMAT",
        "DATE_FORMAT does not take (TIME, VARCHAR)",
        "DATE '2024-01-01' + t",
    ),
    ("SELECT FLOOR(channel TO HOUR) AS x FROM bid", "channel", "FLOOR does not take (VARCHAR)", "FLOOR(TIME TO unit)"),
    (
        "SELECT EXTRACT(HOUR FROM channel) AS x FROM bid",
        "",
        "EXTRACT does not take (VARCHAR)",
        "EXTRACT(unit FROM TIME)",
    ),
    // Others.
    (
        "SELECT channel IS JSON WITH UNIQUE KEYS AS x FROM bid",
        "WITH",
        "WITH UNIQUE KEYS is not supported",
        "the last value",
    ),
    ("SELECT a.*, b.* FROM bid a JOIN bid b ON a.price = b.price", "*", "is there twice", "SELECT a.*, b.other"),
    ("SELECT PERCENTILE(ARRAY[1], 0.5) AS x FROM bid", "PERCENTILE", "does not take (ARRAY<BIGINT>)", ""),
    ("SELECT ROUND(channel) AS x FROM bid", "", "ROUND does not take a value of type VARCHAR", "CAST(x AS DOUBLE)"),
    ("SELECT -channel AS x FROM bid", "", "a minus stands before numbers", "CAST"),
    ("SELECT UPPER(price) AS x FROM bid", "UPPER", "UPPER does not take (BIGINT)", "UPPER(text)"),
    // Groups.
    ("SELECT channel, COUNT(*) AS n FROM bid", "channel", "a group may have many values", "GROUP BY channel"),
    ("SELECT COUNT(*) AS n FROM bid HAVING price > 1", "price", "a group may have many values", "MAX(price)"),
    (
        "SELECT channel, COUNT(*) AS n FROM bid GROUP BY ALL",
        "",
        "GROUP BY ALL is not supported",
        "write the columns out",
    ),
    (
        "SELECT a.price, (SELECT SUM(a.price) FROM bid AS b WHERE b.auction = a.auction) AS x FROM bid AS a",
        "",
        "one of the query outside",
        "SELECT COUNT(*)",
    ),
    // What others write.
    (
        "SELECT a.price FROM bid AS a ASOF JOIN bid AS b ON a.auction = b.auction",
        "",
        "ASOF JOIN is not supported",
        "FOR SYSTEM_TIME AS OF",
    ),
    ("SELECT channel COLLATE \"C\" AS x FROM bid", "\"C\"", "COLLATE is not supported", "LOWER(s)"),
    ("SELECT _UTF8'a' AS x FROM bid", "", "a character set", "write the text alone"),
    ("SELECT price FROM bid WHERE price = (VALUES 1, 2)", "1", "expected", "VALUES (1), (2)"),
    // Syntax.
    ("SELECT FROM bid WHERE", "", "expected", ""),
    ("SELECT auction bidder price FROM bid", "price", "expected the end of the query", ""),
    (
        "SELECT auction FROM bid CREATE VIEW w AS SELECT 1",
        "CREATE",
        "CREATE begins a statement",
        "write ; between them",
    ),
];

/// What is wrong with how queries after the declaration of `bid` are refused. Of each: the query, the text that is underlined, a part
/// of the message, a part of the hint.
pub(crate) fn not_refused(cases: &[(&str, &str, &str, &str)]) -> String {
    let mut wrong = Vec::new();
    for (query, underlined, message, hint) in cases {
        let Err(errors) = compiled(&format!("{BID}CREATE MATERIALIZED VIEW v AS\n{query};")) else {
            wrong.push(format!("accepted: {query}"));
            continue;
        };
        let error = &errors[0];
        let marked: String = error.text.chars().skip(error.column as usize - 1).take(error.length as usize).collect();
        let fits = errors.len() == 1
            && error.message.contains(message)
            && error.hint.as_deref().unwrap_or("").contains(hint)
            && (underlined.is_empty() || marked == *underlined)
            && error.line == 6;
        if !fits {
            wrong.push(errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
        }
    }
    wrong.join("\n\n")
}

#[test]
fn queries_are_refused_at_their_place() {
    assert_eq!(not_refused(REFUSALS), "");
}

/// Whole programs: the line, the column, a part of the message, a part of the hint.
const PROGRAMS: &[(&str, u64, u64, &str, &str)] = &[
    ("CREATE SOURCE s (a INT) WITH ('connector' = 'memry')", 1, 45, "no connector 'memry'", "did you mean memory"),
    (
        "CREATE SOURCE s (a INT) WITH ('connector' = 'memory', 'rowz' = '1')",
        1,
        55,
        "unknown option 'rowz'",
        "did you mean rows",
    ),
    ("CREATE SOURCE s (a INT) WITH ('connector' = 'memory', 'lateness' = 'much')", 1, 68, "not a duration", ""),
    ("CREATE SOURCE s WITH ('connector' = 'memory')", 1, 15, "has no columns", "declare them"),
    (
        "CREATE SOURCE s (a INT, WATERMARK FOR a AS a) WITH ('connector' = 'memory')",
        1,
        39,
        "not TIMESTAMP",
        "TO_TIMESTAMP_LTZ",
    ),
    (
        "CREATE SOURCE s (a VARCHAR, WATERMARK FOR a AS a) WITH ('connector' = 'memory')",
        1,
        43,
        "is of type VARCHAR, not TIMESTAMP",
        "event_time AS TO_TIMESTAMP(a)",
    ),
    ("CREATE SOURCE s (a INT, WATERMARK FOR b AS b) WITH ('connector' = 'memory')", 1, 39, "no column 'b'", ""),
    ("CREATE SOURCE s (a INT, b AS c + 1) WITH ('connector' = 'memory')", 1, 30, "no column 'c'", ""),
    ("CREATE SOURCE s (a INT, b AS NOW()) WITH ('connector' = 'memory')", 1, 30, "NOW", "event-time"),
    (
        "CREATE TABLE s (a INT) WITH ('connector' = 'memory');\nCREATE VIEW S AS SELECT 1 FROM s",
        2,
        13,
        "there is a table 'S' already",
        "without case",
    ),
    (
        "CREATE TABLE r (a INT);\nCREATE MATERIALIZED VIEW v AS SELECT a FROM r",
        1,
        14,
        "the table 'r' has neither a connector nor a primary key",
        "PRIMARY KEY",
    ),
    (
        "CREATE TABLE o (a INT) WITH ('connector' = 'nowhere');\nCREATE MATERIALIZED VIEW v AS SELECT a FROM o",
        2,
        45,
        "written only",
        "INSERT INTO",
    ),
    (
        "CREATE TABLE i (a INT) WITH ('connector' = 'memory');\nINSERT INTO nothere SELECT a FROM i",
        2,
        13,
        "no table 'nothere'",
        "",
    ),
    (
        "CREATE SOURCE i (a INT) WITH ('connector' = 'memory');\nINSERT INTO i SELECT a FROM i",
        2,
        13,
        "sources are read",
        "CREATE SINK",
    ),
    (
        "CREATE TABLE i (a INT) WITH ('connector' = 'memory');\nINSERT INTO i SELECT a FROM i",
        1,
        44,
        "read only",
        "nowhere",
    ),
    (
        "CREATE TABLE i (a INT, b STRING) WITH ('connector' = 'memory');\nCREATE TABLE o (a INT) WITH ('connector' = 'nowhere');\nINSERT INTO o SELECT a, b FROM i",
        3,
        15,
        "takes 1 column, the query has 2",
        "the columns are a",
    ),
    (
        "CREATE TABLE i (a INT, b STRING) WITH ('connector' = 'memory');\nCREATE TABLE o (a INT) WITH ('connector' = 'nowhere');\nINSERT INTO o SELECT b FROM i",
        3,
        22,
        "column 'a' is of type INT",
        "CAST(b AS",
    ),
    (
        "CREATE TABLE i (a INT) WITH ('connector' = 'memory');\nCREATE SINK o WITH ('connector' = 'nowhere', 'x' = '1') AS SELECT a FROM i",
        2,
        46,
        "unknown option 'x'",
        "connector",
    ),
    (
        "CREATE TABLE i (a INT) WITH ('connector' = 'memory');\nCREATE VIEW v (x, y) AS SELECT a FROM i",
        2,
        16,
        "names 2 columns, its query has 1",
        "",
    ),
    (
        "CREATE TABLE i (a INT) WITH ('connector' = 'memory');\nCREATE MATERIALIZED VIEW v WITH ('x' = '1') AS SELECT a FROM i",
        2,
        34,
        "unknown option 'x' for a view",
        "max-rows",
    ),
    (
        "CREATE TABLE i (a INT) WITH ('connector' = 'memory');\nSELECT a FROM i",
        2,
        1,
        "a query on its own",
        "CREATE MATERIALIZED VIEW",
    ),
    (
        "CREATE FUNCTION count_chars AS 'org.example.CountChars'",
        1,
        17,
        "no function 'count_chars'",
        "did you mean count_char",
    ),
    (
        "CREATE TABLE i (a STRING) WITH ('connector' = 'memory');\nCREATE MATERIALIZED VIEW v AS SELECT SUM(a) AS s FROM i",
        2,
        38,
        "SUM does not take (VARCHAR)",
        "",
    ),
];

#[test]
fn programs_are_refused_at_their_place() {
    let mut wrong = Vec::new();
    for (sql, line, column, message, hint) in PROGRAMS {
        match compiled(sql) {
            Ok(_) => wrong.push(format!("accepted: {sql}")),
            Err(errors) => {
                let error = &errors[0];
                let fits = errors.len() == 1
                    && (error.line, error.column) == (*line, *column)
                    && error.message.contains(message)
                    && error.hint.as_deref().unwrap_or("").contains(hint);
                if !fits {
                    wrong.push(errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn all_independent_errors_are_told_and_consequences_are_not() {
    let errors = compiled(
        "CREATE SOURCE s (a INTT) WITH ('connector' = 'memory');
         CREATE VIEW v AS SELECT a FROM s;
         CREATE MATERIALIZED VIEW w AS SELECT a FROM v;
         CREATE SOURCE t (a INT) WITH ('connector' = 'memory');
         CREATE MATERIALIZED VIEW x AS SELECT b, c, a FROM t;
         DROP TABLE t;",
    )
    .unwrap_err();
    let said: Vec<(u64, &str)> = errors.iter().map(|error| (error.line, error.message.as_str())).collect();
    assert_eq!(
        said,
        [
            (1, "'INTT' is not a type"),
            (6, "DROP is not supported"),
            (5, "there is no column 'b'"),
            (5, "there is no column 'c'"),
        ]
    );
}
