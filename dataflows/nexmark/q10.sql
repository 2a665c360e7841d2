-- Nexmark q10, the log of bids: written to files, with the day and the minute that readers look for them by.
--
--   highwater run dataflows/nexmark/q10.sql --exit-at-end --no-serve
--
-- The files are in out/.

CREATE TABLE bid (
  WATERMARK FOR `dateTime` AS `dateTime` - INTERVAL '4' SECOND
) WITH ('connector' = 'nexmark', 'table' = 'bid', 'events.num' = '1000000');

CREATE SINK q10 WITH ('connector' = 'filesystem', 'path' = 'out/q10.csv', 'format' = 'csv') AS
SELECT auction, bidder, price, `dateTime`, extra, DATE_FORMAT(`dateTime`, 'yyyy-MM-dd') AS dt, DATE_FORMAT(`dateTime`, 'HH:mm') AS hm
FROM bid;

-- test: a bid has its day and its minute
-- input bid
--   auction | bidder | price | dateTime                | extra
--   1       | 7      | 100   | 2026-01-01 23:59:59.999 | a
--   2       | 8      | 200   | 2026-01-02 00:00:00     | b
-- expect q10
--   auction | bidder | price | dateTime                | extra | dt         | hm
--   1       | 7      | 100   | 2026-01-01 23:59:59.999 | a     | 2026-01-01 | "23:59"
--   2       | 8      | 200   | 2026-01-02 00:00:00     | b     | 2026-01-02 | "00:00"
