//! What rows are put in order by: times of day, bytes, intervals by their lengths, rows.

use super::gives;

#[test]
fn rankings_go_by_times_of_day() {
    let time = "CAST(ts AS TIME)";
    let ranked = |call: &str, over: &str, bound: &str| {
        format!("SELECT v FROM (SELECT v, {call}() OVER ({over}) AS r FROM s) q WHERE r {bound}")
    };
    let by_key = format!("PARTITION BY k ORDER BY {time} DESC");
    gives(&ranked("ROW_NUMBER", &by_key, "= 1"), &["4", "6", "7", "9"]);
    gives(&ranked("RANK", &format!("ORDER BY {time} DESC"), "<= 2"), &["7", "9"]);
    gives(&ranked("DENSE_RANK", &format!("ORDER BY {time}"), "<= 2"), &["1", "3"]);
    gives(&format!("SELECT v FROM s ORDER BY {time} DESC LIMIT 2"), &["7", "9"]);
    gives(&format!("SELECT DISTINCT ON (k) k, v FROM s ORDER BY k, {time} DESC"), &["NULL 4", "a 7", "b 6", "c 9"]);
    gives(&format!("SELECT FIRST_VALUE(v ORDER BY {time} DESC) AS f, MAX({time}) AS m FROM s"), &["9 23:59:59.999"]);
    gives(
        &format!("SELECT v, LAG(v) OVER (PARTITION BY k ORDER BY ts, {time}) AS w FROM s WHERE k = 'a'"),
        &["1 NULL", "3 1", "5 3", "7 5"],
    );
    gives(
        &format!("SELECT v, w FROM (SELECT window_start, window_end, v AS w, v, ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY {time} DESC) AS r
                  FROM TABLE(TUMBLE(TABLE s, DESCRIPTOR(ts), INTERVAL '10' SECOND))) q WHERE r = 1"),
        &["4 4", "6 6", "7 7", "9 9"],
    );
}

#[test]
fn rankings_go_by_bytes_and_rows() {
    let bytes = "ENCODE(k, 'UTF-8')";
    gives(
        &format!("SELECT v FROM (SELECT v, ROW_NUMBER() OVER (ORDER BY {bytes} DESC, v) AS r FROM s) q WHERE r <= 2"),
        &["2", "9"],
    );
    gives(&format!("SELECT v FROM s ORDER BY {bytes} DESC, v LIMIT 2"), &["2", "9"]);
    gives(&format!("SELECT DECODE(MIN({bytes}), 'UTF-8') AS a, DECODE(MAX({bytes}), 'UTF-8') AS z FROM s"), &["a c"]);
    gives(
        "SELECT v FROM (SELECT v, ROW_NUMBER() OVER (ORDER BY ROW(0 - v, k)) AS r FROM s) q WHERE r <= 2",
        &["7", "9"],
    );
    gives(
        "SELECT v FROM (SELECT v, RANK() OVER (PARTITION BY v > 4 ORDER BY ARRAY[v]) AS r FROM s) q WHERE r = 1",
        &["1", "5"],
    );
}

/// 24 hours, 25 hours, a month (30 days), 40 days.
const SPANS: &str =
    "(SELECT v, k, ts, CASE v WHEN 1 THEN INTERVAL '25' HOUR WHEN 2 THEN INTERVAL '1' DAY WHEN 3 THEN INTERVAL '40' DAY
    ELSE INTERVAL '1' MONTH END AS i FROM s WHERE v IN (1, 2, 3, 5)) AS x";

#[test]
fn intervals_are_put_in_order_by_their_lengths() {
    gives(&format!("SELECT v FROM {SPANS} ORDER BY i LIMIT 1"), &["2"]);
    gives(&format!("SELECT v FROM {SPANS} ORDER BY i DESC LIMIT 2"), &["3", "5"]);
    for (call, bound, expected) in [
        ("ROW_NUMBER", "= 1", &["2"][..]),
        ("ROW_NUMBER", "<= 3", &["1", "2", "5"]),
        ("RANK", "<= 2", &["1", "2"]),
        ("DENSE_RANK", "BETWEEN 3 AND 4", &["3", "5"]),
    ] {
        gives(
            &format!("SELECT v FROM (SELECT v, {call}() OVER (ORDER BY i) AS r FROM {SPANS}) q WHERE r {bound}"),
            expected,
        );
    }
    gives(
        &format!(
            "SELECT MIN(i) = INTERVAL '24' HOUR AS a, MAX(i) = INTERVAL '40' DAY AS b, MAX(i) FILTER (WHERE v < 3) = INTERVAL '25' HOUR AS c FROM {SPANS}"
        ),
        &["true true true"],
    );
    gives(
        &format!(
            "SELECT FIRST_VALUE(v ORDER BY i) AS a, LAST_VALUE(v ORDER BY i) AS b, ARRAY_AGG(v ORDER BY i) AS c FROM {SPANS}"
        ),
        &["2 3 [2, 1, 5, 3]"],
    );
    gives(&format!("SELECT DISTINCT ON (k) k, v FROM {SPANS} ORDER BY k, i DESC"), &["a 3", "b 2"]);
    gives(
        "SELECT v FROM (SELECT v, ROW_NUMBER() OVER (ORDER BY ts - TIMESTAMP '1970-01-01 00:00:10') AS r FROM s) q WHERE r <= 2",
        &["1", "9"],
    );
    gives(
        &format!("SELECT v, (SELECT MAX(y.i) FROM {SPANS} WHERE x.v < s.v) IS NULL AS n FROM s WHERE v < 3")
            .replace("y.i", "x.i"),
        &["1 true", "2 false"],
    );
}
