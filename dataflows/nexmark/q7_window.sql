-- Nexmark q7's window: the highest price bid in each ten seconds (the query itself joins the bids back to it).
--
--   highwater run dataflows/nexmark/q7_window.sql --exit-at-end --no-serve
--
-- The sink takes the result and forgets it; write 'print' for 'blackhole' to see it.

CREATE TABLE bid (
  WATERMARK FOR `dateTime` AS `dateTime` - INTERVAL '4' SECOND
) WITH ('connector' = 'nexmark', 'table' = 'bid', 'events.num' = '1000000');

CREATE SINK q7_window WITH ('connector' = 'blackhole') AS
SELECT window_start, window_end, MAX(price) AS max_price
FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR(`dateTime`), INTERVAL '10' SECOND))
GROUP BY window_start, window_end;

-- test: the highest price of every ten seconds that have a bid
-- input bid
--   price | dateTime
--   100   | 2026-01-01 12:00:01
--   300   | 2026-01-01 12:00:09
--   200   | 2026-01-01 12:00:10
--   50    | 2026-01-01 12:00:31
-- end bid
-- expect q7_window
--   window_start        | window_end          | max_price
--   2026-01-01 12:00:00 | 2026-01-01 12:00:10 | 300
--   2026-01-01 12:00:10 | 2026-01-01 12:00:20 | 200
--   2026-01-01 12:00:30 | 2026-01-01 12:00:40 | 50
