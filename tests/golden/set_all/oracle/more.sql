-- accepted: clicks = clicks.ndjson, ts, 5000, 0
-- accepted: taps = taps.ndjson, ts, 5000, 0
SELECT page, "user" FROM clicks EXCEPT ALL SELECT page, "user" FROM taps
