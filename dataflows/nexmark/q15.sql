-- Nexmark q15, bidding statistics: bids, distinct bidders and distinct auctions a day, by price range.
--
--   highwater run dataflows/nexmark/q15.sql --exit-at-end --no-serve
--
-- The sink takes the result and forgets it; write 'print' for 'blackhole' to see it.

CREATE TABLE bid (
  WATERMARK FOR `dateTime` AS `dateTime` - INTERVAL '4' SECOND
) WITH ('connector' = 'nexmark', 'table' = 'bid', 'events.num' = '1000000');

CREATE SINK q15 WITH ('connector' = 'blackhole') AS
SELECT DATE_FORMAT(`dateTime`, 'yyyy-MM-dd') AS `day`,
       COUNT(*) AS total_bids,
       COUNT(*) FILTER (WHERE price < 10000) AS rank1_bids,
       COUNT(*) FILTER (WHERE price >= 10000 AND price < 1000000) AS rank2_bids,
       COUNT(*) FILTER (WHERE price >= 1000000) AS rank3_bids,
       COUNT(DISTINCT bidder) AS total_bidders,
       COUNT(DISTINCT bidder) FILTER (WHERE price < 10000) AS rank1_bidders,
       COUNT(DISTINCT bidder) FILTER (WHERE price >= 10000 AND price < 1000000) AS rank2_bidders,
       COUNT(DISTINCT bidder) FILTER (WHERE price >= 1000000) AS rank3_bidders,
       COUNT(DISTINCT auction) AS total_auctions,
       COUNT(DISTINCT auction) FILTER (WHERE price < 10000) AS rank1_auctions,
       COUNT(DISTINCT auction) FILTER (WHERE price >= 10000 AND price < 1000000) AS rank2_auctions,
       COUNT(DISTINCT auction) FILTER (WHERE price >= 1000000) AS rank3_auctions
FROM bid
GROUP BY DATE_FORMAT(`dateTime`, 'yyyy-MM-dd');

-- test: a day's bids, bidders and auctions, in all and by three ranks of price
-- input bid
--   auction | bidder | price   | dateTime
--   1       | 7      | 9999    | 2026-01-01 12:00:00
--   1       | 8      | 10000   | 2026-01-01 12:00:01
--   2       | 7      | 999999  | 2026-01-01 12:00:01
--   2       | 7      | 1000000 | 2026-01-01 12:00:02
--   3       | 9      | 1       | 2026-01-02 00:00:00
-- expect q15
--   day        | total_bids | rank1_bids | rank2_bids | rank3_bids | total_bidders | rank1_bidders | rank2_bidders | rank3_bidders | total_auctions | rank1_auctions | rank2_auctions | rank3_auctions
--   2026-01-01 | 4          | 1          | 2          | 1          | 2             | 1             | 2             | 1             | 2              | 1              | 2              | 1
--   2026-01-02 | 1          | 1          | 0          | 0          | 1             | 1             | 0             | 0             | 1              | 1              | 0              | 0
