CREATE SOURCE a (ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH ('connector' = 'http', 'idle-timeout' = '10 s');
CREATE SOURCE b (ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH ('connector' = 'http', 'idle-timeout' = '10 s');
CREATE MATERIALIZED VIEW n AS
SELECT window_end, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE a, DESCRIPTOR(ts), INTERVAL '1' SECOND)) GROUP BY window_start, window_end;
CREATE MATERIALIZED VIEW m AS
SELECT window_end, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE b, DESCRIPTOR(ts), INTERVAL '1' SECOND)) GROUP BY window_start, window_end;

-- test: a source that has just brought a row is not idle, though that moved the clock far
-- input a
--   ts
--   2026-01-01 12:00:00
-- input b
--   ts
--   2026-01-01 12:05:00
-- input a
--   ts
--   2026-01-01 12:05:02
-- input b
--   ts
--   2026-01-01 12:05:01
-- expect dead letters b
--
-- test: nor is it where the clock is set, whatever was restarted meanwhile
-- at 2026-01-01 12:00:00
-- input a
--   ts
--   2026-01-01 12:00:00
-- at 12:05:00
-- input b
--   ts
--   2026-01-01 12:05:00
-- at 12:05:02
-- input a
--   ts
--   2026-01-01 12:05:02
-- input b
--   ts
--   2026-01-01 12:05:01
-- expect dead letters b
--
-- test: one that is idle is so over restarts too
-- at 2026-01-01 12:00:00
-- input a
--   ts
--   2026-01-01 12:00:00
-- at 12:05:00
-- input b
--   ts
--   2026-01-01 12:05:00
-- input a
--   ts
--   2026-01-01 12:00:01
-- expect dead letters a
--   reason
--   late
