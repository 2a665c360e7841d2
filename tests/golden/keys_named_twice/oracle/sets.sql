-- accepted: clicks = input.ndjson, ts, 5000, 0

SELECT page, "user", COUNT(*) AS n FROM clicks GROUP BY ROLLUP (page, "user")
