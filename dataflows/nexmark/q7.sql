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
