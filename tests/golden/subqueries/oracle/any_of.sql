-- accepted: clicks = clicks.ndjson, ts, 5000, 0
-- accepted: taps = taps.ndjson, ts, 5000, 0
SELECT "user", ts FROM clicks WHERE "user" = ANY (SELECT "user" FROM taps) AND page IS NOT NULL
