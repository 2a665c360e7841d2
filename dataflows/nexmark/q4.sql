-- Nexmark q4, average price for a category: of the winning bids of its auctions. Bids outside of an auction's time do
-- not count, so neither a bid nor an auction is kept for ever.
--
--   highwater run dataflows/nexmark/q4.sql --exit-at-end --no-serve
--
-- The sink takes the result and forgets it; write 'print' for 'blackhole' to see it.

CREATE TABLE auction (
  WATERMARK FOR `dateTime` AS `dateTime` - INTERVAL '4' SECOND
) WITH ('connector' = 'nexmark', 'table' = 'auction', 'events.num' = '1000000');

CREATE TABLE bid (
  WATERMARK FOR `dateTime` AS `dateTime` - INTERVAL '4' SECOND
) WITH ('connector' = 'nexmark', 'table' = 'bid', 'events.num' = '1000000');

CREATE SINK q4 WITH ('connector' = 'blackhole') AS
SELECT Q.category, AVG(Q.final) AS average
FROM (
  SELECT MAX(B.price) AS final, A.category
  FROM auction A, bid B
  WHERE A.id = B.auction AND B.`dateTime` BETWEEN A.`dateTime` AND A.expires
  GROUP BY A.id, A.category
) Q
GROUP BY Q.category;
