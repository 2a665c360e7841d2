-- accepted: clicks = clicks.ndjson, ts, 5000, 0
-- accepted: taps = taps.ndjson, ts, 5000, 0
SELECT c."user", c.ms, (SELECT COUNT(*) FROM taps t WHERE t."user" = c."user" AND t.ms > 2) AS slow,
  (SELECT COUNT(DISTINCT t.page) + 1 FROM taps t WHERE t."user" = c."user" AND t.ms > 3) AS pages,
  (SELECT MAX(t.ms) FROM taps t WHERE t."user" = c."user" AND t.ms > 3) AS slowest
FROM clicks c
