-- CUBE: the same rows grouped by several sets of keys in one result.
CREATE SOURCE clicks (
  "user" VARCHAR, page VARCHAR, ms DOUBLE, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'input.ndjson', 'format' = 'json');

CREATE SINK result WITH ('connector' = 'filesystem', 'path' = 'out/result.ndjson', 'format' = 'json') AS
SELECT "user", page, window_end, COUNT(*) AS n, SUM(ms) AS total
FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '20' SECOND))
GROUP BY window_start, window_end, CUBE ("user", page);
