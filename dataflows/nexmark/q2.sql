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
