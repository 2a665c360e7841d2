//! Views that come and go while rows flow: a program, and a unit that is installed beside it, read and dropped.
//!
//! `cargo run --example session`

use std::error::Error;
use std::time::Duration;

use highwater::engine::{Config, Engine, UnitId};
use highwater::sql::{Catalog, Session};
use highwater::view::Update;

const PROGRAM: &str = "
    CREATE SOURCE sensors (WATERMARK FOR ts AS ts - INTERVAL '1' SECOND)
    WITH ('connector' = 'datagen', 'kind' = 'sensor', 'rows-per-second' = '2000', 'seed' = '7');

    CREATE MATERIALIZED VIEW per_kind AS
    SELECT kind, COUNT(*) AS readings, AVG(value) AS mean FROM sensors GROUP BY kind;
";

const BUSY: &str = "
    CREATE MATERIALIZED VIEW busy AS SELECT COUNT(*) AS kinds, SUM(readings) AS readings FROM per_kind WHERE readings > 100;
";

fn main() -> Result<(), Box<dyn Error>> {
    let mut session = Session::new(Catalog::new());
    let engine = Engine::start(session.plan(&files(PROGRAM))?, Config::default().workers(2))?;
    session.installed(UnitId::PROGRAM.0, &files(PROGRAM));

    let unit = engine.install(session.plan(&files(BUSY))?)?;
    session.installed(unit.0, &files(BUSY));
    engine.wait_shown(unit, Duration::from_secs(10));
    let mut changes = engine.subscribe("busy")?;
    for _ in 0..5 {
        if let Ok(Some(Update::Progress { changes, as_of })) = changes.next_within(Duration::from_secs(1)) {
            println!("{} epochs of changes, complete up to {as_of}", changes.len());
        }
    }
    // When nobody needs it any more:
    engine.drop(unit)?;
    session.dropped(unit.0);
    println!("dropped: {}", matches!(changes.poll(), Some(Update::Dropped)));
    engine.stop(false);
    engine.wait()?;
    Ok(())
}

fn files(text: &str) -> Vec<(String, String)> {
    vec![("session.sql".to_owned(), text.to_owned())]
}
