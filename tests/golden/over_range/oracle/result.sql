-- accepted: clicks = input.ndjson, ts, 5000, 0

SELECT "user", ts, ms,
  COUNT(*) OVER w AS n, AVG(ms) OVER w AS mean, MAX(ms) OVER w AS high, COUNT(DISTINCT page) OVER w AS pages
FROM clicks
WINDOW w AS (PARTITION BY "user" ORDER BY ts RANGE BETWEEN INTERVAL 4 SECOND PRECEDING AND CURRENT ROW)
