-- accepted: clicks = dataflows/data/clicks.ndjson, ts, 5000, 0
SELECT u.country, time_bucket(INTERVAL 5 MINUTE, c.ts) AS window_start, window_start + INTERVAL 5 MINUTE AS window_end,
  COUNT(*) AS views, COUNT(DISTINCT c.user_id) AS users, AVG(c.duration_ms) AS mean_ms
FROM clicks c LEFT JOIN read_csv('dataflows/data/users.csv') u ON c.user_id = u.id WHERE u.role IS DISTINCT FROM 'staff'
GROUP BY ALL
