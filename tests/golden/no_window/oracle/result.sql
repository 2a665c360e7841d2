-- accepted: clicks = input.ndjson, ts, 5000, 0
SELECT "user", COUNT(*) AS n, SUM(ms) AS total, MIN(ms) AS low, MAX(ms) AS high, AVG(ms) AS mean FROM clicks GROUP BY ALL
