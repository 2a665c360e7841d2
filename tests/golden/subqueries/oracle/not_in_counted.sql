-- accepted: clicks = clicks.ndjson, ts, 5000, 0
-- accepted: taps = taps.ndjson, ts, 5000, 0
SELECT page, COUNT(*) AS n FROM clicks WHERE LOWER("user") <> ALL (SELECT "user" FROM taps WHERE "user" IS NOT NULL AND ms = 4) GROUP BY page
