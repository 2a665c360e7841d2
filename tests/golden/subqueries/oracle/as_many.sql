-- accepted: clicks = clicks.ndjson, ts, 5000, 0
-- accepted: taps = taps.ndjson, ts, 5000, 0
SELECT c."user", c.ms FROM clicks c WHERE c.ms >= (SELECT COUNT(*) FROM taps t WHERE t."user" = c."user" AND t.ms > 3)
