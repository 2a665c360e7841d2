-- Arrow in: the columns that the query needs, in batches as they stand in the file; times of another unit.
CREATE SOURCE clicks (
  "user" VARCHAR, page VARCHAR, ms DOUBLE, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'input.arrow', 'format' = 'arrow');

CREATE SINK result WITH ('connector' = 'filesystem', 'path' = 'out/result.ndjson', 'format' = 'json') AS
SELECT "user", window_start, window_end, COUNT(*) AS n, SUM(ms) AS total, MIN(ms) AS low, MAX(ms) AS high, AVG(ms) AS mean
FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '10' SECOND))
GROUP BY "user", window_start, window_end;
