-- accepted: clicks = clicks.ndjson, ts, 5000, 0
-- accepted: taps = taps.ndjson, ts, 5000, 0
SELECT page FROM (SELECT DISTINCT ON ("user") page FROM clicks ORDER BY "user", page NULLS FIRST, ms NULLS FIRST) EXCEPT ALL SELECT page FROM taps WHERE "user" = 'u2' AND ms IS NULL
