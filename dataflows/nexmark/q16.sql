-- Nexmark q16, channel statistics: the same a channel and day, with the minute of the latest bid.
--
--   highwater run dataflows/nexmark/q16.sql --exit-at-end --no-serve
--
-- The sink takes the result and forgets it; write 'print' for 'blackhole' to see it.

CREATE TABLE bid (
  WATERMARK FOR `dateTime` AS `dateTime` - INTERVAL '4' SECOND
) WITH ('connector' = 'nexmark', 'table' = 'bid', 'events.num' = '1000000');

CREATE SINK q16 WITH ('connector' = 'blackhole') AS
SELECT channel, DATE_FORMAT(`dateTime`, 'yyyy-MM-dd') AS `day`,
       MAX(DATE_FORMAT(`dateTime`, 'HH:mm')) AS `minute`,
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
GROUP BY channel, DATE_FORMAT(`dateTime`, 'yyyy-MM-dd');

-- test: the same for each channel, with the last minute of the day
-- input bid
--   auction | bidder | price   | channel | dateTime
--   1       | 7      | 9999    | apple   | 2026-01-01 12:00:00
--   1       | 8      | 10000   | apple   | 2026-01-01 12:07:01
--   2       | 7      | 1000000 | google  | 2026-01-01 12:07:01
-- expect q16
--   channel | day        | minute  | total_bids | rank1_bids | rank2_bids | rank3_bids | total_bidders | rank1_bidders | rank2_bidders | rank3_bidders | total_auctions | rank1_auctions | rank2_auctions | rank3_auctions
--   apple   | 2026-01-01 | "12:07" | 2          | 1          | 1          | 0          | 2             | 1             | 1             | 0             | 1              | 1              | 1              | 0
--   google  | 2026-01-01 | "12:07" | 1          | 0          | 0          | 1          | 1             | 0             | 0             | 1             | 1              | 0              | 0              | 1
