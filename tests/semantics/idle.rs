//! Whose watermark holds whom (W5, W6, W11), what stopping closes (W8), versions of rows (C1) and stamps of arrival, by a clock that is
//! moved by hand: nothing waits, and what is seen is not seen by chance.

use std::time::Duration;

use highwater::testing::{Setup, TestDriver};
use highwater::view::Status;

/// 2026-01-01 12:00:00, in ms.
const NOON: i64 = 1_767_268_800_000;

/// The rows of `a` and `b`, which are idle after 5 s, in windows.
fn started(workers: usize, size: &str) -> TestDriver {
    let source = |name: &str| {
        format!(
            "CREATE SOURCE {name} (k BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)
             WITH ('connector' = 'http', 'idle-timeout' = '5 s');"
        )
    };
    let program = format!(
        "{} {} CREATE VIEW both AS SELECT * FROM a UNION ALL SELECT * FROM b;
         CREATE MATERIALIZED VIEW windows AS SELECT window_end, COUNT(*) AS n
         FROM TABLE(TUMBLE(TABLE both, DESCRIPTOR(ts), INTERVAL '{size}' SECOND)) GROUP BY window_start, window_end;",
        source("a"),
        source("b")
    );
    let mut driver = Setup::new(program).workers(workers).start().unwrap();
    driver.at("2026-01-01 12:00:00").unwrap();
    driver
}

/// The rows of `a`, which has two partitions that are idle after 5 s, in windows by key.
fn parted(workers: usize, size: &str, options: &str, emit: &str) -> TestDriver {
    let program = format!(
        "CREATE SOURCE a (k BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)
         WITH ('connector' = 'http', 'idle-timeout' = '5 s' {options});
         CREATE MATERIALIZED VIEW windows AS SELECT k, window_end, COUNT(*) AS n
         FROM TABLE(TUMBLE(TABLE a, DESCRIPTOR(ts), INTERVAL '{size}' SECOND)) GROUP BY k, window_start, window_end {emit};"
    );
    let mut driver = Setup::new(program).workers(workers).partitions("a", 2).start().unwrap();
    driver.at("2026-01-01 12:00:00").unwrap();
    driver
}

/// A row that many ms after noon.
fn push(driver: &mut TestDriver, source: &str, ms: i64) {
    push_of(driver, source, 1, ms);
}

/// The same of a key.
fn push_of(driver: &mut TestDriver, source: &str, key: i64, ms: i64) {
    driver.push_json(source, &format!("{{\"k\": {key}, \"ts\": {}}}", NOON + ms)).unwrap();
}

fn seconds(driver: &mut TestDriver, seconds: u64) {
    driver.advance(Duration::from_secs(seconds)).unwrap();
}

/// The watermark that the windows have seen, in ms after noon.
fn watermark(driver: &mut TestDriver) -> i64 {
    driver.settle().unwrap();
    driver.engine().views().get("windows").unwrap().snapshot().as_of.watermark - NOON
}

#[test]
fn w5_the_watermark_of_two_sources_is_the_lesser() {
    for workers in [1, 2] {
        let mut driver = started(workers, "1");
        push(&mut driver, "a", 300);
        push(&mut driver, "b", 500);
        assert_eq!(watermark(&mut driver), 300);
        push(&mut driver, "a", 700);
        assert_eq!(watermark(&mut driver), 500);
        push(&mut driver, "b", 900);
        assert_eq!(watermark(&mut driver), 700);
    }
}

#[test]
fn w5_the_watermark_is_the_least_of_the_live_partitions() {
    for workers in [1, 2] {
        let mut driver = parted(workers, "1", "", "");
        push(&mut driver, "a/0", 1_000);
        assert_eq!(driver.engine().sources()[0].watermark(), i64::MIN, "nothing is known of the other");
        push(&mut driver, "a/1", 300);
        assert_eq!(watermark(&mut driver), 300);
        push(&mut driver, "a/1", 700);
        assert_eq!(watermark(&mut driver), 700);
        assert_eq!(driver.engine().sources()[0].watermark(), NOON + 700);
        push(&mut driver, "a/1", 699);
        driver.expect_dead_letters("a", "reason\nlate").unwrap();
        driver.watermark("a/1", "12:00:03").unwrap();
        assert_eq!(watermark(&mut driver), 1_000);
        driver.expect("windows", "n\n2").unwrap();
    }
}

#[test]
fn w11_a_partition_that_leaves_releases_its_hold_at_once() {
    for workers in [1, 2] {
        let mut driver = parted(workers, "1", "", "");
        push(&mut driver, "a/0", 100);
        push_of(&mut driver, "a/1", 2, 5_000);
        assert_eq!(watermark(&mut driver), 100, "the first holds");
        driver.end("a/0").unwrap();
        assert_eq!(watermark(&mut driver), 5_000, "it left");
        driver.push_json("a/0", "{}").unwrap_err();
    }
}

#[test]
fn w6_all_partitions_that_are_idle_follow_the_greatest_whoever_fell_idle_first() {
    for ahead_first in [true, false] {
        let mut driver = parted(2, "10", "", "");
        let ahead = |driver: &mut TestDriver| push(driver, "a/0", 31_000);
        push_of(&mut driver, "a/1", 2, 12_000);
        match ahead_first {
            true => ahead(&mut driver),
            false => push_of(&mut driver, "a/1", 2, 15_000),
        }
        seconds(&mut driver, 3);
        match ahead_first {
            true => push_of(&mut driver, "a/1", 2, 15_000),
            false => ahead(&mut driver),
        }
        assert_eq!(watermark(&mut driver), 15_000);
        seconds(&mut driver, 3);
        seconds(&mut driver, 3);
        driver.expect("windows", "k | window_end | n\n 2 | 2026-01-01 12:00:20 | 2").unwrap();
        assert_eq!(watermark(&mut driver), 31_000);
    }
}

#[test]
fn w8_stopping_leaves_windows_open_and_draining_closes_them() {
    for drain in [false, true] {
        let mut driver = parted(2, "1", "", "");
        [100, 1_500, 1_600].into_iter().for_each(|ms| push(&mut driver, "a/0", ms));
        driver.end("a/1").unwrap();
        driver.expect("windows", "window_end | n\n 2026-01-01 12:00:01 | 1").unwrap();
        driver.engine().stop(drain);
        assert_eq!(driver.engine().wait().unwrap().stopped, !drain);
        let left = if drain { "n\n1\n2" } else { "n\n1" };
        driver.expect("windows", left).unwrap();
    }
}

#[test]
fn c1_versions_count_the_replacements_of_a_key() {
    let mut driver = parted(2, "1", ", 'lateness' = '10 s'", "EMIT CHANGES");
    driver.end("a/1").unwrap();
    use Status::{Amended, Final, Open};
    let steps = [
        ("one row", vec![(1, 10)], vec![(1, Open)]),
        ("it is replaced, a second comes", vec![(1, 20), (2, 20)], vec![(2, Open), (1, Open)]),
        ("the watermark closes both", vec![(3, 1_500)], vec![(2, Final), (1, Final), (1, Open)]),
        ("a late row amends the second", vec![(2, 30)], vec![(2, Final), (2, Amended), (1, Open)]),
    ];
    let state = |driver: &mut TestDriver| {
        driver.settle().unwrap();
        let snapshot = driver.engine().views().get("windows").unwrap().snapshot();
        snapshot.versions.iter().copied().zip(snapshot.statuses.iter().copied()).collect::<Vec<_>>()
    };
    for (what, rows, expected) in steps {
        let rows: Vec<String> = rows.iter().map(|(k, ms)| format!("{{\"k\": {k}, \"ts\": {}}}", NOON + ms)).collect();
        driver.push_json("a/0", &rows.join(" ")).unwrap();
        assert_eq!(state(&mut driver), expected, "{what}");
    }
    driver.end("a").unwrap();
    assert_eq!(state(&mut driver), [(2, Final), (2, Amended), (1, Final)]);
}

#[test]
fn w6_an_idle_input_follows_the_others_and_is_late_when_it_comes_back() {
    for workers in [1, 3] {
        let mut driver = started(workers, "1");
        push(&mut driver, "b", -10_000 + 5);
        push(&mut driver, "a", -10_000 + 100);
        for second in 1..=10 {
            seconds(&mut driver, 1);
            push(&mut driver, "a", -10_000 + second * 1_000);
            if second < 5 {
                assert_eq!(watermark(&mut driver), -9_995, "b holds for 5 s");
            }
        }
        assert_eq!(watermark(&mut driver), 0);
        assert_eq!(driver.rows("windows").unwrap().rows.len(), 10, "windows close though b is idle");
        push(&mut driver, "b", -10_000 + 6);
        driver.expect_dead_letters("b", "reason\nlate").unwrap();
        let late = driver.engine().source("b").unwrap().counts().lateness.bound_ms(1.0);
        assert!(late >= 9_994, "by the others' watermark: {late}");
        push(&mut driver, "b", 9_000);
        assert_eq!(watermark(&mut driver), 0, "it is there again, and a is the slow one");
        // Then all are idle: they come to the greatest, and stay there.
        for _ in 0..3 {
            seconds(&mut driver, 20);
            assert_eq!(watermark(&mut driver), 9_000);
        }
    }
}

#[test]
fn w6_two_that_are_idle_follow_the_greatest_whoever_fell_idle_first() {
    for (first, second) in [(("a", 31_000), ("b", 15_000)), (("b", 15_000), ("a", 31_000))] {
        let mut driver = started(2, "10");
        push(&mut driver, first.0, first.1);
        seconds(&mut driver, 3);
        push(&mut driver, second.0, second.1);
        seconds(&mut driver, 3);
        seconds(&mut driver, 3);
        driver.expect("windows", "window_end | n\n 2026-01-01 12:00:20 | 1").unwrap();
        assert_eq!(watermark(&mut driver), 31_000);
    }
}

#[test]
fn w6_who_is_idle_follows_what_an_ended_input_came_to() {
    let mut driver = started(1, "10");
    push(&mut driver, "a", 31_000);
    driver.end("a").unwrap();
    push(&mut driver, "b", 15_000);
    driver.expect("windows", "").unwrap();
    seconds(&mut driver, 6);
    driver.expect("windows", "window_end | n\n 2026-01-01 12:00:20 | 1").unwrap();
    assert_eq!(watermark(&mut driver), 31_000);
}

#[test]
fn w6_the_windows_of_a_source_that_falls_silent_close_by_the_clock() {
    let mut driver = Setup::new(
        "CREATE SOURCE a (k BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '0.05' SECOND)
         WITH ('connector' = 'http', 'idle-timeout' = '100 ms', 'watermark.idle' = 'clock');
         CREATE MATERIALIZED VIEW windows AS SELECT window_end, COUNT(*) AS n
         FROM TABLE(TUMBLE(TABLE a, DESCRIPTOR(ts), INTERVAL '0.5' SECOND)) GROUP BY window_start, window_end;",
    )
    .workers(2)
    .start()
    .unwrap();
    driver.at("2026-01-01 12:00:00").unwrap();
    push(&mut driver, "a", 0);
    driver.advance(Duration::from_millis(540)).unwrap();
    driver.expect("windows", "").unwrap();
    driver.advance(Duration::from_millis(20)).unwrap();
    driver.expect("windows", "n\n1").unwrap();
}

#[test]
fn a_window_over_stamps_closes_by_the_clock_without_a_further_row() {
    let mut driver = Setup::new(
        "CREATE SOURCE s (k BIGINT, p_time AS PROCTIME()) WITH ('connector' = 'http');
         CREATE MATERIALIZED VIEW n AS SELECT window_end, COUNT(*) AS n, MIN(p_time) AS low, MAX(p_time) AS high
         FROM TABLE(TUMBLE(TABLE s, DESCRIPTOR(p_time), INTERVAL '0.2' SECOND)) GROUP BY window_start, window_end;",
    )
    .workers(2)
    .start()
    .unwrap();
    driver.at("2026-01-01 12:00:00").unwrap();
    driver.push_json("s", r#"[{"k": 1}, {"k": 2}]"#).unwrap();
    driver.advance(Duration::from_millis(150)).unwrap();
    driver.push_json("s", r#"{"k": 3}"#).unwrap();
    driver.expect("n", "").unwrap();
    driver.advance(Duration::from_millis(100)).unwrap();
    driver
        .expect(
            "n",
            "window_end              | n | low                 | high
             2026-01-01 12:00:00.200 | 3 | 2026-01-01 12:00:00 | 2026-01-01 12:00:00.150",
        )
        .unwrap();
}
