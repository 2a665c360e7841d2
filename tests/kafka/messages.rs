//! What is made of messages: keys, metadata, bad ones, transactions.

use highwater_kafka::rdkafka::producer::Producer;

use super::broker::*;

const BOUNDED: &str = "'scan.bounded.mode' = 'latest-offset'";

#[test]
fn keys_headers_and_metadata_are_columns() {
    let Some(broker) = broker() else { return };
    let topic = broker.topic("beside", 2);
    let producer = broker.producer();
    let headers = [("trace", "t1"), ("n", "1"), ("n", "2")];
    let sent = Sent {
        key: Some("{\"id\":7}"),
        value: Some("{\"v\":\"a\"}"),
        at_ms: Some(1_500),
        headers: &headers,
        ..Sent::to(&topic, 1)
    };
    send(&producer, &sent);
    send(&producer, &Sent { key: Some("{\"id\":\"x\"}"), ..sent.clone() });
    send(&producer, &Sent { key: None, headers: &[], ..sent.clone() });
    producer.flush(PATIENCE).unwrap();
    let columns = "key_id BIGINT, v VARCHAR, t VARCHAR METADATA FROM 'topic', `partition` INT METADATA VIRTUAL,
        o BIGINT METADATA FROM 'offset', ts TIMESTAMP_LTZ(3) METADATA FROM 'timestamp', of VARCHAR METADATA FROM 'timestamp-type',
        h MAP<STRING, BYTES> METADATA FROM 'headers'";
    let options = format!(
        "'topic' = '{topic}', 'key.format' = 'json', 'key.fields' = 'key_id', 'key.fields-prefix' = 'key_', 'value.format' = 'json',
         'value.fields-include' = 'EXCEPT_KEY', {BOUNDED}"
    );
    let source = broker.source("s", columns, &options);
    let view = "CREATE MATERIALIZED VIEW v AS SELECT key_id, v, t, `partition`, o, CAST(ts AS VARCHAR) AS ts, of,
        CAST(h['trace'] AS VARCHAR) AS trace, CAST(h['n'] AS VARCHAR) AS n, CARDINALITY(h) AS headers FROM s;";
    let running = run(&format!("{source}{view}"));
    let found: Vec<serde_json::Value> =
        rows(&running, "v").iter().map(|row| serde_json::from_str(row).unwrap()).collect();
    assert_eq!(found.len(), 2, "{found:?}");
    let row = |o: i64| found.iter().find(|row| row["o"] == o).unwrap();
    let first = row(0);
    assert_eq!((&first["key_id"], &first["v"], &first["t"]), (&7.into(), &"a".into(), &topic.as_str().into()));
    assert_eq!((&first["partition"], &first["of"], &first["headers"]), (&1.into(), &"CreateTime".into(), &2.into()));
    assert_eq!((&first["trace"], &first["n"]), (&"t1".into(), &"2".into()), "of several of a name the last");
    assert!(first["ts"].as_str().unwrap().contains("00:00:01.5"), "{first}");
    let last = row(2);
    assert_eq!((&last["key_id"], &last["headers"]), (&serde_json::Value::Null, &0.into()));
    let letters = letters(&running, "s");
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].0, format!("{topic}/1:1"));
    assert!(letters[0].1.contains("in the key") && letters[0].2.contains("\"x\""), "{letters:?}");
}

/// The program of docs/connectors.md, as it stands there but for the address, the topic, and an end.
#[test]
fn the_program_of_the_documents_runs() {
    let Some(broker) = broker() else { return };
    let text = include_str!("../../docs/connectors.md").split("## Kafka").nth(1).unwrap();
    let program = text.split("```sql\n").nth(1).unwrap().split("```").next().unwrap();
    let topic = broker.topic("documented", 2);
    let producer = broker.producer();
    for (partition, at_ms) in [(0, 1_000), (1, 30_000), (0, 61_000)] {
        let value = Some("{\"user_id\":\"ann\",\"page\":\"/\"}");
        send(&producer, &Sent { value, at_ms: Some(at_ms), ..Sent::to(&topic, partition) });
    }
    producer.flush(PATIENCE).unwrap();
    let program = program
        .replace("localhost:9092", &broker.servers())
        .replace("'topic' = 'clicks'", &format!("'topic' = '{topic}'"));
    let program = program.replace("'idle-timeout' = '10 s'", BOUNDED);
    let running = run(&program);
    let found: Vec<serde_json::Value> =
        rows(&running, "pages").iter().map(|row| serde_json::from_str(row).unwrap()).collect();
    let clicks = |start: &str| found.iter().find(|row| row["window_start"] == start).map(|row| row["clicks"].clone());
    let [first, second] = ["1970-01-01T00:00:00.000Z", "1970-01-01T00:01:00.000Z"].map(clicks);
    assert_eq!((first, second, found.len()), (Some(2.into()), Some(1.into()), 2), "{found:?}");
}

#[test]
fn poison_messages_are_dead_letters_with_their_offsets() {
    let Some(broker) = broker() else { return };
    let topic = broker.topic("poison", 1);
    let producer = broker.producer();
    let values: [Option<&str>; 10] = [
        Some("{\"n\":1}"),
        Some("{\"n\":"),
        None,
        Some("null"),
        Some(""),
        Some("{\n  \"n\": 2\n}\n"),
        Some("{\"n\":\"x\"}"),
        Some("{\"n\":3}\n{\"n\":4}"),
        Some("\u{fffd}\u{0}"),
        Some("{\"n\":5}\r\n"),
    ];
    values.iter().for_each(|value| send(&producer, &Sent { value: *value, key: Some("k"), ..Sent::to(&topic, 0) }));
    producer.flush(PATIENCE).unwrap();
    let source = broker.source(
        "s",
        "n BIGINT, o BIGINT METADATA FROM 'offset'",
        &format!("'topic' = '{topic}', 'format' = 'json', {BOUNDED}"),
    );
    let running = run(&format!("{source} CREATE MATERIALIZED VIEW v AS SELECT n, o FROM s;"));
    let mut found: Vec<(i64, i64)> = running.view("v").unwrap().rows().unwrap();
    found.sort_unstable();
    assert_eq!(found, [(1, 0), (2, 5), (5, 9)]);
    let letters = letters(&running, "s");
    let places: Vec<&str> = letters.iter().map(|(place, ..)| place.rsplit(':').next().unwrap()).collect();
    assert_eq!(places, ["1", "2", "3", "4", "6", "7", "8"]);
    assert!(letters[0].0 == format!("{topic}/0:1") && letters[0].2 == "{\"n\":", "{letters:?}");
    assert!(letters[1].1.contains("tombstone") && letters[1].2 == "key k", "{letters:?}");
}

#[test]
fn every_format_of_messages_is_read() {
    let Some(broker) = broker() else { return };
    let topic = broker.topic("formats", 1);
    broker.write(&topic, 0, ["1,one", "2,\"two\nlines\"", "3,\"three\"", "4"]);
    let csv = broker.source("s", "n BIGINT, t VARCHAR", &format!("'topic' = '{topic}', 'format' = 'csv', {BOUNDED}"));
    let running = run(&format!("{csv} CREATE MATERIALIZED VIEW v AS SELECT n, t FROM s;"));
    let expected = ["{\"n\":1,\"t\":\"one\"}", "{\"n\":2,\"t\":\"two\\nlines\"}", "{\"n\":3,\"t\":\"three\"}"];
    assert_eq!(rows(&running, "v"), expected);
    assert_eq!(letters(&running, "s").len(), 1);
    let raw = broker.source("s", "line VARCHAR", &format!("'topic' = '{topic}', 'format' = 'raw', {BOUNDED}"));
    let running = run(&format!("{raw} CREATE MATERIALIZED VIEW v AS SELECT line FROM s;"));
    assert_eq!(rows(&running, "v").len(), 4);
    assert!(
        rows(&running, "v").contains(&"{\"line\":\"2,\\\"two\\nlines\\\"\"}".to_owned()),
        "{:?}",
        rows(&running, "v")
    );
    let regex = broker.source(
        "s",
        "n BIGINT, t VARCHAR",
        &format!("'topic' = '{topic}', 'format' = 'regex', 'regex.pattern' = '(?<n>[0-9]+),(?<t>[a-z]+)', {BOUNDED}"),
    );
    let running = run(&format!("{regex} CREATE MATERIALIZED VIEW v AS SELECT n, t FROM s;"));
    assert_eq!(rows(&running, "v"), expected[..1]);
    assert_eq!(letters(&running, "s").len(), 3);
}

#[test]
fn changes_of_debezium_come_and_go_and_tombstones_are_passed_over() {
    let Some(broker) = broker() else { return };
    let topic = broker.topic("changes", 1);
    let producer = broker.producer();
    let values = [
        Some("{\"before\":null,\"after\":{\"id\":1,\"v\":\"a\"},\"op\":\"c\"}"),
        Some("{\"before\":null,\"after\":{\"id\":2,\"v\":\"b\"},\"op\":\"c\"}"),
        Some("{\"before\":{\"id\":1,\"v\":\"a\"},\"after\":{\"id\":1,\"v\":\"c\"},\"op\":\"u\"}"),
        Some("{\"before\":{\"id\":2,\"v\":\"b\"},\"after\":null,\"op\":\"d\"}"),
        None,
    ];
    values.iter().for_each(|value| send(&producer, &Sent { value: *value, key: Some("k"), ..Sent::to(&topic, 0) }));
    producer.flush(PATIENCE).unwrap();
    let source = broker.source(
        "s",
        "id BIGINT, v VARCHAR, PRIMARY KEY (id) NOT ENFORCED",
        &format!("'topic' = '{topic}', 'format' = 'debezium-json', {BOUNDED}"),
    );
    let running = run(&format!("{source} CREATE MATERIALIZED VIEW v AS SELECT id, v FROM s;"));
    assert_eq!(rows(&running, "v"), ["{\"id\":1,\"v\":\"c\"}"]);
    assert_eq!(letters(&running, "s"), []);
}

#[test]
fn what_a_transaction_took_back_is_read_only_by_who_reads_uncommitted() {
    let Some(broker) = broker() else { return };
    let topic = broker.topic("transactions", 1);
    let producer = broker.transactions(&topic);
    for (values, commits) in [([1, 2], true), ([3, 4], false), ([5, 6], true), ([7, 8], false)] {
        producer.begin_transaction().unwrap();
        for n in values {
            let value = format!("{{\"n\":{n}}}");
            send(&producer, &Sent { value: Some(&value), ..Sent::to(&topic, 0) });
        }
        producer.flush(PATIENCE).unwrap();
        match commits {
            true => producer.commit_transaction(PATIENCE).unwrap(),
            false => producer.abort_transaction(PATIENCE).unwrap(),
        }
    }
    let read = |isolation: &str| {
        let options =
            format!("'topic' = '{topic}', 'format' = 'json', 'properties.isolation.level' = '{isolation}', {BOUNDED}");
        let source = broker.source("s", "n BIGINT, o BIGINT METADATA FROM 'offset'", &options);
        let running = run(&format!("{source} CREATE MATERIALIZED VIEW v AS SELECT n, o FROM s;"));
        let mut found: Vec<(i64, i64)> = running.view("v").unwrap().rows().unwrap();
        found.sort_unstable();
        found
    };
    // Behind each transaction a marker has an offset.
    assert_eq!(read("read_committed"), [(1, 0), (2, 1), (5, 6), (6, 7)]);
    let all = [(1, 0), (2, 1), (3, 3), (4, 4), (5, 6), (6, 7), (7, 9), (8, 10)];
    assert_eq!(read("read_uncommitted"), all);
}
