-- accepted: clicks = clicks.ndjson, ts, 5000, 0
-- accepted: taps = taps.ndjson, ts, 5000, 0
SELECT "user", ms, ts FROM clicks c WHERE ms = (SELECT MAX(ms) FROM clicks d WHERE d."user" = c."user")
