-- accepted: clicks = clicks.ndjson, ts, 5000, 0
-- accepted: taps = taps.ndjson, ts, 5000, 0
SELECT "user", page, ms FROM clicks c WHERE ms > 3 OR EXISTS (SELECT 1 FROM taps t WHERE t."user" = c."user" AND t.page = c.page)
  OR (page = '/a' AND "user" NOT IN (SELECT "user" FROM taps WHERE ms > 2))
