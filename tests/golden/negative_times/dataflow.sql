-- Rows before, around and after 1970: windows are floored for negative times too (B2, W2).
CREATE SOURCE clicks (
  "user" VARCHAR, page VARCHAR, ms DOUBLE, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'input.ndjson', 'format' = 'json');

CREATE SINK result WITH ('connector' = 'filesystem', 'path' = 'out/result.ndjson', 'format' = 'json') AS
SELECT window_start, window_end, window_time, COUNT(*) AS n, SUM(ms) AS total, MIN(ms) AS low, MAX(ms) AS high, AVG(ms) AS mean, MIN(ts) AS first_ts
FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '10' SECOND))
GROUP BY window_start, window_end, window_time;
