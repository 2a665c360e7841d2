-- A frame over the rows of windows: each window beside the two before it, by window_time.
CREATE SOURCE clicks (
  "user" VARCHAR, page VARCHAR, ms DOUBLE, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'input.ndjson', 'format' = 'json');

CREATE SINK result WITH ('connector' = 'filesystem', 'path' = 'out/result.ndjson', 'format' = 'json') AS
SELECT page, window_end, n, AVG(n) OVER (PARTITION BY page ORDER BY window_time ROWS BETWEEN 2 PRECEDING AND 1 PRECEDING) AS usual
FROM (
  SELECT page, window_start, window_end, window_time, COUNT(*) AS n
  FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '5' SECOND))
  GROUP BY page, window_start, window_end, window_time
);
