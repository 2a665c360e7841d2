-- Nexmark q6, average price of a seller: of the winning bids of his last 10 auctions, in the order in which they closed. An
-- auction is closed when the watermark has passed its end; neither it nor its bids are kept beyond that.
--
--   highwater run dataflows/nexmark/q6.sql --exit-at-end --no-serve
--
-- The sink takes the result and forgets it; write 'print' for 'blackhole' to see it.

CREATE TABLE auction (
  WATERMARK FOR `dateTime` AS `dateTime` - INTERVAL '4' SECOND
) WITH ('connector' = 'nexmark', 'table' = 'auction', 'events.num' = '1000000');

CREATE TABLE bid (
  WATERMARK FOR `dateTime` AS `dateTime` - INTERVAL '4' SECOND
) WITH ('connector' = 'nexmark', 'table' = 'bid', 'events.num' = '1000000');

CREATE SINK q6 WITH ('connector' = 'blackhole') AS
SELECT seller, id AS auction, expires, final,
  AVG(final) OVER (PARTITION BY seller ORDER BY expires, id ROWS BETWEEN 9 PRECEDING AND CURRENT ROW) AS average
FROM (
  SELECT A.id, A.seller, A.expires, MAX(B.price) AS final
  FROM auction A, bid B
  WHERE A.id = B.auction AND B.`dateTime` BETWEEN A.`dateTime` AND A.expires
  GROUP BY A.id, A.seller, A.expires
);
