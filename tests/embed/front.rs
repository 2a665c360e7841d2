//! The front door: rows in as any type, views out as any type, streams that go on by themselves, an end that is told.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::{ArrayRef, Int64Array, RecordBatch};

use futures_util::{FutureExt, StreamExt};
use highwater::embed::{Error, Event, Following, PushError, Refused};
use highwater::view::TimedOut;
use highwater::{Drain, Highwater};
use serde::{Deserialize, Serialize};

const BIDS: &str = "
    CREATE SOURCE bids (auction INT NOT NULL, price DOUBLE, ts TIMESTAMP(3), note VARCHAR,
                        WATERMARK FOR ts AS ts - INTERVAL '1' SECOND)
    WITH ('connector' = 'http', 'lateness' = '1 day', 'queue-rows' = '8');
    CREATE MATERIALIZED VIEW totals AS SELECT auction, COUNT(*) AS bids, SUM(price) AS price FROM bids GROUP BY auction;
    CREATE MATERIALIZED VIEW everything AS SELECT COUNT(*) AS bids FROM bids;
    CREATE MATERIALIZED VIEW windows AS
    SELECT window_end, COUNT(*) AS bids FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' HOUR))
    GROUP BY window_start, window_end;
";

#[derive(Clone, Debug, Serialize)]
struct Bid {
    ts: i64,
    auction: u8,
    price: Option<f64>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Total {
    auction: i32,
    bids: u64,
    price: Option<f64>,
}

fn bid(auction: u8) -> Bid {
    Bid { ts: 1_700_000_000_000, auction, price: Some(0.5) }
}

fn start() -> Highwater {
    Highwater::builder().sql(BIDS).workers(2).tick(Duration::from_millis(1)).start().unwrap()
}

fn total(auction: i32, bids: u64) -> Total {
    Total { auction, bids, price: Some(bids as f64 / 2.0) }
}

/// Takes what comes, until it is as expected.
fn follows(following: &mut Following, held: &mut Vec<Total>, expected: &[Total]) -> usize {
    let mut snapshots = 0;
    while held != expected {
        match following.next_within(Duration::from_secs(20)).unwrap().unwrap().unwrap() {
            Event::Snapshot(snapshot) => {
                *held = snapshot.rows().unwrap();
                snapshots += 1;
            }
            Event::Changes(changes) => {
                for change in changes.rows::<Total>().unwrap() {
                    match change.diff {
                        1.. => held.push(change.row),
                        _ => held.retain(|row| *row != change.row),
                    }
                }
                held.sort_by_key(|total| total.auction);
            }
            _ => {}
        }
    }
    snapshots
}

#[test]
fn rows_go_in_as_any_type_and_come_out_as_any_type() {
    fn goes_anywhere<T: Clone + Send + Sync + 'static>(_: &T) {}
    let highwater = start();
    let (bids, totals) = (highwater.source("BIDS").unwrap(), highwater.view("Totals").unwrap());
    goes_anywhere(&highwater);
    goes_anywhere(&bids);
    goes_anywhere(&totals);
    bids.push_rows(&[bid(1), bid(2)]).unwrap();
    bids.push_rows([serde_json::json!({"auction": 1, "price": "0.5", "ts": "2023-11-14T22:13:20Z"})]).unwrap();
    bids.push_rows([BTreeMap::from([("auction", 1), ("ts", 1_700_000_000_000_i64)])]).unwrap();
    let with_time = |text: &str| text.replace('}', ", \"ts\": \"2023-11-14 22:13:20\"}");
    bids.push_json(with_time(r#"[{"auction": 3, "price": 0.5}, {"auction": 3}]"#)).unwrap();
    let pushed = bids.push_ndjson(with_time("{\"auction\": 2}\n{\"auction\": \"x\"}\n")).unwrap();
    assert_eq!((pushed.accepted, pushed.rejected, pushed.told[0].0), (1, 1, 1), "others' rows are counted one by one");
    highwater.visible_blocking(&pushed).unwrap();
    let one = Total { price: Some(1.0), ..total(1, 3) };
    let expected = [one, Total { price: Some(0.5), ..total(2, 2) }, Total { price: Some(0.5), ..total(3, 2) }];
    assert_eq!(totals.rows::<Total>().unwrap(), expected);
    // Columns of other types that hold the same values.
    let auctions: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
    let times: ArrayRef = Arc::new(Int64Array::from(vec![1_700_000_000_000; 2]));
    let batch = RecordBatch::try_from_iter([("ts", times), ("auction", auctions)]).unwrap();
    let pushed = bids.push_batch(&batch).unwrap();
    assert_eq!(pushed.accepted, 2);
    highwater.visible_blocking(&pushed).unwrap();
    assert_eq!(highwater.view("everything").unwrap().json(), r#"[{"bids":9}]"#);
    assert_eq!(totals.batch().num_rows(), 3);
    let [totals, everything] = highwater.snapshots(["totals", "everything"]).unwrap();
    assert_eq!(totals.as_of(), everything.as_of());
    let counts: Vec<(i32, u64, Option<f64>)> = totals.rows().unwrap();
    assert_eq!(everything.rows::<(u64,)>().unwrap(), [(counts.iter().map(|row| row.1).sum::<u64>(),)]);
    let error = totals.rows::<(String,)>().unwrap_err();
    assert_eq!((error.row, error.column.as_str()), (0, "auction"), "{error}");
}

#[test]
fn what_cannot_be_says_what_there_is() {
    let highwater = start();
    let bids = highwater.source("bids").unwrap();
    assert_eq!(highwater.source("bid").unwrap_err().to_string(), "there is no source 'bid'; there is 'bids'");
    let unknown = highwater.view("total").unwrap_err();
    assert_eq!(unknown.to_string(), "there is no view 'total'; there are 'totals', 'everything', 'windows'");
    assert_eq!(highwater.engine().subscribe("total").unwrap_err(), unknown);
    let error = bids.push_rows([serde_json::json!({"auction": 1, "prise": 2})]).unwrap_err();
    assert_eq!(error.column(), Some("prise"));
    assert!(
        error.to_string().starts_with("source 'bids': row 0, column 'prise': is no column; there are 'auction',"),
        "{error}"
    );
    assert!(std::error::Error::source(&error).is_some());
    assert!(matches!(bids.push_json("no").unwrap(), pushed if pushed.rejected == 1));
    assert!(matches!(bids.push_json("[").unwrap_err(), PushError::Unread { .. }));
    highwater.shutdown_blocking(Drain::No).unwrap();
    assert!(matches!(bids.push_rows([bid(1)]).unwrap_err(), PushError::Refused { refused: Refused::Closed, .. }));

    let Err(Error::Sql(errors)) = Highwater::builder().sql("SELECT 1; CREATE VIEW v AS SELECT x FROM y;").start()
    else {
        panic!("there is no y")
    };
    assert!(errors.to_string().contains("program.sql:1:"), "{errors}");
    assert!(!errors.is_empty() && std::error::Error::source(&errors).is_some());
    let missing = Highwater::builder().file("no/such.sql").start().unwrap_err();
    assert!(missing.to_string().contains("no/such.sql"));
    // The cause is at the end of the chain, whatever is around it.
    let sql = "CREATE SOURCE f (x BIGINT) WITH ('connector' = 'filesystem', 'path' = '/no/such.csv', 'format' = 'csv');
               CREATE MATERIALIZED VIEW v AS SELECT x FROM f;";
    let error = Highwater::builder().sql(sql).start().unwrap_err();
    let chain = std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source());
    let causes: Vec<_> = chain.filter_map(|error| error.downcast_ref::<std::io::Error>()).collect();
    assert_eq!(causes.len(), 1, "{error:?}");
    assert_eq!(causes[0].kind(), std::io::ErrorKind::NotFound);
}

#[test]
fn who_is_too_slow_is_told_all_rows_again_and_goes_on() {
    let configure = |config: &mut highwater::engine::Config| config.ring_epochs = 2;
    let highwater = Highwater::builder().sql(BIDS).workers(1).configure(configure).start().unwrap();
    let bids = highwater.source("bids").unwrap();
    let mut following = highwater.view("totals").unwrap().follow();
    let mut held = vec![total(0, 0)];
    assert_eq!(follows(&mut following, &mut held, &[]), 1, "it begins with all rows");
    let push = || highwater.visible_blocking(&bids.push_rows([bid(1)]).unwrap()).unwrap();
    push();
    assert_eq!(follows(&mut following, &mut held, &[total(1, 1)]), 0);
    for _ in 0..20 {
        push();
    }
    assert_eq!(
        follows(&mut following, &mut held, &[total(1, 21)]),
        1,
        "twenty epochs are more than the view remembers"
    );
    push();
    assert_eq!(follows(&mut following, &mut held, &[total(1, 22)]), 0, "it stands where the rows were");
    while following.next_within(Duration::from_millis(100)).is_ok() {}
    assert_eq!(following.next_within(Duration::from_millis(1)).unwrap_err(), TimedOut, "a pause is no end");
    highwater.shutdown_blocking(Drain::No).unwrap();
    assert!(following.all(|event| event.is_ok()), "and then it ends");
    assert!(matches!(following.next_within(Duration::from_secs(20)), Ok(None)));
}

#[test]
fn a_stream_ends_with_the_run_however_that_ends() {
    for drain in [Drain::Yes, Drain::No] {
        let highwater = start();
        let mut stream = highwater.view("windows").unwrap().stream();
        assert!(matches!(stream.next().now_or_never(), Some(Some(Ok(Event::Snapshot(_))))), "it begins at once");
        let pushed = highwater.source("bids").unwrap().push_rows([bid(1)]).unwrap();
        highwater.visible_blocking(&pushed).unwrap();
        let summary = highwater.shutdown_blocking(drain).unwrap();
        assert_eq!(summary.rows_accepted, 1);
        // Everything is there by now: nobody need be waited for.
        let mut inserted = 0;
        while let Some(event) = stream.next().now_or_never().expect("the run has ended") {
            if let Event::Changes(changes) = event.unwrap() {
                inserted += changes.diffs().sum::<i64>();
            }
        }
        assert_eq!(inserted, i64::from(drain == Drain::Yes), "windows that are open close, or stay open");
        assert!(highwater.visible_blocking(&pushed).is_ok());
    }
}

#[test]
fn who_waits_for_room_loses_nothing() {
    let highwater = start();
    let bids = highwater.source("bids").unwrap();
    let (full, sent) = (bids.clone(), 400);
    std::thread::scope(|scope| {
        for auction in 0..4 {
            let bids = bids.clone();
            scope.spawn(move || {
                for _ in 0..sent {
                    bids.send_rows_blocking([bid(auction), bid(auction), bid(auction)]).unwrap();
                }
            });
        }
    });
    let mut refused = 0;
    for _ in 0..1000 {
        match full.push_rows([bid(9), bid(9), bid(9)]) {
            Ok(_) => {}
            Err(error) if error.is_full() => {
                refused += 1;
                full.room_blocking();
            }
            Err(error) => panic!("{error}"),
        }
    }
    let summary = highwater.shutdown_blocking(Drain::Yes).unwrap();
    assert_eq!(summary.rows_accepted, 4 * sent * 3 + 3 * (1000 - refused));
    assert_eq!(highwater.view("totals").unwrap().rows::<Total>().unwrap()[0], total(0, 3 * sent));
    // Nobody waits for what takes nothing more.
    full.room_blocking();
}

#[test]
fn what_was_pushed_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    for run in 1..=3 {
        let highwater = Highwater::builder().sql(BIDS).workers(run).data_dir(folder.path()).start().unwrap();
        let pushed = highwater.source("bids").unwrap().push_rows([bid(1)]).unwrap();
        highwater.durable_blocking(&pushed).unwrap();
        highwater.visible_blocking(&pushed).unwrap();
        assert_eq!(highwater.view("totals").unwrap().rows::<Total>().unwrap(), [total(1, run as u64)]);
        let told = highwater.shutdown_blocking(Drain::Yes).unwrap_err();
        assert!(matches!(told, Error::Kept), "a source that ended would take nothing after the next start: {told}");
        highwater.shutdown_blocking(Drain::No).unwrap();
    }
}

#[test]
fn who_follows_a_view_does_not_keep_the_engine() {
    let highwater = start();
    let (following, stream) = (highwater.view("totals").unwrap().follow(), highwater.view("totals").unwrap().stream());
    let waiting = std::thread::spawn(move || following.map(Result::unwrap).count());
    let pushed = highwater.source("bids").unwrap().push_rows([bid(1)]).unwrap();
    highwater.visible_blocking(&pushed).unwrap();
    drop(highwater);
    assert!(waiting.join().unwrap() > 0, "it ends with the last handle");
    assert!(stream.all(async |event| event.is_ok()).now_or_never().expect("all is there"));
}

#[test]
fn dead_letters_are_those_of_sources_and_of_views() {
    let highwater = Highwater::builder()
        .sql(
            "CREATE SOURCE s (x INT) WITH ('connector' = 'http');
             CREATE MATERIALIZED VIEW parts AS SELECT 10 / x AS part FROM s;",
        )
        .start()
        .unwrap();
    let pushed = highwater.source("s").unwrap().push_json(r#"[{"x": 0}, {"x": "many"}, {"x": 5}, {"x": 0}]"#).unwrap();
    highwater.visible_blocking(&pushed).unwrap();
    let [letter] = highwater.dead_letters("S", 9).unwrap().try_into().unwrap();
    assert_eq!((letter.reason.as_str(), letter.expression, letter.count), ("malformed", None, 1));
    assert!(letter.content.contains("many"), "{}", letter.content);
    // They come beside the rows.
    let until = Instant::now() + Duration::from_secs(20);
    let letters = loop {
        let letters = highwater.dead_letters("parts", 9).unwrap();
        let count = letters.iter().map(|letter| letter.count).sum::<u64>();
        if count == 2 {
            break letters;
        }
        assert!(count < 2 && Instant::now() < until, "{letters:?}");
        std::thread::sleep(Duration::from_millis(1));
    };
    assert_eq!(letters[0].expression.as_deref(), Some("10 / x"));
    let told = highwater.dead_letters("part", 9).unwrap_err().to_string();
    assert!(told.contains("there are 's', 'parts'"), "{told}");
}

#[test]
fn a_table_changes_as_a_whole_or_not_at_all() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Limit {
        page: String,
        slow: Option<f64>,
    }
    let limit = |page: &str, slow: Option<f64>| Limit { page: page.to_owned(), slow };
    let highwater = Highwater::builder()
        .sql(
            "CREATE TABLE limits (page VARCHAR PRIMARY KEY, slow DOUBLE);
             CREATE MATERIALIZED VIEW sums AS SELECT COUNT(*) AS n, SUM(slow) AS slow FROM limits;",
        )
        .workers(2)
        .configure(|config| config.tables_linger = true)
        .start()
        .unwrap();
    let limits = highwater.table("LIMITS").unwrap();
    let sums = || highwater.view("sums").unwrap().rows::<(u64, Option<f64>)>().unwrap();
    let first = limits.upsert_rows_blocking([limit("/", Some(5.0)), limit("/buy", None)]).unwrap();
    assert_eq!(sums(), [(2, Some(5.0))]);
    let told = limits.upsert_rows_blocking([serde_json::json!({"page": "/x"}), serde_json::json!({"slow": 1.0})]);
    assert!(told.unwrap_err().to_string().contains("page"), "a row without its key");
    let told = limits.delete_rows_blocking([serde_json::json!({"slow": 1.0})]).unwrap_err().to_string();
    assert!(told.starts_with("table 'limits': ") && told.contains("page"), "{told}");
    assert_eq!(sums(), [(2, Some(5.0))], "nothing of what was refused");
    let second = limits.delete_rows_blocking([serde_json::json!({"page": "/"})]).unwrap();
    assert!(second > first);
    assert_eq!(limits.rows::<Limit>().unwrap(), [limit("/buy", None)]);
    limits.replace_rows_blocking([limit("/a", Some(1.0)), limit("/b", Some(2.0))]).unwrap();
    assert_eq!(sums(), [(2, Some(3.0))]);
    highwater.shutdown_blocking(Drain::No).unwrap();
    let told = limits.upsert_rows_blocking([limit("/", None)]).unwrap_err().to_string();
    assert!(told.contains("the run has ended"), "{told}");
    assert!(highwater.table("limit").unwrap_err().to_string().contains("limits"));
}
