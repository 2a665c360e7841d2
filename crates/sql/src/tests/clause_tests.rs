//! Clauses that mean nothing where they stand, and messages of the library's in SQL's words: each is refused by name, and what the hint says to
//! write is planned.

use super::plan_tests::{BID, compiled};
use super::refusal_tests::not_refused;

/// A query, the text that is underlined, a part of the message, a part of the hint.
const CLAUSES: &[(&str, &str, &str, &str)] = &[
    (
        "SELECT COUNT(DISTINCT *) AS c FROM bid",
        "COUNT",
        "COUNT(DISTINCT *) is not supported",
        "SELECT DISTINCT * FROM t",
    ),
    ("SELECT COUNT(DISTINCT bid.*) AS c FROM bid", "COUNT", "COUNT does not take *", "name a column"),
    ("SELECT COUNT(DISTINCT *) FILTER (WHERE price > 1) AS c FROM bid GROUP BY auction", "COUNT", "DISTINCT *", ""),
    ("SELECT COUNT(DISTINCT *) OVER (ORDER BY dateTime) AS c FROM bid", "COUNT", "DISTINCT *", ""),
    ("SELECT COUNT(bid.*) AS c FROM bid", "", "COUNT(bid.*) is not supported", "COUNT(column)"),
    ("SELECT UPPER(*) AS c FROM bid", "UPPER", "UPPER does not take *", "name a column"),
    ("SELECT UPPER(DISTINCT url) AS c FROM bid", "UPPER", "has no DISTINCT", "leave it out"),
    ("SELECT UPPER(url) FILTER (WHERE price > 1) AS c FROM bid", "UPPER", "has no FILTER", "leave it out"),
    ("SELECT UPPER(url) IGNORE NULLS AS c FROM bid", "UPPER", "has no IGNORE NULLS", "leave it out"),
    ("SELECT UPPER(url ORDER BY price) AS c FROM bid", "UPPER", "has no ORDER BY", "leave it out"),
    ("SELECT UPPER(url) WITHIN GROUP (ORDER BY price) AS c FROM bid", "UPPER", "has no WITHIN GROUP", "leave it out"),
    ("SELECT UPPER(url) OVER (ORDER BY dateTime) AS c FROM bid", "UPPER", "has no OVER", "leave it out"),
    ("SELECT NVL(url, 'x') FILTER (WHERE price > 1) AS c FROM bid", "NVL", "has no FILTER", "leave it out"),
    ("SELECT UPPER(x => url) AS c FROM bid", "UPPER", "have no names", "in their order"),
    ("SELECT SUM(1)(price) AS c FROM bid", "SUM", "one list of arguments", "write all of them in one"),
    ("SELECT SUM(price) WITHIN GROUP (ORDER BY auction) AS c FROM bid", "SUM", "has no WITHIN GROUP", "write SUM(x)"),
    ("SELECT COUNT(*) IGNORE NULLS AS c FROM bid", "COUNT", "IGNORE NULLS", "leave it out"),
    ("SELECT ARRAY(SELECT price FROM bid) AS c FROM bid", "ARRAY", "ARRAY(SELECT ...)", "ARRAY_AGG(x)"),
    (
        "SELECT SUM(price ORDER BY auction) OVER (ORDER BY dateTime) AS c FROM bid",
        "SUM",
        "beside OVER",
        "OVER (ORDER BY ts)",
    ),
    (
        "SELECT GROUPING(auction) FILTER (WHERE price > 1) AS c FROM bid GROUP BY auction",
        "GROUPING",
        "FILTER inside",
        "",
    ),
    ("SELECT MAX(url HAVING MAX price) AS c FROM bid", "MAX", "HAVING inside of MAX", "leave it out"),
    (
        "SELECT LAG(DISTINCT url) OVER (ORDER BY dateTime) AS c FROM bid",
        "LAG",
        "DISTINCT inside of LAG",
        "leave it out",
    ),
    (
        "SELECT LAG(url) FILTER (WHERE price > 1) OVER (ORDER BY dateTime) AS c FROM bid",
        "LAG",
        "FILTER inside of LAG",
        "",
    ),
    (
        "SELECT LAG(url) OVER (ORDER BY dateTime ROWS BETWEEN 3 PRECEDING AND CURRENT ROW) AS c FROM bid",
        "dateTime",
        "has no frame of ROWS",
        "leave the frame out",
    ),
    (
        "SELECT LAG(url, 2) IGNORE NULLS OVER (ORDER BY dateTime) AS c FROM bid",
        "LAG",
        "the last row that has a value",
        "WHERE x IS NOT NULL",
    ),
    (
        "SELECT url FROM bid QUALIFY ROW_NUMBER() IGNORE NULLS OVER (ORDER BY dateTime) < 3",
        "ROW_NUMBER",
        "inside of ROW_NUMBER",
        "leave it out",
    ),
    ("SELECT SUM(price) OVER w AS c FROM bid", "w", "there is no window 'w'", "WINDOW w AS"),
    ("SELECT SUM(price) OVER (w ORDER BY dateTime) AS c FROM bid", "w", "there is no window 'w'", "WINDOW w AS"),
    (
        "SELECT SUM(price) OVER (w PARTITION BY url) AS c FROM bid WINDOW w AS (ORDER BY dateTime)",
        "w",
        "cannot be given PARTITION BY",
        "write the window out",
    ),
    (
        "SELECT SUM(price) OVER w AS c FROM bid WINDOW w AS (ORDER BY dateTime), w AS (ORDER BY price)",
        "w",
        "is there twice",
        "another name",
    ),
    ("SELECT x.a FROM (SELECT price FROM bid) AS x (a INT)", "a", "have no types", "the names only"),
    ("SELECT a.url FROM bid a JOIN bid b", "bid b", "JOIN has a condition", "CROSS JOIN"),
    ("SELECT url FROM bid ORDER BY ALL LIMIT 2", "", "ORDER BY ALL", "write the columns out"),
    ("SELECT url, price FROM bid ORDER BY price LIMIT 2 BY url", "url", "LIMIT n BY", "ROW_NUMBER()"),
];

#[test]
fn clauses_that_nothing_reads_are_refused_by_name() {
    assert_eq!(not_refused(CLAUSES), "");
}

const WORDS: &[(&str, &str, &str, &str)] = &[
    ("SELECT price ^ 2 AS c FROM bid", "price", "the operator ^ is not supported", "POWER(a, b)"),
    ("SELECT price & 1.5e0 AS c FROM bid", "", "of the bits of whole numbers", "CAST(x AS BIGINT)"),
    ("SELECT url | 1 AS c FROM bid", "", "of the bits of whole numbers", "CAST(x AS BIGINT)"),
    ("SELECT ~price AS c FROM bid", "price", "the operator ~ is not supported", "-1 - x"),
    ("SELECT price DIV 2 AS c FROM bid", "DIV", "DIV is no operator", "a / b"),
    ("SELECT price # 2 AS c FROM bid", "#", "# is no operator", "(a | b) - (a & b)"),
    ("SELECT N'x' AS c FROM bid", "", "a text with N before it", "'a'"),
    ("SELECT price FROM bid WHERE price = $1", "", "no parameters", "the value itself"),
    ("SELECT price FROM bid ORDER BY 5 LIMIT 1", "", "there is one column", "from 1 on"),
    ("SELECT price FROM bid GROUP BY 3", "", "there is one column", "from 1 on"),
    ("SELECT CAST(url AS NVARCHAR(2)) AS c FROM bid", "", "there is no type NVARCHAR(2)", "VARCHAR"),
    ("SELECT CAST(url AS BIGINT UNSIGNED) AS c FROM bid", "", "numbers have a sign", "BIGINT"),
    ("SELECT CAST(price AS BYTES) AS c FROM bid", "", "is not cast to BYTES", "ENCODE"),
    ("SELECT COUNT(*) AS c FROM bid GROUP BY COUNT(*)", "", "GROUP BY has no aggregates", "group twice"),
    ("SELECT a.url FROM bid a JOIN bid b ON SUM(a.price) > 1", "", "the aggregate 'SUM' stands", "aggregate below"),
    (
        "SELECT price + 1 AS p, (SELECT COUNT(*) FROM bid u WHERE u.price = 1 + bid.price) AS c FROM bid GROUP BY bid.price + 1",
        "",
        "a subquery reads 'price'",
        "written as they are in GROUP BY",
    ),
    (
        "SELECT COUNT(*) AS c FROM TABLE(HOP(TABLE bid, DESCRIPTOR(`dateTime`), INTERVAL '1' SECOND, INTERVAL '30' DAY)) GROUP BY window_start, window_end",
        "",
        "up to 2592000 of these windows, and 100000 are the most",
        "RANGE BETWEEN",
    ),
];

#[test]
fn what_the_library_says_is_said_in_the_words_of_sql() {
    assert_eq!(not_refused(WORDS), "");
}

/// What hints of these messages say to write.
#[test]
fn what_their_hints_say_plans() {
    for query in [
        "SELECT COUNT(*) AS c FROM (SELECT DISTINCT * FROM bid) q",
        "SELECT COUNT(DISTINCT url, price) AS c FROM bid",
        "SELECT POWER(price, 2) AS c FROM bid",
        "SELECT (price | 3) - (price & 3) AS c FROM bid",
        "SELECT -1 - price AS c FROM bid",
        "SELECT ENCODE(CAST(price AS VARCHAR), 'UTF-8') AS c FROM bid",
        "SELECT CAST(CAST(price > 1 AS INT) AS DECIMAL(5, 2)) AS c FROM bid",
        "SELECT (SELECT ARRAY_AGG(price) FROM bid) AS c FROM bid",
        "SELECT CAST(NULL AS MAP<VARCHAR, INT>) AS c FROM bid",
        "SELECT n, COUNT(*) AS times FROM (SELECT url, COUNT(*) AS n FROM bid GROUP BY url) q GROUP BY n",
        "SELECT q.x, (SELECT COUNT(*) FROM bid u WHERE u.price = q.x) AS c FROM (SELECT price + 1 AS x, COUNT(*) AS n FROM bid GROUP BY price + 1) q",
        "SELECT url, (SELECT MAX(u.price) FROM bid u WHERE u.url = bid.url) AS m FROM bid ORDER BY m DESC LIMIT 3",
        "SELECT url, LAG(price, 2) OVER (ORDER BY `dateTime`) AS c FROM (SELECT * FROM bid WHERE price IS NOT NULL) q",
        "SELECT url, SUM(price) OVER (w ORDER BY `dateTime`) AS c FROM bid WINDOW w AS (PARTITION BY url)",
        "SELECT url, SUM(price) OVER (PARTITION BY url ORDER BY `dateTime` RANGE BETWEEN INTERVAL '30' DAY PRECEDING AND CURRENT ROW) AS c FROM bid",
        "SELECT TRIM(LEADING FROM url) AS c, TRIM(BOTH FROM url) AS d FROM bid",
        "SELECT STARTSWITH(url, 'a') AS c FROM bid",
    ] {
        if let Err(errors) = compiled(&format!("{BID}CREATE MATERIALIZED VIEW v AS\n{query};")) {
            panic!("{query}\n{}", errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
        }
    }
}
