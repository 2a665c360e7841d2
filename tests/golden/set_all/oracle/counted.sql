-- accepted: clicks = clicks.ndjson, ts, 5000, 0
-- accepted: taps = taps.ndjson, ts, 5000, 0
SELECT page, COUNT(*) AS rows_left FROM (SELECT page, "user" FROM clicks EXCEPT ALL SELECT page, "user" FROM taps) WHERE page <> 'b' GROUP BY page
