-- accepted: clicks = clicks.ndjson, ts, 5000, 0
-- accepted: taps = taps.ndjson, ts, 5000, 0
SELECT page FROM clicks INTERSECT ALL SELECT page FROM taps
