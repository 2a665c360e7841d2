-- accepted: clicks = clicks.ndjson, ts, 5000, 0
-- accepted: taps = taps.ndjson, ts, 5000, 0
SELECT "user", ms FROM clicks WHERE page IN (SELECT page FROM clicks EXCEPT ALL SELECT page FROM taps)
