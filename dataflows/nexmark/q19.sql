-- Nexmark q19, the top 10 bids of every auction by price, with their numbers.
--
--   highwater run dataflows/nexmark/q19.sql --exit-at-end --no-serve
--
-- The sink takes the result and forgets it; write 'print' for 'blackhole' to see it.

CREATE TABLE bid (
  WATERMARK FOR `dateTime` AS `dateTime` - INTERVAL '4' SECOND
) WITH ('connector' = 'nexmark', 'table' = 'bid', 'events.num' = '1000000');

CREATE SINK q19 WITH ('connector' = 'blackhole') AS
SELECT auction, bidder, price, channel, url, `dateTime`, extra, rank_number
FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY auction ORDER BY price DESC) AS rank_number
  FROM bid
)
WHERE rank_number <= 10;

-- test: an auction's ten highest bids; one among them moves those behind it
-- input bid
--   auction | price | dateTime
--   1       | 10    | 2026-01-01 12:00:00
--   1       | 9     | 2026-01-01 12:00:00
--   1       | 8     | 2026-01-01 12:00:00
--   1       | 7     | 2026-01-01 12:00:00
--   1       | 6     | 2026-01-01 12:00:00
--   1       | 5     | 2026-01-01 12:00:00
--   1       | 4     | 2026-01-01 12:00:00
--   1       | 3     | 2026-01-01 12:00:00
--   1       | 2     | 2026-01-01 12:00:00
--   1       | 1     | 2026-01-01 12:00:00
--   1       | 0     | 2026-01-01 12:00:00
--   2       | 5     | 2026-01-01 12:00:00
-- expect q19
--   auction | price | rank_number
--   1       | 10    | 1
--   1       | 9     | 2
--   1       | 8     | 3
--   1       | 7     | 4
--   1       | 6     | 5
--   1       | 5     | 6
--   1       | 4     | 7
--   1       | 3     | 8
--   1       | 2     | 9
--   1       | 1     | 10
--   2       | 5     | 1
--
-- test: a bid among them moves those behind it
-- input bid
--   auction | price | dateTime
--   1       | 30    | 2026-01-01 12:00:00
--   1       | 10    | 2026-01-01 12:00:00
-- expect changes q19
--   _op    | auction | price | rank_number
--   insert | 1       | 30    | 1
--   insert | 1       | 10    | 2
-- input bid
--   auction | price | dateTime
--   1       | 20    | 2026-01-01 12:00:01
-- expect changes q19
--   _op     | auction | price | rank_number
--   retract | 1       | 10    | 2
--   insert  | 1       | 20    | 2
--   insert  | 1       | 10    | 3
