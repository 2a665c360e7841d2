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
