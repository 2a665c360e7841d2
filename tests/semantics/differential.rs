//! The same programs on differential's operators as on the engine's own: the same changes at every epoch, on one worker and
//! more, and the same rows that fail. What the right changes are is said by the tests of each kind of operator.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use highwater::engine::Config;
use highwater::time::{Epoch, Zone};
use highwater_core::aggregate::Emit;
use highwater_core::plan::{Dataflow, Op, Operators, Pane, Rank, Reduce, explain};
use proptest::prelude::*;

use crate::feed::{Feed, started};
use crate::oracle::{self, Arrivals, Epochs, TS};
use crate::played::{Changes, planned, played};
use crate::{rank, sessions, windows};

fn on_differential(plan: &Dataflow) -> Dataflow {
    let plan = Dataflow { operators: Operators::Differential, ..plan.clone() };
    let text = explain(&plan, None);
    assert!(text.contains("| operators: differential"), "{text}");
    plan
}

/// Runs a program of one source both ways.
fn agree(plan: &Dataflow, epochs: &Epochs, workers: usize, batch: usize) -> Result<(), TestCaseError> {
    let own = oracle::run(plan, epochs, 1, batch);
    let other = oracle::run(&on_differential(plan), epochs, workers, batch);
    prop_assert_eq!(other, own);
    Ok(())
}

fn agree_on(reduce: &Reduce, arrivals: &Arrivals, workers: usize, batch: usize) -> Result<(), TestCaseError> {
    agree(&oracle::program(reduce), &arrivals.accept().0, workers, batch)
}

fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, max_shrink_iters: 200, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases(24))]

    #[test]
    fn groups(
        arrivals in oracle::arrivals(any::<bool>()), shape in 0..oracle::KEY_SHAPES, distinct in any::<bool>(),
        workers in 1usize..4, batch in 1usize..9,
    ) {
        let mut reduce = oracle::reduce(shape, Pane::Unbounded, Emit::Changes, None, arrivals.retracting);
        if distinct && shape > 0 {
            reduce.aggregates.clear();
        }
        agree_on(&reduce, &arrivals, workers, batch)?;
    }

    #[test]
    fn windows_of_all_kinds(
        arrivals in oracle::arrivals(any::<bool>()), pane in windows::pane(), emit in windows::emit(),
        shape in 0..oracle::KEY_SHAPES, workers in 1usize..4, batch in 1usize..9,
    ) {
        agree_on(&oracle::reduce(shape, pane, emit, arrivals.lateness, arrivals.retracting), &arrivals, workers, batch)?;
    }

    #[test]
    fn windows_by_the_clocks_of_a_zone(
        arrivals in oracle::arrivals(any::<bool>()), change in 0..windows::CHANGES.len(),
        window in 0..windows::WINDOWS.len(), emit in windows::emit(), workers in 1usize..4,
    ) {
        let (name, change) = windows::CHANGES[change];
        let window = windows::longer(windows::WINDOWS[window]);
        let pane = Pane::Windows { time: TS, window, zone: Zone::of(name) };
        let lateness = arrivals.lateness.map(|lateness| lateness * windows::STEP);
        let instant =
            |time: i64| if [i64::MIN, i64::MAX].contains(&time) { time } else { change + time * windows::STEP };
        let moved = |row: oracle::Row| oracle::Row { ts: instant(row.ts), ..row };
        let epochs = arrivals.accept().0.into_iter().map(|(epoch, rows)| {
            (Epoch { watermark: instant(epoch.watermark), ..epoch }, rows.into_iter().map(moved).collect())
        });
        let reduce = oracle::reduce(1, pane, emit, lateness, arrivals.retracting);
        agree(&oracle::program(&reduce), &epochs.collect(), workers, 4)?;
    }

    #[test]
    fn sessions_of_all_kinds(
        arrivals in oracle::arrivals(any::<bool>()), keep in any::<bool>(), emit in windows::emit(),
        shape in 0..oracle::KEY_SHAPES, workers in 1usize..4, batch in 1usize..9,
    ) {
        let reduce = oracle::reduce(shape, sessions::pane(keep), emit, arrivals.lateness, arrivals.retracting);
        agree_on(&reduce, &arrivals, workers, batch)?;
    }

    #[test]
    fn rankings(
        arrivals in oracle::arrivals(any::<bool>()), shape in 0..oracle::KEY_SHAPES, order in rank::orders(),
        bound in rank::bounds(), numbers in rank::numbers(), window in any::<bool>(), emit in windows::emit(),
        workers in 1usize..4, batch in 1usize..9,
    ) {
        let rank = Rank {
            numbers,
            window: window.then_some((oracle::START, oracle::END)),
            emit: if window { emit } else { Emit::Changes },
            lateness_ms: if window { arrivals.lateness } else { None },
            ..rank::rank(&arrivals, shape, order, bound)
        };
        agree(&rank::plan(&rank), &arrivals.accept().0, workers, batch)?;
    }

    /// Rows that come after their windows are gone are refused alike: of some windows, or of all.
    #[test]
    fn rows_that_are_too_late(
        mut arrivals in oracle::arrivals(any::<bool>()), pane in windows::pane(), emit in windows::emit(),
        workers in 1usize..4,
    ) {
        let lateness = arrivals.lateness;
        arrivals.lateness = None;
        let reduce = oracle::reduce(1, pane, emit, lateness.or(Some(0)), false);
        arrivals.rows.retain(|row| row.diff > 0);
        agree_on(&reduce, &arrivals, workers, 5)?;
    }
}

/// Rows of two sources: `(a, b, ts)` with `ts >= W`, some keys NULL.
fn timely_rows() -> impl Strategy<Value = BTreeMap<Epoch, Changes>> {
    let row = (any::<bool>(), prop::option::weighted(0.9, 0..3i64), prop::option::weighted(0.9, 0..3i64), 0..4_000i64);
    prop::collection::vec((0..1_500i64, prop::collection::vec(row, 0..9)), 1..9).prop_map(|epochs| {
        let mut watermark = 0;
        let epochs = epochs.into_iter().enumerate().map(|(tick, (advance, rows))| {
            // Some epochs are at one watermark.
            watermark += if advance < 400 { 0 } else { advance };
            let mut changes: Changes = Default::default();
            rows.into_iter()
                .for_each(|(side, a, b, after)| changes[usize::from(side)].push(((a, b, watermark + after), 1)));
            (Epoch { watermark, tick: tick as u64 }, changes)
        });
        epochs.collect()
    })
}

/// Conditions of a join of `e` and `m`: by key, within an interval, behind it, by inequality; one that fails on some pairs.
const CONDITIONS: [&str; 7] = [
    "e.a = m.a",
    "e.a = m.a AND e.b < m.b",
    "e.a = m.a AND m.ts BETWEEN e.ts - INTERVAL '1' SECOND AND e.ts + INTERVAL '2' SECOND",
    "e.a = m.a AND m.ts BETWEEN e.ts - INTERVAL '3' SECOND AND e.ts - INTERVAL '1' SECOND",
    "e.a = m.a AND m.ts BETWEEN e.ts AND e.ts + INTERVAL '2' SECOND AND e.b <= m.b",
    "e.b < m.b AND m.ts BETWEEN e.ts - INTERVAL '1' SECOND AND e.ts + INTERVAL '1' SECOND",
    "e.a = m.a AND 6 / m.b > e.b",
];

fn joins() -> Vec<String> {
    let mut queries = Vec::new();
    for on in CONDITIONS {
        for kind in ["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"] {
            queries.push(format!(
                "SELECT e.a, e.b, e.ts, m.a AS c, m.b AS d, m.ts AS u FROM edges e {kind} marks m ON {on}"
            ));
        }
        for not in ["", "NOT "] {
            queries.push(format!(
                "SELECT e.a, e.b, e.ts FROM edges e WHERE {not}EXISTS (SELECT 1 FROM marks m WHERE {on})"
            ));
        }
    }
    // In three values; beside another condition; of what changes; of windows; as of arrival; sets.
    let counts = "(SELECT a, COUNT(*) AS n FROM marks GROUP BY a)";
    let window = |table: &str| {
        format!(
            "(SELECT a, window_start, window_end, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE {table}, DESCRIPTOR(ts),
              INTERVAL '2' SECOND)) GROUP BY a, window_start, window_end)"
        )
    };
    queries.extend([
        "SELECT a, b FROM edges WHERE a NOT IN (SELECT b FROM marks)".to_owned(),
        "SELECT a, b, a IN (SELECT b FROM marks) AS is_in FROM edges".to_owned(),
        "SELECT a, b FROM edges WHERE b = 1 OR a IN (SELECT a FROM marks)".to_owned(),
        "SELECT a, b, (SELECT MAX(m.b) FROM marks m WHERE m.a = e.a) AS most FROM edges e".to_owned(),
        format!("SELECT e.a, e.b, c.n FROM edges e JOIN {counts} c ON e.a = c.a"),
        format!("SELECT e.a, e.b, c.n FROM edges e FULL JOIN {counts} c ON e.a = c.a AND e.b < c.n"),
        format!(
            "SELECT l.a, l.window_end, l.n AS ln, r.n AS rn FROM {} l LEFT JOIN {} r
             ON l.a = r.a AND l.window_start = r.window_start AND l.window_end = r.window_end",
            window("edges"),
            window("marks")
        ),
        format!(
            "SELECT l.a, l.window_end, l.n AS ln, r.n AS rn FROM {} l FULL JOIN {} r
             ON l.a = r.a AND l.window_start = r.window_start AND l.window_end = r.window_end",
            window("edges"),
            window("marks")
        ),
        "SELECT a, b FROM edges INTERSECT ALL SELECT a, b FROM marks".to_owned(),
        "SELECT a, b FROM edges EXCEPT ALL SELECT a, b FROM marks".to_owned(),
        "SELECT a, b FROM edges EXCEPT SELECT a, b FROM marks".to_owned(),
        "SELECT DISTINCT a FROM edges".to_owned(),
    ]);
    let both = |query: String| [format!("{query} EMIT CHANGES"), query];
    queries.into_iter().flat_map(both).collect()
}

/// Joins of all kinds: pairs, rows alone at once or when they are past, rows that fail a condition.
#[test]
fn joins_of_all_kinds() {
    let (mut failing, mut rows) = (0, 0);
    for query in joins() {
        let plan = planned(&query);
        assert!(plan.nodes.iter().any(|node| matches!(node.op, Op::Join(_) | Op::Reduce(_))), "{query}");
        let other = on_differential(&plan);
        let counted = std::cell::Cell::new((0, 0));
        let mut runner = proptest::test_runner::TestRunner::new(cases(3));
        let run = runner.run(&timely_rows(), |epochs| {
            let own = played(&plan, &epochs, 1);
            for workers in [1, 3] {
                prop_assert_eq!(&played(&other, &epochs, workers), &own, "{} on {} workers", &query, workers);
            }
            let (failed, told) = counted.get();
            counted.set((failed + own.1.len(), told + own.0.values().map(|rows| rows.len()).sum::<usize>()));
            Ok(())
        });
        run.unwrap_or_else(|error| panic!("{query}\n{error}"));
        (failing, rows) = (failing + counted.get().0, rows + counted.get().1);
    }
    assert!(failing > 10 && rows > 1_500, "{failing} rows failed, {rows} rows were told");
}

/// Of ten thousand rows over a hundred seconds those of the last are held.
#[test]
fn what_is_past_is_freed() {
    let source = "SET 'operators' = 'differential';
        CREATE SOURCE r (k BIGINT, v BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' SECOND)
        WITH ('connector' = 'feed', 'feed' = '$', 'lateness' = '1 s');";
    let windowed =
        "SELECT window_start, window_end, k, v FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '2' SECOND))";
    for query in [
        "SELECT window_end, k, SUM(v) AS s FROM TABLE(HOP(TABLE r, DESCRIPTOR(ts), INTERVAL '1' SECOND, INTERVAL '3' SECOND))
         GROUP BY window_start, window_end, k"
            .to_owned(),
        "SELECT window_end, k, SUM(v) AS s FROM TABLE(SESSION(TABLE r PARTITION BY k, DESCRIPTOR(ts), INTERVAL '1' SECOND))
         GROUP BY window_start, window_end, k"
            .to_owned(),
        "SELECT a.k, a.ts, b.v FROM r a LEFT JOIN r b
         ON a.k = b.k AND a.v = b.v + 1 AND b.ts BETWEEN a.ts - INTERVAL '1' SECOND AND a.ts + INTERVAL '1' SECOND"
            .to_owned(),
        format!(
            "SELECT window_end, k, v FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY v) AS n
             FROM ({windowed}) w) t WHERE n <= 3"
        ),
    ] {
        let feed = Feed::new();
        let engine =
            started(&format!("{source} CREATE MATERIALIZED VIEW shown AS {query};"), &feed, Config::default());
        let rows = |chunk: i64| (0..50).map(|row| (chunk % 40, row, chunk * 500 + row)).collect();
        (0..200).for_each(|chunk| feed.push(rows(chunk)));
        let (start, mut chunk) = (Instant::now(), 200);
        loop {
            // Arrangements merge as rows come.
            feed.push(rows(chunk));
            chunk += 1;
            std::thread::sleep(Duration::from_millis(20));
            let operators = engine.operators();
            let of = |name: &str| operators.iter().filter(|operator| operator.name.contains(name)).collect::<Vec<_>>();
            let held: Vec<(&String, usize)> =
                operators.iter().map(|operator| (&operator.name, operator.state_rows)).collect();
            if of("Intake").iter().all(|intake| intake.rows_in >= 10_000)
                && !of("Arrange").is_empty()
                && held.iter().all(|(_, rows)| *rows < 2_000)
            {
                break;
            }
            assert!(start.elapsed() < Duration::from_secs(60), "{query}: {held:?}");
        }
        feed.end();
        engine.wait_within(Duration::from_secs(60)).expect("the input ends").unwrap();
        assert!(engine.views().get("shown").unwrap().snapshot().batch.num_rows() > 100, "{query}");
    }
}
