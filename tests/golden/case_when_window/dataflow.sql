-- Expressions over aggregates, and keys that are expressions.
CREATE SOURCE clicks (
  "user" VARCHAR, page VARCHAR, ms DOUBLE, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'input.ndjson', 'format' = 'json');

CREATE SINK result WITH ('connector' = 'filesystem', 'path' = 'out/result.ndjson', 'format' = 'json') AS
SELECT SUBSTRING(page, 2) AS p, window_end, SUM(ms) / COUNT(*) AS mean, CASE WHEN COUNT(*) > 3 THEN 'busy' ELSE 'calm' END AS how, MAX(ms) - MIN(ms) AS spread
FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '10' SECOND))
GROUP BY SUBSTRING(page, 2), window_start, window_end;
