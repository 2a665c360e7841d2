-- Nexmark q11, user sessions: how many bids a person makes in each session, which ten quiet seconds end.
--
--   highwater run dataflows/nexmark/q11.sql --exit-at-end --no-serve
--
-- The sink takes the result and forgets it; write 'print' for 'blackhole' to see it.

CREATE TABLE bid (
  WATERMARK FOR `dateTime` AS `dateTime` - INTERVAL '4' SECOND
) WITH ('connector' = 'nexmark', 'table' = 'bid', 'events.num' = '1000000');

CREATE SINK q11 WITH ('connector' = 'blackhole') AS
SELECT bidder, COUNT(*) AS bid_count,
       SESSION_START(`dateTime`, INTERVAL '10' SECOND) AS starttime,
       SESSION_END(`dateTime`, INTERVAL '10' SECOND) AS endtime
FROM bid
GROUP BY bidder, SESSION(`dateTime`, INTERVAL '10' SECOND);

-- test: bids with at most ten seconds between them are one session
-- input bid
--   bidder | dateTime
--   7      | 2026-01-01 12:00:00
--   8      | 2026-01-01 12:00:01
--   7      | 2026-01-01 12:00:10
--   8      | 2026-01-01 12:00:13
--   7      | 2026-01-01 12:00:20.001
-- # In any order within four seconds; what comes later is late.
-- input bid
--   bidder | dateTime
--   7      | 2026-01-01 12:00:17
--   8      | 2026-01-01 12:00:11
-- end bid
-- expect q11
--   bidder | bid_count | starttime           | endtime
--   7      | 4         | 2026-01-01 12:00:00 | 2026-01-01 12:00:30.001
--   8      | 1         | 2026-01-01 12:00:01 | 2026-01-01 12:00:11
--   8      | 1         | 2026-01-01 12:00:13 | 2026-01-01 12:00:23
