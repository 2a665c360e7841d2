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
