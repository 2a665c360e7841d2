-- Nexmark q2, selection: the bids on every 123rd auction.
--
--   highwater run dataflows/nexmark/q2.sql --exit-at-end --no-serve
--
-- The sink takes the result and forgets it; write 'print' for 'blackhole' to see it.

CREATE TABLE bid (
  WATERMARK FOR `dateTime` AS `dateTime` - INTERVAL '4' SECOND
) WITH ('connector' = 'nexmark', 'table' = 'bid', 'events.num' = '1000000');

CREATE SINK q2 WITH ('connector' = 'blackhole') AS
SELECT auction, price FROM bid WHERE MOD(auction, 123) = 0;

-- test: auctions whose number is a multiple of 123
-- input bid
--   auction | price | dateTime
--   123     | 10    | 2026-01-01 12:00:10
--   124     | 20    | 2026-01-01 12:00:10
--   0       | 30    | 2026-01-01 12:00:11
--   246     | 40    | 2026-01-01 12:00:12
-- expect q2
--   auction | price
--   123     | 10
--   0       | 30
--   246     | 40
