-- accepted: steps = dataflows/data/steps.ndjson, ts, 120000, 0
SELECT user_id, MIN(ts) AS began, MAX(ts) + INTERVAL 20 MINUTE AS ended, COUNT(*) AS steps,
  FIRST(action ORDER BY ts, position) AS first_action, LAST(action ORDER BY ts, position) AS last_action,
  STRING_AGG(action, ' > ' ORDER BY ts, position) AS path, SUM(amount) AS spent,
  SUM(CASE action WHEN 'view' THEN 1 WHEN 'search' THEN 2 WHEN 'add' THEN 5 WHEN 'buy' THEN 20 ELSE 0 END) AS engagement
FROM (SELECT *, SUM(opens) OVER (PARTITION BY user_id ORDER BY ts, position ROWS UNBOUNDED PRECEDING) AS session
      FROM (SELECT *, CASE WHEN ts - LAG(ts) OVER (PARTITION BY user_id ORDER BY ts, position) <= INTERVAL 20 MINUTE
                           THEN 0 ELSE 1 END AS opens FROM steps))
GROUP BY user_id, session
