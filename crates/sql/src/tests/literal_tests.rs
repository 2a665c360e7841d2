//! Literals that are no values of their types, and calls in the wrong place: refused, each with its place and what to write instead.

use super::plan_tests::{BID, compiled};
use super::refusal_tests::not_refused;

/// A query after the declaration of `bid`, the text that is underlined, a part of the message, a part of the hint.
const REFUSALS: &[(&str, &str, &str, &str)] = &[
    ("SELECT CAST('abc' AS INT) AS x FROM bid", "", "this cast fails on every row: 'abc' is no INT", "TRY_CAST"),
    ("SELECT CAST('300' AS TINYINT) + 1 AS x FROM bid", "", "'300' is no TINYINT", "TRY_CAST"),
    (
        "SELECT CAST(price AS DECIMAL(10, 2)) > 1.2300000000000000000000000000000000000001 AS x FROM bid",
        "",
        "has more digits than the 38 that a DECIMAL holds",
        "",
    ),
    ("SELECT DATE '2024-02-30' AS x FROM bid", "", "'2024-02-30' is no DATE", "TRY_CAST"),
    (
        "SELECT auction FROM bid WHERE dateTime > TIMESTAMP '2024-13-01 00:00:00'",
        "",
        "'2024-13-01 00:00:00' is no T",
        "",
    ),
    ("SELECT CASE WHEN price > 5 THEN CAST('x' AS BOOLEAN) END AS x FROM bid", "", "'x' is no BOOLEAN", "TRY_CAST"),
    (
        "SELECT CAST(5 AS TIMESTAMP(3)) AS x FROM bid",
        "",
        "type BIGINT is not cast to TIMESTAMP(3)",
        "TO_TIMESTAMP_LTZ(5, 3)",
    ),
    ("SELECT CAST(price AS DATE) AS x FROM bid", "price", "is not cast to DATE", "TIMESTAMPADD(DAY, bid.price"),
    ("SELECT CAST(price AS TIME) AS x FROM bid", "price", "is not cast to TIME", "TIMESTAMPADD(SECOND, bid.price"),
    (
        "SELECT 99999999999999999999 AS x FROM bid",
        "99999999999999999999",
        "is beyond BIGINT",
        "CAST('99999999999999999999' AS DECIMAL(20, 0))",
    ),
    ("SELECT auction FROM bid WHERE price < -9223372036854775809", "9223372036854775809", "is beyond BIGINT", "e0"),
    ("SELECT price = 9223372036854775808 AS x FROM bid", "9223372036854775808", "is beyond BIGINT", "DECIMAL(19, 0)"),
    (
        "SELECT auction FROM bid WHERE SUM(price) OVER (ORDER BY dateTime) > 5",
        "",
        "OVER stands in SELECT or QUALIFY",
        "QUALIFY",
    ),
    (
        "SELECT auction FROM bid GROUP BY auction HAVING ROW_NUMBER() OVER (ORDER BY auction) = 1",
        "ROW_NUMBER",
        "OVER stands",
        "(SELECT *",
    ),
    ("SELECT SUM(SUM(price)) AS x FROM bid", "", "stands within the aggregate", "in a subquery"),
    ("SELECT SUM(COUNT(*) OVER ()) AS x FROM bid", "COUNT", "needs an order", "ORDER BY ts"),
    (
        "SELECT SUM(COUNT(*) OVER (ORDER BY `dateTime`)) AS x FROM bid",
        "`dateTime`",
        "stands within the aggregate sum(count(*)",
        "in a subquery",
    ),
    (
        "SELECT auction FROM bid WHERE price IN (SELECT price, bidder FROM bid)",
        "",
        "has one column, and this one has",
        "compare rows",
    ),
    (
        "SELECT auction FROM bid WHERE (SELECT price, bidder FROM bid) = 1",
        "",
        "has one column, and this one has",
        "compare rows",
    ),
    ("SELECT x.* FROM bid", "", "there is no 'x' in FROM", "alias"),
    ("SELECT LISTAGG(channel, channel) AS x FROM bid", "", "its second argument is a literal text", ""),
    ("SELECT channel SIMILAR TO '(' AS x FROM bid", "", "'(' is no pattern", "ESCAPE"),
    (
        "SELECT channel FROM bid UNION ALL SELECT ARRAY[price] FROM bid",
        "",
        "is of type ARRAY<BIGINT> in one of its queries, and of type VARCHAR in another",
        "CAST",
    ),
    (
        "SELECT SUBSTRING(price, 1, 2) AS x FROM bid",
        "",
        "SUBSTRING does not take (BIGINT, BIGINT, BIGINT)",
        "SUBSTRING(V",
    ),
    ("SELECT SUBSTR(price, 1, 2) AS x FROM bid", "SUBSTR", "SUBSTR does not take (BIGINT", "SUBSTR(VARCHAR"),
    ("SELECT LISTAGG(price, channel) AS x FROM bid", "", "LISTAGG does not take (BIGINT, VARCHAR)", ""),
    ("SELECT XOR(price = 1, bidder = 2) AS x FROM bid", "XOR", "no function 'xor'", "(n > 1) <> (n > 2)"),
    ("SELECT MODE(price) AS x FROM bid", "MODE", "no function 'mode'", "ROW_NUMBER"),
    (
        "SELECT COUNT(*) AS n FROM bid GROUP BY TUMBLEE(dateTime, INTERVAL '1' MINUTE)",
        "TUMBLEE",
        "no function 'tumblee'",
        "did you mean tumble",
    ),
];

#[test]
fn literals_and_calls_are_refused_at_their_place() {
    assert_eq!(not_refused(REFUSALS), "");
}

/// Editors begin files with it.
#[test]
fn the_mark_of_byte_order_says_nothing() {
    assert!(compiled(&format!("\u{feff}{BID}CREATE MATERIALIZED VIEW v AS SELECT price FROM bid;")).is_ok());
}

#[test]
fn what_fits_is_planned() {
    for query in [
        "SELECT price > -9223372036854775808 AS a, price < 9223372036854775807 AS b, 1e20 AS c FROM bid",
        "SELECT TRY(CAST('abc' AS INT)) AS a, TRY_CAST('abc' AS INT) AS b, TRY(DATE '2024-02-30') AS c FROM bid",
        "SELECT CAST('99999999999999999999' AS DECIMAL(20, 0)) AS a, CAST(' 7 ' AS INT) AS b, DATE '2024-2-9' AS c FROM bid",
        "SELECT SUM(SUM(price)) OVER (ORDER BY window_time) AS x FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR(dateTime), INTERVAL '1' HOUR)) GROUP BY window_start, window_end, window_time",
    ] {
        let planned = compiled(&format!("{BID}CREATE MATERIALIZED VIEW v AS\n{query};"));
        assert!(
            planned.is_ok(),
            "{query}\n{}",
            planned.unwrap_err().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        );
    }
}
