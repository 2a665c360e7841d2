-- Nexmark q1, currency conversion: every bid's price from dollars to euros.
--
--   highwater run dataflows/nexmark/q1.sql --exit-at-end --no-serve
--
-- The sink takes the result and forgets it; write 'print' for 'blackhole' to see it.

CREATE TABLE bid (
  WATERMARK FOR `dateTime` AS `dateTime` - INTERVAL '4' SECOND
) WITH ('connector' = 'nexmark', 'table' = 'bid', 'events.num' = '1000000');

CREATE SINK q1 WITH ('connector' = 'blackhole') AS
SELECT auction, bidder, 0.908 * price AS price, `dateTime`, extra FROM bid;

-- test: a price in dollars is 0.908 in euros
-- input bid
--   auction | bidder | price | dateTime            | extra
--   1       | 7      | 1000  | 2026-01-01 12:00:10 | a
--   2       | 8      | NULL  | 2026-01-01 12:00:11 | b
-- expect q1
--   auction | bidder | price | dateTime            | extra
--   1       | 7      | 908   | 2026-01-01 12:00:10 | a
--   2       | 8      | NULL  | 2026-01-01 12:00:11 | b
