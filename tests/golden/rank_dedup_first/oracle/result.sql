-- accepted: clicks = input.ndjson, ts, 5000, 20000

SELECT "user", page, ms, ts FROM clicks QUALIFY ROW_NUMBER() OVER (PARTITION BY "user", page ORDER BY ts, position) = 1
