//! WITH RECURSIVE against a plain fixed point: random changes of edges (also taken back), and of what the recursion reads
//! besides, at random epochs; the result at the end of every epoch is that of the edges so far, on one worker and more.
//!
//! Shapes that a wrong loop gets wrong: circles that lose their only way in, a row that has two reasons and loses one,
//! windows that are freed while others live on, a limit that is passed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use highwater::engine::{Config, Engine};
use highwater::sql::{Catalog, plan};
use highwater::time::Epoch;
use proptest::prelude::*;

use crate::played::{Changes, Row, State, planned, played};

/// Edges, each once.
type Pairs = BTreeSet<(Option<i64>, Option<i64>)>;

fn run(query: &str, epochs: &BTreeMap<Epoch, Changes>, workers: usize) -> BTreeMap<Epoch, State> {
    played(&planned(query), epochs, workers).0
}

/// What is there at the end of each epoch, by the changes so far.
fn states<T: Ord + Clone>(changes: impl Iterator<Item = (Epoch, Vec<(T, i64)>)>) -> BTreeMap<Epoch, BTreeMap<T, i64>> {
    let mut now: BTreeMap<T, i64> = BTreeMap::new();
    let mut all = BTreeMap::new();
    for (epoch, changes) in changes {
        changes.into_iter().for_each(|(row, diff)| *now.entry(row).or_insert(0) += diff);
        now.retain(|_, diff| *diff != 0);
        all.insert(epoch, now.clone());
    }
    all
}

/// Checks the view at the end of every epoch against `expected` of all rows so far.
fn check(query: &str, epochs: &BTreeMap<Epoch, Changes>, expected: impl Fn(&[BTreeMap<Row, i64>; 2]) -> State) {
    let of = |side: usize| states(epochs.iter().map(move |(epoch, changes)| (*epoch, changes[side].clone())));
    let inputs = [of(0), of(1)];
    let mut first = None;
    for workers in [1, 2, 3] {
        let log = run(query, epochs, workers);
        assert!(log.keys().all(|epoch| epochs.contains_key(epoch)), "{query}: an epoch without input");
        let found = states(epochs.keys().map(|epoch| {
            let changes = log.get(epoch).cloned().unwrap_or_default();
            (*epoch, changes.into_iter().collect::<Vec<_>>())
        }));
        for (epoch, state) in &found {
            let want = expected(&[inputs[0][epoch].clone(), inputs[1][epoch].clone()]);
            assert_eq!(*state, want, "{query}\nat {epoch:?} on {workers} workers");
        }
        assert_eq!(*first.get_or_insert(log.clone()), log, "{query}: {workers} workers");
    }
}

/// The pairs of nodes of which the second is reached from the first.
fn closure(edges: &Pairs) -> Pairs {
    let mut all = edges.clone();
    loop {
        let more: Vec<_> = all
            .iter()
            .flat_map(|&(from, mid)| {
                edges.iter().filter(move |(a, _)| a.is_some() && *a == mid).map(move |&(_, to)| (from, to))
            })
            .filter(|pair| !all.contains(pair))
            .collect();
        if more.is_empty() {
            return all;
        }
        all.extend(more);
    }
}

fn show(value: Option<i64>) -> String {
    value.map_or("-".to_owned(), |value| value.to_string())
}

fn pairs(edges: &BTreeMap<Row, i64>) -> Pairs {
    edges.keys().map(|&(a, b, _)| (a, b)).collect()
}

/// Walks from each start, as often as there are: `(from, to, hops)`, up to `most` hops; `next` answers the steps from a
/// node, with how often each is there.
fn walks(
    start: BTreeMap<(Option<i64>, Option<i64>), i64>,
    most: i64,
    next: &dyn Fn(Option<i64>, i64) -> Vec<(Option<i64>, i64)>,
) -> State {
    let mut state = State::new();
    let mut round = start;
    for hops in 1..=most {
        let mut then: BTreeMap<(Option<i64>, Option<i64>), i64> = BTreeMap::new();
        for (&(from, to), &count) in &round {
            *state.entry(format!("{} {} {hops}", show(from), show(to))).or_insert(0) += count;
            next(to, hops).into_iter().for_each(|(to, times)| *then.entry((from, to)).or_insert(0) += count * times);
        }
        round = then;
    }
    state
}

fn counted(edges: &BTreeMap<Row, i64>) -> BTreeMap<(Option<i64>, Option<i64>), i64> {
    let mut counts = BTreeMap::new();
    edges.iter().for_each(|(&(a, b, _), count)| *counts.entry((a, b)).or_insert(0) += count);
    counts
}

fn steps(edges: &BTreeMap<Row, i64>, from: Option<i64>) -> Vec<(Option<i64>, i64)> {
    let met = edges.iter().filter(|((a, ..), _)| a.is_some() && *a == from);
    met.map(|(&(_, b, _), &count)| (b, count)).collect()
}

/// Changes of two inputs over some epochs; what was added may be taken back later.
fn changes(nodes: i64) -> impl Strategy<Value = BTreeMap<Epoch, Changes>> {
    let node = prop_oneof![9 => (0..nodes).prop_map(Some), 1 => Just(None)];
    let act = (any::<bool>(), node.clone(), node, 0..10_000i64, 0..4u8, any::<prop::sample::Index>());
    prop::collection::vec(prop::collection::vec(act, 0..8), 1..7).prop_map(|epochs| {
        let mut live: [Vec<Row>; 2] = Default::default();
        let mut watermark = 0;
        let mut all = BTreeMap::new();
        for (tick, acts) in epochs.into_iter().enumerate() {
            let mut changes: Changes = Default::default();
            for (side, a, b, ts, kind, which) in acts {
                // Three of four changes are of edges.
                let side = usize::from(side && kind % 2 == 0);
                if kind == 0 && !live[side].is_empty() {
                    let at = which.index(live[side].len());
                    changes[side].push((live[side].swap_remove(at), -1));
                } else {
                    live[side].push((a, b, ts));
                    changes[side].push(((a, b, ts), 1));
                }
            }
            if tick % 2 == 1 {
                watermark += 1;
            }
            all.insert(Epoch { watermark, tick: tick as u64 }, changes);
        }
        all
    })
}

const CLOSURE: &str = "WITH RECURSIVE reach (a, b) AS (
    SELECT a, b FROM edges UNION SELECT r.a, e.b FROM reach r JOIN edges e ON e.a = r.b) SELECT a, b FROM reach";

fn cases() -> ProptestConfig {
    ProptestConfig { cases: 24, max_shrink_iters: 100, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn closures_follow_edges_that_come_and_go(epochs in changes(6)) {
        check(CLOSURE, &epochs, |[edges, _]| {
            closure(&pairs(edges)).into_iter().map(|(a, b)| (format!("{} {}", show(a), show(b)), 1)).collect()
        });
    }

    #[test]
    fn ways_are_counted_as_often_as_they_are(epochs in changes(4)) {
        let query = "WITH RECURSIVE walk (a, b, hops) AS (
            SELECT a, b, 1 FROM edges UNION ALL
            SELECT w.a, e.b, w.hops + 1 FROM walk w JOIN edges e ON e.a = w.b WHERE w.hops < 4) SELECT a, b, hops FROM walk";
        check(query, &epochs, |[edges, _]| walks(counted(edges), 4, &|from, _| steps(edges, from)));
    }

    #[test]
    fn ways_of_each_length_are_there_once(epochs in changes(6)) {
        let query = "WITH RECURSIVE walk (a, b, hops) AS (
            SELECT a, b, 1 FROM edges UNION
            SELECT w.a, e.b, w.hops + 1 FROM walk w JOIN edges e ON e.a = w.b WHERE w.hops < 5) SELECT a, b, hops FROM walk";
        check(query, &epochs, |[edges, _]| {
            walks(counted(edges), 5, &|from, _| steps(edges, from)).into_keys().map(|row| (row, 1)).collect()
        });
    }

    /// The step asks another relation: nodes that are marked, at all or with more than the hops, end a walk.
    #[test]
    fn steps_ask_what_is_marked(epochs in changes(4)) {
        let walk = |condition: &str| format!(
            "WITH RECURSIVE walk (a, b, hops) AS (
               SELECT a, b, 1 FROM edges UNION ALL
               SELECT w.a, e.b, w.hops + 1 FROM walk w JOIN edges e ON e.a = w.b WHERE w.hops < 3 AND {condition})
             SELECT a, b, hops FROM walk"
        );
        let marked = |marks: &BTreeMap<Row, i64>, node: Option<i64>, hops: i64| {
            marks.keys().any(|&(a, b, _)| a.is_some() && a == node && b.is_some_and(|b| b > hops))
        };
        let queries = [
            (walk("NOT EXISTS (SELECT 1 FROM marks m WHERE m.a = w.b AND m.b > w.hops)"), false),
            (walk("EXISTS (SELECT 1 FROM marks m WHERE m.a = w.b AND m.b > w.hops)"), true),
        ];
        for (query, wanted) in queries {
            check(&query, &epochs, |[edges, marks]| {
                walks(counted(edges), 3, &|from, hops| match marked(marks, from, hops) == wanted {
                    true => steps(edges, from),
                    false => Vec::new(),
                })
            });
        }
    }

    /// Nodes without a way on go on to NULL, from which nothing goes on.
    #[test]
    fn outer_steps_pad_what_meets_nothing(epochs in changes(4)) {
        let query = "WITH RECURSIVE walk (a, b, hops) AS (
            SELECT a, b, 1 FROM edges UNION ALL
            SELECT w.a, e.b, w.hops + 1 FROM walk w LEFT JOIN edges e ON e.a = w.b AND e.b > 0 WHERE w.hops < 3)
            SELECT a, b, hops FROM walk";
        check(query, &epochs, |[edges, _]| {
            walks(counted(edges), 3, &|from, _| {
                let mut met = steps(edges, from);
                met.retain(|(b, _)| b.is_some_and(|b| b > 0));
                if met.is_empty() { vec![(None, 1)] } else { met }
            })
        });
    }
}

/// Epochs whose rows are on time: `(a, b, ts)` with `ts >= W`.
fn timely_rows() -> impl Strategy<Value = BTreeMap<Epoch, Changes>> {
    let row = (0..5i64, 0..5i64, 0..5_000i64);
    prop::collection::vec((0..3_000i64, prop::collection::vec(row, 0..8)), 1..8).prop_map(|epochs| {
        let mut watermark = 0;
        let epochs = epochs.into_iter().enumerate().map(|(tick, (advance, rows))| {
            watermark += advance;
            let rows = rows.into_iter().map(|(a, b, after)| ((Some(a), Some(b), watermark + after), 1)).collect();
            (Epoch { watermark, tick: tick as u64 }, [rows, Vec::new()])
        });
        epochs.collect()
    })
}

const WINDOWED: &str = "WITH RECURSIVE linked AS (
      SELECT window_end, a, b FROM TABLE(HOP(TABLE edges, DESCRIPTOR(ts), INTERVAL '2' SECOND, INTERVAL '4' SECOND))
      GROUP BY window_start, window_end, a, b),
    reach (w, a, b) AS (
      SELECT window_end, a, b FROM linked UNION
      SELECT r.w, r.a, l.b FROM reach r JOIN linked l ON l.a = r.b AND l.window_end = r.w)
    SELECT w, a, b FROM reach";

/// Per window of 4 s, every 2 s, the closure of its edges.
fn windowed(edges: &BTreeMap<Row, i64>) -> State {
    let mut windows: BTreeMap<i64, Pairs> = BTreeMap::new();
    for &(a, b, ts) in edges.keys() {
        let last = ts - ts.rem_euclid(2_000) + 4_000;
        [last, last - 2_000].into_iter().for_each(|end| windows.entry(end).or_default().extend([(a, b)]));
    }
    let rows = windows.into_iter().flat_map(|(end, edges)| closure(&edges).into_iter().map(move |pair| (end, pair)));
    rows.map(|(end, (a, b))| (format!("{end} {} {}", show(a), show(b)), 1)).collect()
}

proptest! {
    #![proptest_config(cases())]

    /// Windows are freed when they are over, and nobody sees it.
    #[test]
    fn windows_recur_side_by_side(epochs in timely_rows()) {
        check(&format!("{WINDOWED} EMIT CHANGES"), &epochs, |[edges, _]| windowed(edges));
    }

    /// With EMIT FINAL a window's rows come when it closes, all at once.
    #[test]
    fn closed_windows_come_whole(epochs in timely_rows()) {
        let mut edges = BTreeMap::new();
        epochs.values().flat_map(|changes| &changes[0]).for_each(|(row, diff)| *edges.entry(*row).or_insert(0) += diff);
        let first = run(WINDOWED, &epochs, 1);
        for (epoch, rows) in &first {
            let ends = rows.keys().map(|row| row.split(' ').next().unwrap().parse::<i64>().unwrap());
            prop_assert!(ends.clone().all(|end| Epoch::at(end) == *epoch), "{epoch:?}: {rows:?}");
        }
        let all: State = first.values().flatten().map(|(row, diff)| (row.clone(), *diff)).collect();
        prop_assert_eq!(all, windowed(&edges));
        prop_assert_eq!(&run(WINDOWED, &epochs, 3), &first);
    }
}

/// An engine over a file of edges.
fn engine(edges: impl Iterator<Item = (i64, i64, i64)>, sql: &str, workers: usize) -> (Engine, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let lines = edges.map(|(a, b, ts)| format!("{{\"a\":{a},\"b\":{b},\"ts\":{ts}}}\n"));
    let path = folder.path().join("edges.ndjson");
    std::fs::write(&path, lines.collect::<String>()).unwrap();
    let source = format!(
        "CREATE SOURCE edges (a BIGINT, b BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)
         WITH ('connector' = 'filesystem', 'path' = '{}', 'format' = 'json');\n{sql}",
        path.display()
    );
    let dataflow = match plan(&[("q.sql".to_owned(), source)], &Catalog::new()) {
        Ok(dataflow) => dataflow,
        Err(errors) => panic!("{}", errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")),
    };
    (Engine::start(dataflow, Config::default().workers(workers).tick_rows(50)).unwrap(), folder)
}

const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn beyond_its_limit_a_recursion_stops_the_engine_and_shows_nothing() {
    let circle = "SET 'recursion.max-iterations' = '50';
        CREATE MATERIALIZED VIEW rounds AS
        WITH RECURSIVE walk (a, b) AS (
          SELECT a, b FROM edges UNION ALL SELECT w.a, e.b FROM walk w JOIN edges e ON e.a = w.b)
        SELECT a, b FROM walk;";
    for workers in [1, 2] {
        let (engine, _folder) = engine([(1, 2, 0), (2, 1, 0)].into_iter(), circle, workers);
        let error = engine.wait_within(PATIENCE).expect("it stops").unwrap_err().to_string();
        for part in [
            "rounds: WITH RECURSIVE 'walk' still makes rows after 50 rounds",
            "write UNION instead of UNION ALL",
            "SET 'recursion.max-iterations' = '500'",
        ] {
            assert!(error.contains(part), "{error}");
        }
        assert_eq!(engine.views().get("rounds").unwrap().snapshot().batch.num_rows(), 0);
    }
    // Of edges that are there twice a round makes each row twice as often: that stops before it is beyond 64 bits.
    for workers in [1, 2] {
        let (engine, _folder) = engine([(1, 2, 0), (2, 1, 0), (1, 2, 0), (2, 1, 0)].into_iter(), circle, workers);
        let error = engine.wait_within(PATIENCE).expect("it stops").unwrap_err().to_string();
        for part in [
            "rounds: WITH RECURSIVE 'walk' makes a row more than 2147483648 times in a round",
            "write UNION instead of UNION ALL",
        ] {
            assert!(error.contains(part), "{error}");
        }
        assert_eq!(engine.views().get("rounds").unwrap().snapshot().batch.num_rows(), 0);
    }
    // The limit is of rounds that make rows: a way of 51 edges takes 50, and one of 52 is too long.
    let chain = |length: i64| (0..length).map(|a| (a, a + 1, 0));
    let closure = format!("SET 'recursion.max-iterations' = '50'; CREATE MATERIALIZED VIEW reached AS {CLOSURE};");
    let (long, _folder) = engine(chain(51), &closure, 2);
    long.wait_within(PATIENCE).expect("it ends").unwrap();
    assert_eq!(long.views().get("reached").unwrap().snapshot().batch.num_rows(), 51 * 52 / 2);
    let (longer, _folder) = engine(chain(52), &closure, 2);
    let error = longer.wait_within(PATIENCE).expect("it stops").unwrap_err().to_string();
    assert!(error.contains("after 50 rounds: bound the rounds in the query"), "{error}");
}

#[test]
fn windows_that_are_over_are_freed() {
    let edges = (0..4_000i64).map(|i| (i * 7 % 9, i * 5 % 9, i * 50));
    let (engine, _folder) = engine(edges, &format!("CREATE MATERIALIZED VIEW result AS {WINDOWED};"), 2);
    engine.wait_within(PATIENCE).expect("the input ends").unwrap();
    let held: Vec<(String, usize)> = engine
        .operators()
        .into_iter()
        .filter(|operator| operator.name.starts_with("Recursion"))
        .map(|operator| (operator.name, operator.state_rows))
        .collect();
    assert!(held.iter().any(|(name, _)| name == "Recursion result"), "{held:?}");
    assert!(held.iter().all(|(_, rows)| *rows == 0), "{held:?}");
    assert!(engine.views().get("result").unwrap().snapshot().batch.num_rows() > 4_000);
}
