-- accepted: clicks = input.ndjson, ts, 5000, 0
-- accepted: taps = taps.ndjson, ts, 5000, 0

SELECT c."user", c.page, c.ts AS click_ts, t.ts AS tap_ts, t.ms
FROM clicks c JOIN taps t ON c."user" = t."user" AND t.ts BETWEEN c.ts AND c.ts + INTERVAL 2 SECOND
