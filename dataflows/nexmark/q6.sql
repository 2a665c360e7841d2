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

-- test: a seller's average is of the last ten auctions that closed
-- input auction
--   id | seller | dateTime            | expires
--   1  | 7      | 2026-01-01 12:00:00 | 2026-01-01 12:00:10
--   2  | 7      | 2026-01-01 12:00:00 | 2026-01-01 12:00:05
--   3  | 8      | 2026-01-01 12:00:00 | 2026-01-01 12:00:05
-- input bid
--   auction | price | dateTime
--   1       | 100   | 2026-01-01 12:00:01
--   1       | 200   | 2026-01-01 12:00:02
--   2       | 400   | 2026-01-01 12:00:03
--   3       | 10    | 2026-01-01 12:00:06
-- watermark auction 12:00:30
-- watermark bid 12:00:30
-- expect q6
--   seller | auction | final | average
--   7      | 2       | 400   | 400
--   7      | 1       | 200   | 300
--
-- test: the eleventh auction leaves the first out
-- input auction
--   id | seller | dateTime            | expires
--   1  | 7      | 2026-01-01 12:00:00 | 2026-01-01 12:00:01
--   2  | 7      | 2026-01-01 12:00:00 | 2026-01-01 12:00:02
--   3  | 7      | 2026-01-01 12:00:00 | 2026-01-01 12:00:03
--   4  | 7      | 2026-01-01 12:00:00 | 2026-01-01 12:00:04
--   5  | 7      | 2026-01-01 12:00:00 | 2026-01-01 12:00:05
--   6  | 7      | 2026-01-01 12:00:00 | 2026-01-01 12:00:06
--   7  | 7      | 2026-01-01 12:00:00 | 2026-01-01 12:00:07
--   8  | 7      | 2026-01-01 12:00:00 | 2026-01-01 12:00:08
--   9  | 7      | 2026-01-01 12:00:00 | 2026-01-01 12:00:09
--   10 | 7      | 2026-01-01 12:00:00 | 2026-01-01 12:00:10
--   11 | 7      | 2026-01-01 12:00:00 | 2026-01-01 12:00:11
-- input bid
--   auction | price | dateTime
--   1       | 1000  | 2026-01-01 12:00:01
--   2       | 10    | 2026-01-01 12:00:01
--   3       | 10    | 2026-01-01 12:00:01
--   4       | 10    | 2026-01-01 12:00:01
--   5       | 10    | 2026-01-01 12:00:01
--   6       | 10    | 2026-01-01 12:00:01
--   7       | 10    | 2026-01-01 12:00:01
--   8       | 10    | 2026-01-01 12:00:01
--   9       | 10    | 2026-01-01 12:00:01
--   10      | 10    | 2026-01-01 12:00:01
--   11      | 10    | 2026-01-01 12:00:01
-- end
-- expect q6
--   auction | average
--   1       | 1000
--   2       | 505
--   3       | 340
--   4       | 257.5
--   5       | 208
--   6       | 175
--   7       | 151.42857142857142
--   8       | 133.75
--   9       | 120
--   10      | 109
--   11      | 10
