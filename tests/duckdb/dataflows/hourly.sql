-- accepted: steps = dataflows/data/steps.ndjson, ts, 120000, 0
SELECT time_bucket(INTERVAL 1 HOUR, ended - INTERVAL 1 MILLISECOND) AS window_start, window_start + INTERVAL 1 HOUR AS window_end,
  COUNT(*) AS visits, COUNT(*) FILTER (spent > 0) AS buyers, SUM(spent) AS revenue
FROM (
  SELECT user_id, MAX(ts) + INTERVAL 20 MINUTE AS ended, SUM(amount) AS spent
  FROM (SELECT *, SUM(opens) OVER (PARTITION BY user_id ORDER BY ts, position ROWS UNBOUNDED PRECEDING) AS session
        FROM (SELECT *, CASE WHEN ts - LAG(ts) OVER (PARTITION BY user_id ORDER BY ts, position) <= INTERVAL 20 MINUTE
                             THEN 0 ELSE 1 END AS opens FROM steps))
  GROUP BY user_id, session)
GROUP BY window_start
