-- accepted: clicks = clicks.ndjson, ts, 5000, 0
-- accepted: taps = taps.ndjson, ts, 5000, 0
SELECT "user", page, ts FROM clicks WHERE page IN (SELECT page FROM taps WHERE ms > 2)
