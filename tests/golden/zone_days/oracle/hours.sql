-- accepted: readings = input.ndjson, ts, 0, 0

WITH zoned AS (SELECT ts, ts AT TIME ZONE 'UTC' AT TIME ZONE 'Europe/Berlin' AS clock FROM readings)
SELECT min(ts) AS window_start, max(ts) + INTERVAL 30 MINUTE AS window_end, COUNT(*) AS n
FROM zoned GROUP BY time_bucket(INTERVAL 30 MINUTE, clock) HAVING COUNT(*) > 1
