-- Nexmark q0, pass through: what it costs to move every bid from the source to the sink.
--
--   highwater run dataflows/nexmark/q0.sql --exit-at-end --no-serve
--
-- The sink takes the result and forgets it; write 'print' for 'blackhole' to see it.

CREATE TABLE bid (
  WATERMARK FOR `dateTime` AS `dateTime` - INTERVAL '4' SECOND
) WITH ('connector' = 'nexmark', 'table' = 'bid', 'events.num' = '1000000');

CREATE SINK q0 WITH ('connector' = 'blackhole') AS
SELECT auction, bidder, price, `dateTime`, extra FROM bid;

-- test: every bid as it is, late ones not
-- input bid
--   auction | bidder | price | dateTime            | extra
--   1       | 7      | 100   | 2026-01-01 12:00:10 | a
--   2       | 8      | 200   | 2026-01-01 12:00:07 | NULL
--   1       | 7      | 100   | 2026-01-01 12:00:10 | a
-- watermark bid 12:00:08
-- input bid
--   auction | bidder | price | dateTime            | extra
--   3       | 9      | 300   | 2026-01-01 12:00:01 | late
-- expect q0
--   auction | bidder | price | dateTime            | extra
--   1       | 7      | 100   | 2026-01-01 12:00:10 | a
--   2       | 8      | 200   | 2026-01-01 12:00:07 | NULL
--   1       | 7      | 100   | 2026-01-01 12:00:10 | a
