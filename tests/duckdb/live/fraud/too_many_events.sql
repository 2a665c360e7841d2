SELECT user_id, time_bucket(INTERVAL 1 MINUTE, ts) + INTERVAL 1 MINUTE AS window_end, COUNT(*) AS events_seen,
  SUM(amount) AS amount, 50 AS most
FROM events GROUP BY ALL HAVING events_seen > 50
