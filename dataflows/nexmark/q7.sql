-- Nexmark q7, highest bid: the bids of the highest price in each ten seconds.
--
--   highwater run dataflows/nexmark/q7.sql --exit-at-end --no-serve
--
-- The sink takes the result and forgets it; write 'print' for 'blackhole' to see it.

CREATE TABLE bid (
  WATERMARK FOR `dateTime` AS `dateTime` - INTERVAL '4' SECOND
) WITH ('connector' = 'nexmark', 'table' = 'bid', 'events.num' = '1000000');

CREATE SINK q7 WITH ('connector' = 'blackhole') AS
SELECT B.auction, B.price, B.bidder, B.`dateTime`, B.extra
FROM bid B JOIN (
  SELECT MAX(price) AS maxprice, window_end AS `dateTime`
  FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR(`dateTime`), INTERVAL '10' SECOND))
  GROUP BY window_start, window_end
) B1 ON B.price = B1.maxprice
WHERE B.`dateTime` BETWEEN B1.`dateTime` - INTERVAL '10' SECOND AND B1.`dateTime`;

-- test: the highest bids of ten seconds, all that are as high
-- input bid
--   auction | bidder | price | dateTime            | extra
--   1       | 7      | 100   | 2026-01-01 12:00:01 | a
--   2       | 8      | 300   | 2026-01-01 12:00:02 | b
--   3       | 9      | 300   | 2026-01-01 12:00:09 | c
--   4       | 9      | 200   | 2026-01-01 12:00:11 | d
-- expect q7
-- watermark bid 12:00:10
-- expect q7
--   auction | price | bidder | dateTime            | extra
--   2       | 300   | 8      | 2026-01-01 12:00:02 | b
--   3       | 300   | 9      | 2026-01-01 12:00:09 | c
-- end bid
-- expect changes q7
--   _op    | auction | price
--   insert | 2       | 300
--   insert | 3       | 300
--   insert | 4       | 200
