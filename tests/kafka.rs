//! The connector `kafka` against a real broker, which `tests/kafka/get` brings.
//!
//! Without the feature, or the broker, the test says what is left out and passes; with `CI` set the broker has to be there.
#![allow(clippy::unwrap_used)]

#[cfg(feature = "kafka")]
#[path = "kafka/away.rs"]
mod away;
#[cfg(feature = "kafka")]
#[path = "kafka/broker.rs"]
mod broker;
#[cfg(feature = "kafka")]
#[path = "kafka/kills.rs"]
mod kills;
#[cfg(feature = "kafka")]
#[path = "kafka/messages.rs"]
mod messages;
#[cfg(feature = "kafka")]
#[path = "kafka/modes.rs"]
mod modes;
#[cfg(feature = "kafka")]
#[allow(dead_code)]
#[path = "restart/process.rs"]
mod process;
#[cfg(feature = "kafka")]
#[path = "kafka/refused.rs"]
mod refused;

#[cfg(not(feature = "kafka"))]
#[test]
fn what_is_left_out_is_named_with_its_feature() {
    eprintln!(
        "left out: tests with a broker; tests/kafka/get brings it, cargo test --features kafka-tls --test kafka runs them"
    );
    let program = "CREATE SOURCE s (n BIGINT) WITH ('connector' = 'kafka', 'topic' = 't', 'format' = 'json');
        CREATE MATERIALIZED VIEW v AS SELECT n FROM s;";
    let refused = highwater::Highwater::builder().sql(program).start().err().unwrap().to_string();
    assert!(refused.contains("the connector 'kafka' is not built in"), "{refused}");
    assert!(refused.contains("the feature `kafka` of the package highwater"), "{refused}");
}
