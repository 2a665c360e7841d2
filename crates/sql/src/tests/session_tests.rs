//! What sessions become, and who is handed them when.

use super::plan_tests::{BID, becomes, planned, shape};

#[test]
fn sessions_are_filtered_before_in_one_form_and_after_in_the_other() {
    becomes(
        "CREATE MATERIALIZED VIEW v AS SELECT bidder, SESSION_START(`dateTime`, INTERVAL '10' SECOND) s, count(*) n
         FROM bid WHERE price > 3 GROUP BY bidder, SESSION(`dateTime`, INTERVAL '10' SECOND)",
        &[
            "0 [] source bid (bidder price dateTime)",
            "1 [0] map where price@1 > 3 -> bidder@0, dateTime@2 (bidder dateTime)",
            "2 [1] reduce [0] session 10000 of #1 keep None Final late Some(0) COUNT([]) \
             (bidder window_start window_end window_time count(*)) ±",
        ],
    );
    becomes(
        "CREATE MATERIALIZED VIEW v AS SELECT bidder, window_end, count(*) n
         FROM TABLE(SESSION(TABLE bid PARTITION BY bidder, DESCRIPTOR(`dateTime`), INTERVAL '10' SECOND))
         WHERE price > 3 GROUP BY bidder, window_start, window_end",
        &[
            "0 [] source bid (bidder price dateTime)",
            "1 [0] map -> bidder@0, dateTime@2, price@1 > 3 (bidder dateTime __keep)",
            "2 [1] reduce [0] session 10000 of #1 keep Some(2) Final late Some(0) COUNT([]) \
             (bidder window_start window_end window_time count(*)) ±",
        ],
    );
}

#[test]
fn who_looks_at_sessions_sees_them_close_and_who_reads_them_gets_what_is_final() {
    let sessions =
        "SELECT bidder, window_end, COUNT(*) AS n FROM bid GROUP BY bidder, SESSION(`dateTime`, INTERVAL '10' SECOND)";
    let sessions = sessions.replace("window_end", "SESSION_END(`dateTime`, INTERVAL '10' SECOND) AS e");
    let plan = planned(&format!(
        "{BID}CREATE MATERIALIZED VIEW s AS {sessions} HAVING COUNT(*) > 1;
         CREATE MATERIALIZED VIEW both AS SELECT bidder, n FROM s UNION ALL SELECT bidder, price FROM bid;
         CREATE SINK out WITH ('connector' = 'print') AS SELECT bidder, n FROM s;"
    ));
    let text = shape(&plan);
    let line = |node: usize| text.lines().nth(node).unwrap_or_default().to_owned();
    for view in &plan.views {
        assert!(!plan.nodes[view.node].facts.append_only, "{}: {text}", view.name);
        assert!(line(view.node).ends_with('±'), "{text}");
    }
    let sink = &plan.nodes[plan.sinks[0].node];
    assert!(sink.facts.append_only && !plan.sinks[0].spec.retracting, "{text}");
    assert_eq!(text.matches(" hold ").count(), 1, "{text}");
    assert_eq!(text.matches(" session ").count(), 1, "{text}");
    // What is amended anyway is not held.
    for more in [" EMIT CHANGES", ""] {
        let bid =
            if more.is_empty() { BID.replace("'memory'", "'memory', 'lateness' = '1 s'") } else { BID.to_owned() };
        let plan = planned(&format!("{bid}CREATE SINK out WITH ('connector' = 'print') AS {sessions}{more};"));
        assert!(!shape(&plan).contains(" hold "), "{}", shape(&plan));
        assert!(plan.sinks[0].spec.retracting);
    }
}
