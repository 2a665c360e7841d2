//! What the log says of an engine that does not keep up.

#[allow(dead_code)]
#[path = "../restart/process.rs"]
mod process;

/// Rows that meet all others, so that an epoch takes longer than ten seconds: the log says so while it lasts.
#[test]
fn an_engine_that_falls_behind_says_so() {
    let folder = process::folder(
        "CREATE SOURCE a (k BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH ('connector' = 'http', 'format' = 'json');
         CREATE MATERIALIZED VIEW v AS SELECT COUNT(*) AS n FROM a x JOIN a y ON x.k * y.k % 7 = 3;",
    );
    let run = ["run", "p.sql", "-w", "1", "--listen", "127.0.0.1:0"];
    let mut engine = process::Process::of(process::highwater(folder.path()).args(run));
    let line = engine.hears("serving http://");
    engine.address = line.rsplit("http://").next().unwrap().trim().parse().unwrap();
    let rows = (0..60_000).map(|k| format!("{{\"k\":{k},\"ts\":\"2024-01-01 00:00:00\"}}\n")).collect::<String>();
    engine.post("/api/v1/sources/a/events", &rows);
    // A later one, so that the epoch of those is over.
    engine.post("/api/v1/sources/a/events", "{\"k\":0,\"ts\":\"2024-01-01 00:01:00\"}");
    let line = engine.hears("the engine falls behind: rows that came 1");
    assert!(line.contains("s ago are not visible yet") && line.contains("--workers"), "{line}");
}
