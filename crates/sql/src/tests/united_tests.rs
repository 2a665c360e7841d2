//! What is refused of the types of a UNION's columns, of HAVING without GROUP BY, of many sets of keys, and of EMIT with nothing behind it.

use super::refusal_tests::not_refused;

#[test]
fn refusals() {
    let cases = [
        ("SELECT 1 AS x FROM bid HAVING price > 1", "price", "HAVING reads 'price'", "MAX(price)"),
        ("SELECT price FROM bid HAVING 1 = 1", "price", "SELECT reads 'price'", "MAX(price)"),
        ("SELECT price FROM bid WHERE price > 1 EMIT", "EMIT", "EMIT is followed by CHANGES or FINAL", "EMIT CHANGES"),
        (
            "SELECT COUNT(*) AS n FROM bid GROUP BY CUBE (price, auction, bidder, channel, url, extra), CUBE (price, auction, bidder, channel, url, extra), ROLLUP (price)",
            "",
            "more than 4,096 sets of keys",
            "GROUPING SETS ((a, b), (a), ())",
        ),
        (
            "SELECT ARRAY[url] AS x FROM bid UNION ALL SELECT ARRAY[price] FROM bid",
            "price",
            "column 1 of a UNION is of type ARRAY<VARCHAR> in one of its queries, and of type ARRAY<BIGINT> in another",
            "CAST(",
        ),
        (
            "SELECT 1 AS n, ROW(1, url) AS x FROM bid UNION SELECT 2, ROW(2, price) FROM bid",
            "price",
            "of type ROW<f0 BIGINT, f1 VARCHAR> in one of its queries, and of type ROW<f0 BIGINT, f1 BIGINT> in another",
            "CAST(",
        ),
        (
            "SELECT ROW(1, url) AS x FROM bid UNION SELECT ROW(2) FROM bid",
            "url",
            "of type ROW<f0 BIGINT, f1 VARCHAR> in one of its queries, and of type ROW<f0 BIGINT> in another",
            "two views",
        ),
    ];
    assert_eq!(not_refused(&cases), "");
}
