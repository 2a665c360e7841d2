-- accepted: clicks = clicks.ndjson, ts, 5000, 0
-- accepted: taps = taps.ndjson, ts, 5000, 0
SELECT "user", ms, (SELECT COUNT(*) * 2 + 1 FROM taps WHERE ms > 1000) AS one,
  (SELECT COUNT(*) FROM taps t WHERE t."user" = c."user" AND 'a' = 'b') AS zero
FROM clicks c WHERE ms > (SELECT COUNT(*) FROM taps WHERE page = '/nowhere')
