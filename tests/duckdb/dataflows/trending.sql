-- accepted: clicks = dataflows/data/clicks.ndjson, ts, 5000, 0
WITH trending AS (
  SELECT page, start AS window_start, start + INTERVAL 1 HOUR AS window_end, COUNT(*) AS views, COUNT(DISTINCT user_id) AS users
  FROM (SELECT page, user_id, unnest(generate_series(time_bucket(INTERVAL 5 MINUTE, ts) - INTERVAL 55 MINUTE, time_bucket(INTERVAL 5 MINUTE, ts), INTERVAL 5 MINUTE)) AS start
        FROM clicks)
  GROUP BY page, start HAVING COUNT(*) > 100)
FROM trending
