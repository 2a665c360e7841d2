-- Every exact aggregate function, with NULLs among the values (B9).
CREATE SOURCE clicks (
  "user" VARCHAR, page VARCHAR, ms DOUBLE, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'input.ndjson', 'format' = 'json');

CREATE SINK result WITH ('connector' = 'filesystem', 'path' = 'out/result.ndjson', 'format' = 'json') AS
SELECT window_start, COUNT(*) AS n, COUNT(ms) AS n_ms, COUNT(DISTINCT page) AS pages, SUM(ms) AS s, AVG(ms) AS a, MIN(ms) AS lo,
  MAX(ms) AS hi, MIN(page) AS first_page, STDDEV_POP(ms) AS sdp, STDDEV_SAMP(ms) AS sds, VAR_POP(ms) AS vp, VAR_SAMP(ms) AS vs,
  MEDIAN(ms) AS med, PERCENTILE(ms, 0.9) AS p90, FIRST_VALUE(page) AS first_seen, LAST_VALUE(page) AS last_seen,
  ARRAY_AGG(page) AS trail, STRING_AGG(page, '>') AS path, BOOL_AND(ms > 100) AS all_slow, BOOL_OR(ms > 900) AS any_slow
FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '15' SECOND))
GROUP BY window_start, window_end;
