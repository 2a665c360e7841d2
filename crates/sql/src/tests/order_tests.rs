//! What is refused of orders and of words that stand where a name may be meant.

use super::refusal_tests::not_refused;

const REFUSALS: &[(&str, &str, &str, &str)] = &[
    ("SELECT TOP 3 price FROM bid", "TOP", "TOP is not supported", "ORDER BY x LIMIT n"),
    ("SELECT price FROM bid SORT BY price", "SORT", "SORT BY is not supported", "ORDER BY x LIMIT n"),
    ("SELECT auction FROM bid ORDER BY MAP['a', price] LIMIT 2", "price", "a MAP has no order", "m['a']"),
    (
        "SELECT auction FROM bid QUALIFY ROW_NUMBER() OVER (PARTITION BY auction ORDER BY ROW(1, MAP['a', price])) = 1",
        "price",
        "a MAP has no order",
        "m['a']",
    ),
    ("SELECT FIRST_VALUE(price ORDER BY MAP['a', price]) AS f FROM bid", "price", "a MAP has no order", "m['a']"),
    (
        "SELECT LAG(price) OVER (PARTITION BY auction ORDER BY CAST(dateTime AS TIME)) AS p FROM bid",
        "",
        "frames follow event time",
        "OVER (PARTITION BY k ORDER BY dateTime",
    ),
    (
        "SELECT FIRST_VALUE(price) OVER (PARTITION BY auction ORDER BY CAST(dateTime AS TIME)) AS p FROM bid",
        "",
        "frames follow event time",
        "OVER (PARTITION BY k ORDER BY dateTime",
    ),
    (
        "SELECT MAX(price * INTERVAL '1' DAY) OVER (PARTITION BY auction ORDER BY dateTime) AS p FROM bid",
        "",
        "MAX OVER a frame takes no INTERVAL",
        "TIMESTAMPDIFF(SECOND, a, b)",
    ),
    ("SELECT price FROM bid limit", "", "", "`limit`, in backticks"),
    ("SELECT price, left FROM bid left", "", "", "`left`, in backticks"),
    ("SELECT price FROM bid WHERE price IN (SELECT * FROM bid LIMIT 1)", "", "without an order", "ORDER BY x LIMIT n"),
    ("SELECT x.price FROM (SELECT price FROM bid LIMIT 1) AS x", "", "without an order", "ORDER BY x LIMIT n"),
];

#[test]
fn orders_and_names_are_refused_at_their_place() {
    assert_eq!(not_refused(REFUSALS), "");
}
