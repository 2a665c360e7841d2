-- accepted: clicks = clicks.ndjson, ts, 5000, 0
-- accepted: taps = taps.ndjson, ts, 5000, 0
SELECT page, COUNT(*) AS users FROM (SELECT "user", page FROM clicks EXCEPT SELECT "user", page FROM taps WHERE ms < 3) GROUP BY page
