//! The functions as the manual has them: every example gives what it says, and the table in `docs/sql.md` is the manual's.
//! `HIGHWATER_BLESS=1 cargo test --test functions` writes the table anew.
#![allow(clippy::unwrap_used)]

use std::fmt::Write;
use std::time::Duration;

use arrow_cast::display::array_value_to_string;
use highwater::engine::{Config, Engine};
use highwater::sql::functions::MANUAL;
use highwater::sql::{Catalog, plan};

/// The text of each of these expressions over one row, which has nothing but a time.
fn evaluated(exprs: &[&str]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.ndjson");
    std::fs::write(&path, "{\"ts\":0}\n").unwrap();
    let items: Vec<String> = exprs.iter().enumerate().map(|(at, expr)| format!("{expr} AS c{at}")).collect();
    let sql = format!(
        "CREATE TABLE s (ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH ('connector' = 'filesystem', 'path' = '{}', 'format' = 'json');
         CREATE MATERIALIZED VIEW v AS SELECT {} FROM s;",
        path.display(),
        items.join(",\n")
    );
    let dataflow = plan(&[("q.sql".to_owned(), sql)], &Catalog::new())
        .unwrap_or_else(|errors| panic!("{}", errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")));
    let engine = Engine::start(dataflow, Config::default().workers(1)).unwrap();
    engine.wait_within(Duration::from_secs(60)).expect("the input ends").unwrap();
    let rejected: Vec<_> = engine.dead_letters().iter().flat_map(|letters| letters.latest(10)).collect();
    assert!(rejected.is_empty(), "{rejected:?}");
    let batch = engine.views().get("v").unwrap().snapshot().batch;
    let text = |column: usize| match batch.column(column).is_null(0) {
        true => "NULL".to_owned(),
        false => array_value_to_string(batch.column(column), 0).unwrap().replace('T', " "),
    };
    (0..batch.num_columns()).map(text).collect()
}

#[test]
fn every_example_gives_what_the_manual_says() {
    let (mut plain, mut aggregates) = (Vec::new(), Vec::new());
    for entry in MANUAL.iter().flat_map(|chapter| chapter.entries) {
        let (example, _) = entry.example;
        if example.contains("AGG(") { &mut aggregates } else { &mut plain }.push(entry);
    }
    let mut wrong = String::new();
    for entries in [plain, aggregates] {
        let found = evaluated(&entries.iter().map(|entry| entry.example.0).collect::<Vec<_>>());
        for (entry, found) in entries.iter().zip(found) {
            let (example, gives) = entry.example;
            // An instant is shown in UTC.
            if found.trim_end_matches('Z') != gives.replace('T', " ") {
                writeln!(wrong, "{example} gives {found}, not {gives}").unwrap();
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn the_table_in_the_docs_is_the_manuals() {
    let mut table = String::new();
    for chapter in MANUAL {
        write!(table, "\n### {}\n\n| function | what it gives | example |\n| --- | --- | --- |\n", chapter.title)
            .unwrap();
        for entry in chapter.entries {
            let (example, gives) = entry.example;
            let cells = [format!("`{}`", entry.call), entry.says.to_owned(), format!("`{example}` is `{gives}`")];
            let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
            writeln!(table, "| {} |", cells.join(" | ")).unwrap();
        }
    }
    table.push('\n');
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/sql.md");
    let docs = std::fs::read_to_string(path).unwrap();
    let (open, close) = ("<!-- functions -->\n", "<!-- /functions -->");
    let start = docs.find(open).expect("the table's place") + open.len();
    let end = docs.find(close).expect("the table's end");
    if std::env::var_os("HIGHWATER_BLESS").is_some() {
        std::fs::write(path, format!("{}{table}{}", &docs[..start], &docs[end..])).unwrap();
    } else {
        assert!(docs[start..end] == table, "the table is old: HIGHWATER_BLESS=1 cargo test --test functions");
    }
}
