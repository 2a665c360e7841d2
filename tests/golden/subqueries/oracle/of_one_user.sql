-- accepted: clicks = clicks.ndjson, ts, 5000, 0
-- accepted: taps = taps.ndjson, ts, 5000, 0
SELECT c."user", t."user" AS other, c.ms, t.ms AS t_ms FROM clicks c RIGHT JOIN taps t ON c."user" = t."user" AND 'u2' = t."user" AND 2 < t.ms
