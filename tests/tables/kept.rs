//! What is told of the state that a recursion over a table keeps.

use super::*;

/// What differential keeps for a loop is told as the state of the node that it is.
#[test]
fn the_arrangements_of_a_recursion_are_told() {
    let program = "
        CREATE SOURCE clicks (k BIGINT, v BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)
          WITH ('connector' = 'feed', 'feed' = '$');
        CREATE TABLE edges (id BIGINT PRIMARY KEY NOT ENFORCED, a BIGINT, b BIGINT);
        CREATE MATERIALIZED VIEW seen AS SELECT k, COUNT(*) AS n FROM clicks GROUP BY k;
        CREATE MATERIALIZED VIEW reach AS WITH RECURSIVE reach (a, b) AS (
          SELECT a, b FROM edges UNION SELECT r.a, e.b FROM reach r JOIN edges e ON e.a = r.b)
        SELECT a, b FROM reach;";
    for workers in [1, 2] {
        let feed = Feed::new();
        let server = served(program, &feed, workers);
        let kept = || {
            let graph = server.json("/api/v1/dataflow");
            let node = graph["nodes"].as_array().unwrap().iter().find(|node| node["kind"] == "recursion").cloned();
            let node = node.unwrap_or_else(|| panic!("no recursion in {graph}"));
            (node["state_rows"].as_u64().unwrap(), node["state_bytes"].as_u64().unwrap())
        };
        assert_eq!(kept(), (0, 0));
        let edges: Vec<Value> = (0..40).map(|at| json!({"id": at, "a": at, "b": at + 1})).collect();
        changed(&server, "PUT", "/api/v1/tables/edges/rows", &json!(edges).to_string());
        let since = Instant::now();
        // 40 edges make 820 pairs; each is kept where pairs are made distinct, and where they meet edges.
        while kept().0 < 820 {
            assert!(since.elapsed() < Duration::from_secs(20), "{:?} are kept", kept());
            std::thread::sleep(Duration::from_millis(20));
        }
        assert!(kept().1 >= 820 * 64, "{:?}", kept());
        let metrics = server.call("GET", "/metrics").2;
        let of_loop =
            metrics.lines().find(|line| line.starts_with("highwater_state_rows{operator=\"Recursion #")).unwrap();
        assert!(of_loop.rsplit(' ').next().unwrap().parse::<u64>().unwrap() >= 820, "{of_loop}");
    }
}
