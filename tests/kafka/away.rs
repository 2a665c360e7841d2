//! A broker that goes away and comes back.

use highwater::{Drain, Highwater};

use super::broker::*;

const VIEW: &str = "CREATE MATERIALIZED VIEW v AS SELECT n FROM s;";

fn lines(range: std::ops::Range<i64>) -> Vec<String> {
    range.map(|n| format!("{{\"n\":{n}}}")).collect()
}

fn write(broker: &Broker, topic: &str, range: std::ops::Range<i64>) {
    for partition in 0..2 {
        let lines = lines(range.clone());
        broker.write(topic, partition, lines.iter().map(String::as_str));
    }
}

#[test]
fn a_broker_that_is_away_is_waited_for_and_no_message_is_missed_or_read_twice() {
    let Some(mut broker) = Broker::start() else { return };
    let topic = broker.topic("away", 2);
    write(&broker, &topic, 0..100);
    let source = broker.source("s", "n BIGINT", &format!("'topic' = '{topic}', 'format' = 'json'"));
    let running = Highwater::builder().sql(format!("{source}{VIEW}")).start().unwrap();
    let many = || running.view("v").unwrap().rows::<(i64,)>().unwrap().len();
    let stand = || running.engine().sources()[0].stand();
    eventually("all rows are read", || many() == 200);
    assert_eq!(stand().state.name(), "running");
    broker.kill();
    eventually("the source says that it waits, and why", || {
        let stand = stand();
        stand.state.name() == "retrying" && stand.reason.is_some() && stand.retry_in_ms.is_some()
    });
    broker.run();
    write(&broker, &topic, 100..200);
    eventually("what came meanwhile is read", || many() == 400);
    eventually("it runs again", || stand().state.name() == "running");
    assert!(stand().retries > 0);
    running.shutdown_blocking(Drain::No).unwrap();
    let mut found: Vec<i64> = running.view("v").unwrap().rows::<(i64,)>().unwrap().into_iter().map(|(n,)| n).collect();
    found.sort_unstable();
    assert_eq!(found, (0..400).map(|n| n / 2).collect::<Vec<i64>>());
}
