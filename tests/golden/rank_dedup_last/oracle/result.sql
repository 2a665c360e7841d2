-- accepted: clicks = input.ndjson, ts, 5000, 0

SELECT "user", ms, ts FROM clicks QUALIFY ROW_NUMBER() OVER (PARTITION BY "user" ORDER BY ts DESC, position DESC) = 1
