-- accepted: clicks = input.ndjson, ts, 5000, 0

SELECT ms > 200 AS slow, page, MAX(ms) AS top FROM clicks GROUP BY ms > 200, page, ms > 200
