-- accepted: clicks = dataflows/data/clicks.ndjson, ts, 5000, 0
-- ignored: p95_ms_approx
SELECT page, time_bucket(INTERVAL 1 MINUTE, ts) AS window_start, window_start + INTERVAL 1 MINUTE AS window_end, COUNT(*) AS views,
  COUNT(DISTINCT user_id) AS users, AVG(duration_ms) AS mean_ms, QUANTILE_CONT(duration_ms, 0.5) AS median_ms,
  QUANTILE_CONT(duration_ms, 0.95) AS p95_ms, COUNT(*) FILTER (status >= 500) AS failures
FROM clicks GROUP BY page, window_start
