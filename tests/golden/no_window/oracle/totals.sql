-- accepted: clicks = input.ndjson, ts, 5000, 0
SELECT COUNT(*) AS n, SUM(ms) AS total FROM clicks
