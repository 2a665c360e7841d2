-- accepted: clicks = clicks.ndjson, ts, 5000, 0
-- accepted: taps = taps.ndjson, ts, 5000, 0
SELECT "user", page FROM clicks EXCEPT ALL SELECT "user", page FROM taps
