-- accepted: clicks = clicks.ndjson, ts, 5000, 0
-- accepted: taps = taps.ndjson, ts, 5000, 0
SELECT "user", page, ts FROM clicks WHERE "user" NOT IN (SELECT "user" FROM taps WHERE ts >= TIMESTAMP '2026-02-02 02:40:20')
