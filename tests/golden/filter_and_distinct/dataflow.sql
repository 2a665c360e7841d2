-- FILTER and DISTINCT within aggregates.
CREATE SOURCE clicks (
  "user" VARCHAR, page VARCHAR, ms DOUBLE, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'input.ndjson', 'format' = 'json');

CREATE SINK result WITH ('connector' = 'filesystem', 'path' = 'out/result.ndjson', 'format' = 'json') AS
SELECT "user", window_end, COUNT(*) FILTER (WHERE ms > 500) AS slow, SUM(ms) FILTER (WHERE page = '/a') AS on_a,
  COUNT(DISTINCT page) AS pages, COUNT(DISTINCT page) FILTER (WHERE ms > 500) AS slow_pages, SUM(DISTINCT ms) AS kinds
FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '20' SECOND))
GROUP BY "user", window_start, window_end;
