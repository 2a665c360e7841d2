//! The crate's connector, format and functions: held to what the engine's own are held to, run in programs, and gone on with over restarts.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use highwater::embed::Summary;
use highwater::extend::{Aggregate, Catalog};
use highwater::testing::{Setup, conformance};
use highwater::{Drain, Highwater};
use highwater_example_extension::register;

fn catalog() -> Catalog {
    register(Catalog::new()).unwrap()
}

fn journal(records: impl Iterator<Item = (i64, i64)>) -> Vec<u8> {
    records.flat_map(|(time, value)| [time.to_le_bytes(), value.to_le_bytes()].concat()).collect()
}

#[test]
fn the_connector_keeps_what_connectors_promise() {
    let (catalog, folder) = (catalog(), tempfile::tempdir().unwrap());
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
fn the_format_keeps_what_formats_promise() {
    let source = "CREATE SOURCE l (level VARCHAR, took DOUBLE, at TIMESTAMP(3), msg VARCHAR)
                  WITH ('connector' = 'filesystem', 'path' = 'x.logfmt')";
    let lines = r#"level=info took=1.5 at=2026-01-01T00:00:00Z msg="all is \"well\"\n" tags="[1, 2]"
level=null msg=null took=12

no pairs
msg="" took=many
msg="" took=-0 other=thing level="null"
msg="not closed
"#;
    conformance::format(&catalog(), source, lines);
}

#[test]
fn the_functions_stand_in_programs() {
    let mut driver = Setup::new(
        "CREATE SOURCE notes (id INT, heat DOUBLE, text VARCHAR) WITH ('connector' = 'http', 'format' = 'logfmt');
         CREATE MATERIALIZED VIEW tagged AS SELECT tag, COUNT(*) AS n, SPREAD(celsius(heat)) AS spread
         FROM notes, LATERAL TABLE(tags(text)) AS t (at, tag) GROUP BY tag;",
    )
    .catalog(catalog())
    .workers(3)
    .start()
    .unwrap();
    driver.push_text("notes", "id=1 heat=32 text=\"#a then #b\"\nid=2 heat=50 text=#b\nid=3 heat=hot\n").unwrap();
    driver.expect("tagged", "tag | n | spread\n a | 1 | 0\n b | 2 | 10").unwrap();
    let told = driver.dead_letters("notes").unwrap().to_string();
    assert!(told.contains("column 'heat': expected DOUBLE") && told.contains("id=3 heat=hot"), "{told}");
}

#[test]
fn the_aggregate_keeps_the_laws() {
    let spread = highwater::extend::aggregate("spread", |values: &[f64]| values[values.len() - 1] - values[0]);
    assert_eq!(spread.name(), "SPREAD");
    conformance::aggregate(&spread);
}

/// Pushes values at times and stops with windows open.
fn run(folder: &Path, values: &[(i64, i64)]) -> Summary {
    let program = format!(
        "CREATE SOURCE s (ts TIMESTAMP(3), value BIGINT, WATERMARK FOR ts AS ts) WITH ('connector' = 'http');
         CREATE SINK out WITH ('connector' = 'journal', 'path' = '{}') AS
         SELECT window_end, SUM(value) AS value FROM TABLE(TUMBLE(TABLE s, DESCRIPTOR(ts), INTERVAL '1' SECOND))
         GROUP BY window_start, window_end;",
        folder.join("out").display()
    );
    let started = Highwater::builder().sql(program).catalog(catalog()).data_dir(folder.join("data"));
    let highwater = started.workers(2).start().unwrap();
    if !values.is_empty() {
        let rows: Vec<String> =
            values.iter().map(|(ts, value)| format!(r#"{{"ts": {ts}, "value": {value}}}"#)).collect();
        let pushed = highwater.source("s").unwrap().push_ndjson(rows.join("\n")).unwrap();
        assert_eq!(pushed.accepted, values.len() as u64);
        highwater.visible_blocking(&pushed).unwrap();
    }
    highwater.shutdown_blocking(Drain::No).unwrap()
}

#[test]
fn the_sink_has_every_row_once_over_restarts() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), &[(100, 1), (900, 2), (1100, 4)]);
    assert_eq!(fs::read(folder.path().join("out")).unwrap(), journal([(1000, 3)].into_iter()));
    run(folder.path(), &[]);
    run(folder.path(), &[(1200, 8), (2100, 16)]);
    assert_eq!(fs::read(folder.path().join("out")).unwrap(), journal([(1000, 3), (2000, 12)].into_iter()));
    run(folder.path(), &[(2200, 32), (3100, 64)]);
    let all = [(1000, 3), (2000, 12), (3000, 48)];
    assert_eq!(fs::read(folder.path().join("out")).unwrap(), journal(all.into_iter()));

    // And what was written is read.
    let program = format!(
        "CREATE SOURCE j WITH ('connector' = 'journal', 'path' = '{}');
         CREATE MATERIALIZED VIEW total AS SELECT COUNT(*) AS n, SUM(value) AS value FROM j;",
        folder.path().join("out").display()
    );
    let highwater = Highwater::builder().sql(program).catalog(catalog()).start().unwrap();
    highwater.finished_within(std::time::Duration::from_secs(60)).unwrap().unwrap();
    assert_eq!(highwater.view("total").unwrap().rows::<(i64, i64)>().unwrap(), [(3, 63)]);
}

/// Runs over the files of a folder until the view counts so many rows, and stops.
fn read_until(folder: &Path, rows: i64) {
    let program = format!(
        "CREATE SOURCE l (id INT, msg VARCHAR) WITH
         ('connector' = 'filesystem', 'path' = '{0}/in', 'format' = 'logfmt', 'source.monitor-interval' = '20 ms');
         CREATE MATERIALIZED VIEW counted AS SELECT COUNT(*) AS n FROM l;
         CREATE SINK out WITH ('connector' = 'filesystem', 'path' = '{0}/out.logfmt') AS SELECT msg, id FROM l;",
        folder.display()
    );
    let started = Highwater::builder().sql(program).catalog(catalog()).data_dir(folder.join("data"));
    let highwater = started.workers(2).start().unwrap();
    let counted = highwater.view("counted").unwrap();
    for event in counted.follow() {
        event.unwrap();
        if counted.rows::<(i64,)>().unwrap() == [(rows,)] {
            break;
        }
    }
    highwater.shutdown_blocking(Drain::No).unwrap();
}

#[test]
fn files_in_the_format_are_read_and_written_on_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let written = || {
        let text = fs::read_to_string(file("out.logfmt")).unwrap();
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    fs::create_dir(file("in")).unwrap();
    fs::write(file("in/a.logfmt"), "id=1 msg=\"to begin with\"\nbroken\nid=2\n").unwrap();
    read_until(folder.path(), 2);
    assert_eq!(written(), ["msg=\"to begin with\" id=1", "msg=null id=2"]);
    fs::write(file("in/b.logfmt"), "msg=\"later \\\"on\\\"\" id=3\n").unwrap();
    read_until(folder.path(), 3);
    assert_eq!(written(), ["msg=\"later \\\"on\\\"\" id=3", "msg=\"to begin with\" id=1", "msg=null id=2"]);
}

#[test]
fn they_are_named_in_errors_as_those_that_are_built_in() {
    let told = |text: &str| {
        highwater::sql::compile(&[("p.sql".to_owned(), text.to_owned())], &catalog()).unwrap_err()[0].to_string()
    };
    let misspelt = told("CREATE SOURCE j WITH ('connector' = 'jurnal', 'path' = 'x');");
    assert!(misspelt.contains("there is no connector 'jurnal'") && misspelt.contains("journal"), "{misspelt}");
    let option = told("CREATE SOURCE j WITH ('connector' = 'journal', 'pth' = 'x');");
    assert!(option.contains("unknown option 'pth'") && option.contains("did you mean path"), "{option}");
    let columns = told("CREATE SOURCE j (a VARCHAR) WITH ('connector' = 'journal', 'path' = 'x');");
    assert!(columns.contains("a journal has a time and a value"), "{columns}");
    let format =
        told("CREATE SOURCE j (a VARCHAR) WITH ('connector' = 'filesystem', 'path' = 'x', 'format' = 'logfmd');");
    assert!(format.contains("logfmt"), "{format}");
    let nested = told("CREATE SOURCE j (a ARRAY<INT>) WITH ('connector' = 'filesystem', 'path' = 'x.logfmt');");
    assert!(nested.contains("format 'logfmt' cannot hold column 'a' of type ARRAY<INT>"), "{nested}");
    let taken = register(catalog()).unwrap_err().to_string();
    assert!(taken.contains("there is a connector 'journal' already"), "{taken}");
}
