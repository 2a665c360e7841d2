-- Nexmark q22, url directories: the parts of the url's path.
--
--   highwater run dataflows/nexmark/q22.sql --exit-at-end --no-serve
--
-- The sink takes the result and forgets it; write 'print' for 'blackhole' to see it.

CREATE TABLE bid (
  WATERMARK FOR `dateTime` AS `dateTime` - INTERVAL '4' SECOND
) WITH ('connector' = 'nexmark', 'table' = 'bid', 'events.num' = '1000000');

CREATE SINK q22 WITH ('connector' = 'blackhole') AS
SELECT auction, bidder, price, channel,
       SPLIT_INDEX(url, '/', 3) AS dir1, SPLIT_INDEX(url, '/', 4) AS dir2, SPLIT_INDEX(url, '/', 5) AS dir3
FROM bid;

-- test: the first three parts of the path; what is not there is NULL
-- input bid
--   auction | bidder | price | channel | url                        | dateTime
--   1       | 7      | 100   | apple   | https://www.a.com/x/y/z/i  | 2026-01-01 12:00:01
--   2       | 7      | 100   | apple   | https://www.a.com/x        | 2026-01-01 12:00:01
--   3       | 7      | 100   | apple   | https://www.a.com//y       | 2026-01-01 12:00:01
-- expect q22
--   auction | dir1 | dir2 | dir3
--   1       | x    | y    | z
--   2       | x    | NULL | NULL
--   3       | ""   | y    | NULL
