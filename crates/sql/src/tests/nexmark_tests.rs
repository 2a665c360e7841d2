//! Nexmark's queries, in Flink's text, and what they become.

use super::plan_tests::{planned, shape};

const TABLES: &str = "
CREATE TABLE nexmark (
  event_type INT,
  person ROW<id BIGINT, name VARCHAR, emailAddress VARCHAR, creditCard VARCHAR, city VARCHAR, state VARCHAR, `dateTime` TIMESTAMP(3), extra VARCHAR>,
  auction ROW<id BIGINT, itemName VARCHAR, description VARCHAR, initialBid BIGINT, reserve BIGINT, `dateTime` TIMESTAMP(3), expires TIMESTAMP(3), seller BIGINT, category BIGINT, extra VARCHAR>,
  bid ROW<auction BIGINT, bidder BIGINT, price BIGINT, channel VARCHAR, url VARCHAR, `dateTime` TIMESTAMP(3), extra VARCHAR>,
  `dateTime` AS CASE WHEN event_type = 0 THEN person.`dateTime` WHEN event_type = 1 THEN auction.`dateTime` ELSE bid.`dateTime` END,
  WATERMARK FOR `dateTime` AS `dateTime` - INTERVAL '4' SECOND
) WITH ('connector' = 'memory');
CREATE VIEW bid AS
  SELECT bid.auction, bid.bidder, bid.price, bid.channel, bid.url, `dateTime`, bid.extra FROM nexmark WHERE event_type = 2;
";

const QUERIES: &[(&str, &str)] = &[
    ("q0", "SELECT auction, bidder, price, `dateTime`, extra FROM bid"),
    ("q1", "SELECT auction, bidder, 0.908 * price AS price, `dateTime`, extra FROM bid"),
    ("q2", "SELECT auction, price FROM bid WHERE MOD(auction, 123) = 0"),
    (
        "q7_window",
        "SELECT MAX(price) AS maxprice, TUMBLE_END(`dateTime`, INTERVAL '10' SECOND) AS `dateTime`
         FROM bid GROUP BY TUMBLE(`dateTime`, INTERVAL '10' SECOND)",
    ),
    (
        "q11",
        "SELECT B.bidder, COUNT(*) AS bid_count, SESSION_START(B.`dateTime`, INTERVAL '10' SECOND) AS starttime,
           SESSION_END(B.`dateTime`, INTERVAL '10' SECOND) AS endtime
         FROM bid B GROUP BY B.bidder, SESSION(B.`dateTime`, INTERVAL '10' SECOND)",
    ),
    (
        "q12_event_time",
        "SELECT B.bidder, COUNT(*) AS bid_count, window_start AS starttime, window_end AS endtime
         FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR(`dateTime`), INTERVAL '10' SECOND)) AS B
         GROUP BY B.bidder, window_start, window_end",
    ),
    (
        "q14",
        "SELECT auction, bidder, 0.908 * price AS price,
           CASE WHEN HOUR(`dateTime`) >= 8 AND HOUR(`dateTime`) <= 18 THEN 'dayTime'
                WHEN HOUR(`dateTime`) <= 6 OR HOUR(`dateTime`) >= 20 THEN 'nightTime' ELSE 'otherTime' END AS bidTimeType,
           `dateTime`, extra
         FROM bid WHERE 0.908 * price > 1000000 AND 0.908 * price < 50000000",
    ),
    (
        "q15",
        "SELECT DATE_FORMAT(`dateTime`, 'yyyy-MM-dd') AS `day`, COUNT(*) AS total_bids,
           COUNT(*) FILTER (WHERE price < 10000) AS rank1_bids,
           COUNT(*) FILTER (WHERE price >= 10000 AND price < 1000000) AS rank2_bids,
           COUNT(*) FILTER (WHERE price >= 1000000) AS rank3_bids,
           COUNT(DISTINCT bidder) AS total_bidders,
           COUNT(DISTINCT bidder) FILTER (WHERE price < 10000) AS rank1_bidders,
           COUNT(DISTINCT auction) FILTER (WHERE price >= 1000000) AS rank3_auctions
         FROM bid GROUP BY DATE_FORMAT(`dateTime`, 'yyyy-MM-dd')",
    ),
    (
        "q16",
        "SELECT channel, DATE_FORMAT(`dateTime`, 'yyyy-MM-dd') AS `day`, MAX(DATE_FORMAT(`dateTime`, 'HH:mm')) AS `minute`,
           COUNT(*) AS total_bids, COUNT(*) FILTER (WHERE price < 10000) AS rank1_bids,
           COUNT(DISTINCT bidder) AS total_bidders, COUNT(DISTINCT auction) FILTER (WHERE price < 10000) AS rank1_auctions
         FROM bid GROUP BY channel, DATE_FORMAT(`dateTime`, 'yyyy-MM-dd')",
    ),
    (
        "q17",
        "SELECT auction, DATE_FORMAT(`dateTime`, 'yyyy-MM-dd') AS `day`, COUNT(*) AS total_bids,
           COUNT(*) FILTER (WHERE price < 10000) AS rank1_bids, MIN(price) AS min_price, MAX(price) AS max_price,
           AVG(price) AS avg_price, SUM(price) AS sum_price
         FROM bid GROUP BY auction, DATE_FORMAT(`dateTime`, 'yyyy-MM-dd')",
    ),
    (
        "q21",
        "SELECT auction, bidder, price, channel,
           CASE WHEN LOWER(channel) = 'apple' THEN '0' WHEN LOWER(channel) = 'google' THEN '1'
                WHEN LOWER(channel) = 'facebook' THEN '2' WHEN LOWER(channel) = 'baidu' THEN '3'
                ELSE REGEXP_EXTRACT(url, '(&|^)channel_id=([^&]*)', 2) END AS channel_id
         FROM bid WHERE REGEXP_EXTRACT(url, '(&|^)channel_id=([^&]*)', 2) IS NOT NULL
           OR LOWER(channel) IN ('apple', 'google', 'facebook', 'baidu')",
    ),
    (
        "q22",
        "SELECT auction, bidder, price, channel, SPLIT_INDEX(url, '/', 3) AS dir1, SPLIT_INDEX(url, '/', 4) AS dir2,
           SPLIT_INDEX(url, '/', 5) AS dir3 FROM bid",
    ),
];

fn program(names: &[&str]) -> String {
    let chosen = QUERIES.iter().filter(|(name, _)| names.is_empty() || names.contains(name));
    let views = chosen.map(|(name, query)| format!("CREATE MATERIALIZED VIEW {name} AS {query};\n"));
    format!("{TABLES}{}", views.collect::<String>())
}

#[test]
fn every_query_plans_with_the_columns_it_names() {
    for (name, _) in QUERIES {
        let plan = planned(&program(&[name]));
        assert_eq!(plan.views.len(), 1, "{name}");
        let view = &plan.views[0];
        assert_eq!(view.columns.len(), view.schema.fields().len(), "{name}");
        let node = &plan.nodes[view.node];
        for (column, field) in view.columns.iter().zip(view.schema.fields()) {
            assert_eq!(node.schema.field(*column).data_type(), field.data_type(), "{name}.{}", field.name());
        }
    }
}

#[test]
fn all_queries_share_one_source_and_one_view_of_bids() {
    let plan = planned(&program(&[]));
    assert_eq!((plan.sources.len(), plan.views.len()), (1, QUERIES.len()));
    let found = shape(&plan);
    let filtered = found.lines().filter(|line| line.contains("where event_type@0 = 2")).count();
    assert_eq!(filtered, 1, "{found}");
    let read: Vec<&str> =
        plan.sources[0].decode.iter().map(|&i| plan.sources[0].physical.field(i).name().as_str()).collect();
    assert_eq!(read, ["event_type", "person", "auction", "bid"]);
}

#[test]
fn an_insert_goes_by_places_and_a_registered_function_may_be_created() {
    let text = format!(
        "{TABLES}
         CREATE TEMPORARY SYSTEM FUNCTION IF NOT EXISTS count_char AS 'org.example.CountChar';
         CREATE TABLE out (one BIGINT, two BIGINT, c_counts BIGINT) WITH ('connector' = 'nowhere');
         INSERT INTO out SELECT B.price, A.price, count_char(A.extra, 'c') FROM bid AS B JOIN bid AS A ON A.auction = B.bidder;"
    );
    let names =
        planned(&text).sinks[0].spec.schema.fields().iter().map(|field| field.name().clone()).collect::<Vec<_>>();
    assert_eq!(names, ["one", "two", "c_counts"]);
}
