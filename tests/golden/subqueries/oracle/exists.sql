-- accepted: clicks = clicks.ndjson, ts, 5000, 0
-- accepted: taps = taps.ndjson, ts, 5000, 0
SELECT c."user", c.page, c.ts FROM clicks c WHERE EXISTS (SELECT 1 FROM taps t WHERE t."user" = c."user" AND t.page = c.page)
