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
