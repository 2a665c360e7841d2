-- accepted: clicks = input.ndjson, ts, 5000, 0
-- accepted: taps = taps.ndjson, ts, 5000, 0

SELECT 'click' AS kind, "user", ms FROM clicks WHERE ms > 900 UNION ALL SELECT 'tap', "user", ms FROM taps WHERE ms > 900
