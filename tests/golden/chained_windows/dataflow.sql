-- A window over a window: window_time is an event time again (B5).
CREATE SOURCE clicks (
  "user" VARCHAR, page VARCHAR, ms DOUBLE, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'input.ndjson', 'format' = 'json');

CREATE VIEW per_5s AS
SELECT page, window_time, COUNT(*) AS n
FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '5' SECOND))
GROUP BY page, window_start, window_end, window_time;

CREATE SINK result WITH ('connector' = 'filesystem', 'path' = 'out/result.ndjson', 'format' = 'json') AS
SELECT window_start, window_end, MAX(n) AS busiest, SUM(n) AS n, COUNT(*) AS rows_of_pages
FROM TABLE(TUMBLE(TABLE per_5s, DESCRIPTOR(window_time), INTERVAL '20' SECOND))
GROUP BY window_start, window_end;
