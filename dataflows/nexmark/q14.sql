-- Nexmark q14, calculation: converts, classifies by the hour, counts characters, keeps a range of prices.
--
--   highwater run dataflows/nexmark/q14.sql --exit-at-end --no-serve
--
-- COUNT_CHAR is a function registered in the catalog; who embeds the engine adds more (Catalog::with_functions).
-- The sink takes the result and forgets it; write 'print' for 'blackhole' to see it.

CREATE TABLE bid (
  WATERMARK FOR `dateTime` AS `dateTime` - INTERVAL '4' SECOND
) WITH ('connector' = 'nexmark', 'table' = 'bid', 'events.num' = '1000000');

CREATE SINK q14 WITH ('connector' = 'blackhole') AS
SELECT auction, bidder, 0.908 * price AS price,
       CASE
         WHEN HOUR(`dateTime`) >= 8 AND HOUR(`dateTime`) <= 18 THEN 'dayTime'
         WHEN HOUR(`dateTime`) <= 6 OR HOUR(`dateTime`) >= 20 THEN 'nightTime'
         ELSE 'otherTime'
       END AS bid_time_type,
       `dateTime`, extra,
       COUNT_CHAR(extra, 'c') AS c_counts
FROM bid
WHERE 0.908 * price > 1000000 AND 0.908 * price < 50000000;

-- test: prices between a million and fifty, by the hour of the day
-- input bid
--   auction | bidder | price    | dateTime            | extra
--   1       | 7      | 2000000  | 2026-01-01 08:00:00 | abcc
--   2       | 7      | 2000000  | 2026-01-01 18:59:59 | c
--   3       | 7      | 2000000  | 2026-01-01 19:00:00 | NULL
--   4       | 7      | 2000000  | 2026-01-01 20:00:00 | C
--   5       | 7      | 1000000  | 2026-01-01 20:00:00 | c
--   6       | 7      | 60000000 | 2026-01-01 20:00:00 | c
-- expect q14
--   auction | price   | bid_time_type | extra | c_counts
--   1       | 1816000 | dayTime       | abcc  | 2
--   2       | 1816000 | dayTime       | c     | 1
--   3       | 1816000 | otherTime     | NULL  | 0
--   4       | 1816000 | nightTime     | C     | 0
