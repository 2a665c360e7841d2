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
