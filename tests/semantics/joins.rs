//! Joins: rules J1 to J4, each a test of its number; results of SQL against a plain loop over random rows; and the same
//! bytes at any number of workers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::{Int64Array, RecordBatch, TimestampMillisecondArray};
use arrow_cast::display::array_value_to_string;
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use highwater::engine::{Config, Engine};
use highwater::sql::{Catalog, plan};
use highwater::time::Epoch;
use highwater_core::aggregate::Emit;
use highwater_core::delta::{Delta, Rejects};
use highwater_core::format::show_row;
use highwater_core::join::{Buckets, Join, JoinKind, Lookup, Side, TimeOrder, Versions};
use highwater_core::operator::Stateful;
use highwater_core::plan::Facts;
use highwater_core::plan::join::expiry;

fn schema() -> SchemaRef {
    let time = DataType::Timestamp(TimeUnit::Millisecond, None);
    Arc::new(Schema::new(vec![Field::new("k", DataType::Int64, true), Field::new("ts", time, true)]))
}

fn both() -> SchemaRef {
    Arc::new(Schema::new(schema().fields().iter().chain(schema().fields()).cloned().collect::<Vec<_>>()))
}

fn rows(rows: &[(i64, i64)]) -> Vec<Delta> {
    let keys = Int64Array::from_iter_values(rows.iter().map(|row| row.0));
    let times = TimestampMillisecondArray::from_iter_values(rows.iter().map(|row| row.1));
    vec![Delta::insert(RecordBatch::try_new(schema(), vec![Arc::new(keys), Arc::new(times)]).unwrap())]
}

fn text(deltas: &[Delta]) -> Vec<String> {
    let cell = |delta: &Delta, column: usize, row: usize| match delta.batch().column(column).is_null(row) {
        true => "-".to_owned(),
        false if column.is_multiple_of(2) => array_value_to_string(delta.batch().column(column), row).unwrap(),
        false => {
            let times = delta.batch().column(column).as_any().downcast_ref::<TimestampMillisecondArray>().unwrap();
            times.value(row).to_string()
        }
    };
    let line = |delta: &Delta, row: usize| {
        let cells: Vec<String> = (0..delta.batch().num_columns()).map(|column| cell(delta, column, row)).collect();
        format!("{:+} {}", delta.diff(row), cells.join(" "))
    };
    let mut lines: Vec<String> =
        deltas.iter().flat_map(|delta| (0..delta.len()).map(move |row| line(delta, row))).collect();
    lines.sort();
    lines
}

/// `r.ts BETWEEN l.ts - 30 AND l.ts + 50` on equal keys.
fn interval(kind: JoinKind, emit: Emit) -> Buckets {
    let facts = Facts { append_only: true, time: Some(1), bounds: vec![None, Some(0)], ..Facts::default() };
    let order = vec![
        TimeOrder { side: Side::Left, earlier: 1, later: 1, gap_ms: -30 },
        TimeOrder { side: Side::Right, earlier: 1, later: 1, gap_ms: -50 },
    ];
    let keys = vec![(0, 0)];
    let join = Join {
        kind,
        expiry: expiry(&keys, &order, [&facts, &facts]),
        keys,
        nulls_equal: false,
        order,
        residual: None,
        emit,
        transient: false,
        retracting: [false; 2],
        owner: "test".to_owned(),
        told: Vec::new(),
    };
    let (rejects, _) = Rejects::channel(show_row);
    Buckets::new(join, &both(), [&schema(), &schema()], &rejects)
}

#[test]
fn j1_bounds_are_inclusive_and_rows_are_kept_until_then() {
    let mut join = interval(JoinKind::Inner, Emit::Final);
    assert!(join.apply(Epoch::at(0), &mut [rows(&[(1, 1_000)]), vec![]]).is_empty());
    let near = rows(&[(1, 969), (1, 970), (1, 1_050), (1, 1_051), (2, 1_000)]);
    assert_eq!(text(&join.apply(Epoch::at(1), &mut [vec![], near])), ["+1 1 1000 1 1050", "+1 1 1000 1 970"]);
    // The left row is kept until W > 1050, the last right row until W > 1081.
    join.expire(Epoch::at(1_050));
    assert_eq!(text(&join.apply(Epoch::at(1_050), &mut [vec![], rows(&[(1, 1_050)])])), ["+1 1 1000 1 1050"]);
    let mut alone = interval(JoinKind::Inner, Emit::Final);
    alone.apply(Epoch::at(0), &mut [rows(&[(1, 1_000)]), vec![]]);
    alone.expire(Epoch::at(1_050));
    assert!(!alone.is_empty());
    alone.expire(Epoch::at(1_051));
    assert!(alone.is_empty());
    let mut alone = interval(JoinKind::Inner, Emit::Final);
    alone.apply(Epoch::at(0), &mut [vec![], rows(&[(1, 1_000)])]);
    alone.expire(Epoch::at(1_030));
    assert!(!alone.is_empty());
    alone.expire(Epoch::at(1_031));
    assert!(alone.is_empty());
}

#[test]
fn j2_an_outer_row_is_padded_when_no_match_can_come_any_more() {
    let mut join = interval(JoinKind::Left, Emit::Final);
    assert!(join.apply(Epoch::at(0), &mut [rows(&[(1, 1_000), (2, 1_000)]), rows(&[(2, 1_010)])]).len() == 1);
    // A match may come while W <= 1050: the row is shown at the very epoch where it cannot.
    assert_eq!(join.deadline(), Some(1_051));
    assert_eq!(text(&join.close(1_051)), ["+1 1 1000 - -"]);
    assert_eq!(join.deadline(), None);
    join.expire(Epoch::at(1_100));
    assert!(join.is_empty());
    // With EMIT CHANGES it comes early and is taken back.
    let mut join = interval(JoinKind::Left, Emit::Changes);
    assert_eq!(text(&join.apply(Epoch::at(0), &mut [rows(&[(1, 1_000)]), vec![]])), ["+1 1 1000 - -"]);
    let changes = join.apply(Epoch::at(1), &mut [vec![], rows(&[(1, 1_050)])]);
    assert_eq!(text(&changes), ["+1 1 1000 1 1050", "-1 1 1000 - -"]);
    assert_eq!(join.deadline(), None);
    // Both at once: no NULL in between.
    let mut join = interval(JoinKind::Full, Emit::Changes);
    let changes = join.apply(Epoch::at(0), &mut [rows(&[(1, 1_000)]), rows(&[(1, 1_000)])]);
    assert_eq!(text(&changes), ["+1 1 1000 1 1000"]);
}

#[test]
fn j4_a_row_sees_the_version_valid_at_its_time() {
    let lookup = Lookup {
        keys: vec![(0, 0)],
        times: (1, 1),
        sequence: None,
        offsets_ms: [0, 0],
        outer: true,
        residual: None,
        owner: "test".to_owned(),
    };
    let (rejects, _) = Rejects::channel(show_row);
    let mut versions = Versions::new(lookup, &both(), [&schema(), &schema()], &rejects);
    let now = versions.apply(Epoch::at(0), &mut [rows(&[(1, 99), (1, 150), (1, 200)]), rows(&[(1, 100)])]);
    assert!(now.is_empty(), "versions up to a row's time are known once the watermark is above it");
    assert_eq!(versions.deadline(), Some(100));
    assert_eq!(text(&versions.close(100)), ["+1 1 99 - -"]);
    // A version of the very time of the row counts; it comes before its watermark.
    assert!(versions.apply(Epoch::at(120), &mut [vec![], rows(&[(1, 200), (2, 0)])]).is_empty());
    assert_eq!(text(&versions.close(151)), ["+1 1 150 1 100"]);
    assert_eq!(text(&versions.close(201)), ["+1 1 200 1 200"]);
    // What comes later rewrites nothing, and a row that comes late is answered at once.
    assert!(versions.apply(Epoch::at(300), &mut [vec![], rows(&[(1, 300)])]).is_empty());
    assert_eq!(text(&versions.apply(Epoch::at(301), &mut [rows(&[(1, 250)]), vec![]])), ["+1 1 250 1 200"]);
}

#[derive(Clone, Copy, Debug)]
struct Row {
    k: Option<i64>,
    ts: i64,
    v: i64,
}

struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> i64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % bound) as i64
    }
}

/// Rows out of order by up to 4 s, of few keys, the first of them frequent, some NULL.
fn random_rows(seed: u64, count: usize) -> Vec<Row> {
    let mut random = Random(seed);
    let mut now = 20_000;
    let row = |_| {
        now += random.below(200);
        let k = match random.below(10) {
            0 => None,
            1..=4 => Some(1),
            _ => Some(random.below(12)),
        };
        Row { k, ts: now - random.below(4_000), v: random.below(5) }
    };
    (0..count).map(row).collect()
}

/// Runs a query over `a` and `b`; answers the rows of the view and the bytes of a sink of the same query.
fn run(a: &[Row], b: &[Row], query: &str, workers: usize, tick_rows: usize) -> (Vec<String>, String) {
    let folder = tempfile::tempdir().unwrap();
    let mut sql = String::new();
    for (name, rows) in [("a", a), ("b", b)] {
        let line = |row: &Row| {
            let k = row.k.map_or("null".to_owned(), |k| k.to_string());
            format!("{{\"k\":{k},\"ts\":{},\"v\":{}}}\n", row.ts, row.v)
        };
        let path = folder.path().join(format!("{name}.ndjson"));
        std::fs::write(&path, rows.iter().map(line).collect::<String>()).unwrap();
        sql.push_str(&format!(
            "CREATE TABLE {name} (k BIGINT, ts TIMESTAMP(3), v BIGINT, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)
             WITH ('connector' = 'filesystem', 'path' = '{}', 'format' = 'json');\n",
            path.display()
        ));
    }
    let out = folder.path().join("out.ndjson");
    sql.push_str(&format!(
        "CREATE MATERIALIZED VIEW result AS {query};
         CREATE SINK written WITH ('connector' = 'filesystem', 'path' = '{}', 'format' = 'json') AS {query};",
        out.display()
    ));
    let dataflow = match plan(&[("q.sql".to_owned(), sql)], &Catalog::new()) {
        Ok(dataflow) => dataflow,
        Err(errors) => panic!("{}", errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")),
    };
    let engine = Engine::start(dataflow, Config::default().workers(workers).tick_rows(tick_rows)).unwrap();
    engine.wait_within(Duration::from_secs(60)).expect("the input ends").unwrap();
    assert_eq!(engine.rows_failed(), 0);
    // Equal rows are one row of a view with a count.
    let snapshot = engine.views().get("result").unwrap().snapshot();
    let batch = &snapshot.batch;
    let cell = |row: usize, column: usize| match batch.column(column).is_null(row) {
        true => "NULL".to_owned(),
        false => array_value_to_string(batch.column(column), row).unwrap(),
    };
    let row = |row: usize| (0..batch.num_columns()).map(|column| cell(row, column)).collect::<Vec<_>>().join(" ");
    let mut rows: Vec<String> = (0..batch.num_rows()).map(row).collect();
    rows.sort();
    (rows, std::fs::read_to_string(&out).unwrap())
}

fn show(value: Option<i64>) -> String {
    value.map_or("NULL".to_owned(), |value| value.to_string())
}

/// `SELECT key, COUNT(*), SUM(v)` of what a join gives, by a plain loop: the keys and values of pairs and of lone rows.
fn grouped(rows: impl Iterator<Item = (Option<i64>, i64)>) -> Vec<String> {
    let mut groups: BTreeMap<Option<i64>, (i64, i64)> = BTreeMap::new();
    for (k, v) in rows {
        let group = groups.entry(k).or_default();
        (group.0, group.1) = (group.0 + 1, group.1 + v);
    }
    let mut lines: Vec<String> = groups.iter().map(|(k, (n, s))| format!("{} {n} {s}", show(*k))).collect();
    lines.sort();
    lines
}

/// Every kind of join in SQL, within an interval and without, against a plain loop.
#[test]
fn sql_joins_are_those_of_a_plain_loop() {
    let (a, b) = (random_rows(1, 400), random_rows(2, 300));
    let near = |l: &Row, r: &Row| l.ts - 3_000 <= r.ts && r.ts <= l.ts + 2_000;
    for bounded in [true, false] {
        let meets = |l: &Row, r: &Row| l.k.is_some() && l.k == r.k && (!bounded || near(l, r)) && l.v <= r.v;
        let within = "AND b.ts BETWEEN a.ts - INTERVAL '3' SECOND AND a.ts + INTERVAL '2' SECOND";
        let on = format!("a.k = b.k AND a.v <= b.v {}", if bounded { within } else { "" });
        let has = |l: &Row| b.iter().any(|r| meets(l, r));
        let had = |r: &Row| a.iter().any(|l| meets(l, r));
        let pairs = || a.iter().flat_map(|l| b.iter().filter(|r| meets(l, r)).map(move |r| (l, r)));
        let left = || a.iter().filter(|l| !has(l)).map(|l| (l.k, l.v));
        let right = || b.iter().filter(|r| !had(r)).map(|r| (r.k, r.v));
        let inner = || pairs().map(|(l, r)| (l.k, l.v + r.v));
        let sums = "COALESCE(a.k, b.k) AS k, COALESCE(a.v, 0) + COALESCE(b.v, 0) AS v";
        let cases: Vec<(String, Vec<String>)> = vec![
            (format!("SELECT {sums} FROM a JOIN b ON {on}"), grouped(inner())),
            (format!("SELECT {sums} FROM a LEFT JOIN b ON {on}"), grouped(inner().chain(left()))),
            (format!("SELECT {sums} FROM a RIGHT JOIN b ON {on}"), grouped(inner().chain(right()))),
            (format!("SELECT {sums} FROM a FULL JOIN b ON {on}"), grouped(inner().chain(left()).chain(right()))),
            (
                format!("SELECT a.k, a.v FROM a WHERE EXISTS (SELECT 1 FROM b WHERE {on})"),
                grouped(a.iter().filter(|l| has(l)).map(|l| (l.k, l.v))),
            ),
            (format!("SELECT a.k, a.v FROM a WHERE NOT EXISTS (SELECT 1 FROM b WHERE {on})"), grouped(left())),
        ];
        for (query, expected) in cases {
            for emit in ["", "EMIT CHANGES"] {
                let query = format!("SELECT k, COUNT(*) AS n, SUM(v) AS s FROM ({query}) j GROUP BY k {emit}");
                let (found, bytes) = run(&a, &b, &query, 1, 50);
                assert_eq!(found, expected, "{query}");
                for (workers, tick_rows) in [(2, 50), (3, 50)] {
                    let (again, other) = run(&a, &b, &query, workers, tick_rows);
                    assert!(again == found && other == bytes, "{query} at {workers} workers differs");
                }
                assert_eq!(run(&a, &b, &query, 2, 10_000).0, found, "{query} in larger epochs");
            }
        }
    }
}

#[test]
fn sets_are_those_of_a_plain_loop() {
    let (a, b) = (random_rows(3, 60), random_rows(4, 4));
    let keys = |rows: &[Row]| rows.iter().map(|row| (row.k, row.v)).collect::<std::collections::BTreeSet<_>>();
    let line = |(k, v): &(Option<i64>, i64)| format!("{} {v}", show(*k));
    let mut common: Vec<String> = keys(&a).intersection(&keys(&b)).map(line).collect();
    let mut rest: Vec<String> = keys(&a).difference(&keys(&b)).map(line).collect();
    common.sort();
    rest.sort();
    assert_eq!(run(&a, &b, "SELECT k, v FROM a INTERSECT SELECT k, v FROM b", 2, 10).0, common);
    assert_eq!(run(&a, &b, "SELECT k, v FROM a EXCEPT SELECT k, v FROM b", 2, 10).0, rest);
    // Values of subqueries: a changing number of one row, and one of each key.
    let mean = b.iter().map(|row| row.v as f64).sum::<f64>() / b.len() as f64;
    let above = grouped(a.iter().filter(|row| row.v as f64 > mean).map(|row| (row.k, row.v)));
    let query = "SELECT k, COUNT(*) AS n, SUM(v) AS s FROM a WHERE v > (SELECT AVG(v) FROM b) GROUP BY k";
    assert_eq!(run(&a, &b, query, 2, 10).0, above);
    let most = |k: Option<i64>| a.iter().filter(|row| row.k.is_some() && row.k == k).map(|row| row.v).max();
    let best = grouped(a.iter().filter(|row| most(row.k) == Some(row.v)).map(|row| (row.k, row.v)));
    let query =
        "SELECT k, COUNT(*) AS n, SUM(v) AS s FROM a WHERE v = (SELECT MAX(v) FROM a c WHERE c.k = a.k) GROUP BY k";
    assert_eq!(run(&a, &b, query, 2, 10).0, best);
}

/// Of a row that is there m and n times, the lesser of both and what m is more.
#[test]
fn sets_with_all_are_those_of_a_plain_loop() {
    for (seed, sizes) in [(21, (80, 60)), (22, (60, 120)), (23, (20, 0)), (24, (0, 20))] {
        let (a, b) = (random_rows(seed, sizes.0), random_rows(seed + 10, sizes.1));
        let count = |rows: &[Row]| {
            let mut counts: BTreeMap<(Option<i64>, i64), i64> = BTreeMap::new();
            rows.iter().for_each(|row| *counts.entry((row.k, row.v)).or_default() += 1);
            counts
        };
        let (m, n) = (count(&a), count(&b));
        for (operator, times) in
            [("INTERSECT", i64::min as fn(i64, i64) -> i64), ("EXCEPT", |m: i64, n: i64| (m - n).max(0))]
        {
            let left = m
                .iter()
                .flat_map(|(row, m)| std::iter::repeat_n(*row, times(*m, n.get(row).copied().unwrap_or(0)) as usize));
            let query = format!(
                "SELECT k, COUNT(*) AS n, SUM(v) AS s
                 FROM (SELECT k, v FROM a {operator} ALL SELECT k, v FROM b) x GROUP BY k"
            );
            let (found, bytes) = run(&a, &b, &query, 1, 9);
            assert_eq!(found, grouped(left), "{query}, seed {seed}");
            assert_eq!(run(&a, &b, &query, 3, 9), (found, bytes), "{query} at 3 workers");
        }
    }
}

/// Windows joined on their bounds, and windows over the time of a join.
#[test]
fn j3_the_event_time_of_a_joined_row_is_the_later_one() {
    let (a, b) = (random_rows(5, 300), random_rows(6, 300));
    let mut expected: BTreeMap<i64, i64> = BTreeMap::new();
    for l in &a {
        for r in b.iter().filter(|r| l.k.is_some() && l.k == r.k && (l.ts - r.ts).abs() <= 1_000) {
            *expected.entry(l.ts.max(r.ts).div_euclid(10_000) * 10).or_default() += 1;
        }
    }
    let mut expected: Vec<String> = expected.iter().map(|(second, n)| format!("{second} {n}")).collect();
    expected.sort();
    let joined = "SELECT a.k, GREATEST(a.ts, b.ts) AS ts FROM a JOIN b ON a.k = b.k
        AND b.ts BETWEEN a.ts - INTERVAL '1' SECOND AND a.ts + INTERVAL '1' SECOND";
    let query = format!(
        "SELECT CAST(EXTRACT(EPOCH FROM window_start) AS BIGINT) AS second, COUNT(*) AS n
         FROM TUMBLE(({joined}), ts, INTERVAL '10' SECOND) GROUP BY window_start, window_end"
    );
    let view = format!("WITH j AS ({joined}) {}", query.replace(&format!("({joined})"), "j"));
    let (found, bytes) = run(&a, &b, &view, 1, 40);
    assert_eq!(found, expected);
    assert!(!bytes.contains("retract"), "windows over an append-only join close once");
    assert_eq!(run(&a, &b, &view, 3, 40), (found, bytes));
}

#[test]
fn windows_are_joined_on_their_bounds() {
    let (a, b) = (random_rows(7, 300), random_rows(8, 200));
    let count = |rows: &[Row]| {
        let mut windows: BTreeMap<(i64, i64), i64> = BTreeMap::new();
        rows.iter().filter_map(|row| Some((row.k?, row.ts))).for_each(|(k, ts)| {
            *windows.entry((ts.div_euclid(10_000), k)).or_default() += 1;
        });
        windows
    };
    let (left, right) = (count(&a), count(&b));
    let mut expected: Vec<String> = left
        .iter()
        .map(|((window, k), n)| format!("{k} {} {n} {}", window * 10, show(right.get(&(*window, *k)).copied())))
        .collect();
    expected.sort();
    let window = |table: &str| {
        format!(
            "(SELECT k, window_start, window_end, COUNT(*) AS n
              FROM TABLE(TUMBLE(TABLE {table}, DESCRIPTOR(ts), INTERVAL '10' SECOND)) WHERE k IS NOT NULL
              GROUP BY k, window_start, window_end)"
        )
    };
    let query = format!(
        "SELECT l.k, CAST(EXTRACT(EPOCH FROM l.window_start) AS BIGINT) AS s, l.n AS left_n, r.n AS right_n
         FROM {} l LEFT JOIN {} r
         ON l.k = r.k AND l.window_start = r.window_start AND l.window_end = r.window_end",
        window("a"),
        window("b")
    );
    let (found, bytes) = run(&a, &b, &query, 1, 40);
    assert_eq!(found, expected);
    assert!(!bytes.contains("retract"), "a window without a partner is shown when none can come");
    assert_eq!(run(&a, &b, &query, 2, 40), (found.clone(), bytes));
    assert_eq!(run(&a, &b, &format!("{query} EMIT CHANGES"), 2, 40).0, found);
}

/// NOT IN knows three answers: a NULL among the values, or beside any, is neither in nor out. The values may change: a NULL
/// that was the largest of its kind goes when there is a number.
#[test]
fn not_in_is_that_of_a_plain_loop() {
    for (seed, size, from) in [(5, 30, 0), (6, 4, 0), (7, 30, 9), (8, 0, 0), (9, 12, 3), (10, 2, 3)] {
        let (a, b) = (random_rows(seed, 60), random_rows(seed + 10, size));
        let all: Vec<Option<i64>> = b.iter().map(|row| row.k).collect();
        let some: Vec<Option<i64>> = all.iter().copied().filter(|k| k.is_some_and(|k| k >= from)).collect();
        let mut largest: BTreeMap<i64, Option<i64>> = BTreeMap::new();
        for row in &b {
            let most = largest.entry(row.v).or_default();
            *most = row.k.max(*most);
        }
        let out = |k: Option<i64>, of: &[Option<i64>]| {
            of.is_empty() || (k.is_some() && of.iter().all(|value| value.is_some() && *value != k))
        };
        let kept = |of: &[Option<i64>]| grouped(a.iter().filter(|row| out(row.k, of)).map(|row| (row.k, row.v)));
        for (query, expected) in [
            ("k NOT IN (SELECT k FROM b)".to_owned(), kept(&all)),
            (format!("NOT k = ANY (SELECT k FROM b WHERE k >= {from}) AND v >= 0"), kept(&some)),
            ("k <> ALL (SELECT MAX(k) FROM b GROUP BY v)".to_owned(), kept(&largest.into_values().collect::<Vec<_>>())),
        ] {
            let query = format!("SELECT k, COUNT(*) AS n, SUM(v) AS s FROM a WHERE {query} GROUP BY k");
            let (found, bytes) = run(&a, &b, &query, 1, 7);
            assert_eq!(found, expected, "{query}, seed {seed}");
            for workers in [2, 3] {
                let (again, other) = run(&a, &b, &query, workers, 7);
                assert!(again == found && other == bytes, "{query} at {workers} workers differs");
            }
        }
    }
}

/// A subquery of NOT IN that reads the row outside has other values for each row, NULLs among them.
#[test]
fn not_in_of_a_rows_own_values_is_that_of_a_plain_loop() {
    for (seed, size) in [(15, 30), (16, 6), (17, 0), (18, 60)] {
        let (a, b) = (random_rows(seed, 50), random_rows(seed + 10, size));
        let out = |row: &Row, holds: &dyn Fn(&Row) -> bool| {
            let of: Vec<Option<i64>> = b.iter().filter(|other| holds(other)).map(|other| other.k).collect();
            of.is_empty() || (row.k.is_some() && of.iter().all(|value| value.is_some() && *value != row.k))
        };
        let kept = |holds: &dyn Fn(&Row, &Row) -> bool| {
            grouped(a.iter().filter(|row| out(row, &|other| holds(row, other))).map(|row| (row.k, row.v)))
        };
        for (query, expected) in [
            ("a.k NOT IN (SELECT b.k FROM b WHERE b.v = a.v)", kept(&|row, other| other.v == row.v)),
            (
                "a.k NOT IN (SELECT b.k FROM b WHERE b.v = a.v AND b.ts > a.ts) AND a.v >= 0",
                kept(&|row, other| other.v == row.v && other.ts > row.ts),
            ),
            ("NOT a.k = ANY (SELECT b.k FROM b WHERE b.v > a.v)", kept(&|row, other| other.v > row.v)),
        ] {
            let query = format!("SELECT k, COUNT(*) AS n, SUM(v) AS s FROM a WHERE {query} GROUP BY k");
            let (found, bytes) = run(&a, &b, &query, 1, 7);
            assert_eq!(found, expected, "{query}, seed {seed}");
            assert_eq!(run(&a, &b, &query, 3, 7), (found, bytes), "{query} at 3 workers");
        }
    }
}
