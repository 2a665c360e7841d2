-- accepted: clicks = clicks.ndjson, ts, 5000, 0
-- accepted: taps = taps.ndjson, ts, 5000, 0
SELECT "user", ms, ts FROM clicks WHERE ms > (SELECT AVG(ms) FROM taps)
