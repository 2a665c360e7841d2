-- Nexmark q18, the last bid: of every bidder on every auction.
--
--   highwater run dataflows/nexmark/q18.sql --exit-at-end --no-serve
--
-- The sink takes the result and forgets it; write 'print' for 'blackhole' to see it.

CREATE TABLE bid (
  WATERMARK FOR `dateTime` AS `dateTime` - INTERVAL '4' SECOND
) WITH ('connector' = 'nexmark', 'table' = 'bid', 'events.num' = '1000000');

CREATE SINK q18 WITH ('connector' = 'blackhole') AS
SELECT auction, bidder, price, channel, url, `dateTime`, extra
FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY bidder, auction ORDER BY `dateTime` DESC) AS rank_number
  FROM bid
)
WHERE rank_number <= 1;

-- test: the last bid of a person on an auction, whatever came last
-- input bid
--   auction | bidder | price | dateTime
--   1       | 7      | 100   | 2026-01-01 12:00:03
--   1       | 7      | 200   | 2026-01-01 12:00:01
--   1       | 8      | 300   | 2026-01-01 12:00:01
-- expect q18
--   auction | bidder | price | dateTime
--   1       | 7      | 100   | 2026-01-01 12:00:03
--   1       | 8      | 300   | 2026-01-01 12:00:01
-- input bid
--   auction | bidder | price | dateTime
--   1       | 7      | 50    | 2026-01-01 12:00:04
-- expect q18
--   auction | bidder | price | dateTime
--   1       | 7      | 50    | 2026-01-01 12:00:04
--   1       | 8      | 300   | 2026-01-01 12:00:01
