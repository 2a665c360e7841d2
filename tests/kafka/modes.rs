//! Where partitions begin and end, and which are read.

use highwater_kafka::rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use highwater_kafka::rdkafka::{ClientConfig, Offset, TopicPartitionList};

use super::broker::*;

const VIEW: &str = "CREATE MATERIALIZED VIEW v AS SELECT n FROM s;";

/// The numbers that a source of `n` has, sorted.
fn read(broker: &Broker, options: &str) -> Vec<i64> {
    let source = broker.source("s", "n BIGINT", &format!("'format' = 'json', {options}"));
    let running = run(&format!("{source}{VIEW}"));
    let mut found: Vec<(i64,)> = running.view("v").unwrap().rows().unwrap();
    found.sort_unstable();
    found.into_iter().map(|(n,)| n).collect()
}

fn line(n: i64) -> String {
    format!("{{\"n\":{n}}}")
}

/// A topic of two partitions, 0 to 9 in the first and 100 to 104 in the second, a second apart from second 1000 on.
fn topic(broker: &Broker) -> String {
    let topic = broker.topic("modes", 2);
    let producer = broker.producer();
    for (partition, numbers) in [(0, 0..10), (1, 100..105)] {
        for (at, n) in numbers.enumerate() {
            let (value, at_ms) = (line(n), Some(1_000_000 + 1000 * at as i64));
            send(&producer, &Sent { value: Some(&value), at_ms, ..Sent::to(&topic, partition) });
        }
    }
    highwater_kafka::rdkafka::producer::Producer::flush(&producer, PATIENCE).unwrap();
    topic
}

#[test]
fn a_source_begins_and_ends_where_its_modes_say() {
    let Some(broker) = broker() else { return };
    let topic = topic(broker);
    let read =
        |options: &str| read(broker, &format!("'topic' = '{topic}', 'scan.bounded.mode' = 'latest-offset'{options}"));
    let all: Vec<i64> = (0..10).chain(100..105).collect();
    assert_eq!(read(""), all);
    assert_eq!(read(", 'scan.startup.mode' = 'earliest-offset'"), all);
    assert!(read(", 'scan.startup.mode' = 'latest-offset'").is_empty());
    let time = |ms: i64| format!(", 'scan.startup.mode' = 'timestamp', 'scan.startup.timestamp-millis' = '{ms}'");
    assert_eq!(read(&time(1_003_001)), [4, 5, 6, 7, 8, 9, 104]);
    assert_eq!(read(&time(1_007_000)), [7, 8, 9]);
    let offsets =
        ", 'scan.startup.mode' = 'specific-offsets', 'scan.startup.specific-offsets' = 'partition:0,offset:8'";
    assert_eq!(read(offsets), [8, 9, 100, 101, 102, 103, 104]);
}

#[test]
fn a_source_ends_before_times_and_offsets() {
    let Some(broker) = broker() else { return };
    let topic = topic(broker);
    let read = |options: &str| read(broker, &format!("'topic' = '{topic}', {options}"));
    let time = |ms: i64| read(&format!("'scan.bounded.mode' = 'timestamp', 'scan.bounded.timestamp-millis' = '{ms}'"));
    assert_eq!(time(1_002_000), [0, 1, 100, 101]);
    assert_eq!(time(9_999_999_999).len(), 15);
    let offsets = "'scan.bounded.mode' = 'specific-offsets',
        'scan.bounded.specific-offsets' = 'partition:0,offset:2;partition:1,offset:1'";
    assert_eq!(read(offsets), [0, 1, 100]);
    let source = broker.source(
        "s",
        "n BIGINT",
        &format!("'format' = 'json', 'topic' = '{topic}', 'scan.bounded.mode' = 'specific-offsets', 'scan.bounded.specific-offsets' = 'partition:0,offset:2'"),
    );
    let running = highwater::Highwater::builder().sql(format!("{source}{VIEW}")).start().unwrap();
    let failed = running.finished_within(PATIENCE).unwrap_err().to_string();
    assert!(failed.contains(&format!("nothing says where {topic}/1 ends")), "{failed}");
}

#[test]
fn a_group_says_where_a_source_begins_and_ends() {
    let Some(broker) = broker() else { return };
    let topic = topic(broker);
    let group = format!("group-of-{topic}");
    let consumer: BaseConsumer =
        ClientConfig::new().set("bootstrap.servers", broker.servers()).set("group.id", &group).create().unwrap();
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&topic, 0, Offset::Offset(6)).unwrap();
    consumer.commit(&list, CommitMode::Sync).unwrap();
    drop(consumer);
    let begun = format!(
        "'topic' = '{topic}', 'scan.bounded.mode' = 'latest-offset', 'properties.group.id' = '{group}',
        'properties.enable.auto.commit' = 'false', 'properties.auto.offset.reset' = "
    );
    // Partition 1 has none.
    assert_eq!(read(broker, &format!("{begun}'earliest'")), [6, 7, 8, 9, 100, 101, 102, 103, 104]);
    assert_eq!(read(broker, &format!("{begun}'latest', 'scan.startup.mode' = 'group-offsets'")), [6, 7, 8, 9]);
    let source = broker.source("s", "n BIGINT", &format!("'format' = 'json', {begun}'none'"));
    let running = highwater::Highwater::builder().sql(format!("{source}{VIEW}")).start().unwrap();
    let failed = running.finished_within(PATIENCE).unwrap_err().to_string();
    assert!(failed.contains(&format!("the group has no offset for {topic}/1")), "{failed}");
    // Unless it is told not to, a source tells its group how far it is.
    let told = begun.replace("'false'", "'true'");
    assert_eq!(read(broker, &format!("{told}'earliest'")).len(), 9);
    let rest = || read(broker, &format!("{begun}'earliest'"));
    eventually("the group knows that all was read", || rest().is_empty());
}

#[test]
fn topics_are_listed_or_found_by_a_pattern() {
    let Some(broker) = broker() else { return };
    let [one, two, other] = ["listed-a", "listed-b", "unlisted"].map(|name| broker.topic(name, 1));
    for (topic, n) in [(&one, 1), (&two, 2), (&other, 3)] {
        broker.write(topic, 0, [line(n).as_str()]);
    }
    let bounded = "'scan.bounded.mode' = 'latest-offset'";
    assert_eq!(read(broker, &format!("'topic' = '{one};{other}', {bounded}")), [1, 3]);
    assert_eq!(read(broker, &format!("'topic-pattern' = 'listed-[ab]-[0-9]+', {bounded}")), [1, 2]);
    let source = broker.source("s", "n BIGINT", "'format' = 'json', 'topic-pattern' = 'listed'");
    let told = refused(&format!("{source}{VIEW}"));
    assert!(told.contains("no topic matches") && told.contains(&one), "{told}");
}

#[test]
fn a_bounded_read_is_what_a_file_of_the_same_rows_is() {
    let Some(broker) = broker() else { return };
    let topic = broker.topic("same", 1);
    let lines: Vec<String> = (0..20_000)
        .map(|n| format!("{{\"n\":{n},\"ts\":\"2026-01-01 00:{:02}:{:02}\"}}", n / 600 % 60, (n / 10 + n % 7) % 60))
        .collect();
    broker.write(&topic, 0, lines.iter().map(String::as_str));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("same.ndjson");
    std::fs::write(&path, lines.join("\n")).unwrap();
    let columns = "n BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND";
    let view = "CREATE MATERIALIZED VIEW v AS SELECT window_start, COUNT(*) AS n, SUM(n) AS total
        FROM TABLE(TUMBLE(TABLE s, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY window_start, window_end;";
    let kafka = broker.source(
        "s",
        columns,
        &format!("'format' = 'json', 'topic' = '{topic}', 'scan.bounded.mode' = 'latest-offset'"),
    );
    let file = format!("CREATE SOURCE s ({columns}) WITH ('connector' = 'filesystem', 'path' = '{}');", path.display());
    let expected = run(&format!("{file}{view}"));
    for workers in [1, 2] {
        let found = run_with(&format!("{kafka}{view}"), workers);
        assert_eq!(rows(&found, "v"), rows(&expected, "v"));
        assert_eq!(letters(&found, "s").len(), letters(&expected, "s").len(), "as many are late");
    }
    assert!(rows(&expected, "v").len() > 10);
}
