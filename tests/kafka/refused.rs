//! What does not pass by waiting is told, and by which name.

use super::broker::*;

const VIEW: &str = "CREATE MATERIALIZED VIEW v AS SELECT n FROM s;";

#[test]
fn a_topic_that_is_not_there_is_named_with_those_that_are() {
    let Some(broker) = broker() else { return };
    let there = broker.topic("there", 1);
    let source = broker.source("s", "n BIGINT", "'topic' = 'no-such-topic', 'format' = 'json'");
    let told = refused(&format!("{source}{VIEW}"));
    assert!(told.contains("there is no topic 'no-such-topic'") && told.contains(&there), "{told}");
}

#[test]
fn who_logs_in_with_a_wrong_password_is_told_so_and_the_password_is_not() {
    let Some(broker) = broker() else { return };
    let topic = broker.topic("guarded", 1);
    broker.write(&topic, 0, ["{\"n\":1}"]);
    let program = |password: &str| {
        let login = format!(
            "org.apache.kafka.common.security.plain.PlainLoginModule required username=\"ann\" password=\"{password}\";"
        );
        format!(
            "CREATE SOURCE s (n BIGINT) WITH ('connector' = 'kafka', 'topic' = '{topic}', 'format' = 'json',
             'properties.bootstrap.servers' = '{}', 'properties.security.protocol' = 'SASL_PLAINTEXT', 'properties.sasl.mechanism' = 'PLAIN',
             'properties.sasl.jaas.config' = '{login}', 'scan.bounded.mode' = 'latest-offset');{VIEW}",
            broker.guarded()
        )
    };
    assert_eq!(rows(&run(&program("secret")), "v"), ["{\"n\":1}"]);
    let told = refused(&program("hush-hush"));
    assert!(told.to_lowercase().contains("authentication") && told.contains("sasl.jaas.config"), "{told}");
    assert!(!told.contains("hush"), "{told}");
}

#[test]
fn options_are_refused_at_their_place() {
    let program = |options: &str| {
        format!(
            "CREATE SOURCE s (n BIGINT, o INT METADATA FROM 'offset') WITH ('connector' = 'kafka', 'format' = 'json', {options});{VIEW}"
        )
    };
    let told = refused(&program("'topic' = 't'"));
    assert!(told.contains("properties.bootstrap.servers"), "{told}");
    let told = refused(&program("'topic' = 't', 'properties.bootstrap.servers' = 'x:1', 'scan.startup.mode' = 'soon'"));
    assert!(told.contains("earliest-offset") && told.contains("1:"), "{told}");
    let told = refused(&program("'topic' = 't', 'properties.bootstrap.servers' = 'x:1'"));
    assert!(told.contains("'offset' is BIGINT") && told.contains("INT"), "{told}");
    let sink = "CREATE TABLE k (n BIGINT) WITH ('connector' = 'kafka', 'topic' = 't', 'properties.bootstrap.servers' = 'x:1',
        'format' = 'json'); CREATE SOURCE g (n BIGINT) WITH ('connector' = 'datagen', 'number-of-rows' = '1'); INSERT INTO k SELECT n FROM g;";
    let told = refused(sink);
    assert!(told.contains("the connector 'kafka' is read only"), "{told}");
}
