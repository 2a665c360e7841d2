SELECT user_id, MIN(ts) AS window_start, MAX(ts) + INTERVAL 3 SECOND AS window_end, COUNT(*) AS steps, COUNT(DISTINCT page) AS pages,
  BOOL_OR(action = 'purchase') AS bought, SUM(duration_ms) / 1000.0 AS seconds
FROM (SELECT *, SUM(opens) OVER (PARTITION BY user_id ORDER BY ts ROWS UNBOUNDED PRECEDING) AS session
      FROM (SELECT *, CASE WHEN ts - LAG(ts) OVER (PARTITION BY user_id ORDER BY ts) <= INTERVAL 3 SECOND THEN 0 ELSE 1 END AS opens
            FROM events WHERE type = 'user'))
GROUP BY user_id, session
