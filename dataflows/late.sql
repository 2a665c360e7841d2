-- What happens to rows that come late.
--
--     cargo run --release -- run dataflows/late.sql --exit-at-end --tick-rows 50
--     grep -c retract out/readings.ndjson
--
-- Meters report every few seconds, but some sit in a cellar and deliver their readings when they have reception again.
-- The watermark is 3 s behind the newest row, so windows close early and results are prompt. 'lateness' = '1 minute' keeps
-- what a closed window held for another minute: a row that comes within it amends the window: one `retract` of the old row,
-- one `insert` of the new, in one epoch (see _op and _epoch in the output). A row later than that is in no result; it is a
-- dead letter with its lateness, and counted. Try 'unbounded', or '0 s', and count again.

CREATE SOURCE meters (
  meter VARCHAR, kwh DOUBLE, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '3' SECOND
) WITH (
  'connector' = 'filesystem', 'path' = 'dataflows/data/meters.ndjson', 'format' = 'json', 'lateness' = '1 minute'
);

CREATE MATERIALIZED VIEW readings AS
SELECT meter, window_start, window_end, COUNT(*) AS readings, SUM(kwh) AS kwh
FROM TABLE(TUMBLE(TABLE meters, DESCRIPTOR(ts), INTERVAL '20' SECOND))
GROUP BY meter, window_start, window_end;

-- What is computed from an amended view is amended too: the total takes back what it had counted.
CREATE MATERIALIZED VIEW total AS
SELECT window_end, COUNT(*) AS meters, SUM(kwh) AS kwh
FROM readings
GROUP BY window_end;

CREATE SINK readings_out WITH ('connector' = 'filesystem', 'path' = 'out/readings.ndjson', 'format' = 'json') AS
SELECT * FROM readings;

CREATE SINK total_out WITH ('connector' = 'filesystem', 'path' = 'out/total.ndjson', 'format' = 'json') AS
SELECT * FROM total;

-- test: a reading that comes within a minute amends, one that comes later does not
-- input meters
--   meter | kwh | ts
--   m1    | 1   | 2026-01-01 12:00:01
--   m2    | 2   | 2026-01-01 12:00:02
--   m1    | 1   | 2026-01-01 12:00:23
-- expect changes readings
--   _op    | meter | window_end          | readings | kwh
--   insert | m1    | 2026-01-01 12:00:20 | 1        | 1
--   insert | m2    | 2026-01-01 12:00:20 | 1        | 2
-- # W = 12:00:20, so the first window has closed.
-- input meters
--   meter | kwh | ts
--   m1    | 4   | 2026-01-01 12:00:03
-- expect changes readings
--   _op     | meter | readings | kwh
--   retract | m1    | 1        | 1
--   insert  | m1    | 2        | 5
-- watermark meters 12:01:30
-- input meters
--   meter | kwh | ts
--   m2    | 8   | 2026-01-01 12:00:19
-- expect changes readings
--   _op    | meter | window_end          | readings | kwh
--   insert | m1    | 2026-01-01 12:00:40 | 1        | 1
-- expect total
--   window_end          | meters | kwh
--   2026-01-01 12:00:20 | 2      | 7
--   2026-01-01 12:00:40 | 1      | 1
-- expect dead letters meters
--   reason
--   late
