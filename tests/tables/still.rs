//! Tables beside tables, of which some do not change.

use super::*;

/// Without streams, and behind their end, a view of two tables shows the change of either.
#[test]
fn a_table_that_does_not_change_holds_no_other_back() {
    let program = "
        CREATE TABLE a (k BIGINT PRIMARY KEY, v BIGINT);
        CREATE TABLE b (k BIGINT PRIMARY KEY, v BIGINT);
        CREATE MATERIALIZED VIEW both AS SELECT a.k, a.v, b.v AS w FROM a FULL JOIN b ON a.k = b.k;";
    for workers in [1, 2] {
        let config = Config::default().workers(workers).with(|config| config.tables_linger = true);
        let server = Server::start(started(program, &Feed::new(), config));
        let shown = || server.json("/api/v1/views/both/rows?order=v,w")["rows"].as_array().unwrap().len();
        for (step, (table, row, rows)) in [
            ("a", r#"{"k":1,"v":1}"#, 1),
            ("a", r#"{"k":2,"v":2}"#, 2),
            ("b", r#"{"k":1,"v":1}"#, 2),
            ("b", r#"{"k":3,"v":3}"#, 3),
            ("a", r#"{"k":4,"v":4}"#, 4),
        ]
        .into_iter()
        .enumerate()
        {
            changed(&server, "POST", &format!("/api/v1/tables/{table}/rows"), row);
            assert_eq!(shown(), rows, "step {step} at {workers} workers");
        }
        server.engine.stop(true);
        server.finish();
    }
}
