-- accepted: clicks = input.ndjson, ts, 5000, 0

SELECT page, ms, "user" FROM (SELECT page, ms, "user", DENSE_RANK() OVER (PARTITION BY page ORDER BY ms NULLS LAST) AS place FROM clicks) WHERE place <= 2 AND ms IS NOT NULL
