-- accepted: clicks = input.ndjson, ts, 1000, 30000

SELECT "user", MIN(ts) AS window_start, MAX(ts) + INTERVAL '5000 milliseconds' AS window_end, COUNT(*) AS n, SUM(ms) AS total, MIN(ms) AS low, MAX(ms) AS high, AVG(ms) AS mean
FROM (SELECT *, SUM(opens) OVER (PARTITION BY "user" ORDER BY ts ROWS UNBOUNDED PRECEDING) AS session
      FROM (SELECT *, CASE WHEN ts - LAG(ts) OVER (PARTITION BY "user" ORDER BY ts) <= INTERVAL '5000 milliseconds' THEN 0 ELSE 1 END AS opens FROM clicks))
GROUP BY "user", session
