-- Nexmark q21, channel id: from the channel's name, else from the url.
--
--   highwater run dataflows/nexmark/q21.sql --exit-at-end --no-serve
--
-- The sink takes the result and forgets it; write 'print' for 'blackhole' to see it.

CREATE TABLE bid (
  WATERMARK FOR `dateTime` AS `dateTime` - INTERVAL '4' SECOND
) WITH ('connector' = 'nexmark', 'table' = 'bid', 'events.num' = '1000000');

CREATE SINK q21 WITH ('connector' = 'blackhole') AS
SELECT auction, bidder, price, channel,
       CASE
         WHEN LOWER(channel) = 'apple' THEN '0'
         WHEN LOWER(channel) = 'google' THEN '1'
         WHEN LOWER(channel) = 'facebook' THEN '2'
         WHEN LOWER(channel) = 'baidu' THEN '3'
         ELSE REGEXP_EXTRACT(url, '(&|^)channel_id=([^&]*)', 2)
       END AS channel_id
FROM bid
WHERE REGEXP_EXTRACT(url, '(&|^)channel_id=([^&]*)', 2) IS NOT NULL
   OR LOWER(channel) IN ('apple', 'google', 'facebook', 'baidu');

-- test: a channel's number, or the one in the url; bids without either are left out
-- input bid
--   auction | bidder | price | channel  | url                             | dateTime
--   1       | 7      | 100   | Apple    | https://a/item?x=1              | 2026-01-01 12:00:01
--   2       | 7      | 100   | BAIDU    | https://a/item?x=1&channel_id=9 | 2026-01-01 12:00:01
--   3       | 7      | 100   | channel5 | https://a/item?x=1&channel_id=5 | 2026-01-01 12:00:01
--   4       | 7      | 100   | channel6 | channel_id=6&x=1                | 2026-01-01 12:00:01
--   5       | 7      | 100   | channel7 | https://a/item?channel_id=7     | 2026-01-01 12:00:01
-- expect q21
--   auction | channel  | channel_id
--   1       | Apple    | "0"
--   2       | BAIDU    | "3"
--   3       | channel5 | "5"
--   4       | channel6 | "6"
