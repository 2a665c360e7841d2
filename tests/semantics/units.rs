//! Units that come and go while rows flow: what each shows is what a run that had it from where it begins would show, at every
//! epoch, whatever the workers and processes; and what is dropped is gone (U1 to U6).

use crate::feed::{Feed, Row, catalog};
use crate::script::{Random, addresses, comes_to, eventually, line};

use std::collections::BTreeMap;
use std::time::Duration;

use highwater::engine::{Config, Engine, UnitId, UnitState};
use highwater::sql::Session;
use highwater::view::Update;

const PROGRAM: &str = "
CREATE SOURCE t (k BIGINT, v BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' SECOND)
  WITH ('connector' = 'feed', 'feed' = '$', 'lateness' = 'unbounded');
CREATE TABLE names (k BIGINT, name VARCHAR, PRIMARY KEY (k) NOT ENFORCED);
CREATE MATERIALIZED VIEW totals AS SELECT k, COUNT(*) AS n, SUM(v) AS s FROM t GROUP BY k;
CREATE MATERIALIZED VIEW windows AS SELECT k, window_end, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' SECOND))
  GROUP BY k, window_start, window_end;
CREATE VIEW twice AS SELECT k, 2 * n AS n FROM totals;
";

/// A program in one process or several, its session, and its feed.
struct Running {
    engines: Vec<Engine>,
    session: Session,
    feed: Feed,
}

fn files(text: &str) -> Vec<(String, String)> {
    vec![("unit.sql".to_owned(), text.to_owned())]
}

fn started(workers: usize, processes: usize) -> Running {
    started_as(&Config::default().workers(workers), processes)
}

fn started_as(config: &Config, processes: usize) -> Running {
    let feed = Feed::new();
    let text = PROGRAM.replace('$', feed.name());
    let mut session = Session::new(catalog());
    let planned = session.plan(&files(&text)).unwrap();
    session.installed(0, &files(&text));
    let addresses = if processes > 1 { addresses(processes) } else { Vec::new() };
    let start = |process: usize| {
        let config = config.clone().with(|config| {
            config.process = process;
            config.addresses = addresses.clone();
        });
        Engine::start(planned.clone(), config).unwrap()
    };
    let engines = std::thread::scope(|scope| {
        let start = &start;
        let running: Vec<_> = (0..processes).map(|process| scope.spawn(move || start(process))).collect();
        running.into_iter().map(|running| running.join().unwrap()).collect()
    });
    Running { engines, session, feed }
}

impl Running {
    /// Installs a unit in all processes, and waits until it is shown.
    fn install(&mut self, text: &str) -> UnitId {
        let planned = self.session.plan(&files(text)).unwrap_or_else(|errors| panic!("{}", errors[0]));
        let units: Vec<UnitId> = self.everywhere(|engine| engine.install(planned.clone()).unwrap());
        assert!(units.iter().all(|unit| *unit == units[0]), "{units:?}");
        for engine in &self.engines {
            assert_eq!(engine.wait_shown(units[0], Duration::from_secs(20)), UnitState::Running);
        }
        self.session.installed(units[0].0, &files(text));
        units[0]
    }

    fn drop(&mut self, unit: UnitId) {
        self.everywhere(|engine| engine.drop(unit).unwrap());
        self.session.dropped(unit.0);
    }

    fn everywhere<T: Send>(&self, each: impl Fn(&Engine) -> T + Sync) -> Vec<T> {
        std::thread::scope(|scope| {
            let each = &each;
            let running: Vec<_> = self.engines.iter().map(|engine| scope.spawn(move || each(engine))).collect();
            running.into_iter().map(|running| running.join().unwrap()).collect()
        })
    }

    /// Pushes rows, and waits until the program shows them all; `all` is how many there are then.
    fn push(&self, rows: &[Row], all: usize) {
        self.feed.push(rows.to_vec());
        for engine in &self.engines {
            comes_to(engine, "totals", "the rows are shown", || {
                shown(engine, "totals").iter().map(|row| number(row, 1)).sum::<i64>() == all as i64
            });
        }
    }

    /// Waits until a view is this everywhere.
    fn expect(&self, view: &str, expected: &[String]) {
        let what = format!("'{view}' is {expected:?}");
        self.engines.iter().for_each(|engine| comes_to(engine, view, &what, || shown(engine, view) == expected));
    }
}

fn shown(engine: &Engine, view: &str) -> Vec<String> {
    let batch = engine.views().get(view).unwrap().snapshot().batch;
    let mut rows: Vec<String> = (0..batch.num_rows()).map(|row| line(&batch, row)).collect();
    rows.sort();
    rows
}

fn number(row: &str, column: usize) -> i64 {
    row.split(',').nth(column).unwrap().parse().unwrap()
}

fn totals(rows: &[Row]) -> BTreeMap<i64, (i64, i64)> {
    let mut totals: BTreeMap<i64, (i64, i64)> = BTreeMap::new();
    for (k, v, _) in rows {
        let (n, s) = totals.entry(*k).or_default();
        (*n, *s) = (*n + 1, *s + v);
    }
    totals
}

fn sorted(rows: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut rows: Vec<String> = rows.into_iter().collect();
    rows.sort();
    rows
}

const OVER_SOURCE: &str = "CREATE MATERIALIZED VIEW since AS SELECT k, COUNT(*) AS n, SUM(v) AS s FROM t GROUP BY k";
const OVER_VIEW: &str =
    "CREATE MATERIALIZED VIEW sums AS SELECT COUNT(*) AS keys, SUM(n) AS n, SUM(s) AS s FROM totals";
const OVER_PLAIN: &str = "CREATE MATERIALIZED VIEW four AS SELECT k, 2 * n AS n FROM twice";
const OVER_BOTH: &str = "CREATE MATERIALIZED VIEW pairs AS SELECT t.v, t.k, w.s FROM t JOIN totals w ON t.k = w.k";
const OVER_WINDOWS: &str =
    "CREATE MATERIALIZED VIEW longer AS SELECT window_end, SUM(n) AS n FROM windows GROUP BY window_end";

#[test]
fn u1_u2_a_unit_over_a_source_begins_now_and_one_over_a_view_with_its_rows() {
    for (workers, processes) in [(1, 1), (3, 1), (2, 2)] {
        let mut running = started(workers, processes);
        let before: Vec<Row> = (0..40).map(|n| (n % 5, n, 1_000 * n)).collect();
        running.push(&before, 40);
        [OVER_SOURCE, OVER_VIEW, OVER_PLAIN, OVER_BOTH, OVER_WINDOWS].iter().for_each(|unit| {
            running.install(unit);
        });
        running.expect("since", &[]);
        let after: Vec<Row> = (0..20).map(|n| (n % 7, n, 40_000 + 1_000 * n)).collect();
        running.push(&after, 60);
        let all = [&before[..], &after[..]].concat();
        running.expect("since", &sorted(totals(&after).iter().map(|(k, (n, s))| format!("{k},{n},{s}"))));
        let (n, s) = totals(&all).values().fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1));
        running.expect("sums", &[format!("7,{n},{s}")]);
        running.expect("four", &sorted(totals(&all).iter().map(|(k, (n, _))| format!("{k},{}", 4 * n))));
        let of = totals(&all);
        running.expect("pairs", &sorted(after.iter().map(|(k, v, _)| format!("{v},{k},{}", of[k].1))));
        let counted: i64 = shown(&running.engines[0], "longer").iter().map(|row| number(row, 1)).sum();
        let closed: i64 = shown(&running.engines[0], "windows").iter().map(|row| number(row, 2)).sum();
        assert!(closed > 0 && counted <= closed, "{counted} of {closed}");
        running.feed.end();
        running.everywhere(|engine| engine.wait().unwrap());
        let ends = |view: &str, column: usize| -> i64 {
            shown(&running.engines[0], view).iter().map(|row| number(row, column)).sum()
        };
        assert_eq!((ends("longer", 1), ends("windows", 2)), (60, 60));
    }
}

#[test]
fn u3_views_of_several_units_are_read_at_one_epoch() {
    let mut running = started(2, 1);
    running.install(OVER_VIEW);
    let engine = &running.engines[0];
    let views = ["totals", "sums"].map(|view| engine.views().get(view).unwrap());
    let mut looked = 0;
    for step in 0..300 {
        running.feed.push(vec![(step % 9, step, step * 100); 3]);
        let Some(read) = engine.views().read(&views) else { continue };
        let rows = |at: usize| (0..read[at].batch.num_rows()).map(|row| line(&read[at].batch, row)).collect::<Vec<_>>();
        let (n, s) = rows(0).iter().fold((0, 0), |all, row| (all.0 + number(row, 1), all.1 + number(row, 2)));
        let expected = if rows(0).is_empty() { "0,,".to_owned() } else { format!("{},{n},{s}", rows(0).len()) };
        assert_eq!(rows(1), [expected], "at {}", read[0].as_of);
        looked += 1;
    }
    assert!(looked > 100, "{looked}");
}

#[test]
fn u1_u2_u5_units_come_and_go_at_random_while_rows_come() {
    for (seed, workers, processes) in [(1, 1, 1), (2, 2, 1), (3, 3, 1), (4, 1, 2), (5, 2, 2)] {
        let mut random = Random(seed);
        let mut running = started(workers, processes);
        let (mut rows, mut now) = (Vec::<Row>::new(), 0);
        // Per unit: its number, its view, and how many rows were there before.
        let mut units: Vec<(UnitId, usize, String, usize)> = Vec::new();
        for step in 0..40 {
            match random.below(4) {
                0 if units.len() < 6 => {
                    let kind = random.below(3) as usize;
                    let name = format!("u{step}");
                    let text =
                        [OVER_SOURCE, OVER_VIEW, OVER_PLAIN][kind].replace(["since", "sums", "four"][kind], &name);
                    let unit = running.install(&text);
                    units.push((unit, kind, name, rows.len()));
                }
                1 if !units.is_empty() => {
                    let (unit, _, name, _) = units.remove(random.below(units.len() as u64) as usize);
                    running.drop(unit);
                    assert!(running.engines.iter().all(|engine| engine.views().get(&name).is_none()));
                }
                _ => {
                    let more: Vec<Row> = (0..random.below(50))
                        .map(|_| {
                            now += random.below(400);
                            (random.below(12), random.below(100), now - random.below(3_000))
                        })
                        .collect();
                    rows.extend(&more);
                    running.push(&more, rows.len());
                }
            }
            for (_, kind, name, before) in &units {
                let expected = match kind {
                    0 => sorted(totals(&rows[*before..]).iter().map(|(k, (n, s))| format!("{k},{n},{s}"))),
                    1 if rows.is_empty() => vec!["0,,".to_owned()],
                    1 => {
                        let all = totals(&rows);
                        let (n, s) = all.values().fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1));
                        vec![format!("{},{n},{s}", all.len())]
                    }
                    _ => sorted(totals(&rows).iter().map(|(k, (n, _))| format!("{k},{}", 4 * n))),
                };
                running.expect(name, &expected);
            }
        }
        running.feed.end();
        running.everywhere(|engine| engine.wait().unwrap());
    }
}

#[test]
fn u6_who_follows_a_view_that_is_dropped_is_told_so() {
    let mut running = started(2, 1);
    running.push(&[(1, 2, 3)], 1);
    let unit = running.install(OVER_SOURCE);
    running.push(&[(1, 5, 4_000)], 2);
    running.expect("since", &["1,1,5".to_owned()]);
    eventually("what it does is counted", || {
        let text = running.engines[0].metrics_text();
        text.contains("view=\"since\"") && text.contains("operator=\"Outlet t #1.")
    });
    let mut follows = running.engines[0].subscribe("since").unwrap();
    follows.snapshot();
    let waiting = std::thread::spawn(move || {
        loop {
            match follows.next_within(Duration::from_secs(20)) {
                Ok(Some(Update::Dropped)) => return true,
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => return false,
            }
        }
    });
    running.drop(unit);
    assert!(waiting.join().unwrap(), "it was told");
    let engine = &running.engines[0];
    let text = engine.metrics_text();
    let left: Vec<&str> = text.lines().filter(|line| line.contains("\"since\"") || line.contains("#1.")).collect();
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(engine.units().len(), 1);
    assert!(engine.dead_letters().iter().all(|letters| letters.name() != "since"));
    assert!(engine.drop(unit).unwrap_err().to_string().contains("there is no unit 1 to drop"));
    assert!(engine.drop(UnitId::PROGRAM).unwrap_err().to_string().contains("0 is the program"));
    // Its name is free again, and a unit that reads another keeps it.
    let first = running.install(OVER_SOURCE);
    let second = running.install("CREATE MATERIALIZED VIEW above AS SELECT SUM(n) AS n FROM since");
    let refused = running.engines[0].drop(first).unwrap_err().to_string();
    assert!(refused.contains("unit 3 reads the view 'since' of unit 2"), "{refused}");
    running.drop(second);
    running.drop(first);
}

#[test]
fn what_does_not_fit_is_refused() {
    let running = started(1, 1);
    let engine = &running.engines[0];
    let plan = |text: &str| running.session.plan(&files(text));
    let refused = |text: &str| engine.install(plan(text).unwrap()).unwrap_err().to_string();
    let source = "CREATE SOURCE other (k BIGINT) WITH ('connector' = 'feed', 'feed' = 'x');";
    let view = "CREATE MATERIALIZED VIEW o AS SELECT k FROM other";
    assert!(refused(&format!("{source} {view}")).contains("a unit brings the source 'other'"));
    let table = "CREATE TABLE more (k BIGINT, PRIMARY KEY (k) NOT ENFORCED);";
    assert!(refused(table).contains("a unit brings the reference table 'more'"));
    let errors = |text: &str| plan(text).unwrap_err().iter().map(ToString::to_string).collect::<String>();
    assert!(errors(OVER_SOURCE.replace("since", "totals").as_str()).contains("there is a view 'totals' already"));
    assert!(errors("CREATE MATERIALIZED VIEW p AS SELECT k, PROCTIME() AS at FROM t").contains("do not keep that"));
    // Planned alone it decodes other columns than the program does.
    let text = PROGRAM.replace('$', running.feed.name());
    let alone = highwater::sql::plan(&files(&text.replace("totals", "x").replace("windows", "y")), &catalog()).unwrap();
    let alone = highwater_core::plan::Dataflow { tables: Vec::new(), ..alone };
    assert!(engine.install(alone).unwrap_err().to_string().contains("plan the program and its units in one Session"));
}

/// What a data directory would not remember is refused, saying so (D6).
#[test]
fn d6_a_unit_over_a_data_directory_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = Some(folder.path().join("data"));
    let running = started_as(&Config::default().workers(1).with(|config| config.data_dir = data_dir), 1);
    let planned = running.session.plan(&files(OVER_VIEW)).unwrap();
    let refused = running.engines[0].install(planned).unwrap_err().to_string();
    assert!(refused.contains("a unit is not remembered by the data directory"), "{refused}");
    assert!(refused.contains("--on-change rebuild"), "{refused}");
    assert_eq!(running.engines[0].units().len(), 1, "nothing is left of it");
}

#[test]
fn u4_a_unit_for_which_too_much_waits_is_given_up_and_holds_nobody_back() {
    let mut running = started_as(&Config::default().workers(2).with(|config| config.unit_bytes = 0), 1);
    running.push(&[(1, 10, 1_000)], 1);
    let mut all = 1;
    // Rows that come before one is shown are too many; whether some do is a matter of moments.
    let given_up = (0..200).find_map(|n| {
        let planned = running.session.plan(&files(&OVER_SOURCE.replace("since", &format!("since_{n}")))).unwrap();
        let unit = running.engines[0].install(planned).unwrap();
        for _ in 0..3 {
            all += 1;
            running.push(&[(all % 3, 10, all * 1_000)], all as usize);
        }
        let state = running.engines[0].wait_shown(unit, Duration::from_secs(20));
        if state == UnitState::GivenUp {
            return Some(unit);
        }
        assert_eq!(state, UnitState::Running);
        running.drop(unit);
        None
    });
    let unit = given_up.expect("one of them had rows that waited");
    let engine = &running.engines[0];
    assert_eq!(engine.views_of(unit)[0].row_count(), 0);
    running.drop(unit);
    running.push(&[(1, 10, 900_000)], all as usize + 1);
    assert_eq!(running.engines[0].units().len(), 1);
}

#[test]
fn what_ends_is_not_installed_into() {
    let running = started(2, 1);
    let planned = running.session.plan(&files(OVER_VIEW)).unwrap();
    running.feed.end();
    running.engines[0].stop(true);
    running.engines[0].wait().unwrap();
    let refused = running.engines[0].install(planned).unwrap_err().to_string();
    assert!(refused.contains("nothing is installed or dropped any more"), "{refused}");
}

#[test]
fn u6_two_hundred_units_leave_nothing_behind() {
    let this = std::env::current_exe().unwrap();
    let run = std::process::Command::new(this)
        .args(["--ignored", "--exact", "units::two_hundred_units_alone", "--nocapture"])
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stdout));
}

/// In a process of its own, whose memory nobody else uses.
#[test]
#[ignore = "run by u6_two_hundred_units_leave_nothing_behind"]
fn two_hundred_units_alone() {
    let resident = || {
        let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
        pages.split(' ').nth(1).unwrap().parse::<f64>().unwrap() * 4096.0 / f64::from(1 << 20)
    };
    let threads = || std::fs::read_dir("/proc/self/task").unwrap().count();
    let mut running = started(2, 1);
    let rows: Vec<Row> = (0..20_000).map(|n| (n % 5_000, n, n)).collect();
    running.push(&rows, 20_000);
    let sink = "CREATE SINK gone WITH ('connector' = 'blackhole') AS SELECT * FROM since;";
    let text = format!("{OVER_SOURCE}; {OVER_VIEW}; {OVER_BOTH}; {sink}");
    let mut rounds = |count: usize| {
        for _ in 0..count {
            let unit = running.install(&text);
            running.drop(unit);
        }
        resident()
    };
    let (before, begun) = (rounds(20), threads());
    let after = rounds(200);
    println!("{before:.1} MiB, after 200 units {after:.1} MiB");
    assert!(after <= before * 1.05, "{before:.1} MiB, after 200 units {after:.1} MiB");
    assert_eq!(threads(), begun);
}
