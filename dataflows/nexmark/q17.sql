-- Nexmark q17, auction statistics: bids, prices and price ranges an auction and day.
--
--   highwater run dataflows/nexmark/q17.sql --exit-at-end --no-serve
--
-- The sink takes the result and forgets it; write 'print' for 'blackhole' to see it.

CREATE TABLE bid (
  WATERMARK FOR `dateTime` AS `dateTime` - INTERVAL '4' SECOND
) WITH ('connector' = 'nexmark', 'table' = 'bid', 'events.num' = '1000000');

CREATE SINK q17 WITH ('connector' = 'blackhole') AS
SELECT auction, DATE_FORMAT(`dateTime`, 'yyyy-MM-dd') AS `day`,
       COUNT(*) AS total_bids,
       COUNT(*) FILTER (WHERE price < 10000) AS rank1_bids,
       COUNT(*) FILTER (WHERE price >= 10000 AND price < 1000000) AS rank2_bids,
       COUNT(*) FILTER (WHERE price >= 1000000) AS rank3_bids,
       MIN(price) AS min_price, MAX(price) AS max_price, AVG(price) AS avg_price, SUM(price) AS sum_price
FROM bid
GROUP BY auction, DATE_FORMAT(`dateTime`, 'yyyy-MM-dd');

-- test: an auction's bids of a day, and what a bid of the same auction changes
-- input bid
--   auction | price   | dateTime
--   1       | 100     | 2026-01-01 12:00:00
--   1       | 20000   | 2026-01-01 12:00:01
--   2       | 2000000 | 2026-01-01 12:00:01
-- expect q17
--   auction | day        | total_bids | rank1_bids | rank2_bids | rank3_bids | min_price | max_price | avg_price | sum_price
--   1       | 2026-01-01 | 2          | 1          | 1          | 0          | 100       | 20000     | 10050     | 20100
--   2       | 2026-01-01 | 1          | 0          | 0          | 1          | 2000000   | 2000000   | 2000000   | 2000000
-- input bid
--   auction | price   | dateTime
--   1       | 300     | 2026-01-01 12:00:02
-- expect q17
--   auction | total_bids | rank1_bids | min_price | max_price | avg_price | sum_price
--   1       | 3          | 2          | 100       | 20000     | 6800      | 20400
--   2       | 1          | 0          | 2000000   | 2000000   | 2000000   | 2000000
