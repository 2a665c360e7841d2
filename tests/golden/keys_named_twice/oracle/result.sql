-- accepted: clicks = input.ndjson, ts, 5000, 0

SELECT "user" AS a, "user" AS b, COUNT(*) AS n, SUM(ms) AS total FROM clicks GROUP BY "user", "user"
