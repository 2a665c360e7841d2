//! Relations that Rust makes with differential dataflow, between views of SQL: at every step they are what is computed anew of all rows, whatever
//! came, went, and was retracted, on any number of workers.

use std::collections::{BTreeMap, BTreeSet};

use highwater::differential_dataflow::operators::iterate::Iterate;
use highwater::extend::{Catalog, Relation, relation};
use highwater::sql::{Session, compile};
use highwater::testing::Setup;
use highwater::{Drain, Highwater};
use serde::Serialize;

/// Edges count above a weight; from where how much is reached is SQL again, over what Rust made.
const PROGRAM: &str = "
    CREATE TABLE links (id BIGINT PRIMARY KEY, a BIGINT, b BIGINT, weight BIGINT);
    CREATE VIEW edges AS SELECT DISTINCT a AS \"from\", b AS \"to\" FROM links WHERE weight > 0;
    CREATE TABLE reachable (origin BIGINT NOT NULL, target BIGINT NOT NULL) WITH ('connector' = 'closure', 'reads' = 'edges');
    CREATE MATERIALIZED VIEW pairs AS SELECT origin, target FROM reachable;
    CREATE MATERIALIZED VIEW reach AS SELECT origin, COUNT(*) AS n, MAX(target) AS furthest FROM reachable GROUP BY origin;
    CREATE MATERIALIZED VIEW circles AS
    SELECT r.origin FROM reachable r JOIN links l ON l.a = r.origin AND l.id = 0 WHERE r.origin = r.target;";

#[derive(Clone, Serialize)]
struct Pair {
    target: i64,
    origin: i64,
}

/// The pairs of places between which there is a way, iterated until nothing changes.
fn closure() -> Relation {
    relation("closure", |[edges]| {
        let edges = edges.rows::<(i64, i64)>();
        let pairs = edges.clone().iterate(|scope, pairs| {
            let edges = edges.enter(scope);
            let on = pairs.clone().map(|(a, b)| (b, a)).join_map(edges, |_, a, c| (*a, *c));
            pairs.concat(on).distinct_core::<i64>()
        });
        pairs.map(|(origin, target)| Pair { target, origin })
    })
}

fn catalog() -> Catalog {
    Catalog::new().with_relation(closure()).unwrap()
}

/// The same, anew, of all links.
fn recomputed(links: &BTreeMap<i64, (i64, i64, i64)>) -> BTreeSet<(i64, i64)> {
    let edges: BTreeSet<(i64, i64)> = links.values().filter(|link| link.2 > 0).map(|link| (link.0, link.1)).collect();
    let mut pairs = edges.clone();
    loop {
        let on = |&(a, b): &(i64, i64)| edges.iter().filter(move |edge| edge.0 == b).map(move |edge| (a, edge.1));
        let more: Vec<(i64, i64)> = pairs.iter().flat_map(on).filter(|pair| !pairs.contains(pair)).collect();
        if more.is_empty() {
            return pairs;
        }
        pairs.extend(more);
    }
}

#[test]
fn what_rust_iterates_stands_between_views_and_is_right_at_every_step() {
    for workers in [1, 2, 3] {
        let mut driver = Setup::new(PROGRAM).catalog(catalog()).workers(workers).start().unwrap();
        let mut links: BTreeMap<i64, (i64, i64, i64)> = BTreeMap::new();
        let mut seed = 7_u64;
        let mut random = |below: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((seed >> 33) % below) as i64
        };
        let (mut held, mut retracted) = (BTreeSet::new(), 0);
        for step in 0..150 {
            let id = random(12);
            if links.contains_key(&id) && random(3) == 0 {
                links.remove(&id);
                driver.delete("links", &format!("id\n{id}")).unwrap();
            } else {
                let (a, b, weight) = (random(7), random(7), random(4) - 1);
                links.insert(id, (a, b, weight));
                driver.upsert("links", &format!("id | a | b | weight\n{id} | {a} | {b} | {weight}")).unwrap();
            }
            let expected = recomputed(&links);
            let told = format!("{workers} workers, step {step}");
            let found: Vec<(i64, i64)> = driver.rows_as("pairs").unwrap();
            assert_eq!(found.len(), expected.len(), "{told}: each once");
            assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), expected, "{told}");
            let mut reach: BTreeMap<i64, (i64, i64)> = BTreeMap::new();
            for &(origin, target) in &expected {
                let (n, furthest) = reach.entry(origin).or_insert((0, target));
                (*n, *furthest) = (*n + 1, target.max(*furthest));
            }
            let reach: Vec<(i64, i64, i64)> = reach.into_iter().map(|(origin, (n, far))| (origin, n, far)).collect();
            let mut found: Vec<(i64, i64, i64)> = driver.rows_as("reach").unwrap();
            found.sort_unstable();
            assert_eq!(found, reach, "{told}");
            let circle = links.get(&0).map(|link| link.0).filter(|&a| expected.contains(&(a, a)));
            assert_eq!(driver.rows_as::<(i64,)>("circles").unwrap(), Vec::from_iter(circle.map(|a| (a,))), "{told}");
            // What was told of each step is the difference, and no more.
            for row in driver.changes("pairs").unwrap().rows {
                let (origin, target) = (row[1].parse().unwrap(), row[2].parse().unwrap());
                match row[0].as_str() {
                    "insert" => assert!(held.insert((origin, target)), "{told}"),
                    _ => {
                        retracted += 1;
                        assert!(held.remove(&(origin, target)), "{told}");
                    }
                }
            }
            assert_eq!(held, expected, "{told}");
        }
        assert!(retracted > 50, "{retracted}");
    }
}

#[test]
fn units_read_such_a_relation_and_restarts_make_it_again() {
    let program = "CREATE SOURCE roads (a BIGINT, b BIGINT) WITH ('connector' = 'http');
         CREATE MATERIALIZED VIEW edges AS SELECT DISTINCT a, b FROM roads;
         CREATE TABLE reachable (origin BIGINT, target BIGINT) WITH ('connector' = 'closure', 'reads' = 'edges');
         CREATE MATERIALIZED VIEW reach AS SELECT COUNT(*) AS n FROM reachable;";
    let folder = tempfile::tempdir().unwrap();
    for (run, expected) in [(0, 3), (1, 6)] {
        let started = Highwater::builder().sql(program).relation(closure()).workers(2).data_dir(folder.path());
        let highwater = started.start().unwrap();
        let pushed = highwater.source("roads").unwrap().push_rows([(2 * run, 2 * run + 1), (2 * run + 1, 2 * run + 2)]);
        highwater.visible_blocking(&pushed.unwrap()).unwrap();
        let reached = highwater.view("reach").unwrap().rows::<(i64,)>().unwrap();
        assert_eq!(reached, [(if run == 0 { expected } else { 10 },)]);
        highwater.shutdown_blocking(Drain::No).unwrap();
    }

    let files = |text: &str| vec![("p.sql".to_owned(), text.to_owned())];
    let mut session = Session::new(catalog());
    let plan = session.plan(&files(program)).unwrap();
    let engine = highwater::engine::Engine::start(plan, highwater::engine::Config::default().workers(2)).unwrap();
    session.installed(0, &files(program));
    let push = |from: i64, to: i64| {
        let source = engine.source("roads").unwrap();
        let batch = source.intake().unwrap().written([(from, to)]).unwrap();
        source.push(vec![highwater_core::format::Part::rows(batch)]).unwrap()
    };
    push(1, 2);
    let text = "CREATE MATERIALIZED VIEW far AS SELECT origin, MAX(target) AS target FROM reachable GROUP BY origin;";
    let unit = engine.install(session.plan(&files(text)).unwrap()).unwrap();
    assert_eq!(engine.wait_shown(unit, std::time::Duration::from_secs(20)), highwater::engine::UnitState::Running);
    let pushed = push(2, 9);
    let view = engine.views().get("far").unwrap();
    assert!(view.wait_past(pushed.epoch.unwrap(), std::time::Duration::from_secs(20)) > pushed.epoch.unwrap());
    let rows: Vec<(i64, i64)> = highwater::embed::from_batch(&view.snapshot().batch).unwrap();
    assert_eq!(rows, [(1, 9), (2, 9)], "what was there before it is reached as well");
}

#[test]
fn what_cannot_be_declared_so_says_what_can() {
    let told = |table: &str| {
        let program = format!(
            "CREATE SOURCE s (a BIGINT, b BIGINT) WITH ('connector' = 'http');
             {table}; CREATE MATERIALIZED VIEW v AS SELECT * FROM t;"
        );
        compile(&[("p.sql".to_owned(), program)], &catalog()).unwrap_err()[0].to_string()
    };
    for (table, says) in [
        ("CREATE TABLE t (a BIGINT) WITH ('connector' = 'closure')", "needs the option 'reads'"),
        (
            "CREATE TABLE t (a BIGINT) WITH ('connector' = 'closure', 'reads' = 's, s')",
            "makes rows of 1 relation, and 't' reads 2",
        ),
        (
            "CREATE TABLE t (a BIGINT) WITH ('connector' = 'closure', 'reads' = 'r')",
            "there is no view or table 'r' before 't'",
        ),
        (
            "CREATE TABLE t (a BIGINT) WITH ('connector' = 'closure', 'reads' = 's', 'path' = 'x')",
            "unknown option 'path'",
        ),
        (
            "CREATE TABLE t (a BIGINT PRIMARY KEY) WITH ('connector' = 'closure', 'reads' = 's')",
            "leave PRIMARY KEY out",
        ),
        ("CREATE TABLE t WITH ('connector' = 'closure', 'reads' = 's')", "does not say its columns"),
        (
            "CREATE TABLE t (a BIGINT, b AS a + 1) WITH ('connector' = 'closure', 'reads' = 's')",
            "makes all of its columns",
        ),
        ("CREATE TABLE t (a BIGINT) WITH ('connector' = 'closur', 'reads' = 's')", "did you mean closure"),
    ] {
        let error = told(table);
        assert!(error.contains(says), "{table}: {error}");
    }
    let taken = catalog().with_relation(closure()).unwrap_err().to_string();
    assert!(taken.contains("there is a relation 'closure' already"), "{taken}");
    assert!(Catalog::new().with_relation(relation("http", |[a]| a.rows::<(i64,)>())).is_err());
}

#[test]
fn a_row_that_does_not_fit_ends_the_engine_and_is_told() {
    let program = "CREATE SOURCE s (a BIGINT, b BIGINT) WITH ('connector' = 'http');
         CREATE TABLE t (a BIGINT, b BIGINT) WITH ('connector' = 'closure', 'reads' = 's');
         CREATE MATERIALIZED VIEW v AS SELECT * FROM t;";
    let highwater = Highwater::builder().sql(program).relation(closure()).workers(2).start().unwrap();
    let pushed = highwater.source("s").unwrap().push_json(r#"{"a": 1}"#).unwrap();
    let error = highwater.visible_blocking(&pushed).unwrap_err().to_string();
    assert!(error.contains("table 't': s: row 0, column 'b': "), "{error}");
}
