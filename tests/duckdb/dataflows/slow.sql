-- accepted: clicks = dataflows/data/clicks.ndjson, ts, 5000, 0
SELECT user_id, page, ts, duration_ms, usual_ms, last_minute FROM (
  SELECT user_id, page, ts, duration_ms,
    AVG(duration_ms) OVER (PARTITION BY page ORDER BY ts, position ROWS BETWEEN 10 PRECEDING AND 1 PRECEDING) AS usual_ms,
    COUNT(*) OVER (PARTITION BY page ORDER BY ts RANGE BETWEEN INTERVAL 1 MINUTE PRECEDING AND CURRENT ROW) AS last_minute
  FROM clicks)
WHERE duration_ms > 3 * usual_ms
