-- accepted: clicks = input.ndjson, ts, 5000, 0
SELECT DISTINCT "user", page FROM clicks WHERE ms < 900
