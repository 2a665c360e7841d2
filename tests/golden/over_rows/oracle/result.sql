-- accepted: clicks = input.ndjson, ts, 5000, 20000

SELECT "user", ts, ms,
  SUM(ms) OVER (PARTITION BY "user" ORDER BY ts, position ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) AS total,
  COUNT(*) FILTER (WHERE ms > 300) OVER (PARTITION BY "user" ORDER BY ts, position ROWS BETWEEN 4 PRECEDING AND 1 PRECEDING) AS slow,
  LAG(page) OVER (PARTITION BY "user" ORDER BY ts, position) AS before
FROM clicks
