-- Nexmark q8, monitor new users: who came and opened an auction within the same ten seconds.
--
--   highwater run dataflows/nexmark/q8.sql --exit-at-end --no-serve
--
-- The sink takes the result and forgets it; write 'print' for 'blackhole' to see it.

CREATE TABLE person (
  WATERMARK FOR `dateTime` AS `dateTime` - INTERVAL '4' SECOND
) WITH ('connector' = 'nexmark', 'table' = 'person', 'events.num' = '1000000');

CREATE TABLE auction (
  WATERMARK FOR `dateTime` AS `dateTime` - INTERVAL '4' SECOND
) WITH ('connector' = 'nexmark', 'table' = 'auction', 'events.num' = '1000000');

CREATE SINK q8 WITH ('connector' = 'blackhole') AS
SELECT P.id, P.name, P.starttime
FROM (
  SELECT id, name, window_start AS starttime, window_end AS endtime
  FROM TABLE(TUMBLE(TABLE person, DESCRIPTOR(`dateTime`), INTERVAL '10' SECOND))
  GROUP BY id, name, window_start, window_end
) P JOIN (
  SELECT seller, window_start AS starttime, window_end AS endtime
  FROM TABLE(TUMBLE(TABLE auction, DESCRIPTOR(`dateTime`), INTERVAL '10' SECOND))
  GROUP BY seller, window_start, window_end
) A ON P.id = A.seller AND P.starttime = A.starttime AND P.endtime = A.endtime;

-- test: who came and sold in the same ten seconds, once
-- input person
--   id | name | dateTime
--   7  | ann  | 2026-01-01 12:00:01
--   8  | bob  | 2026-01-01 12:00:02
--   9  | cid  | 2026-01-01 12:00:11
-- input auction
--   seller | dateTime
--   7      | 2026-01-01 12:00:03
--   7      | 2026-01-01 12:00:09
--   8      | 2026-01-01 12:00:10
--   9      | 2026-01-01 12:00:12
-- end
-- expect q8
--   id | name | starttime
--   7  | ann  | 2026-01-01 12:00:00
--   9  | cid  | 2026-01-01 12:00:10
