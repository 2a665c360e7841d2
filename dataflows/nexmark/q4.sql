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

-- test: only bids made in the auction's time win, and a higher one moves the average
-- input auction
--   id | category | dateTime            | expires
--   1  | 10       | 2026-01-01 12:00:00 | 2026-01-01 12:00:20
--   2  | 10       | 2026-01-01 12:00:00 | 2026-01-01 12:00:05
--   3  | 11       | 2026-01-01 12:00:00 | 2026-01-01 12:00:20
-- input bid
--   auction | price | dateTime
--   1       | 100   | 2026-01-01 12:00:01
--   3       | 50    | 2026-01-01 12:00:01
--   2       | 300   | 2026-01-01 12:00:05
--   2       | 900   | 2026-01-01 12:00:06
-- expect q4
--   category | average
--   10       | 200
--   11       | 50
-- input bid
--   auction | price | dateTime
--   1       | 500   | 2026-01-01 12:00:20
-- # A result is of what all sources have come to.
-- watermark auction 12:00:10
-- expect q4
--   category | average
--   10       | 400
--   11       | 50
