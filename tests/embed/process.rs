//! What an engine leaves of the process that it was in: no thread, and the panic hook as it was. Each looks at the whole process, so it
//! runs in one of its own.

use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use highwater::{Drain, Highwater};

const PROGRAM: &str = "
    CREATE SOURCE s (x BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH ('connector' = 'http');
    CREATE SOURCE made WITH ('connector' = 'datagen', 'kind' = 'sensor', 'rows-per-second' = '1000');
    CREATE MATERIALIZED VIEW xs AS SELECT COUNT(*) AS n FROM s;
    CREATE MATERIALIZED VIEW kinds AS SELECT kind, COUNT(*) AS n FROM made GROUP BY kind;
    CREATE SINK out WITH ('connector' = 'blackhole') AS SELECT x FROM s;
";

/// Runs one test of this file by itself; whether it is that already.
fn alone(test: &str) -> bool {
    const ALONE: &str = "HIGHWATER_TEST_ALONE";
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("process::{test}"), "--nocapture"])
        .env(ALONE, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    false
}

/// The names of the threads of this process.
fn threads() -> Vec<String> {
    let names = std::fs::read_dir("/proc/self/task").unwrap().filter_map(|task| {
        let name = std::fs::read_to_string(task.unwrap().path().join("comm")).ok()?;
        Some(name.trim().to_owned())
    });
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

#[test]
#[cfg(target_os = "linux")]
fn no_thread_is_left_of_an_engine_that_was_dropped_or_shut_down() {
    if !alone("no_thread_is_left_of_an_engine_that_was_dropped_or_shut_down") {
        return;
    }
    let before = threads();
    let folder = tempfile::tempdir().unwrap();
    for how in 0..4 {
        let builder = Highwater::builder().sql(PROGRAM).workers(3);
        let builder = if how == 1 { builder.data_dir(folder.path()) } else { builder };
        let highwater = builder.start().unwrap();
        let pushed = highwater.source("s").unwrap().push_rows([serde_json::json!({"x": 1})]).unwrap();
        highwater.visible_blocking(&pushed).unwrap();
        let during = threads();
        assert!(during.len() >= before.len() + 6, "{during:?}");
        let clock = Instant::now();
        match how {
            0 | 1 => drop(highwater),
            2 => drop(highwater.shutdown_blocking(Drain::Yes).unwrap()),
            _ => drop(highwater.shutdown_blocking(Drain::No).unwrap()),
        }
        assert_eq!(threads(), before, "way {how}");
        assert!(clock.elapsed() < Duration::from_secs(4), "{:?}", clock.elapsed());
    }
}

#[test]
fn the_panic_hook_is_the_program_s() {
    if !alone("the_panic_hook_is_the_program_s") {
        return;
    }
    static TOLD: AtomicUsize = AtomicUsize::new(0);
    std::panic::set_hook(Box::new(|_| {
        TOLD.fetch_add(1, Ordering::SeqCst);
    }));
    let highwater = Highwater::builder().sql(PROGRAM).workers(1).start().unwrap();
    // As timely calls those of its connections.
    let panics =
        std::thread::Builder::new().name("timely:send-0".to_owned()).spawn(|| panic!("as it happens")).unwrap();
    assert!(panics.join().is_err());
    assert_eq!(TOLD.load(Ordering::SeqCst), 1);
    drop(highwater);
    assert_eq!(TOLD.load(Ordering::SeqCst), 1, "nothing panics when it ends");
}
