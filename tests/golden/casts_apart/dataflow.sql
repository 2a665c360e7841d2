-- Calls of one function over a column and over a cast of it are two calls, of every aggregate, with FILTER, DISTINCT and OVER.
CREATE SOURCE t (k VARCHAR, a BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH ('connector' = 'filesystem', 'path' = 't.ndjson', 'format' = 'json');

CREATE SINK grouped WITH ('connector' = 'filesystem', 'path' = 'out/grouped.ndjson', 'format' = 'json') AS
SELECT k, SUM(a) AS sum_a, SUM(CAST(a AS DECIMAL(38, 0))) AS sum_b, SUM(CAST(a AS DOUBLE)) AS sum_c, AVG(a) AS avg_a, AVG(CAST(a AS DECIMAL(10, 0))) AS avg_b,
  MIN(a) AS min_a, MIN(CAST(a AS VARCHAR)) AS min_b, MAX(a) AS max_a, MAX(CAST(a AS VARCHAR)) AS max_b, COUNT(a) AS count_a, COUNT(CAST(a AS VARCHAR)) AS count_b,
  COUNT(DISTINCT a) AS distinct_a, COUNT(DISTINCT CAST(a AS BOOLEAN)) AS distinct_b, FIRST_VALUE(a) AS first_a, FIRST_VALUE(CAST(a AS VARCHAR)) AS first_b,
  LAST_VALUE(a) AS last_a, LAST_VALUE(CAST(a AS DOUBLE)) AS last_b, ARRAY_AGG(a) AS all_a, ARRAY_AGG(CAST(a AS VARCHAR)) AS all_b,
  STDDEV_POP(a) AS dev_a, STDDEV_POP(CAST(a AS DOUBLE)) AS dev_b, VAR_SAMP(a) AS var_a, VAR_SAMP(CAST(a AS DOUBLE)) AS var_b, MEDIAN(a) AS median_a, MEDIAN(CAST(a AS DOUBLE)) AS median_b
FROM t GROUP BY k;
CREATE SINK filtered WITH ('connector' = 'filesystem', 'path' = 'out/filtered.ndjson', 'format' = 'json') AS
SELECT SUM(a) FILTER (WHERE a > 1) AS a, SUM(CAST(a AS DECIMAL(38, 0))) FILTER (WHERE a > 1) AS b, SUM(a) AS c, SUM(CAST(a AS DECIMAL(38, 0))) AS d,
  COUNT(*) FILTER (WHERE CAST(a AS VARCHAR) = '2') AS e, SUM(DISTINCT a) AS f, SUM(DISTINCT CAST(a AS DECIMAL(38, 0))) AS g FROM t;
CREATE SINK over_frames WITH ('connector' = 'filesystem', 'path' = 'out/over_frames.ndjson', 'format' = 'json') AS
SELECT k, ts, SUM(a) OVER w AS a, SUM(CAST(a AS DECIMAL(38, 0))) OVER w AS b, MAX(a) OVER w AS c, MAX(CAST(a AS VARCHAR)) OVER w AS d, AVG(a) OVER w AS e, AVG(CAST(a AS DECIMAL(10, 0))) OVER w AS f FROM t WINDOW w AS (PARTITION BY k ORDER BY ts);
CREATE SINK in_windows WITH ('connector' = 'filesystem', 'path' = 'out/in_windows.ndjson', 'format' = 'json') AS
SELECT window_end, SUM(a) AS a, SUM(CAST(a AS DECIMAL(38, 0))) AS b FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '3' SECOND))
GROUP BY window_start, window_end HAVING SUM(a) > 1 AND SUM(CAST(a AS DECIMAL(38, 0))) > 2;
CREATE SINK lagging WITH ('connector' = 'filesystem', 'path' = 'out/lagging.ndjson', 'format' = 'json') AS
SELECT k, ts, LAG(a) OVER (PARTITION BY k ORDER BY ts) AS a, LAG(CAST(a AS VARCHAR)) OVER (PARTITION BY k ORDER BY ts) AS b, LAG(CAST(a AS DOUBLE) + 1) OVER (PARTITION BY k ORDER BY ts) AS c FROM t;
