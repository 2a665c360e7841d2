-- accepted: clicks = input.ndjson, ts, 5000, 0

SELECT "user", n FROM (SELECT "user", COUNT(*) AS n FROM clicks GROUP BY "user") ORDER BY n DESC, "user" NULLS FIRST LIMIT 2 OFFSET 1
