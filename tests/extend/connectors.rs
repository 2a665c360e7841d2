//! A connector of an embedder's, to read and to write: held to what the engine's own are held to, and gone on with over restarts.

use std::fs;
use std::path::Path;

use highwater::embed::Summary;
use highwater::extend::{Catalog, CatalogError};
use highwater::testing::conformance;
use highwater::{Drain, Highwater};

use crate::journal_sink::JournalSink;
use crate::journal_source::JournalSource;

fn register(catalog: Catalog) -> Result<Catalog, CatalogError> {
    catalog.with_source(JournalSource)?.with_sink(JournalSink)
}

fn journal(records: impl Iterator<Item = (i64, i64)>) -> Vec<u8> {
    records.flat_map(|(time, value)| [time.to_le_bytes(), value.to_le_bytes()].concat()).collect()
}

#[test]
fn it_keeps_what_connectors_promise() {
    let catalog = register(Catalog::new()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).display().to_string();
    fs::write(file("in"), journal((0..5500).map(|n| (n * 10, n)))).unwrap();
    let source = format!("CREATE SOURCE j WITH ('connector' = 'journal', 'path' = '{}')", file("in"));
    assert_eq!(conformance::source(&catalog, &source, usize::MAX), 6);
    let sink = |run: &str| {
        format!(
            "{source}; CREATE SINK out WITH ('connector' = 'journal', 'path' = '{}') AS SELECT ts, value FROM j;",
            file(run)
        )
    };
    assert_eq!(conformance::sink(&catalog, sink, |run| fs::read(file(run)).unwrap()), 40);
}

#[test]
fn the_engine_s_own_are_held_to_the_same() {
    let catalog = Catalog::new();
    let source = "CREATE SOURCE g (n BIGINT, s VARCHAR) WITH ('connector' = 'datagen', 'number-of-rows' = '30000')";
    assert!(conformance::source(&catalog, source, usize::MAX) > 2);
    let once = "CREATE SOURCE g (n BIGINT) WITH ('connector' = 'stdin')";
    assert_eq!(conformance::source(&catalog, once, usize::MAX), 0);
    let csv = "CREATE SOURCE f (n BIGINT, s VARCHAR) WITH ('connector' = 'filesystem', 'path' = 'x.csv')";
    conformance::format(&catalog, csv, "n,s\n1,a\nno,b\n2,\"two\nlines\"\n\n3,c\n").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = |run: &str| folder.path().join(format!("{run}.json"));
    let sink = |run: &str| {
        let path = file(run).display().to_string();
        format!("{source}; CREATE SINK out WITH ('connector' = 'filesystem', 'path' = '{path}') AS SELECT s, n FROM g;")
    };
    assert_eq!(conformance::sink(&catalog, sink, |run| fs::read_to_string(file(run)).unwrap()), 80);
}

/// Pushes values at times and stops with windows open, or at the end.
fn run(folder: &Path, values: &[(i64, i64)], drain: Drain) -> Summary {
    let program = format!(
        "CREATE SOURCE s (ts TIMESTAMP(3), value BIGINT, WATERMARK FOR ts AS ts) WITH ('connector' = 'http');
         CREATE SINK out WITH ('connector' = 'journal', 'path' = '{}') AS
         SELECT window_end, SUM(value) AS value FROM TABLE(TUMBLE(TABLE s, DESCRIPTOR(ts), INTERVAL '1' SECOND))
         GROUP BY window_start, window_end;",
        folder.join("out").display()
    );
    let started =
        Highwater::builder().sql(program).source(JournalSource).sink(JournalSink).data_dir(folder.join("data"));
    let highwater = started.workers(2).start().unwrap();
    if !values.is_empty() {
        let rows: Vec<String> =
            values.iter().map(|(ts, value)| format!(r#"{{"ts": {ts}, "value": {value}}}"#)).collect();
        let pushed = highwater.source("s").unwrap().push_ndjson(rows.join("\n")).unwrap();
        assert_eq!(pushed.accepted, values.len() as u64);
        highwater.visible_blocking(&pushed).unwrap();
    }
    highwater.shutdown_blocking(drain).unwrap()
}

#[test]
fn a_sink_of_ones_own_has_every_row_once_over_restarts() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), &[(100, 1), (900, 2), (1100, 4)], Drain::No);
    assert_eq!(fs::read(folder.path().join("out")).unwrap(), journal([(1000, 3)].into_iter()));
    run(folder.path(), &[], Drain::No);
    run(folder.path(), &[(1200, 8), (2100, 16)], Drain::No);
    assert_eq!(fs::read(folder.path().join("out")).unwrap(), journal([(1000, 3), (2000, 12)].into_iter()));
    run(folder.path(), &[(2200, 32)], Drain::Yes);
    let all = [(1000, 3), (2000, 12), (3000, 48)];
    assert_eq!(fs::read(folder.path().join("out")).unwrap(), journal(all.into_iter()));

    // And what was written is read.
    let program = format!(
        "CREATE SOURCE j WITH ('connector' = 'journal', 'path' = '{}');
         CREATE MATERIALIZED VIEW total AS SELECT COUNT(*) AS n, SUM(value) AS value FROM j;",
        folder.path().join("out").display()
    );
    let highwater = Highwater::builder().sql(program).catalog(register(Catalog::new()).unwrap()).start().unwrap();
    highwater.finished_within(std::time::Duration::from_secs(60)).unwrap().unwrap();
    assert_eq!(highwater.view("total").unwrap().rows::<(i64, i64)>().unwrap(), [(3, 63)]);
}

#[test]
fn connectors_are_named_in_errors_as_those_that_are_built_in() {
    let told = |text: &str| {
        let catalog = register(Catalog::new()).unwrap();
        highwater::sql::compile(&[("p.sql".to_owned(), text.to_owned())], &catalog).unwrap_err()[0].to_string()
    };
    let misspelt = told("CREATE SOURCE j WITH ('connector' = 'jurnal', 'path' = 'x');");
    assert!(misspelt.contains("there is no connector 'jurnal'") && misspelt.contains("journal"), "{misspelt}");
    let option = told("CREATE SOURCE j WITH ('connector' = 'journal', 'pth' = 'x');");
    assert!(option.contains("unknown option 'pth'") && option.contains("did you mean path"), "{option}");
    let columns = told("CREATE SOURCE j (a VARCHAR) WITH ('connector' = 'journal', 'path' = 'x');");
    assert!(columns.contains("a journal has a time and a value"), "{columns}");
    let taken = register(register(Catalog::new()).unwrap()).unwrap_err().to_string();
    assert!(taken.contains("there is a connector 'journal' already"), "{taken}");
}
