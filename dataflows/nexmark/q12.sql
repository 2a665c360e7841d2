-- Nexmark q12, windows by arrival: how many bids of a person come in each ten seconds, whenever they were made.
--
--   highwater run dataflows/nexmark/q12.sql --exit-at-end --no-serve
--
-- PROCTIME() stamps a bid as it comes in. Here 10,000 bids come a second by a made-up clock, so that a second run answers the same;
-- leave 'arrival.rate' out for the wall clock. The sink takes the result and forgets it; write 'print' for 'blackhole' to see it.

CREATE TABLE bid (
  p_time AS PROCTIME()
) WITH ('connector' = 'nexmark', 'table' = 'bid', 'events.num' = '1000000', 'arrival.rate' = '10000');

CREATE SINK q12 WITH ('connector' = 'blackhole') AS
SELECT bidder, COUNT(*) AS bid_count, window_start AS starttime, window_end AS endtime
FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR(p_time), INTERVAL '10' SECOND))
GROUP BY bidder, window_start, window_end;

-- test: a window is of when bids came, whenever they were made
-- # By the made-up clock all of these come in the first second; without it, when the test says.
-- at 2026-01-01 12:00:01
-- input bid
--   bidder | dateTime
--   7      | 2026-01-01 09:00:00
--   7      | 2026-01-01 08:00:00
--   8      | 2026-01-01 09:00:00
--   7      | 2026-01-02 10:00:00
-- expect q12
-- end bid
-- expect q12
--   bidder | bid_count | starttime           | endtime
--   7      | 3         | 1970-01-01 00:00:00 | 1970-01-01 00:00:10
--   8      | 1         | 1970-01-01 00:00:00 | 1970-01-01 00:00:10
